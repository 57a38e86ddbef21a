//! Vectors that segments gain after they were made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use crate::common::machine::Machine;
use crate::common::*;
use postlode_format::row::Mark;
use postlode_store::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn quiet(shards: usize) -> StoreOptions {
    StoreOptions { fan_in: 0, ..options(shards, Access::Write) }
}

/// Loads mails in so many seals.
fn load(machine: &Machine, store: &Store, numbers: std::ops::Range<u64>, seals: u64) {
    let step = (numbers.end - numbers.start).div_ceil(seals);
    for first in numbers.clone().step_by(step as usize) {
        machine.wait(store.load(batch(first..(first + step).min(numbers.end)))).unwrap();
        machine.wait(store.seal()).unwrap();
    }
}

fn segments(machine: &Machine, store: &Store, model: &str) -> Vec<Covered> {
    machine.wait(store.coverage(model)).unwrap().segments
}

fn embed_all(machine: &Machine, store: &Store, model: &'static str) {
    for one in segments(machine, store, model) {
        assert_eq!(machine.wait(embed(store, one.segment, model, |_| true)).unwrap(), Some(true));
    }
}

/// The files that the manifest names, and no others, are there.
fn files_are_those_named(machine: &Machine, store: &Store) {
    let stats = machine.wait(store.stats()).unwrap();
    let named: BTreeSet<u64> = stats
        .segments
        .iter()
        .flat_map(|segment| std::iter::once(segment.id).chain(segment.addons.iter().map(|addon| addon.id)))
        .collect();
    let id = |file: PathBuf| u64::from_str_radix(file.file_stem().unwrap().to_str().unwrap(), 16).unwrap();
    let there: BTreeSet<u64> = machine.files("segments").into_iter().map(id).collect();
    assert_eq!(there, named);
}

#[test]
fn vectors_come_in_parts_and_are_there_after_opening() {
    Machine::each(|machine| {
        let store = machine.open(quiet(2)).unwrap();
        load(machine, &store, 0..200, 3);
        let all = segments(machine, &store, "m");
        assert_eq!(all.len(), 6);
        assert!(all.iter().all(|one| one.pending == one.emails));
        for part in 0..3 {
            for one in &all {
                let done = machine.wait(embed(&store, one.segment, "m", |n| n % 3 == part)).unwrap();
                assert_eq!(done, Some(true));
            }
            let left = machine.wait(check_addons(&store));
            let told = machine.wait(store.coverage("m")).unwrap().sums();
            assert_eq!((left, told), ((6, told.1), (200, told.1)));
            files_are_those_named(machine, &store);
        }
        assert_eq!(machine.wait(store.coverage("m")).unwrap().sums(), (200, 0));
        assert!(!machine.wait(store.coverage("m")).unwrap().active);
        assert_eq!(machine.wait(embed(&store, 999, "m", |_| true)).unwrap(), None);
        machine.wait(store.activate("m")).unwrap();
        // Not closed: what was told to be there is durable.
        drop(store);
        machine.pause(std::time::Duration::from_millis(50));
        for (shards, access) in [(1, Access::Snapshot), (3, Access::Write)] {
            let store = machine.open(StoreOptions { access, ..quiet(shards) }).unwrap();
            machine.wait(check(&store, &(0..200).collect::<Vec<_>>()));
            assert_eq!(machine.wait(check_addons(&store)), (6, 0));
            assert_eq!(machine.wait(store.active()).unwrap(), "m");
            assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
            machine.wait(store.close()).unwrap();
        }
    });
}

#[test]
fn they_go_along_when_segments_are_merged_and_cut() {
    Machine::each(|machine| {
        let store = machine.open(quiet(2)).unwrap();
        load(machine, &store, 0..300, 4);
        let all = segments(machine, &store, "m");
        // Some have all, some half, some nothing; of another model one has some.
        for (number, one) in all.iter().enumerate() {
            let wanted = |n: u32| number % 3 == 0 || (number % 3 == 1 && n.is_multiple_of(2));
            if number % 3 != 2 {
                machine.wait(embed(&store, one.segment, "m", wanted)).unwrap();
            }
        }
        machine.wait(embed(&store, all[0].segment, "other", |n| n < 5)).unwrap();
        let before = machine.wait(store.coverage("m")).unwrap().sums();
        let others = machine.wait(store.coverage("other")).unwrap().sums();
        assert!(before.1 > 0 && before.1 < 300 && others == (300, 295), "{before:?} {others:?}");
        machine.wait(store.compact()).unwrap();
        assert!(segments(machine, &store, "m").len() < all.len());
        assert_eq!(machine.wait(store.coverage("m")).unwrap().sums(), before);
        assert_eq!(machine.wait(store.coverage("other")).unwrap().sums(), others);
        machine.wait(check(&store, &(0..300).collect::<Vec<_>>()));
        files_are_those_named(machine, &store);
        machine.wait(store.close()).unwrap();
        // Cut for five shards, and made one.
        for shards in [5, 1] {
            let store = machine.open(quiet(shards)).unwrap();
            machine.wait(store.compact()).unwrap();
            assert_eq!(machine.wait(store.coverage("m")).unwrap().sums(), before, "{shards} shards");
            assert_eq!(machine.wait(store.coverage("other")).unwrap().sums(), others, "{shards} shards");
            machine.wait(check(&store, &(0..300).collect::<Vec<_>>()));
            files_are_those_named(machine, &store);
            assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
            machine.wait(store.close()).unwrap();
        }
    });
}

