//! The simulated machine itself: that it is deterministic, that what is durable survives, and that each fault fires.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_runtime::sim::{Countdown, Sim, SimOptions, SimRuntime};
use postlode_runtime::{ALIGN, AlignedBuf, DiskErrorKind, DiskFile, OpenMode, Runtime, Spawner, offload};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

const PAGE: u64 = ALIGN as u64;

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn page(fill: u8) -> AlignedBuf {
    AlignedBuf::copy_of(&[fill; ALIGN])
}

async fn synced_file(rt: &SimRuntime, name: &str, pages: u64, fill: u8) {
    let file = rt.open(path(name), OpenMode::Create).await.unwrap();
    for number in 0..pages {
        file.write_at(number * PAGE, page(fill)).await.unwrap();
    }
    file.sync().await.unwrap();
    rt.sync_dir(path("")).await.unwrap();
}

async fn content(rt: &SimRuntime, name: &str) -> Option<Vec<u8>> {
    rt.read_all(path(name), u64::MAX).await.ok()
}

/// What a crash left: the first byte of page 1, whether it was torn, pages, and whether the new name is there.
type Left = (u8, bool, usize, bool);

/// A program with much going on, and what happened in it.
fn history(seed: u64) -> (Vec<(u64, u64, u64)>, Vec<u8>) {
    let sim = Sim::new(seed, SimOptions { read_error: 0.05, write_error: 0.05, ..SimOptions::default() });
    let events = Rc::new(RefCell::new(Vec::new()));
    let rt = sim.runtime();
    for task in 0..5_u64 {
        let (rt, events) = (rt.clone(), Rc::clone(&events));
        rt.clone().spawn(Box::pin(async move {
            let file = rt.open(path(&format!("f{task}")), OpenMode::Create).await.unwrap();
            for step in 0..10_u64 {
                let done = file.write_at(step * PAGE, page(1 + step as u8)).await.is_ok();
                events.borrow_mut().push((task, rt.monotonic().as_micros() as u64, u64::from(done)));
                rt.sleep(Duration::from_micros(rt.random_u64() % 300)).await;
            }
        }));
    }
    sim.run(async move { rt.sleep(Duration::from_secs(1)).await });
    sim.crash();
    let rt = sim.runtime();
    sim.set_options(SimOptions::default());
    let left = sim.run(async move {
        let mut left = Vec::new();
        for task in 0..5 {
            left.extend(content(&rt, &format!("f{task}")).await.unwrap_or_default());
        }
        left
    });
    let events = events.take();
    (events, left)
}

#[test]
fn the_seed_decides_everything() {
    let first = history(1);
    assert!(first == history(1), "the same seed gives the same run");
    assert_eq!(first.0.len(), 50);
    let distinct: BTreeSet<_> = (1..30).map(history).collect();
    assert_eq!(distinct.len(), 29, "another seed gives another");
}

#[test]
fn what_is_durable_survives_every_crash() {
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let sim = Sim::new(seed, SimOptions::default());
        let rt = sim.runtime();
        sim.run(async move {
            synced_file(&rt, "f", 2, 1).await;
            rt.publish(path("p"), b"published".to_vec()).await.unwrap();
            rt.create_dir_all(path("a/b")).await.unwrap();
            // Not durable: two pages, one of them twice, and a name.
            let file = rt.open(path("f"), OpenMode::Write).await.unwrap();
            for (at, fill) in [(1, 2), (1, 3), (2, 4)] {
                file.write_at(at * PAGE, page(fill)).await.unwrap();
            }
            rt.open(path("new"), OpenMode::Create).await.unwrap();
        });
        sim.crash();
        let rt = sim.runtime();
        let (bytes, new) = sim.run(async move {
            assert_eq!(content(&rt, "p").await.unwrap(), b"published");
            assert!(rt.list(path("a")).await.unwrap()[0].is_dir);
            (content(&rt, "f").await.unwrap(), content(&rt, "new").await.is_some())
        });
        assert_eq!(bytes[..ALIGN], [1; ALIGN], "synced and untouched since");
        let sectors = bytes[ALIGN..].chunks(512).enumerate();
        for (at, sector) in sectors {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is never torn");
            let versions: &[u8] = if at < 8 { &[1, 2, 3] } else { &[0, 4] };
            assert!(versions.contains(&sector[0]), "{}", sector[0]);
        }
        let torn = bytes[ALIGN..2 * ALIGN].windows(2).any(|pair| pair[0] != pair[1]);
        seen.insert((bytes[ALIGN], torn, bytes.len() / ALIGN, new));
    }
    let any = |which: &dyn Fn(&Left) -> bool| seen.iter().any(which);
    for fill in [1, 2, 3] {
        assert!(any(&|case| case.0 == fill && !case.1), "page 1 stayed at version {fill}");
    }
    assert!(any(&|case| case.1), "it was torn");
    assert!(any(&|case| case.2 == 2) && any(&|case| case.2 == 3), "the growth was lost and kept");
    assert!(any(&|case| case.3) && any(&|case| !case.3), "the name was lost and kept");
}

