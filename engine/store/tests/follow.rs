//! A follower beside the writer: at most a second behind, never wrong, and nobody's burden.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "a slow text builder takes real time")]

mod common;

use common::machine::Machine;
use common::*;
use postlode_format::index::IndexId;
use postlode_format::row::*;
use postlode_runtime::portable::PortableSpawner;
use postlode_runtime::sim::{Sim, SimOptions, SimRuntime};
use postlode_runtime::{CpuPool, Runtime};
use postlode_store::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a follower may be behind.
const BEHIND: Duration = Duration::from_secs(1);
/// The same of the last frame of a writer that was stopped before it confirmed it.
const ABANDONED: Duration = Duration::from_secs(4);

fn files(machine: &Machine) -> Vec<std::path::PathBuf> {
    ["", "manifest", "segments"].iter().flat_map(|folder| machine.files(folder)).collect()
}

#[test]
fn what_was_acknowledged_is_seen_within_a_second() {
    Machine::each(|machine| {
        // There is nothing yet, and nothing is made.
        let follower = machine.open(options(3, Access::Follow)).unwrap();
        machine.wait(check(&follower, &[]));
        assert_eq!(machine.files(""), Vec::<std::path::PathBuf>::new());

        let mut there = Vec::new();
        for round in 0..3u64 {
            // Each writer has another number of shards than the one before.
            let writer =
                machine.open(StoreOptions { shards: 2 + round as usize, ..small(16 << 10, 64 << 10) });
            let writer = writer.unwrap();
            for step in 0..3 {
                let new = (round * 300 + step * 100)..(round * 300 + step * 100 + 97);
                machine.wait(writer.load(batch(new.clone()))).unwrap();
                there.extend(new);
                match step {
                    1 => machine.wait(writer.seal()).unwrap(),
                    2 => machine.wait(writer.compact()).unwrap(),
                    _ => {}
                }
                let tag = Mark { tags: vec![format!("r{round}s{step}")], revision: step, ..Mark::default() };
                machine.wait(writer.put(vec![mark(0, &tag)])).unwrap();
                machine.pause(BEHIND);
                machine.wait(check(&follower, &there));
                let all = KeyRange::prefix(&[]);
                assert_eq!(machine.wait(follower.count(IndexId::Date, all)).unwrap(), there.len() as u64);
                let row = machine.wait(follower.get(RowKind::Mark, &email_id(0))).unwrap().unwrap();
                let seen = access::<ArchivedMark>(&row).unwrap();
                assert_eq!(seen.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), tag.tags);
                let stats = machine.wait(follower.stats()).unwrap();
                assert_eq!((stats.emails, &stats.missing[..]), (there.len() as u64, &[][..]));
            }
            let before = files(machine);
            assert!(matches!(machine.wait(follower.load(batch([9]))), Err(StoreError::ReadOnly)));
            assert!(matches!(machine.wait(follower.compact()), Err(StoreError::ReadOnly)));
            assert_eq!(machine.wait(follower.verify()).unwrap().damage, []);
            assert_eq!(files(machine), before);
            if round == 1 {
                // Without being closed.
                drop(writer);
                machine.pause(Duration::from_millis(100));
            } else {
                machine.wait(writer.close()).unwrap();
            }
        }
        machine.pause(BEHIND);
        machine.wait(check(&follower, &there));
        machine.wait(follower.close()).unwrap();
    });
}

#[test]
fn what_merging_replaces_stays_readable_where_it_is_open() {
    Machine::each(|machine| {
        let writer = machine.open(StoreOptions { fan_in: 0, ..small(16 << 10, 64 << 10) }).unwrap();
        machine.wait(writer.load(batch(0..300))).unwrap();
        machine.wait(writer.close()).unwrap();
        let follower = machine.open(options(2, Access::Follow)).unwrap();
        // The files go before the follower hears of it.
        let segments = machine.files("segments");
        assert!(!segments.is_empty());
        segments.iter().for_each(|file| machine.remove(file));
        machine.wait(check(&follower, &(0..300).collect::<Vec<_>>()));
        let texts = machine.wait(follower.text_sources(Default::default())).unwrap();
        assert_eq!((texts.missing, texts.segments.len()), (vec![], segments.len()));
        machine.wait(follower.close()).unwrap();
    });
}

/// Takes its time over a segment, and longer over every second one, so that a follower looks while it is made, and between
/// the shards.
#[derive(Default)]
struct Slow(AtomicU64);

impl TextBuilder for Slow {
    fn build(&self, next: &mut dyn FnMut() -> Option<TextDoc>, out: &mut dyn Write) -> Result<(), String> {
        let even = self.0.fetch_add(1, Ordering::Relaxed) % 2;
        std::thread::sleep(Duration::from_millis(1_500 + 1_500 * even));
        Subjects.build(next, out)
    }

    fn merge(&self, sources: &[MergedText], docs: u32, out: &mut dyn Write) -> Result<(), String> {
        Subjects.merge(sources, docs, out)
    }
}

