//! A full disk: what is written is refused, what is read goes on, deletions find room, and when there is room again all
//! goes on by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use crate::common::*;
use postlode_format::row::*;
use postlode_runtime::Runtime;
use postlode_runtime::sim::{Sim, SimOptions};
use postlode_store::*;
use std::path::Path;

fn of_capacity(capacity: u64) -> SimOptions {
    SimOptions { capacity, ..SimOptions::default() }
}

fn deleted(n: u64) -> Row {
    mark(n, &Mark { deleted: true, revision: 1, ..Mark::default() })
}

fn is_deleted(sim: &Sim, store: &Store, n: u64) -> bool {
    let mark = sim.run(store.get(RowKind::Mark, &email_id(n))).unwrap();
    mark.is_some_and(|mark| access::<ArchivedMark>(&mark).unwrap().deleted)
}

fn has_reserve(sim: &Sim) -> bool {
    let runtime = sim.runtime();
    sim.run(async move { runtime.read_all(Path::new("RESERVE"), 1 << 20).await.is_ok() })
}

#[test]
fn who_has_a_full_disk_can_delete() {
    for seed in 0..16 {
        let sim = Sim::new(seed, of_capacity((1_600 << 10) + seed * 4096 * 37));
        let mut options = small(24 << 10, 256 << 10);
        options.shards = 1 + seed as usize % 3;
        options.reserve_bytes = 512 << 10;
        // Full of segments, or of logs.
        options.memtable_bytes = if seed % 2 == 0 { 24 << 10 } else { 8 << 20 };
        let mut store = sim.run(Store::open(sim.spawner(), options.clone())).unwrap();
        let mut loaded = Vec::new();
        let full = loop {
            let n = loaded.len() as u64;
            match sim.run(store.load(batch(n..n + 10))) {
                Ok(_) => loaded.extend(n..n + 10),
                Err(error) => {
                    // Shards answer one by one, and the first that is full ends the load: parts of other shards may come later.
                    let runtime = sim.runtime();
                    sim.run(async move { runtime.sleep(std::time::Duration::from_secs(2)).await });
                    let ids: Vec<_> = (n..n + 10).map(email_id).collect();
                    let found = sim.run(store.emails(&ids)).unwrap();
                    let there = (n..).zip(found).filter(|(_, email)| email.as_ref().unwrap().is_some());
                    loaded.extend(there.map(|(n, _)| n));
                    break error;
                }
            }
            assert!(loaded.len() < 20_000, "seed {seed}: it is never full");
        };
        assert!(matches!(full, StoreError::Full(_)), "seed {seed}: {full}");
        let some = 20.min(loaded.len() as u64 / 4);
        assert!(some > 3, "seed {seed}: {} fit", loaded.len());
        for n in 0..some {
            // However many try, the room that is left is not for them.
            for m in 0..if n == some / 2 { 400 } else { 0 } {
                let load = sim.run(store.load(batch([3_000_000 + m])));
                loaded.extend(load.is_ok().then_some(3_000_000 + m));
            }
            // Beside others that are refused.
            let both =
                futures_lite::future::zip(store.put(vec![deleted(n)]), store.load(batch([1_000_000 + n])));
            let (put, load) = sim.run(both);
            put.unwrap_or_else(|error| panic!("seed {seed}, deletion {n}: {error}"));
            assert!(load.is_ok() || matches!(load, Err(StoreError::Full(_))), "{load:?}");
            loaded.extend(load.is_ok().then_some(1_000_000 + n));
        }
        // A file that deletions have filled exactly: what confirms the last of them has no room, and was tried for ever.
        let mut revision = 1;
        for burst in [3 + seed % 4, 3 + seed / 4 % 4, 4] {
            for _ in 0..burst {
                revision += 1;
                let again = Mark { deleted: true, revision, ..Mark::default() };
                sim.run(store.put(vec![mark(0, &again)]))
                    .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            }
            let runtime = sim.runtime();
            sim.run(async move { runtime.sleep(std::time::Duration::from_secs(2)).await });
        }
        for round in 0..3 {
            let rest: Vec<u64> = loaded.iter().copied().filter(|n| *n >= some).collect();
            assert!((0..some).all(|n| is_deleted(&sim, &store, n)), "seed {seed}, round {round}");
            let found =
                sim.run(store.emails(&rest.iter().map(|n| email_id(*n)).collect::<Vec<_>>())).unwrap();
            assert!(found.iter().all(|email| email.as_ref().unwrap().is_some()), "seed {seed}");
            sim.crash();
            drop(store);
            sim.kill();
            // On the full disk it opens, and what is deleted then stays so.
            store = sim
                .run(Store::open(sim.spawner(), options.clone()))
                .unwrap_or_else(|error| panic!("seed {seed}, opening {round}: {error}"));
        }
        sim.set_options(of_capacity(u64::MAX));
        // What waits to be sealed is tried again within that time.
        let runtime = sim.runtime();
        sim.run(async move { runtime.sleep(std::time::Duration::from_secs(12)).await });
        let more = (2_000_000..2_000_100).collect::<Vec<u64>>();
        for part in more.chunks(10) {
            let loaded = sim.run(store.load(batch(part.iter().copied())));
            loaded.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        sim.run(store.compact()).unwrap();
        assert!(has_reserve(&sim), "seed {seed}: no room is kept any more");
        loaded.retain(|n| *n >= some);
        loaded.extend(more);
        loaded.sort_unstable();
        sim.run(check(&store, &loaded));
        assert_eq!(sim.run(store.verify()).unwrap().damage, []);
        sim.run(store.close()).unwrap();
    }
}