#[test]
fn renames_are_undone_or_done_as_one() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let sim = Sim::new(seed, SimOptions::default());
        let rt = sim.runtime();
        let settled = seed % 2 == 0;
        sim.run(async move {
            synced_file(&rt, "old", 1, 1).await;
            synced_file(&rt, "target", 1, 2).await;
            rt.rename(path("old"), path("target")).await.unwrap();
            if settled {
                rt.sync_dir(path("")).await.unwrap();
            }
        });
        sim.crash();
        let rt = sim.runtime();
        let (old, target) = sim.run(async move { (content(&rt, "old").await, content(&rt, "target").await) });
        let state = (old.map(|bytes| bytes[0]), target.map(|bytes| bytes[0]));
        assert!(state == (None, Some(1)) || (!settled && state == (Some(1), Some(2))), "{state:?}");
        seen.insert((settled, state));
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_kill_loses_nothing_written_and_frees_the_lock() {
    let sim = Sim::new(1, SimOptions::default());
    let rt = sim.runtime();
    let dead = rt.clone();
    let lock = sim.run(async move {
        let lock = rt.lock(path("lock")).await.unwrap();
        let file = rt.open(path("f"), OpenMode::Create).await.unwrap();
        file.write_at(0, page(9)).await.unwrap();
        lock
    });
    sim.kill();
    let rt = sim.runtime();
    sim.run(async move {
        let again = rt.lock(path("lock")).await.unwrap();
        // What the dead process held frees nothing of the living, and reaches the disk no more.
        drop(lock);
        assert!(dead.list(path("")).await.is_err());
        assert_eq!(rt.lock(path("lock")).await.err().unwrap().kind, DiskErrorKind::Locked);
        drop(again);
        assert_eq!(content(&rt, "f").await.unwrap(), vec![9; ALIGN]);
    });
}

#[test]
fn a_failed_sync_may_lose_what_the_next_one_reports_durable() {
    let (mut lost, mut shown) = (0, 0);
    for seed in 0..100 {
        let sim = Sim::new(seed, SimOptions::default());
        let rt = sim.runtime();
        sim.run(async {
            synced_file(&rt, "f", 1, 1).await;
            let file = rt.open(path("f"), OpenMode::Write).await.unwrap();
            file.write_at(0, page(2)).await.unwrap();
            sim.set_countdown(Some(Countdown::Once(0)));
            assert_eq!(file.sync().await.unwrap_err().kind, DiskErrorKind::Io);
            file.sync().await.unwrap();
            shown += i32::from(file.read_at(0, 1).await.unwrap()[0] == 2);
        });
        sim.crash();
        let rt = sim.runtime();
        lost += i32::from(sim.run(async move { content(&rt, "f").await.unwrap()[0] == 1 }));
        assert_eq!(sim.counts().countdown, 1);
    }
    assert!(lost > 20 && lost < 80 && shown > 100 - lost, "{lost} lost, {shown} shown before the crash");
}

#[test]
fn every_fault_fires_and_is_counted() {
    let half = |change: &dyn Fn(&mut SimOptions)| {
        let mut options = SimOptions::default();
        change(&mut options);
        let sim = Sim::new(3, options);
        let rt = sim.runtime();
        let kinds = sim.run(async move {
            let mut kinds = Vec::new();
            let file = rt.open(path("f"), OpenMode::Create).await.unwrap();
            for number in 0..100 {
                kinds.extend(file.write_at(number % 10 * PAGE, page(5)).await.err().map(|error| error.kind));
                kinds.extend(file.read_at(0, 64).await.err().map(|error| error.kind));
                kinds.extend(file.sync().await.err().map(|error| error.kind));
            }
            kinds
        });
        (sim.counts(), kinds)
    };
    let (counts, kinds) = half(&|options| options.read_error = 0.5);
    assert!(counts.read_errors > 20 && kinds.len() as u64 >= counts.read_errors);
    let (counts, _) = half(&|options| options.write_error = 0.5);
    assert!(counts.write_errors > 20 && counts.read_errors == 0);
    let (counts, kinds) = half(&|options| options.sync_error = 0.5);
    assert!(counts.sync_errors > 20 && counts.sync_errors == kinds.len() as u64);
    let (counts, kinds) = half(&|options| options.full = 0.5);
    assert!(counts.full > 20 && kinds.contains(&DiskErrorKind::Full));
    let (counts, kinds) = half(&|options| options.bit_rot = 0.5);
    assert!(counts.bit_rot > 20 && kinds.is_empty());
    let (counts, kinds) = half(&|options| options.misdirected_write = 0.5);
    assert!(counts.misdirected_writes > 20 && kinds.is_empty());
    let (counts, kinds) = half(&|options| options.stale_write = 0.5);
    assert!(counts.stale_writes > 20 && kinds.is_empty());
    let (counts, kinds) = half(&|options| options.capacity = 5 * PAGE);
    assert!(counts.full >= 50 && kinds.contains(&DiskErrorKind::Full), "five pages of ten fit");
}

