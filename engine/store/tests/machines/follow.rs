//! A follower beside the writer: at most a second behind, never wrong, and nobody's burden.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use crate::common::machine::Machine;
use crate::common::*;
use postlode_format::index::IndexId;
use postlode_format::row::*;
use postlode_runtime::portable::PortableSpawner;
use postlode_runtime::sim::{Sim, SimOptions, SimRuntime};
use postlode_runtime::{CpuPool, Runtime};
use postlode_store::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What a follower may be behind.
const BEHIND: Duration = Duration::from_secs(1);
/// The same of the last frame of a writer that was stopped before it confirmed it.
const ABANDONED: Duration = Duration::from_secs(4);

fn files(machine: &Machine) -> Vec<std::path::PathBuf> {
    ["", "manifest", "segments"].iter().flat_map(|folder| machine.files(folder)).collect()
}

/// On a simulated machine a follower has a second, to the microsecond; real ones may be busy otherwise.
fn soon<T: PartialEq + std::fmt::Debug>(machine: &Machine, expected: &T, ask: impl Fn() -> T) {
    let tries = if matches!(machine, Machine::Simulated(_)) { 1 } else { 20 };
    for last in (0..tries).rev() {
        machine.pause(BEHIND);
        let answer = ask();
        if answer == *expected {
            return;
        }
        assert!(last > 0, "{answer:?} where it should be {expected:?}");
    }
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
                    2 => drop(machine.wait(writer.compact()).unwrap()),
                    _ => {}
                }
                let tag = Mark { tags: vec![format!("r{round}s{step}")], revision: step, ..Mark::default() };
                machine.wait(writer.put(vec![mark(0, &tag)])).unwrap();
                let all = there.len() as u64;
                soon(machine, &(all, tag.tags.clone(), all, vec![]), || {
                    let count = machine.wait(follower.count(IndexId::Date, KeyRange::prefix(&[]))).unwrap();
                    let row = machine.wait(follower.get(RowKind::Mark, &email_id(0))).unwrap();
                    let tags =
                        |row: &ArchivedMark| row.tags.iter().map(|tag| tag.as_str().to_owned()).collect();
                    let tags = row.map_or(vec![], |row| tags(access::<ArchivedMark>(&row).unwrap()));
                    let stats = machine.wait(follower.stats()).unwrap();
                    (count, tags, stats.emails, stats.missing)
                });
                machine.wait(check(&follower, &there));
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
        soon(machine, &(there.len() as u64), || machine.wait(follower.stats()).unwrap().emails);
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

/// A follower that was opened after the writer had died used to answer for three seconds without its last batch, and did
/// not say so.
#[test]
fn what_a_dead_writer_acknowledged_is_there_from_the_first_answer() {
    Machine::each(|machine| {
        let writer = machine.open(options(2, Access::Write)).unwrap();
        machine.wait(writer.load(batch(0..9))).unwrap();
        drop(writer);
        let follower = machine.open(options(2, Access::Follow)).unwrap();
        machine.wait(check(&follower, &(0..9).collect::<Vec<_>>()));
        machine.wait(follower.close()).unwrap();
    });
}

/// Builds as many segments as it is allowed to.
#[derive(Default)]
struct Gate(Mutex<(u64, u64)>, Condvar);

impl Gate {
    fn allow(&self, more: u64) {
        self.0.lock().unwrap().1 += more;
        self.1.notify_all();
    }
}

impl TextBuilder for Gate {
    fn build(&self, next: &mut dyn FnMut() -> Option<TextDoc>, out: &mut dyn Write) -> Result<(), String> {
        let mut state =
            self.1.wait_while(self.0.lock().unwrap(), |(built, allowed)| built >= allowed).unwrap();
        state.0 += 1;
        drop(state);
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
    let root = dir.path().join("store");
    let machine = Machine::Portable(root.clone());
    let open = |gate: &Arc<Gate>| {
        // Each batch fills a memtable; shards make their segments side by side.
        let own = StoreOptions { text: gate.clone(), fan_in: 0, ..small(1, 64 << 10) };
        machine.wait(Store::open(PortableSpawner::new(root.clone(), CpuPool::new(2).unwrap()), own)).unwrap()
    };
    // Until the follower knows so many emails and segments, it never counts more than there are.
    let follow = |follower: &Store, emails: u64, segments: usize| {
        for _ in 0..1_000 {
            let count = machine.wait(follower.count(IndexId::Date, KeyRange::prefix(&[]))).unwrap();
            let known = machine.wait(follower.stats()).unwrap().segments.len();
            assert!(count <= emails && known <= segments, "{count} emails, {known} segments");
            if (count, known) == (emails, segments) {
                return machine.wait(check(follower, &(0..emails).collect::<Vec<_>>()));
            }
            machine.pause(Duration::from_millis(20));
        }
        panic!("the follower does not come to {emails} emails in {segments} segments");
    };

    let (first, second) = (Arc::<Gate>::default(), Arc::<Gate>::default());
    let writer = open(&first);
    let follower = machine.open(options(1, Access::Follow)).unwrap();
    machine.wait(writer.load(batch(0..8))).unwrap();
    machine.wait(writer.load(batch(8..16))).unwrap();
    follow(&follower, 16, 0);
    for segments in 1..=4 {
        first.allow(1);
        follow(&follower, 16, segments);
    }
    machine.wait(writer.load(batch(16..32))).unwrap();
    follow(&follower, 32, 4);
    // The last batch is in the log alone.
    drop(writer);

    let writer = open(&second);
    for segments in 5..=6 {
        second.allow(1);
        follow(&follower, 32, segments);
    }
    first.allow(100);
    second.allow(100);
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
                1 => drop(writer.compact().await.unwrap()),
                _ => {
                    writer.load(batch(some.iter().copied())).await.unwrap();
                    let now = runtime.monotonic();
                    for n in some {
                        watch.acknowledged.entry(n).or_insert(now);
                    }
                }
            }
            if random.below(4) == 0 {
                // The disk gives one thing and not the other: what was read must not be forgotten for what was not.
                sim.set_options(SimOptions { read_error: 0.3, ..SimOptions::default() });
                runtime.sleep(Duration::from_millis(700)).await;
                sim.set_options(SimOptions::default());
                // A segment that could not be opened is tried again after a second.
                runtime.sleep(2 * BEHIND).await;
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
