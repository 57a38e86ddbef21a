//! Sequences of operations on a store, on a simulated machine without faults but with crashes: whatever was
//! acknowledged is there, whatever was not is not, and what was deleted never comes back.

#![expect(clippy::panic, reason = "a panic is a finding")]

use crate::samples;
use postlode_format::index::IndexId;
use postlode_format::row::{
    ArchivedEmail, ArchivedMark, Mark, Place, Row, RowKind, access, place_key, to_bytes,
};
use postlode_runtime::sim::{Sim, SimOptions};
use postlode_store::{Access, KeyRange, LoadBatch, NewEmail, Outcome, Store, StoreError, StoreOptions};
use postlode_text::TextIndex;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

/// Bytes of which a case looks at no more: each is an operation or what it is about.
const LENGTH: usize = 64;
/// Emails that there may be.
const EMAILS: u32 = 40;

/// What is known of an email.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    loaded: bool,
    /// It was deleted once: whether it is there depends on when it was compacted.
    deleted_once: bool,
    deleted: bool,
    revision: u64,
}

/// Runs the bytes as operations: the first is the seed of the machine, then each names one, with an argument after it.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(LENGTH)).unwrap_or_default();
    let Some((seed, operations)) = data.split_first() else { return };
    let sim = Sim::new(u64::from(*seed), SimOptions::default());
    let mut model: BTreeMap<u32, Known> = BTreeMap::new();
    let mut store = open(&sim, *seed);
    for pair in operations.chunks(2) {
        let (operation, argument) = (pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0));
        let number = u32::from(argument) % EMAILS;
        match operation % 10 {
            0 => must("sealing", sim.run(store.seal())),
            1 => drop(must("compacting", sim.run(store.compact()))),
            2 => {
                sim.crash();
                drop(store);
                sim.kill();
                store = open(&sim, argument);
            }
            3 => {
                must("closing", sim.run(store.close()));
                store = open(&sim, argument);
            }
            4 | 5 => put_mark(&sim, &store, number, argument & 0x80 != 0, &mut model),
            6 => check(&sim, &store, &model),
            _ => {
                for n in number..number.saturating_add(u32::from(operation) >> 5) {
                    load(&sim, &store, n % EMAILS, &mut model);
                }
            }
        }
    }
    check(&sim, &store, &model);
    must("closing", sim.run(store.close()));
}

fn must<T>(what: &str, result: Result<T, impl Display>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

fn open(sim: &Sim, shards: u8) -> Store {
    let mut options = StoreOptions::new(1 + usize::from(shards) % 3, Access::Write, Arc::new(TextIndex));
    options.memtable_bytes = 24 << 10;
    options.log_file_bytes = 256 << 10;
    options.fan_in = 3;
    must("opening", sim.run(Store::open(sim.spawner(), options)))
}

fn put_mark(sim: &Sim, store: &Store, number: u32, deleted: bool, model: &mut BTreeMap<u32, Known>) {
    let known = model.entry(number).or_default();
    known.revision = known.revision.saturating_add(1);
    known.deleted = deleted;
    known.deleted_once |= deleted;
    let mark = Mark { tags: vec!["hot".into()], deleted, revision: known.revision, ..Mark::default() };
    let key = samples::id(number).to_vec().into();
    let row = Row { kind: RowKind::Mark, key, value: must("a mark", to_bytes(&mark)) };
    must("marking", sim.run(store.put(vec![row])));
}

fn load(sim: &Sim, store: &Store, number: u32, model: &mut BTreeMap<u32, Known>) {
    let id = samples::id(number);
    let email = samples::email(number);
    let place = Place {
        archive: [0x66; 16],
        version: [0x77; 16],
        custodian: "Ann".into(),
        folder: "/Inbox".into(),
        node: number.into(),
        recovered: false,
        date: email.date,
        extra: Vec::new(),
    };
    let new = NewEmail {
        id,
        email: must("an email", to_bytes(&email)),
        body: must("a body", to_bytes(&samples::body(number))),
        place: Row {
            kind: RowKind::Place,
            key: place_key(&id, &place.archive, place.node).into(),
            value: must("a place", to_bytes(&place)),
        },
    };
    let batch = LoadBatch { emails: vec![new], ..LoadBatch::default() };
    let outcomes = must("loading", sim.run(store.load(batch)));
    let known = model.entry(number).or_default();
    let deleted = outcomes == [Outcome::Deleted];
    assert_eq!(deleted, known.deleted, "{number}: {outcomes:?}, {known:?}");
    if !deleted {
        // One that was deleted, restored and is loaded again is there for sure.
        known.loaded = true;
        known.deleted_once = false;
    }
}

fn check(sim: &Sim, store: &Store, model: &BTreeMap<u32, Known>) {
    let mut there = 0u64;
    for (number, known) in model {
        let id = samples::id(*number);
        let found = must("reading", sim.run(store.emails(&[id]))).pop();
        let found = found.and_then(|email| must("reading", email));
        match &found {
            Some(found) => {
                assert!(known.loaded, "email {number} was never stored");
                let email = must("an email", access::<ArchivedEmail>(&found.email));
                assert_eq!(email.subject.as_str(), samples::email(*number).subject);
                assert!(!found.places.is_empty(), "email {number} has no place");
            }
            None => assert!(!known.loaded || known.deleted_once, "email {number} is gone, {known:?}"),
        }
        there = there.saturating_add(u64::from(found.is_some()));
        let mark = must("reading", sim.run(store.get(RowKind::Mark, &id)));
        let revision = mark.as_ref().map_or(0, |mark| {
            let mark = must("a mark", access::<ArchivedMark>(mark));
            assert_eq!(mark.deleted, known.deleted, "email {number}");
            mark.revision.to_native()
        });
        assert_eq!(revision, known.revision, "the mark of {number}");
    }
    for index in [IndexId::Date, IndexId::Size, IndexId::ArchiveFolder] {
        let count: Result<u64, StoreError> = sim.run(store.count(index, KeyRange::prefix(&[])));
        let count = must("counting", count);
        // What was taken out is in no index either.
        assert_eq!(count, there, "{index:?}");
    }
    let bands = must("counting", sim.run(store.count(IndexId::Near, KeyRange::prefix(&[]))));
    assert_eq!(bands, there.saturating_mul(4), "four of each");
    let report = must("verifying", sim.run(store.verify()));
    assert_eq!(report.damage, [], "nothing was damaged");
}