#[test]
fn bit_rot_stays() {
    let sim = Sim::new(3, SimOptions::default());
    let rt = sim.runtime();
    sim.run(async {
        synced_file(&rt, "f", 1, 0).await;
        sim.flip_bit(path("f"), 1000, 3);
        assert_eq!(content(&rt, "f").await.unwrap()[1000], 8);
    });
    sim.crash();
    let rt = sim.runtime();
    assert_eq!(sim.run(async move { content(&rt, "f").await.unwrap()[1000] }), 8);
}

#[test]
fn the_countdown_reaches_every_operation() {
    let run = |countdown: Option<Countdown>| {
        let sim = Sim::new(5, SimOptions::default());
        sim.set_countdown(countdown);
        let rt = sim.runtime();
        let failures = sim.run(async move {
            let mut failures = 0_u64;
            failures += u64::from(rt.create_dir_all(path("d")).await.is_err());
            failures += u64::from(rt.publish(path("p"), vec![1]).await.is_err());
            let Ok(file) = rt.open(path("f"), OpenMode::Create).await else { return failures + 1 };
            failures += u64::from(file.write_at(0, page(1)).await.is_err());
            failures += u64::from(file.sync().await.is_err());
            failures += u64::from(file.read_at(0, 0).await.is_err());
            failures += u64::from(rt.sync_dir(path("")).await.is_err());
            failures += u64::from(rt.list(path("")).await.is_err());
            failures + u64::from(rt.remove(path("f")).await.is_err())
        });
        (failures, sim.counts().operations)
    };
    let (none, operations) = run(None);
    assert_eq!((none, operations), (0, 8));
    for number in 0..operations {
        assert_eq!(run(Some(Countdown::Once(number))).0, 1, "operation {number}");
        assert!(run(Some(Countdown::Forever(number))).0 >= 1, "operation {number}");
    }
    assert_eq!(run(Some(Countdown::Once(operations))).0, 0);
}

#[test]
fn shards_run_join_and_end() {
    let sim = Sim::new(9, SimOptions::default());
    let spawner = sim.spawner();
    let (sender, receiver) = async_channel::bounded::<u64>(8);
    let (reply, replies) = async_channel::unbounded();
    let shard = spawner
        .start(
            "shard",
            Box::new(move |rt| {
                Box::pin(async move {
                    let forever = rt.clone();
                    rt.spawn(Box::pin(async move { forever.sleep(Duration::from_secs(1 << 40)).await }));
                    while let Ok(number) = receiver.recv().await {
                        reply.send(offload(&rt, move || number * 2).await.unwrap()).await.unwrap();
                    }
                })
            }),
        )
        .unwrap();
    let other = spawner.start("other", Box::new(|_| Box::pin(std::future::pending()))).unwrap();
    sim.run(async {
        sender.send(21).await.unwrap();
        assert_eq!(replies.recv().await, Ok(42));
    });
    drop(sender);
    // From within a task, the join runs the rest of the machine.
    sim.run(async move { shard.join() }).unwrap();
    assert!(replies.is_closed());
    sim.crash();
    assert!(other.join().is_err());
    assert!(
        spawner.start("late", Box::new(|_| Box::pin(async {}))).is_err(),
        "the spawner died with the machine"
    );
    assert!(sim.spawner().start("new", Box::new(|_| Box::pin(async {}))).unwrap().join().is_ok());
}

#[test]
#[should_panic(expected = "waits for ever")]
fn a_deadlock_is_told() {
    Sim::new(1, SimOptions::default()).run(std::future::pending::<()>());
}
