//! The store on a simulated machine: random work, faults, crashes, and a model that remembers what was
//! acknowledged. `SEEDS=n` runs n seeds (default 100), `SEED=n` one of them again.
//!
//! What must hold after each opening: what was acknowledged is there, whole and right, or (where bits were turned
//! on the medium) named as missing; what was not acknowledged is there as a whole or not at all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::*;
use postlode_format::row::*;
use postlode_runtime::Runtime;
use postlode_runtime::sim::{Sim, SimCounts, SimOptions};
use postlode_store::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): the test's own choices, apart from the machine's.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What the test knows.
#[derive(Default)]
struct Model {
    /// Acknowledged emails.
    there: BTreeSet<u64>,
    /// Emails whose batch failed or was cut off.
    maybe: BTreeSet<u64>,
    /// Merges that the store did, by itself or because it was asked.
    merges: u64,
    /// Acknowledged revision of each mark, and the highest that was tried.
    marks: BTreeMap<u64, (u64, u64)>,
}

const EMAILS: u64 = 400;

fn small(shards: usize) -> StoreOptions {
    let mut options = options(shards, Access::Write);
    options.memtable_bytes = 24 << 10;
    options.log_file_bytes = 256 << 10;
    // Merges come by themselves, beside all the rest.
    options.fan_in = 3;
    options
}

/// Does random work until something fails or the round is over.
async fn work(store: &Store, random: &mut Random, model: &mut Model) -> Result<(), StoreError> {
    for _ in 0..12 + random.below(20) {
        match random.below(12) {
            0 => store.seal().await?,
            1 => {
                // Merging beside loading: a segment that is sealed meanwhile must not be taken for a merged one.
                let from = random.below(EMAILS);
                let some: Vec<u64> = (0..60).map(|i| (from + i) % EMAILS).collect();
                model.maybe.extend(&some);
                let load = async {
                    for part in some.chunks(6) {
                        store.load(batch(part.iter().copied())).await?;
                    }
                    Ok(())
                };
                let (merged, loaded): (_, Result<(), StoreError>) =
                    futures_lite::future::zip(store.compact(), load).await;
                if loaded.is_ok() {
                    model.there.extend(&some);
                }
                merged.and(loaded)?;
            }
            2 | 3 => {
                let n = random.below(EMAILS);
                let entry = model.marks.entry(n).or_default();
                let revision = entry.1 + 1;
                entry.1 = revision;
                let new =
                    Mark { tags: vec![format!("t{revision}")], revision, date: date(n), ..Mark::default() };
                store.put(vec![mark(n, &new)]).await?;
                entry.0 = revision;
            }
            4 => {
                let some: Vec<u64> = model.there.iter().copied().filter(|_| random.below(4) == 0).collect();
                // A read may fail just now; what it may not do is to find nothing.
                check_some(store, &some, true).await;
            }
            _ => {
                // Two callers at once, with emails in common.
                let mut draw = || -> Vec<u64> {
                    let from = random.below(EMAILS);
                    (0..1 + random.below(12)).map(|i| (from + i * 3) % EMAILS).collect()
                };
                let (a, b) = (draw(), draw());
                model.maybe.extend(a.iter().chain(&b));
                let both = futures_lite::future::zip(
                    store.load(batch(a.iter().copied())),
                    store.load(batch(b.iter().copied())),
                );
                let (one, two) = both.await;
                let fine = |result: &Result<Vec<Outcome>, StoreError>| result.is_ok();
                if fine(&one) {
                    model.there.extend(&a);
                }
                if fine(&two) {
                    model.there.extend(&b);
                }
                one.and(two)?;
            }
        }
    }
    Ok(())
}

/// These emails are there and right. Where `faulty`, they may be named as missing instead, never just not be there.
async fn check_some(store: &Store, numbers: &[u64], faulty: bool) {
    let ids: Vec<_> = numbers.iter().map(|n| email_id(*n)).collect();
    let (emails, bodies) = (store.emails(&ids).await, store.bodies(&ids).await);
    for ((n, email), body) in numbers.iter().zip(emails.unwrap()).zip(bodies.unwrap()) {
        match email {
            Ok(Some(found)) => {
                assert_eq!(access::<ArchivedEmail>(&found.email).unwrap().subject.as_str(), subject(*n));
                assert!(!found.places.is_empty());
            }
            Ok(None) => panic!("email {n} was acknowledged and is not there"),
            Err(missing) => assert!(faulty, "email {n}: {missing}"),
        }
        match body {
            Ok(Some(body)) => assert_eq!(access::<ArchivedBody>(&body).unwrap().text(), text(*n)),
            Ok(None) => panic!("body {n} was acknowledged and is not there"),
            Err(missing) => assert!(faulty, "body {n}: {missing}"),
        }
    }
}

/// All that was acknowledged is there; what is there beyond that was at least tried, and is whole.
async fn check_all(store: &Store, model: &mut Model) {
    let there: Vec<u64> = model.there.iter().copied().collect();
    check_some(store, &there, false).await;
    let all: Vec<_> = (0..EMAILS).map(email_id).collect();
    let found = store.emails(&all).await.unwrap();
    let mut now = Vec::new();
    for (n, email) in (0..EMAILS).zip(found) {
        if email.unwrap().is_some() {
            assert!(model.maybe.contains(&n), "email {n} was never stored");
            now.push(n);
        }
    }
    // Bodies, places, indexes: all agree on which emails there are.
    check(store, &now).await;
    model.there = now.into_iter().collect();
    for (n, (acknowledged, tried)) in &mut model.marks {
        let value = store.get(RowKind::Mark, &email_id(*n)).await.unwrap();
        let revision = value.map_or(0, |v| access::<ArchivedMark>(&v).unwrap().revision.to_native());
        assert!(
            (*acknowledged..=*tried).contains(&revision),
            "mark {n}: {revision} not in {acknowledged}..={tried}"
        );
        *acknowledged = revision;
    }
    assert_eq!(store.verify().await.unwrap().damage, []);
    // However often sealing failed, it was not for the text: no segment may be without.
    assert_eq!(store.text_sources(HashMap::new()).await.unwrap().missing, []);
}

