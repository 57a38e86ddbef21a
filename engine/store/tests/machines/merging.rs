//! What the store merges by itself, on all three runtimes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use crate::common::machine::Machine;
use crate::common::*;
use postlode_format::index::IndexId;
use postlode_format::row::*;
use postlode_store::*;

fn merging(fan_in: usize) -> StoreOptions {
    let mut options = options(2, Access::Write);
    options.fan_in = fan_in;
    options
}

/// Waits until the store has merged so much that so few segments are left.
fn wait_for(machine: &Machine, store: &Store, most: usize) -> StoreStats {
    for _ in 0..10_000 {
        let stats = machine.wait(store.stats()).unwrap();
        if stats.segments.len() <= most {
            return stats;
        }
        // On the real machines the other threads need the time; the simulated one has run on by the asking.
        std::thread::yield_now();
    }
    panic!("it does not merge: {:?}", machine.wait(store.stats()).unwrap().compaction);
}

#[test]
fn segments_of_a_size_become_one_without_being_asked() {
    Machine::each(|machine| {
        let all: Vec<u64> = (0..480).collect();
        let store = machine.open(merging(4)).unwrap();
        for chunk in all.chunks(20) {
            machine.wait(store.load(batch(chunk.iter().copied()))).unwrap();
            machine.wait(store.seal()).unwrap();
        }
        // 24 seals on each of two shards: less than four of a size may be left.
        let stats = wait_for(machine, &store, 2 * 3 * 3);
        assert!(stats.compaction.merges >= 8, "{:?}", stats.compaction);
        assert!(stats.compaction.bytes_written > 0 && stats.compaction.bytes_read > 0);
        machine.wait(check(&store, &all));
        assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
        assert_eq!(machine.wait(store.count(IndexId::Date, KeyRange::prefix(&[]))).unwrap(), 480);
        machine.wait(store.close()).unwrap();
        // Files of sources are gone, and nothing half made is left.
        let left = machine.wait(machine.open(options(2, Access::Snapshot)).unwrap().stats()).unwrap();
        assert_eq!(machine.files("segments").len(), left.segments.len());
    });
}

/// Merged trees are made from the trees of the sources, and a tag that was taken away had an entry there.
#[test]
fn a_tag_that_was_taken_away_leaves_no_entry_behind() {
    Machine::each(|machine| {
        let store = machine.open(merging(0)).unwrap();
        machine.wait(store.load(batch(0..40))).unwrap();
        for (revision, tags) in [(1, vec!["privileged".to_owned()]), (2, vec![])] {
            let new = Mark { tags, revision, date: date(7), ..Mark::default() };
            machine.wait(store.put(vec![mark(7, &new)])).unwrap();
            machine.wait(store.seal()).unwrap();
        }
        let tagged = || machine.wait(store.count(IndexId::Tag, KeyRange::prefix(&[]))).unwrap();
        assert_eq!(tagged(), 1, "before merging the entry of the superseded mark counts");
        machine.wait(store.compact()).unwrap();
        assert_eq!(tagged(), 0);
        machine.wait(check(&store, &(0..40).collect::<Vec<_>>()));
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_damaged_segment_is_left_alone_and_the_others_are_merged() {
    Machine::each(|machine| {
        let store = machine.open(merging(0)).unwrap();
        for n in 0..6 {
            machine.wait(store.load(batch(n * 10..n * 10 + 10))).unwrap();
            machine.wait(store.seal()).unwrap();
        }
        machine.wait(store.close()).unwrap();
        let victim = machine.files("segments").remove(0);
        let middle = machine.read(&victim).len() as u64 / 2;
        machine.flip(&victim, middle);
        let store = machine.open(merging(5)).unwrap();
        // Of twelve: the damaged one, what its five neighbours became, and five of the other shard's six.
        let stats = wait_for(machine, &store, 4);
        assert_eq!(stats.segments.len(), 4);
        let damage = machine.wait(store.verify()).unwrap().damage;
        let name = victim.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(damage.iter().all(|d| name.contains(&format!("{:016x}", d.segment.unwrap()))), "{damage:?}");
        assert!(!damage.is_empty() && machine.files("segments").contains(&victim));
        machine.wait(store.close()).unwrap();
    });
}

/// A merge under way ends with the store, and the next writer finds the sources.
#[test]
fn a_store_that_closes_waits_for_no_merge() {
    Machine::each(|machine| {
        let all: Vec<u64> = (0..1_200).collect();
        for part in all.chunks(200) {
            let store = machine.open(merging(2)).unwrap();
            for chunk in part.chunks(40) {
                machine.wait(store.load(batch(chunk.iter().copied()))).unwrap();
                machine.wait(store.seal()).unwrap();
            }
            machine.wait(store.close()).unwrap();
        }
        let store = machine.open(merging(0)).unwrap();
        machine.wait(check(&store, &all));
        assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
        machine.wait(store.close()).unwrap();
    });
}

/// Segments written without vectors stayed without for good, while searches said that a compaction makes them.
#[test]
fn a_compaction_makes_vectors_where_there_are_none() {
    Machine::each(|machine| {
        let store = machine.open(StoreOptions { vectors: None, ..merging(0) }).unwrap();
        machine.wait(store.load(batch(0..40))).unwrap();
        machine.wait(store.close()).unwrap();
        let store = machine.open(merging(0)).unwrap();
        assert_eq!(machine.wait(check_vectors(&store)), 0);
        machine.wait(store.compact()).unwrap();
        let segments = machine.wait(store.text_sources(Default::default())).unwrap().segments.len();
        assert_eq!(machine.wait(check_vectors(&store)), segments);
        assert!(segments > 0);
        // Now that they are there, nothing is written anew.
        let before = machine.files("segments");
        machine.wait(store.compact()).unwrap();
        assert_eq!(machine.files("segments"), before);
        machine.wait(store.close()).unwrap();
    });
}
