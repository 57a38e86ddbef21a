//! Damage is found, named and confined: flipped bits in segments, lost and cut files, damaged logs.
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
use postlode_format::index::IndexId;
use postlode_format::row::*;
use postlode_runtime::CpuPool;
use postlode_runtime::portable::PortableSpawner;
use postlode_store::*;
use std::fs;
use std::path::{Path, PathBuf};

fn open(root: &Path, shards: usize, access: Access) -> Result<Store, StoreError> {
    let spawner = PortableSpawner::new(root.to_owned(), CpuPool::new(1).unwrap());
    block_on(Store::open(spawner, options(shards, access)))
}

/// A sealed store of `count` emails in one segment a shard.
fn sealed(root: &Path, shards: usize, count: u64) {
    let store = open(root, shards, Access::Write).unwrap();
    for chunk in (0..count).collect::<Vec<_>>().chunks(50) {
        block_on(store.load(batch(chunk.iter().copied()))).unwrap();
    }
    block_on(store.compact()).unwrap();
    block_on(store.close()).unwrap();
}

fn files(root: &Path, dir: &str) -> Vec<PathBuf> {
    let mut out: Vec<_> = fs::read_dir(root.join(dir)).unwrap().map(|e| e.unwrap().path()).collect();
    out.sort();
    out
}

fn flip(path: &Path, at: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn every_section_with_a_flipped_bit_is_named_and_the_rest_answers() {
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), 2, 300);
    let path = files(dir.path(), "segments").remove(0);
    let good = fs::read(&path).unwrap();
    let store = open(dir.path(), 2, Access::Snapshot).unwrap();
    let stats = block_on(store.stats()).unwrap();
    block_on(store.close()).unwrap();
    let segment =
        stats.segments.iter().find(|s| path.ends_with(format!("{:016x}.seg", s.id))).unwrap().clone();
    let mut at = 4096u64;
    let mut places: Vec<(String, u64)> = vec![("header".into(), 100), ("trailer".into(), segment.bytes - 1)];
    for (name, _, on_disk, _) in &segment.sections {
        places.push((name.clone(), at));
        at += on_disk;
    }
    places.push(("directory".into(), at));
    assert!(places.len() > 12, "{places:?}");
    for (name, at) in places {
        flip(&path, at);
        let store = open(dir.path(), 2, Access::Snapshot).unwrap();
        let report = block_on(store.verify()).unwrap();
        assert_eq!(report.damage.len(), 1, "{name}: {report:?}");
        assert_eq!(report.damage[0].segment, Some(segment.id));
        assert_eq!(report.damage[0].section, name);
        // Whatever is damaged: an answer is right, or says that it is not whole.
        let (mut there, mut missing) = (0, 0);
        for n in 0..300 {
            let email = block_on(store.emails(&[email_id(n)])).unwrap().remove(0);
            let body = block_on(store.bodies(&[email_id(n)])).unwrap().remove(0);
            match (email, body) {
                (Ok(Some(found)), Ok(Some(body))) => {
                    assert_eq!(access::<ArchivedEmail>(&found.email).unwrap().subject.as_str(), subject(n));
                    assert_eq!(access::<ArchivedBody>(&body).unwrap().text(), text(n));
                    there += 1;
                }
                (Ok(None), _) | (_, Ok(None)) => panic!("{name}: mail {n} is silently missing"),
                (Err(m), _) | (_, Err(m)) => {
                    assert_eq!(m.segment, Some(segment.id), "{m}");
                    missing += 1;
                }
            }
        }
        assert_eq!(there + missing, 300);
        assert!(there >= 100, "{name}: only {there} emails can still be read");
        let scan = Scan { index: IndexId::Date, range: KeyRange::prefix(b""), descending: true, limit: 1000 };
        let page = block_on(store.scan(scan)).unwrap();
        assert!(page.keys.len() == 300 || !page.missing.is_empty(), "{name}: a scan is silently short");
        block_on(store.close()).unwrap();
        fs::write(&path, &good).unwrap();
    }
    let store = open(dir.path(), 2, Access::Snapshot).unwrap();
    assert_eq!(block_on(store.verify()).unwrap().damage, []);
    block_on(store.close()).unwrap();
}