fn faults(random: &mut Random) -> SimOptions {
    let mut options = SimOptions::default();
    match random.below(5) {
        0 => options.write_error = 0.01,
        1 => options.sync_error = 0.02,
        2 => options.full = 0.02,
        3 => options.read_error = 0.002,
        _ => {}
    }
    options
}

fn add(sum: &mut SimCounts, one: SimCounts) {
    sum.operations += one.operations;
    sum.read_errors += one.read_errors;
    sum.write_errors += one.write_errors;
    sum.sync_errors += one.sync_errors;
    sum.full += one.full;
    sum.crashes += one.crashes;
    sum.lost_pages += one.lost_pages;
    sum.torn_pages += one.torn_pages;
    sum.lost_names += one.lost_names;
}

fn run(seed: u64) -> (SimCounts, u64) {
    let mut random = Random(seed);
    let sim = Sim::new(seed, SimOptions::default());
    let mut model = Model::default();
    for _ in 0..2 + random.below(4) {
        sim.set_options(SimOptions::default());
        let shards = 1 + random.below(4) as usize;
        let store = sim.run(Store::open(sim.spawner(), small(shards))).unwrap();
        sim.run(check_all(&store, &mut model));
        sim.set_options(faults(&mut random));
        // Half of the rounds end in the middle of something.
        let runtime = sim.runtime();
        let time = if random.below(2) == 0 { 500 + random.below(40_000) } else { 3_600_000_000 };
        let cut = async move {
            runtime.sleep(Duration::from_micros(time)).await;
            Err(StoreError::Closed)
        };
        let faulty = sim.run(futures_lite::future::or(work(&store, &mut random, &mut model), cut)).is_err();
        sim.set_options(SimOptions::default());
        if random.below(4) == 0 {
            model.merges += sim.run(store.stats()).map_or(0, |stats| stats.compaction.merges);
        }
        match random.below(4) {
            0 => sim.crash(),
            1 => sim.kill(),
            2 => drop(store),
            _ => {
                let closed = sim.run(store.close());
                assert!(closed.is_ok() || faulty, "{closed:?}");
            }
        }
        // Whoever is left over from a dropped handle must not be there when the next writer comes.
        sim.kill();
    }
    sim.set_options(SimOptions::default());
    let store = sim.run(Store::open(sim.spawner(), small(2))).unwrap();
    sim.run(check_all(&store, &mut model));
    sim.run(store.close()).unwrap();
    (sim.counts(), model.merges)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_work_with_faults_and_crashes_loses_nothing() {
    if let Some(seed) = number("SEED") {
        run(seed);
        return;
    }
    let seeds = number("SEEDS").unwrap_or(100);
    let mut sum = SimCounts::default();
    let mut merges = 0;
    for seed in 0..seeds {
        let result = std::panic::catch_unwind(|| run(seed));
        match result {
            Ok((counts, merged)) => {
                add(&mut sum, counts);
                merges += merged;
            }
            Err(_) => {
                panic!("seed {seed} failed: SEED={seed} cargo test -p postlode-store --test sim replays it")
            }
        }
    }
    println!("{seeds} seeds: {merges} merges, {sum:?}");
    if seeds >= 100 {
        let fired = [sum.read_errors, sum.write_errors, sum.sync_errors, sum.full, sum.crashes];
        assert!(fired.iter().all(|n| *n > 0), "every kind of fault must have fired: {sum:?}");
        assert!(sum.lost_pages > 0 && sum.lost_names > 0, "crashes must have taken something: {sum:?}");
        assert!(merges > seeds, "segments must have been merged: {merges}");
    }
}

/// What a segment was made from is given up on the word of its file. A disk that reports a write as done and does not
/// keep it would have taken a memtable's log, or the sources of a merge, with it.
#[test]
fn a_segment_that_the_disk_did_not_keep_is_never_relied_on() {
    let mut stale = 0;
    let mut rewritten = 0;
    for seed in 0..40 {
        let sim = Sim::new(seed, SimOptions::default());
        let lying = SimOptions { stale_write: 0.06, ..SimOptions::default() };
        let all: Vec<u64> = (0..60).collect();
        let store = sim.run(Store::open(sim.spawner(), small(1))).unwrap();
        for part in all.chunks(20) {
            sim.run(store.load(batch(part.iter().copied()))).unwrap();
            sim.set_options(lying.clone());
            // It may give up for the moment, and say so.
            rewritten += u64::from(sim.run(store.seal()).is_err());
            sim.set_options(SimOptions::default());
            sim.run(store.seal()).unwrap();
        }
        sim.set_options(lying);
        rewritten += u64::from(sim.run(store.compact()).is_err());
        sim.set_options(SimOptions::default());
        sim.run(store.compact()).unwrap();
        sim.run(check(&store, &all));
        assert_eq!(sim.run(store.verify()).unwrap().damage, [], "seed {seed}");
        stale += sim.counts().stale_writes;
        drop(store);
        sim.crash();
        let store = sim.run(Store::open(sim.spawner(), small(1))).unwrap();
        sim.run(check(&store, &all));
        sim.run(store.close()).unwrap();
    }
    assert!(stale > 100 && rewritten > 5, "{stale} stale writes, {rewritten} failed steps");
}