#[test]
fn vectors_of_deleted_mail_are_gone_after_compaction() {
    Machine::each(|machine| {
        let store = machine.open(quiet(1)).unwrap();
        load(machine, &store, 0..60, 2);
        embed_all(machine, &store, "m");
        let gone = Mark { deleted: true, revision: 1, ..Mark::default() };
        machine.wait(store.put(vec![mark(7, &gone), mark(40, &gone)])).unwrap();
        machine.wait(store.compact()).unwrap();
        assert_eq!(machine.wait(store.coverage("m")).unwrap().sums(), (58, 0));
        let left: Vec<u64> = (0..60).filter(|n| ![7, 40].contains(n)).collect();
        machine.wait(check(&store, &left));
        files_are_those_named(machine, &store);
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn who_answers_is_alone() {
    Machine::each(|machine| {
        let store = machine.open(quiet(2)).unwrap();
        load(machine, &store, 0..80, 2);
        embed_all(machine, &store, "m");
        machine.wait(store.activate("m")).unwrap();
        embed_all(machine, &store, "other");
        let told = machine.wait(store.coverage("other")).unwrap();
        assert!(!told.active && !told.others, "the one that answers is no stranger");
        assert!(
            machine.wait(store.coverage("third")).unwrap().others,
            "but the one on its way is, to a third"
        );
        assert_eq!(machine.wait(check_addons(&store)), (8, 0));
        machine.wait(store.activate("other")).unwrap();
        assert_eq!(machine.wait(check_addons(&store)), (4, 0));
        assert_eq!(machine.wait(store.coverage("m")).unwrap().sums(), (80, 80));
        files_are_those_named(machine, &store);
        machine.wait(store.activate("")).unwrap();
        assert_eq!(machine.wait(check_addons(&store)), (0, 0));
        files_are_those_named(machine, &store);
        machine.wait(store.close()).unwrap();
    });
}

/// Whatever byte of an add-on is damaged, its segment is whole, and what is told of it is right or named.
#[test]
fn a_damaged_addon_costs_its_vectors_alone() {
    Machine::each(|machine| {
        let store = machine.open(quiet(1)).unwrap();
        load(machine, &store, 0..40, 1);
        embed_all(machine, &store, "m");
        machine.wait(store.close()).unwrap();
        let all: Vec<u64> = (0..40).collect();
        let opened = || machine.open(StoreOptions { access: Access::Snapshot, ..quiet(1) }).unwrap();
        let store = opened();
        let addon = machine.wait(store.stats()).unwrap().segments[0].addons[0].id;
        machine.wait(store.close()).unwrap();
        let file = PathBuf::from(format!("segments/{addon:016x}.seg"));
        let length = machine.read(&file).len() as u64;
        let steps = if matches!(machine, Machine::Simulated(_)) { 97 } else { 5_003 };
        let mut named = 0;
        for at in (0..length).step_by(steps) {
            machine.flip(&file, at);
            let store = opened();
            let sources = machine.wait(store.text_sources(Default::default())).unwrap();
            let own = &sources.segments[0];
            let missing = match &own.addons[0].vectors {
                Ok(parts) => {
                    parts.values().map(|part| part.read(0, part.len() as usize)).find_map(Result::err)
                }
                Err(missing) => Some(missing.clone()),
            };
            assert!(missing.is_none_or(|missing| missing.segment == Some(addon)));
            let damage = machine.wait(store.verify()).unwrap().damage;
            assert!(damage.iter().all(|missing| missing.segment == Some(addon)), "{damage:?}");
            named += usize::from(!damage.is_empty());
            let ids: Vec<_> = all.iter().map(|n| email_id(*n)).collect();
            assert!(machine.wait(store.emails(&ids)).unwrap().iter().all(|one| matches!(one, Ok(Some(_)))));
            machine.wait(store.close()).unwrap();
            machine.flip(&file, at);
        }
        assert!(named > 3, "{named} of {length} bytes, each {steps}th");
        // What cannot be read is as what is not there: a merge goes on without it, and it can be made again.
        machine.flip(&file, 10);
        let store = machine.open(quiet(1)).unwrap();
        load(machine, &store, 40..60, 1);
        machine.wait(store.compact()).unwrap();
        assert_eq!(machine.wait(store.coverage("m")).unwrap().sums(), (60, 60));
        embed_all(machine, &store, "m");
        let all: Vec<u64> = (0..60).collect();
        machine.wait(check(&store, &all));
        assert_eq!(machine.wait(check_addons(&store)), (1, 0));
        assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn what_cannot_be_made_changes_nothing() {
    Machine::each(|machine| {
        let store = machine.open(quiet(1)).unwrap();
        load(machine, &store, 0..20, 1);
        let segment = segments(machine, &store, "m")[0].segment;
        let before = (machine.files("segments"), machine.files("manifest").len());
        for broken in [true, false] {
            let make: MakeAddon = Box::new(move |_| match broken {
                true => panic!("a builder that breaks on purpose"),
                false => Err("the model is on strike".to_owned()),
            });
            let add = AddVectors { segment, model: "m".to_owned(), make };
            let error = machine.wait(store.add_vectors(add)).unwrap_err().to_string();
            assert!(error.contains(if broken { "broken off" } else { "on strike" }), "{error}");
        }
        assert_eq!((machine.files("segments"), machine.files("manifest").len()), before);
        machine.wait(check(&store, &(0..20).collect::<Vec<_>>()));
        let snapshot = machine.open(StoreOptions { access: Access::Snapshot, ..quiet(1) }).unwrap();
        assert!(matches!(machine.wait(snapshot.activate("m")), Err(StoreError::ReadOnly)));
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_backup_has_them() {
    Machine::each(|machine| {
        let Some(folder) = machine.path(&PathBuf::from("backup")) else { return };
        let store = machine.open(quiet(2)).unwrap();
        load(machine, &store, 0..50, 2);
        embed_all(machine, &store, "m");
        machine.wait(store.activate("m")).unwrap();
        let copied = machine.wait(store.copy_to(&folder, false)).unwrap();
        assert_eq!(copied.files, 4 + 4 + 1);
        machine.wait(store.close()).unwrap();
        for file in machine.files("segments").into_iter().chain(machine.files("manifest")) {
            machine.remove(&file);
        }
        for kind in ["segments", "manifest"] {
            for copied in machine.files(&format!("backup/{kind}")) {
                let file = PathBuf::from(kind).join(copied.file_name().unwrap());
                machine.write(&file, &machine.read(&copied));
            }
        }
        let store = machine.open(quiet(2)).unwrap();
        machine.wait(check(&store, &(0..50).collect::<Vec<_>>()));
        assert_eq!(machine.wait(check_addons(&store)), (4, 0));
        assert_eq!(machine.wait(store.active()).unwrap(), "m");
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_follower_sees_them() {
    Machine::each(|machine| {
        let store = machine.open(quiet(2)).unwrap();
        let follower = machine.open(StoreOptions { access: Access::Follow, ..quiet(3) }).unwrap();
        load(machine, &store, 0..50, 2);
        let soon = |wanted: ((usize, u64), &str)| {
            for _ in 0..40 {
                machine.pause(std::time::Duration::from_millis(250));
                let active = machine.wait(follower.active()).unwrap();
                let told = (machine.wait(check_addons(&follower)), active.as_str());
                if (told.0, told.1) == wanted {
                    return;
                }
            }
            panic!("{wanted:?} is not seen");
        };
        let first = segments(machine, &store, "m")[0].segment;
        machine.wait(embed(&store, first, "m", |n| n % 2 == 0)).unwrap();
        let half = machine.wait(check_addons(&store));
        soon((half, ""));
        embed_all(machine, &store, "m");
        soon(((4, 0), ""));
        machine.wait(store.activate("m")).unwrap();
        soon(((4, 0), "m"));
        machine.wait(store.compact()).unwrap();
        soon(((2, 0), "m"));
        machine.wait(store.activate("")).unwrap();
        soon(((0, 0), ""));
        machine.wait(check(&follower, &(0..50).collect::<Vec<_>>()));
        machine.wait(store.close()).unwrap();
        machine.wait(follower.close()).unwrap();
    });
}

/// Segments waited to be merged, vectors were added before they were, and nobody told the merger again: without new mail they
/// waited until the store was opened again.
#[test]
fn merging_goes_on_after_vectors_were_added() {
    Machine::each(|machine| {
        let store = machine.open(quiet(1)).unwrap();
        load(machine, &store, 0..160, 32);
        machine.wait(store.close()).unwrap();
        let store = machine.open(StoreOptions { fan_in: 4, ..quiet(1) }).unwrap();
        for _ in 0..3 {
            let segments = segments(machine, &store, "m");
            machine.wait(embed(&store, segments[0].segment, "m", |_| true)).unwrap();
        }
        let mut left = 0;
        for _ in 0..200 {
            machine.pause(std::time::Duration::from_millis(50));
            left = machine.wait(store.coverage("m")).unwrap().segments.len();
            if left < 12 {
                break;
            }
        }
        assert!(left < 12, "{left} segments are left");
        machine.wait(check(&store, &(0..160).collect::<Vec<_>>()));
        machine.wait(store.close()).unwrap();
    });
}
