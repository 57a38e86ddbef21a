//! A store that any version wrote opens for ever: sealed segments of mail and attachments, and a log that was never
//! sealed. `POSTLODE_WRITE_GOLDEN=1` writes that of this version where it is missing, and never overwrites one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and looks at files from outside"
)]

mod common;

use common::machine::Machine;
use common::*;
use postlode_format::index::IndexId;
use postlode_format::row::*;
use postlode_store::*;
use std::fs;
use std::path::{Path, PathBuf};

fn small(shards: usize, access: Access) -> StoreOptions {
    let mut options = options(shards, access);
    options.memtable_bytes = 1 << 20;
    options.log_file_bytes = 16 << 10;
    options
}

/// The golden store's files, by the path inside it.
fn golden_files(root: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(golden_files(root, &path)),
            false => files.push(path),
        }
    }
    files
}

fn write(machine: &Machine, emails: u64) {
    let store = machine.open(small(1, Access::Write)).unwrap();
    machine.wait(store.load(batch(0..emails - 3))).unwrap();
    let chunk =
        Row { kind: RowKind::BlobChunk, key: blob_key(&[7; 32], 0).into(), value: vec![9u8; 3000].into() };
    machine.wait(store.put(vec![chunk])).unwrap();
    machine.wait(store.seal()).unwrap();
    // Only what was merged has dictionaries.
    machine.wait(store.load(batch(emails - 3..emails - 2))).unwrap();
    machine.wait(store.seal()).unwrap();
    // No mail has the attachment: a load under way keeps it.
    let loading = store.loading();
    assert_eq!(machine.wait(store.compact()).unwrap(), Swept::Waits);
    drop(loading);
    machine.wait(store.load(batch(emails - 2..emails))).unwrap();
    machine
        .wait(store.put(vec![mark(3, &Mark { tags: vec!["old".into()], revision: 4, ..Mark::default() })]))
        .unwrap();
    drop(store);
}

#[test]
fn a_store_of_version_1_opens_and_is_whole() {
    opens_and_is_whole("v1", 15);
}

#[test]
fn a_store_of_version_2_opens_and_is_whole() {
    opens_and_is_whole("v2", 15);
}

#[test]
fn a_store_of_version_3_opens_and_is_whole() {
    opens_and_is_whole("v3", 130);
}

#[test]
fn a_store_of_version_4_opens_and_is_whole() {
    opens_and_is_whole("v4", 300);
}

#[test]
fn a_store_of_version_5_opens_and_is_whole() {
    opens_and_is_whole("v5", 300);
}

fn opens_and_is_whole(version: &str, emails: u64) {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../format-spec/golden");
    let golden = golden.join(version).join("store");
    if !golden.exists() && std::env::var_os("POSTLODE_WRITE_GOLDEN").is_some() {
        write(&Machine::Portable(golden.clone()), emails);
    }
    let files = golden_files(&golden, Path::new(""));
    assert!(!files.is_empty(), "the golden store is gone");
    Machine::each(|machine| {
        for file in &files {
            machine.write(file, &fs::read(golden.join(file)).unwrap());
        }
        let mut compacted = false;
        for (shards, access) in
            [(1, Access::Snapshot), (3, Access::Snapshot), (2, Access::Write), (1, Access::Write)]
        {
            let store = machine.open(small(shards, access)).unwrap();
            machine.wait(check(&store, &(0..emails).collect::<Vec<_>>()));
            assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
            // No mail has it, so the compaction below takes it out.
            let chunk = machine.wait(store.get(RowKind::BlobChunk, &blob_key(&[7; 32], 0))).unwrap();
            assert_eq!(chunk, (!compacted).then(|| vec![9u8; 3000].into()));
            let mark = machine.wait(store.get(RowKind::Mark, &email_id(3))).unwrap().unwrap();
            assert_eq!(access_mark(&mark), 4);
            if access == Access::Write {
                machine.wait(store.compact()).unwrap();
                compacted = true;
                // Those of older versions had none, and have them now.
                let sources = machine.wait(store.text_sources(Default::default())).unwrap();
                assert_eq!(machine.wait(check_vectors(&store)), sources.segments.len(), "{version}");
                let columns = machine.wait(store.column_sources(true)).unwrap().segments;
                assert!(columns.iter().all(|segment| !segment.columns.is_empty()), "{version}");
                let emails_of = |index| machine.wait(store.count(index, KeyRange::prefix(&[]))).unwrap();
                // Indexes that the version did not have are there now.
                assert_eq!(emails_of(IndexId::Size), emails, "{version}");
                assert_eq!(emails_of(IndexId::Domain), emails, "{version}");
                assert_eq!(emails_of(IndexId::ArchiveFolder), emails, "{version}");
                machine.wait(check(&store, &(0..emails).collect::<Vec<_>>()));
            }
            machine.wait(store.close()).unwrap();
        }
    });
}

fn access_mark(bytes: &[u8]) -> u64 {
    access::<ArchivedMark>(bytes).unwrap().revision.to_native()
}
