//! Store, read back, seal, reopen, compact, on all three runtimes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and looks at files from outside"
)]

use crate::common::machine::Machine;
use crate::common::*;
use postlode_format::index::IndexId;
use postlode_format::row::*;
use postlode_store::*;

#[test]
fn what_is_stored_is_there_before_and_after_reopening() {
    Machine::each(|machine| {
        let all: Vec<u64> = (0..600).collect();
        let store = machine.open(options(2, Access::Write)).unwrap();
        for chunk in all.chunks(50) {
            let outcomes = machine.wait(store.load(batch(chunk.iter().copied()))).unwrap();
            assert_eq!(outcomes, vec![Outcome::Stored; chunk.len()]);
        }
        machine.wait(check(&store, &all));
        machine.wait(store.close()).unwrap();
        for access in [Access::Snapshot, Access::Write] {
            let store = machine.open(options(2, access)).unwrap();
            machine.wait(check(&store, &all));
            assert_eq!(machine.wait(store.stats()).unwrap().emails, 600);
            machine.wait(store.close()).unwrap();
        }
    });
}

#[test]
fn a_handle_dropped_without_closing_loses_nothing() {
    Machine::each(|machine| {
        let all: Vec<u64> = (0..300).collect();
        let store = machine.open(options(2, Access::Write)).unwrap();
        for chunk in all.chunks(20) {
            machine.wait(store.load(batch(chunk.iter().copied()))).unwrap();
        }
        drop(store);
        let store = machine.open(options(2, Access::Snapshot)).unwrap();
        machine.wait(check(&store, &all));
        machine.wait(store.close()).unwrap();
        let store = machine.open(options(2, Access::Write)).unwrap();
        machine.wait(check(&store, &all));
        machine.wait(store.close()).unwrap();
        assert_eq!(machine.files("log"), [] as [std::path::PathBuf; 0], "a closed store has no log");
    });
}