#[test]
fn a_segment_that_is_gone_or_cut_is_named() {
    for cut in [None, Some(5000), Some(0)] {
        let dir = tempfile::tempdir().unwrap();
        sealed(dir.path(), 2, 100);
        let path = files(dir.path(), "segments").remove(1);
        match cut {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => fs::File::options().write(true).open(&path).unwrap().set_len(bytes).unwrap(),
        }
        let store = open(dir.path(), 2, Access::Write).unwrap();
        assert_eq!(block_on(store.verify()).unwrap().damage.len(), 1);
        assert_eq!(block_on(store.stats()).unwrap().missing.len(), 1);
        let page = block_on(store.scan(Scan {
            index: IndexId::Date,
            range: KeyRange::prefix(b""),
            descending: false,
            limit: 1000,
        }));
        let page = page.unwrap();
        assert!(!page.keys.is_empty() && page.keys.len() < 100 && page.missing.len() == 1);
        // A merge must not make the loss final.
        block_on(store.load(batch(200..260))).unwrap();
        block_on(store.seal()).unwrap();
        block_on(store.load(batch(300..360))).unwrap();
        assert!(block_on(store.compact()).is_err());
        block_on(store.close()).unwrap();
    }
}

#[test]
fn a_damaged_manifest_stops_the_store_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), 1, 10);
    let newest = files(dir.path(), "manifest").pop().unwrap();
    let good = fs::read(&newest).unwrap();
    flip(&newest, 50);
    for access in [Access::Snapshot, Access::Write] {
        let error = open(dir.path(), 1, access).err().unwrap().to_string();
        assert!(error.contains("manifest/") && error.contains("checksum"), "{error}");
    }
    let mut newer = good.clone();
    newer[8] = 9;
    fs::write(&newest, newer).unwrap();
    let error = open(dir.path(), 1, Access::Write).err().unwrap().to_string();
    assert!(error.contains("newer Postlode"), "{error}");
    fs::write(&newest, good).unwrap();
    let store = open(dir.path(), 1, Access::Write).unwrap();
    block_on(check(&store, &(0..10).collect::<Vec<_>>()));
    block_on(store.close()).unwrap();
}

#[test]
fn a_damaged_log_loses_only_what_is_damaged_and_the_loss_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1, Access::Write).unwrap();
    for n in 0..30 {
        block_on(store.load(batch([n]))).unwrap();
    }
    drop(store);
    let log = files(dir.path(), "log").remove(0);
    // The third frame: each takes one page.
    flip(&log, 2 * 4096 + 77);
    let snapshot = open(dir.path(), 1, Access::Snapshot).unwrap();
    assert_eq!(block_on(snapshot.verify()).unwrap().damage.len(), 1);
    block_on(snapshot.close()).unwrap();
    let store = open(dir.path(), 1, Access::Write).unwrap();
    let rest: Vec<u64> = (0..30).filter(|n| *n != 2).collect();
    block_on(check(&store, &rest));
    let stats = block_on(store.stats()).unwrap();
    assert_eq!(stats.lost.len(), 1);
    block_on(store.close()).unwrap();
    let store = open(dir.path(), 1, Access::Snapshot).unwrap();
    assert_eq!(block_on(store.verify()).unwrap().damage.len(), 1, "nobody forgets what was lost");
    block_on(store.close()).unwrap();
}

#[test]
fn a_torn_last_frame_was_never_acknowledged_and_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1, Access::Write).unwrap();
    for n in 0..10 {
        block_on(store.load(batch([n]))).unwrap();
    }
    drop(store);
    let log = files(dir.path(), "log").remove(0);
    flip(&log, 9 * 4096 + 500);
    let store = open(dir.path(), 1, Access::Write).unwrap();
    block_on(check(&store, &(0..9).collect::<Vec<_>>()));
    assert_eq!(block_on(store.verify()).unwrap().damage, []);
    block_on(store.close()).unwrap();
}
