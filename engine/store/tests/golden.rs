//! A store that version 1 wrote opens for ever: sealed segments of mail and attachments, and a log that was never
//! sealed. `POSTLODE_WRITE_GOLDEN=1` writes it where it is missing, and never overwrites it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and looks at files from outside"
)]

mod common;

use common::*;
use futures_lite::future::block_on;
use postlode_format::row::*;
use postlode_runtime::CpuPool;
use postlode_runtime::portable::PortableSpawner;
use postlode_store::*;
use std::fs;
use std::path::{Path, PathBuf};

fn open(root: &Path, shards: usize, access: Access) -> Store {
    let spawner = PortableSpawner::new(root.to_owned(), CpuPool::new(1).unwrap());
    let mut options = options(shards, access);
    options.memtable_bytes = 1 << 20;
    options.log_file_bytes = 16 << 10;
    block_on(Store::open(spawner, options)).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn write(root: &Path) {
    let store = open(root, 1, Access::Write);
    block_on(store.load(batch(0..12))).unwrap();
    let chunk =
        Row { kind: RowKind::BlobChunk, key: blob_key(&[7; 32], 0).into(), value: vec![9u8; 3000].into() };
    block_on(store.put(vec![chunk])).unwrap();
    block_on(store.seal()).unwrap();
    block_on(store.load(batch(12..15))).unwrap();
    block_on(store.put(vec![mark(3, &Mark { tags: vec!["old".into()], revision: 4, ..Mark::default() })]))
        .unwrap();
    drop(store);
}

#[test]
fn a_store_of_version_1_opens_and_is_whole() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../format-spec/golden/v1/store");
    if !golden.exists() && std::env::var_os("POSTLODE_WRITE_GOLDEN").is_some() {
        write(&golden);
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&golden, dir.path());
    for (shards, access) in
        [(1, Access::Snapshot), (3, Access::Snapshot), (2, Access::Write), (1, Access::Write)]
    {
        let store = open(dir.path(), shards, access);
        block_on(check(&store, &(0..15).collect::<Vec<_>>()));
        assert_eq!(block_on(store.verify()).unwrap().damage, []);
        let chunk = block_on(store.get(RowKind::BlobChunk, &blob_key(&[7; 32], 0))).unwrap().unwrap();
        assert_eq!(chunk, vec![9u8; 3000]);
        let mark = block_on(store.get(RowKind::Mark, &email_id(3))).unwrap().unwrap();
        assert_eq!(access_mark(&mark), 4);
        if access == Access::Write {
            block_on(store.compact()).unwrap();
            block_on(check(&store, &(0..15).collect::<Vec<_>>()));
        }
        block_on(store.close()).unwrap();
    }
}

fn access_mark(bytes: &[u8]) -> u64 {
    access::<ArchivedMark>(bytes).unwrap().revision.to_native()
}
