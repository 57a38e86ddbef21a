//! A script of operations in which the disk fails at operation number k, for every k, once and for good.
//!
//! What must hold: each call succeeds or says why not; what was acknowledged is there after the next opening; after one
//! failure a store either goes on by itself or says that it has to be opened again, and never that another writer has
//! come, because none has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::*;
use postlode_format::row::*;
use postlode_runtime::sim::{Countdown, Sim, SimOptions};
use postlode_store::*;
use std::collections::BTreeSet;

fn own() -> StoreOptions {
    small(24 << 10, 64 << 10)
}

/// What the script was told.
#[derive(Default)]
struct Told {
    stored: BTreeSet<u64>,
    tried: BTreeSet<u64>,
    /// Highest acknowledged revision of the mark, and the highest that was tried.
    mark: (u64, u64),
    errors: Vec<StoreError>,
}

impl Told {
    fn note<T>(&mut self, result: Result<T, StoreError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }

    async fn load(&mut self, store: &Store, numbers: std::ops::Range<u64>) {
        self.tried.extend(numbers.clone());
        if self.note(store.load(batch(numbers.clone())).await).is_some() {
            self.stored.extend(numbers);
        }
    }

    async fn tag(&mut self, store: &Store) {
        self.mark.1 += 1;
        let new = Mark {
            tags: vec![format!("t{}", self.mark.1)],
            revision: self.mark.1,
            date: date(3),
            ..Mark::default()
        };
        if self.note(store.put(vec![mark(3, &new)]).await).is_some() {
            self.mark.0 = self.mark.1;
        }
    }
}

/// Loads, seals, tags, merges, reads, closes and opens again.
async fn script(sim: &Sim, told: &mut Told) {
    for part in 0..2 {
        let Some(store) = told.note(Store::open(sim.spawner(), own()).await) else { continue };
        let first = part * 60;
        told.load(&store, first..first + 20).await;
        told.tag(&store).await;
        told.load(&store, first + 20..first + 40).await;
        told.note(store.seal().await);
        let segments = told.note(store.coverage("m").await).map_or(vec![], |coverage| coverage.segments);
        if let Some(one) = segments.first() {
            told.note(embed(&store, one.segment, "m", |n| n % 2 == 0).await);
            told.note(store.activate("m").await);
        }
        told.load(&store, first + 40..first + 60).await;
        told.note(store.compact().await);
        told.tag(&store).await;
        // A read may fail just now; it may not find that something was never there.
        let some: Vec<u64> = told.stored.iter().copied().step_by(7).collect();
        let ids: Vec<_> = some.iter().map(|n| email_id(*n)).collect();
        if let Some(found) = told.note(store.emails(&ids).await) {
            assert!(found.iter().all(|one| !matches!(one, Ok(None))), "{some:?}");
        }
        told.note(store.close().await);
    }
}

fn play(countdown: Option<Countdown>) -> (u64, Told) {
    let sim = Sim::new(3, SimOptions::default());
    sim.set_countdown(countdown);
    let mut told = Told::default();
    sim.run(script(&sim, &mut told));
    let operations = sim.counts().operations;
    sim.set_countdown(None);
    // Whoever is left over must not be there when the next one comes.
    sim.kill();
    let store = sim.run(Store::open(sim.spawner(), own())).unwrap();
    let now: Vec<u64> = sim.run(async {
        let all: Vec<u64> = told.tried.iter().copied().collect();
        let ids: Vec<_> = all.iter().map(|n| email_id(*n)).collect();
        let found = store.emails(&ids).await.unwrap();
        all.into_iter().zip(found).filter_map(|(n, one)| one.unwrap().map(|_| n)).collect()
    });
    assert!(told.stored.iter().all(|n| now.contains(n)), "{countdown:?}: acknowledged and not there");
    sim.run(check(&store, &now));
    let mark = sim.run(store.get(RowKind::Mark, &email_id(3))).unwrap();
    let revision = mark.map_or(0, |m| access::<ArchivedMark>(&m).unwrap().revision.to_native());
    assert!((told.mark.0..=told.mark.1).contains(&revision), "{countdown:?}: {revision} {:?}", told.mark);
    assert_eq!(sim.run(store.verify()).unwrap().damage, [], "{countdown:?}");
    sim.run(store.close()).unwrap();
    (operations, told)
}

/// The script has so many parts, so that they run beside each other: every operation is in one of them.
const PARTS: u64 = 4;

/// Whichever operation fails, nothing acknowledged is lost.
fn fail_each(part: u64) {
    let (operations, told) = play(None);
    assert!(told.errors.is_empty(), "{:?}", told.errors);
    assert_eq!((told.stored.len(), told.mark), (120, (4, 4)));
    assert!(operations > 300, "{operations} operations");
    let mut failed = [0u64; 2];
    for k in (part..operations).step_by(PARTS as usize) {
        for (n, countdown) in [Countdown::Once(k), Countdown::Forever(k)].into_iter().enumerate() {
            let told = play(Some(countdown)).1;
            let replaced = told.errors.iter().any(|error| matches!(error, StoreError::Replaced(_)));
            assert!(!replaced, "{countdown:?}: there is no other writer: {:?}", told.errors);
            failed[n] += u64::from(!told.errors.is_empty());
        }
    }
    println!("{operations} operations; {} runs failed once, {} for good", failed[0], failed[1]);
    assert!(failed[0] > 5 && failed[1] > operations / PARTS * 9 / 10, "{failed:?} of {operations}");
}

#[test]
fn each_operation_fails_0() {
    fail_each(0);
}

#[test]
fn each_operation_fails_1() {
    fail_each(1);
}

#[test]
fn each_operation_fails_2() {
    fail_each(2);
}

#[test]
fn each_operation_fails_3() {
    fail_each(3);
}