/// A page that was full before all segments had been asked said that it was the last one, although keys had been cut off:
/// what came after it was never shown. The simulated disk found it.
#[test]
fn pages_of_any_length_leave_nothing_out() {
    Machine::each(|machine| {
        // One shard: another that has more would say so.
        let mut options = options(1, Access::Write);
        options.fan_in = 0;
        let store = machine.open(options).unwrap();
        let mut by_date: Vec<u64> = (0..60).collect();
        by_date.sort_by_key(|n| date(*n));
        // Of four segments each has a bit of every page. A fifth is asked last where a page begins right after its only
        // email, and has nothing to give.
        let single = by_date.remove(19);
        let mut parts: Vec<Vec<u64>> = vec![Vec::new(); 4];
        for (rank, n) in by_date.into_iter().enumerate() {
            parts[rank % 4].push(n);
        }
        for part in parts.into_iter().chain([vec![single]]) {
            machine.wait(store.load(batch(part))).unwrap();
            machine.wait(store.seal()).unwrap();
        }
        for limit in 1..=61 {
            for descending in [false, true] {
                let (mut range, mut seen) = (KeyRange::prefix(&[]), 0);
                loop {
                    let scan = Scan { index: IndexId::Date, range: range.clone(), descending, limit };
                    let page = machine.wait(store.scan(scan)).unwrap();
                    seen += page.keys.len();
                    let Some(last) = page.keys.last() else { break };
                    if page.done {
                        break;
                    }
                    if descending {
                        range.high = last.to_vec();
                    } else {
                        range.low = [last.as_ref(), &[0]].concat();
                    }
                }
                assert_eq!(seen, 60, "pages of {limit}, descending: {descending}");
            }
        }
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn files_of_the_log_are_used_again_and_what_is_in_them_is_found() {
    use std::os::unix::fs::MetadataExt;
    Machine::each(|machine| {
        let mut options = options(1, Access::Write);
        options.log_file_bytes = 256 << 10;
        let store = machine.open(options.clone()).unwrap();
        let mut names: std::collections::BTreeMap<u64, std::collections::BTreeSet<std::path::PathBuf>> =
            std::collections::BTreeMap::new();
        let mut all = Vec::new();
        for from in (0..2_000u64).step_by(40) {
            let some: Vec<u64> = (from..from + 40).collect();
            machine.wait(store.load(batch(some.iter().copied()))).unwrap();
            all.extend(some);
            for path in machine.files("log") {
                // The writer may have renamed it meanwhile.
                let metadata = machine.path(&path).map(std::fs::metadata);
                let Some(Ok(metadata)) = metadata else { continue };
                names.entry(metadata.ino()).or_default().insert(path);
            }
        }
        // A file system may give the number of a file that was removed to a new one, but hardly each time.
        let again = names.values().map(|names| names.len() - 1).sum::<usize>();
        let made = names.len();
        let is_real = machine.path(std::path::Path::new("log")).is_some();
        assert!(!is_real || again > made, "{again} times used again, {made} files");
        // Not closed: all that is not sealed is found in files that hold old pages too.
        drop(store);
        let store = machine.open(options).unwrap();
        machine.wait(check(&store, &all));
        assert_eq!(machine.wait(store.stats()).unwrap().lost, []);
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_message_found_twice_is_one_email_with_two_places() {
    Machine::each(|machine| {
        let store = machine.open(options(2, Access::Write)).unwrap();
        machine.wait(store.load(batch([1, 2, 1]))).map(|o| assert_eq!(o[2], Outcome::Duplicate)).unwrap();
        assert_eq!(machine.wait(store.load(batch([1]))).unwrap(), [Outcome::Duplicate]);
        machine.wait(store.seal()).unwrap();
        assert_eq!(machine.wait(store.load(batch([1]))).unwrap(), [Outcome::Duplicate]);
        let mut again = new_email(1, "/Other");
        let place = Place { archive: [9; 16], ..place_of(&again) };
        again.place.key = place_key(&email_id(1), &place.archive, 1).into();
        again.place.value = to_bytes(&place).unwrap();
        let other = LoadBatch { emails: vec![again], ..LoadBatch::default() };
        assert_eq!(machine.wait(store.load(other)).unwrap(), [Outcome::NewPlace]);
        let found = machine.wait(store.emails(&[email_id(1)])).unwrap().remove(0).unwrap().unwrap();
        assert_eq!(found.places.len(), 2);
        let parts = machine.wait(store.parts(IndexId::Folder, b"", 10)).unwrap();
        assert_eq!(parts, [("/inbox".to_owned(), 2), ("/other".to_owned(), 1)]);
        machine.wait(store.close()).unwrap();
    });
}

fn place_of(new: &NewEmail) -> Place {
    let archived = access::<ArchivedPlace>(&new.place.value).unwrap();
    rkyv::deserialize::<Place, rkyv::rancor::Error>(archived).unwrap()
}

#[test]
fn the_newest_mark_counts_wherever_it_lies() {
    Machine::each(|machine| {
        let store = machine.open(options(2, Access::Write)).unwrap();
        machine.wait(store.load(batch(0..10))).unwrap();
        for revision in 1..6u64 {
            let tags = vec![format!("tag{revision}")];
            machine
                .wait(store.put(vec![mark(3, &Mark { tags, revision, date: date(3), ..Mark::default() })]))
                .unwrap();
            if revision % 2 == 0 {
                machine.wait(store.seal()).unwrap();
            }
            let now = machine.wait(store.get(RowKind::Mark, &email_id(3))).unwrap().unwrap();
            assert_eq!(access::<ArchivedMark>(&now).unwrap().revision.to_native(), revision);
        }
        machine.wait(store.compact()).unwrap();
        let now = machine.wait(store.get(RowKind::Mark, &email_id(3))).unwrap().unwrap();
        assert_eq!(access::<ArchivedMark>(&now).unwrap().revision.to_native(), 5);
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_deleted_email_does_not_come_back_with_its_archive() {
    Machine::each(|machine| {
        let store = machine.open(options(1, Access::Write)).unwrap();
        machine.wait(store.load(batch(0..10))).unwrap();
        machine.wait(store.put(vec![mark(4, &Mark { deleted: true, ..Mark::default() })])).unwrap();
        assert_eq!(machine.wait(store.load(batch([4]))).unwrap(), [Outcome::Deleted]);
        machine.wait(store.compact()).unwrap();
        machine.wait(store.load(batch(10..20))).unwrap();
        machine.wait(store.compact()).unwrap();
        assert_eq!(machine.wait(store.load(batch([4]))).unwrap(), [Outcome::Deleted]);
        assert!(machine.wait(store.emails(&[email_id(4)])).unwrap().remove(0).unwrap().is_none());
        let rest: Vec<u64> = (0..20).filter(|n| *n != 4).collect();
        machine.wait(check(&store, &rest));
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn any_number_of_shards_opens_it_and_compaction_cuts_it() {
    Machine::each(|machine| {
        let all: Vec<u64> = (0..400).collect();
        let mut at = 0;
        for shards in [2usize, 5, 1, 3] {
            let store = machine.open(options(shards, Access::Write)).unwrap();
            let new = &all[at..at + 100];
            at += 100;
            for chunk in new.chunks(20) {
                machine.wait(store.load(batch(chunk.iter().copied()))).unwrap();
            }
            machine.wait(check(&store, &all[..at]));
            if shards != 5 {
                machine.wait(store.compact()).unwrap();
                machine.wait(check(&store, &all[..at]));
                let stats = machine.wait(store.stats()).unwrap();
                assert_eq!(stats.emails, at as u64);
                assert_eq!(stats.segments.len(), shards, "one segment a shard after compaction");
            }
            assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
            // Every other time the store is left as a crash would leave it.
            if shards % 2 == 1 {
                machine.wait(store.close()).unwrap();
            }
        }
    });
}

#[test]
fn counts_need_no_reading_and_are_exact() {
    Machine::each(|machine| {
        let store = machine.open(options(3, Access::Write)).unwrap();
        for chunk in (0..500u64).collect::<Vec<_>>().chunks(50) {
            machine.wait(store.load(batch(chunk.iter().copied()))).unwrap();
        }
        let parts = machine.wait(store.parts(IndexId::Sender, b"", 100)).unwrap();
        let expected: Vec<_> = (0..5).map(|n| (format!("sender{n}@example.org"), 100)).collect();
        assert_eq!(parts, expected);
        assert_eq!(machine.wait(store.count(IndexId::Date, KeyRange::prefix(b""))).unwrap(), 500);
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn attachments_come_back_chunk_by_chunk() {
    Machine::each(|machine| {
        let store = machine.open(options(2, Access::Write)).unwrap();
        let chunk = |n: u32| bytes::Bytes::from(vec![n as u8; 70_000]);
        for n in 0..5 {
            let row = Row { kind: RowKind::BlobChunk, key: blob_key(&[7; 32], n).into(), value: chunk(n) };
            machine.wait(store.put(vec![row])).unwrap();
        }
        machine.wait(store.close()).unwrap();
        let store = machine.open(options(2, Access::Snapshot)).unwrap();
        for n in 0..5 {
            let found = machine.wait(store.get(RowKind::BlobChunk, &blob_key(&[7; 32], n))).unwrap();
            assert_eq!(found, Some(chunk(n)));
        }
        assert_eq!(machine.wait(store.get(RowKind::BlobChunk, &blob_key(&[7; 32], 5))).unwrap(), None);
        assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_second_writer_is_refused_and_a_snapshot_writes_nothing() {
    Machine::each(|machine| {
        let open = |access| machine.open(options(1, access));
        let store = open(Access::Write).unwrap();
        machine.wait(store.load(batch([1]))).unwrap();
        assert!(matches!(open(Access::Write), Err(StoreError::Locked(_))));
        let snapshot = open(Access::Snapshot).unwrap();
        assert!(matches!(machine.wait(snapshot.load(batch([2]))), Err(StoreError::ReadOnly)));
        machine.wait(check(&snapshot, &[1]));
        machine.wait(snapshot.close()).unwrap();
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_missing_folder_is_an_empty_store_and_stays_missing() {
    Machine::each(|machine| {
        let store = machine.open(options(2, Access::Snapshot)).unwrap();
        machine.wait(check(&store, &[]));
        assert_eq!(machine.wait(store.verify()).unwrap(), VerifyReport::default());
        machine.wait(store.close()).unwrap();
        for folder in ["", "log", "segments", "manifest"] {
            assert!(machine.files(folder).is_empty(), "{folder}");
        }
    });
}

#[test]
fn a_restored_email_survives_compaction_wherever_its_marks_lie() {
    // Compaction once asked only the marks of the segments it merged: a deletion in one of them won over a newer
    // restoration in another.
    Machine::each(|machine| {
        let store = machine.open(options(1, Access::Write)).unwrap();
        machine.wait(store.load(batch(0..10))).unwrap();
        let deleted = |deleted, revision| Mark { deleted, revision, ..Mark::default() };
        machine.wait(store.put(vec![mark(4, &deleted(true, 1)), mark(5, &deleted(true, 1))])).unwrap();
        machine.wait(store.seal()).unwrap();
        machine.wait(store.put(vec![mark(4, &deleted(false, 2))])).unwrap();
        machine.wait(store.compact()).unwrap();
        let rest: Vec<u64> = (0..10).filter(|n| *n != 5).collect();
        machine.wait(check(&store, &rest));
        // A deletion that comes later reaches the one segment there is, too.
        let held = Mark { deleted: true, holds: vec!["case".into()], revision: 2, ..Mark::default() };
        machine.wait(store.put(vec![mark(6, &deleted(true, 1)), mark(7, &held)])).unwrap();
        machine.wait(store.compact()).unwrap();
        let rest: Vec<u64> = rest.into_iter().filter(|n| *n != 6).collect();
        machine.wait(check(&store, &rest));
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn documents_of_a_long_named_space_are_all_listed() {
    // A prefix of 16 bytes or more was once taken for the beginning of an id, and most shards were not asked.
    Machine::each(|machine| {
        let store = machine.open(options(3, Access::Write)).unwrap();
        let doc = to_bytes(&Doc { json: "{}".into(), removed: false }).unwrap();
        for n in 0..40 {
            let key = doc_key("prepared_statements", &n.to_string()).into();
            machine.wait(store.put(vec![Row { kind: RowKind::Doc, key, value: doc.clone() }])).unwrap();
        }
        machine.wait(store.seal()).unwrap();
        let (rows, missing) =
            machine.wait(store.rows(RowKind::Doc, b"prepared_statements\0", None, 100)).unwrap();
        assert_eq!((rows.len(), missing.len()), (40, 0));
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn the_longest_key_can_be_sealed_and_a_longer_one_is_refused() {
    // A key of the full length was once accepted by the log and refused by the tree: its shard never sealed again.
    Machine::each(|machine| {
        let store = machine.open(options(1, Access::Write)).unwrap();
        let doc = to_bytes(&Doc { json: "{}".into(), removed: false }).unwrap();
        let row = |len: usize| Row { kind: RowKind::Doc, key: vec![b'k'; len].into(), value: doc.clone() };
        machine.wait(store.put(vec![row(1024)])).unwrap();
        assert!(matches!(machine.wait(store.put(vec![row(1025)])), Err(StoreError::Refused(_))));
        machine.wait(store.seal()).unwrap();
        assert!(machine.wait(store.get(RowKind::Doc, &[b'k'; 1024])).unwrap().is_some());
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn two_copies_with_different_dates_have_one_position() {
    Machine::each(|machine| {
        let store = machine.open(options(1, Access::Write)).unwrap();
        machine.wait(store.load(batch([1]))).unwrap();
        let mut again = new_email(1, "/Other");
        let place = Place { archive: [9; 16], date: 77, ..place_of(&again) };
        again.place.key = place_key(&email_id(1), &place.archive, 1).into();
        again.place.value = to_bytes(&place).unwrap();
        machine.wait(store.load(LoadBatch { emails: vec![again], ..LoadBatch::default() })).unwrap();
        let found = machine.wait(store.emails(&[email_id(1)])).unwrap().remove(0).unwrap().unwrap();
        for place in &found.places {
            assert_eq!(access::<ArchivedPlace>(place).unwrap().date.to_native(), date(1));
        }
        machine.wait(store.close()).unwrap();
    });
}

/// Requests that wait together are one frame of the log. One that is too large for any frame had those beside it
/// refused, too.
#[test]
fn a_request_too_large_for_a_frame_is_refused_alone() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::Portable(dir.path().join("store"));
    let store = machine.open(options(1, Access::Write)).unwrap();
    let chunk = bytes::Bytes::from(vec![7u8; 60 << 20]);
    let row = |n| Row { kind: RowKind::BlobChunk, key: blob_key(&[7; 32], n).into(), value: chunk.clone() };
    // While the first is written, the others come together.
    let alone = store.put(vec![row(9)]);
    let beside = store.load(batch([1]));
    let large = store.put((0..3).map(row).collect());
    let ((alone, beside), large) =
        machine.wait(futures_lite::future::zip(futures_lite::future::zip(alone, beside), large));
    assert!(matches!(large, Err(StoreError::Refused(_))), "{large:?}");
    assert_eq!((beside.unwrap(), alone.is_ok()), (vec![Outcome::Stored], true));
    let small = (0..3).map(|n| Row { value: chunk.slice(..9), ..row(n) }).collect();
    machine.wait(store.put(small)).unwrap();
    machine.wait(store.close()).unwrap();
}

/// A memtable that filled up while another was being sealed used to wait for the next write: after a load its rows stayed
/// in memory, and their log files on the disk, for as long as nobody wrote.
#[test]
fn a_full_memtable_is_sealed_without_another_write() {
    Machine::each(|machine| {
        // Each batch fills one, and there is no time to seal between them.
        let store = machine.open(StoreOptions { memtable_bytes: 1, ..options(1, Access::Write) }).unwrap();
        let batches = async {
            let (one, two) = (store.load(batch(0..20)), store.load(batch(20..40)));
            futures_lite::future::zip(one, async { (two.await, store.load(batch(40..60)).await) }).await
        };
        let (one, (two, three)) = machine.wait(batches);
        one.and(two).and(three).unwrap();
        let mut left = u64::MAX;
        for _ in 0..100 {
            left = machine.wait(store.counts()).unwrap().shards.iter().map(|s| s.memtable_emails).sum();
            if left == 0 {
                break;
            }
            machine.pause(std::time::Duration::from_millis(50));
        }
        assert_eq!(left, 0, "emails in memory");
        machine.wait(check(&store, &(0..60).collect::<Vec<_>>()));
        machine.wait(store.close()).unwrap();
    });
}