/// A memtable of the follower has rows from before and after the moment at which the writer sealed. And a writer that
/// found rows in a log seals them shard by shard, while the log is still named.
#[test]
fn nothing_is_counted_twice_while_the_writer_seals() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::Portable(dir.path().join("store"));
    // Each batch fills a memtable.
    let slow = || StoreOptions { text: Arc::<Slow>::default(), fan_in: 0, ..small(1, 64 << 10) };
    let sealed = |file: &std::path::PathBuf| file.extension().is_some_and(|ending| ending == "seg");
    let segments = || machine.files("segments").iter().filter(|file| sealed(file)).count();
    let counted = |follower: &Store, expected: u64| {
        let until = std::time::Instant::now() + Duration::from_secs(7);
        let mut steps = BTreeSet::new();
        while std::time::Instant::now() < until {
            let count = machine.wait(follower.count(IndexId::Date, KeyRange::prefix(&[]))).unwrap();
            assert_eq!(count, expected, "with {} segments", segments());
            steps.insert(machine.wait(follower.stats()).unwrap().segments.len());
            machine.pause(Duration::from_millis(50));
        }
        machine.wait(check(follower, &(0..expected).collect::<Vec<_>>()));
        assert!(steps.len() > 2, "the follower has seen how segments came one by one: {steps:?}");
    };

    // Shards make their segments side by side.
    let spawner = || PortableSpawner::new(dir.path().join("store"), CpuPool::new(2).unwrap());
    let open = || machine.wait(Store::open(spawner(), slow())).unwrap();

    let writer = open();
    let follower = machine.open(options(1, Access::Follow)).unwrap();
    machine.wait(writer.load(batch(0..8))).unwrap();
    machine.wait(writer.load(batch(8..16))).unwrap();
    // Confirmed, read, and none of it sealed.
    machine.pause(Duration::from_millis(900));
    counted(&follower, 16);
    let before = segments();
    machine.wait(writer.load(batch(16..32))).unwrap();
    machine.pause(Duration::from_millis(900));
    drop(writer);
    machine.pause(Duration::from_millis(300));
    assert_eq!(segments(), before, "the last batch is in the log alone");

    let writer = open();
    counted(&follower, 32);
    machine.wait(writer.close()).unwrap();
    machine.wait(follower.close()).unwrap();
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What was seen by the follower stays; what was acknowledged a second ago is seen; all that is seen is whole.
struct Watch {
    acknowledged: BTreeMap<u64, Duration>,
    tried: BTreeSet<u64>,
    seen: BTreeSet<u64>,
}

impl Watch {
    async fn look(&mut self, follower: &Store, runtime: &SimRuntime, seed: u64) {
        let since = runtime.monotonic();
        let numbers: Vec<u64> = self.tried.iter().copied().collect();
        let ids: Vec<_> = numbers.iter().map(|n| email_id(*n)).collect();
        let mut now = BTreeSet::new();
        for tries in 0.. {
            let count = follower.count(IndexId::Date, KeyRange::prefix(&[])).await.unwrap();
            now.clear();
            for (n, found) in numbers.iter().zip(follower.emails(&ids).await.unwrap()) {
                if found.unwrap_or_else(|missing| panic!("seed {seed}, email {n}: {missing}")).is_some() {
                    now.insert(*n);
                }
            }
            // While it gets on, one shard is ahead of another for a moment.
            if count == now.len() as u64 {
                break;
            }
            assert!(tries < 5, "seed {seed}: {count} are counted, {} are there", now.len());
            runtime.sleep(Duration::from_millis(20)).await;
        }
        for n in &self.seen {
            assert!(now.contains(n), "seed {seed}: email {n} was seen and is gone");
        }
        for (n, at) in &self.acknowledged {
            let late = since.saturating_sub(*at);
            assert!(late < BEHIND || now.contains(n), "seed {seed}: email {n} is not seen after {late:?}");
        }
        self.seen = now;
    }
}

async fn beside(sim: &Sim, runtime: &SimRuntime, seed: u64) {
    let mut random = Random(seed);
    let follower = options(1 + random.below(3) as usize, Access::Follow);
    let follower = Store::open(sim.spawner(), follower).await.unwrap();
    let mut watch = Watch { acknowledged: BTreeMap::new(), tried: BTreeSet::new(), seen: BTreeSet::new() };
    for _ in 0..3 {
        let shards = 1 + random.below(3) as usize;
        let writer = Store::open(sim.spawner(), StoreOptions { shards, ..small(12 << 10, 64 << 10) });
        let writer = writer.await.unwrap();
        for _ in 0..12 {
            let from = random.below(300);
            let some: Vec<u64> = (from..from + 1 + random.below(30)).collect();
            watch.tried.extend(&some);
            match random.below(8) {
                0 => writer.seal().await.unwrap(),
                1 => writer.compact().await.unwrap(),
                _ => {
                    writer.load(batch(some.iter().copied())).await.unwrap();
                    let now = runtime.monotonic();
                    for n in some {
                        watch.acknowledged.entry(n).or_insert(now);
                    }
                }
            }
            runtime.sleep(Duration::from_millis([0, 10, 150, 600][random.below(4) as usize])).await;
            watch.look(&follower, runtime, seed).await;
        }
        if random.below(2) == 0 {
            writer.close().await.unwrap();
        } else {
            drop(writer);
            let now = runtime.monotonic();
            for at in watch.acknowledged.values_mut().filter(|at| now.saturating_sub(**at) < BEHIND) {
                *at += ABANDONED - BEHIND;
            }
            runtime.sleep(Duration::from_millis(random.below(6_000))).await;
        }
        watch.look(&follower, runtime, seed).await;
    }
    runtime.sleep(ABANDONED).await;
    watch.look(&follower, runtime, seed).await;
    let there: Vec<u64> = watch.acknowledged.into_keys().collect();
    check(&follower, &there).await;
    let all = KeyRange::prefix(&[]);
    assert_eq!(follower.count(IndexId::Date, all).await.unwrap(), there.len() as u64, "seed {seed}");
    follower.close().await.unwrap();
}

/// Random work by three writers, one after the other, some of which are not closed. `SEED=n` plays one of them again.
#[test]
fn nothing_seen_is_lost_and_nothing_is_late() {
    let seed: Option<u64> = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = seed.map_or(0..100, |seed| seed..seed + 1);
    for seed in seeds {
        let sim = Sim::new(seed, SimOptions::default());
        let runtime = sim.runtime();
        sim.run(beside(&sim, &runtime, seed));
    }
}
