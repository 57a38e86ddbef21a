//! Reads of one kind at a time, by one who waits for each answer.

use futures_lite::future::block_on;
use postlode_benches::figures::{Times, rate};
use postlode_benches::{BenchError, mails};
use postlode_format::id::Id;
use postlode_format::index::{IndexId, Position, part_prefix};
use postlode_store::{KeyRange, Scan, Store};
use std::time::{Duration, Instant};

/// Emails that are read again and again: they fit into the cache.
const HOT: u64 = 20_000;
/// Emails of one request.
const MANY: usize = 256;

/// Reads from the cache.
pub fn cached(store: &Store, emails: u64, seconds: f64) -> Result<(), BenchError> {
    let mut chance = mails::Chance::new(1);
    let hot: Vec<Id> = (0..HOT).map(|_| mails::id(chance.below(emails))).collect();
    for some in hot.chunks(MANY) {
        whole(block_on(store.emails(some))?.into_iter())?;
    }
    let (since, mut count) = (Instant::now(), 0u64);
    'time: loop {
        for some in hot.chunks(MANY) {
            whole(block_on(store.emails(some))?.into_iter())?;
            count += some.len() as u64;
            if since.elapsed().as_secs_f64() >= seconds {
                break 'time;
            }
        }
    }
    let shards = store.shards();
    println!(
        "  cached, {MANY} at a time, with places and marks: {:.0} emails a second ({shards} shards)",
        rate(count, since.elapsed().as_secs_f64())
    );
    told("one email, cached", seconds, |n| {
        let id = hot.get(n % hot.len()).copied().unwrap_or_default();
        whole(block_on(store.emails(&[id]))?.into_iter())
    })?;
    told("newest 50 of a sender", seconds, |n| {
        let range = KeyRange::prefix(&part_prefix(&mails::sender(n as u64)));
        let scan = Scan { index: IndexId::Sender, range, descending: true, limit: 50 };
        let page = block_on(store.scan(scan))?;
        match page.missing.first() {
            None => Ok(()),
            Some(missing) => Err(BenchError::Other(missing.to_string())),
        }
    })?;
    told("count over a range of dates", seconds, |n| {
        let at = |share: u64| mails::date(emails * share / 1_000);
        let (from, to) = (at(n as u64 % 500), at(n as u64 % 500 + 500));
        let (from, to) = (Position { date: from, ..Position::MIN }, Position { date: to, ..Position::MAX });
        block_on(store.count(IndexId::Date, KeyRange::positions(&[], from, to)))?;
        Ok(())
    })
}

/// Reads from the disk: nothing is kept in the store's cache.
pub fn cold(store: &Store, emails: u64, seconds: f64) -> Result<(), BenchError> {
    let mut chance = mails::Chance::new(2);
    told("one email, cold", seconds, |_| {
        whole(block_on(store.emails(&[mails::id(chance.below(emails))]))?.into_iter())
    })
}

/// A figure of answers that lack something would be worth nothing.
pub fn whole<T, E: std::fmt::Display>(
    mut found: impl Iterator<Item = Result<Option<T>, E>>,
) -> Result<(), BenchError> {
    found.try_for_each(|one| match one {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(BenchError::Other("an email is not there".into())),
        Err(missing) => Err(BenchError::Other(missing.to_string())),
    })
}

fn told(
    what: &str,
    seconds: f64,
    mut ask: impl FnMut(usize) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut times = Times::default();
    while Instant::now() < end {
        let since = Instant::now();
        ask(times.len())?;
        times.add(since.elapsed());
    }
    println!("  {what:<30} {}", times.told());
    Ok(())
}
