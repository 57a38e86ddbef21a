//! Reads at a fixed rate, whatever the answers take (an open loop), at rest and while everything is merged.

use crate::reads::whole;
use futures_lite::future::block_on;
use postlode_benches::figures::{Times, rate};
use postlode_benches::{BenchError, mails};
use postlode_store::Store;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Threads that ask: more than are ever waited for at once.
const ASKING: usize = 32;
/// Threads of the measurement of what there is to be had.
const CLOSED: usize = 4;

/// Measures reads at a fifth of what the store can give, at rest and during a compaction.
pub fn beside_compaction(store: &Store, emails: u64, seconds: f64) -> Result<(), BenchError> {
    let capacity = closed_loop(store, emails, seconds)?;
    let fifth = capacity / 5.0;
    println!("  reads of one email, {CLOSED} at once: {capacity:.0} a second; from now on {fifth:.0}");
    let ended = AtomicBool::new(false);
    let rest = std::thread::scope(|scope| {
        let ended = &ended;
        let timer = scope.spawn(move || {
            std::thread::sleep(Duration::from_secs_f64(seconds));
            ended.store(true, Ordering::Relaxed);
        });
        let times = open_loop(store, emails, fifth, ended);
        drop(timer.join());
        times
    })?;
    println!("  at rest                        {}", rest.told());
    ended.store(false, Ordering::Relaxed);
    let since = Instant::now();
    let (merging, compacted) = std::thread::scope(|scope| {
        let ended = &ended;
        let merger = scope.spawn(move || {
            let done = block_on(store.compact());
            ended.store(true, Ordering::Relaxed);
            done
        });
        let times = open_loop(store, emails, fifth, ended);
        (times, merger.join())
    });
    compacted.map_err(|_| BenchError::Other("the compaction panicked".into()))??;
    let merging = merging?;
    println!(
        "  during a compaction of {:.1} s   {}  (p99 {:.2} times that at rest)",
        since.elapsed().as_secs_f64(),
        merging.told(),
        merging.percentile(99) / rest.percentile(99).max(1e-9)
    );
    Ok(())
}

fn closed_loop(store: &Store, emails: u64, seconds: f64) -> Result<f64, BenchError> {
    let since = Instant::now();
    let one = |seed: u64| {
        let mut chance = mails::Chance::new(seed);
        let mut count = 0u64;
        while since.elapsed().as_secs_f64() < seconds {
            whole(block_on(store.emails(&[mails::id(chance.below(emails))]))?.into_iter())?;
            count += 1;
        }
        Ok::<u64, BenchError>(count)
    };
    let count = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLOSED as u64).map(|n| scope.spawn(move || one(n + 3))).collect();
        threads.into_iter().try_fold(0u64, |sum, thread| {
            let joined = thread.join().unwrap_or_else(|_| Err(BenchError::Other("a reader panicked".into())));
            joined.map(|count| sum + count)
        })
    })?;
    Ok(rate(count, since.elapsed().as_secs_f64()))
}

/// A question is due every 1/`a_second` seconds, and its time counts from when it was due.
fn open_loop(store: &Store, emails: u64, a_second: f64, ended: &AtomicBool) -> Result<Times, BenchError> {
    let (since, next) = (Instant::now(), AtomicU64::new(0));
    let one = |seed: u64| {
        let mut chance = mails::Chance::new(seed);
        let mut times = Times::default();
        while !ended.load(Ordering::Relaxed) {
            let ticket = next.fetch_add(1, Ordering::Relaxed);
            let due = since + Duration::from_secs_f64(ticket as f64 / a_second);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            whole(block_on(store.emails(&[mails::id(chance.below(emails))]))?.into_iter())?;
            times.add(due.elapsed());
        }
        Ok::<Times, BenchError>(times)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..ASKING as u64).map(|n| scope.spawn(move || one(n + 100))).collect();
        let mut all = Times::default();
        for thread in threads {
            let joined = thread.join().unwrap_or_else(|_| Err(BenchError::Other("a reader panicked".into())));
            all.extend(&joined?);
        }
        Ok(all)
    })
}
