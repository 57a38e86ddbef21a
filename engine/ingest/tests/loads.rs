//! Loads of generated archives: counts, repetition, custodians, refusals, interruption.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod common;

use common::{check, load, store};
use futures_lite::future::block_on;
use postlode_format::row::{ArchivedArchiveVersion, ArchivedPlace, RowKind, access};
use postlode_ingest::{LoadEvent, LoadRequest, Loader, Parsers};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn archive(path: &Path, messages: u64, seed: u64) -> pstgen::Summary {
    let options = pstgen::Options { seed, attachments: 0.2, ..pstgen::Options::new(path, messages) };
    pstgen::generate(&options).unwrap()
}

#[test]
fn every_item_is_accounted_for_and_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pst");
    let made = archive(&path, 700, 1);
    let store = store(&dir.path().join("data"));
    let first = load(&store, std::slice::from_ref(&path), "");
    assert!(first.clean(), "{:?}", first.failures);
    let report = &first.archives[0];
    assert_eq!((report.found, report.failed, report.partial), (made.items, 0, 0));
    assert_eq!(report.attachments, made.attachments);
    assert_eq!(report.bytes, fs::metadata(&path).unwrap().len());
    assert_eq!((report.kind.as_str(), report.sha256.len()), ("pst-unicode", 64));

    let again = load(&store, std::slice::from_ref(&path), "");
    assert_eq!((again.stored, again.duplicate), (0, made.items));
    assert_eq!(again.archives[0].attachments, made.attachments);

    let (rows, missing) = block_on(store.rows(RowKind::Archive, &[], None, 10)).unwrap();
    assert!(missing.is_empty());
    let row = access::<ArchivedArchiveVersion>(&rows[0].value).unwrap();
    assert!(row.complete && rows.len() == 1);
    assert_eq!(row.counts.found.to_native(), made.items);
    block_on(store.close()).unwrap();
}

#[test]
fn another_custodian_is_another_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pst");
    let made = archive(&path, 300, 2);
    let store = store(&dir.path().join("data"));
    load(&store, std::slice::from_ref(&path), "ann");
    let emails = block_on(store.stats()).unwrap().emails;
    let second = load(&store, std::slice::from_ref(&path), "bob");
    assert_eq!((second.stored, second.duplicate), (0, made.items));
    assert_eq!(block_on(store.stats()).unwrap().emails, emails);
    let (rows, _) = block_on(store.rows(RowKind::Place, &[], None, 100_000)).unwrap();
    let places: BTreeSet<(Vec<u8>, String)> = rows
        .iter()
        .map(|row| {
            (row.key[..16].to_vec(), access::<ArchivedPlace>(&row.value).unwrap().custodian.to_string())
        })
        .collect();
    let of = |name: &str| places.iter().filter(|(_, custodian)| custodian == name).count() as u64;
    assert_eq!((of("ann"), of("bob")), (emails, emails));
    block_on(store.close()).unwrap();
}

#[test]
fn what_cannot_be_read_is_refused_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("mail");
    fs::create_dir_all(folder.join("deep")).unwrap();
    let made = archive(&folder.join("deep/good.pst"), 50, 3);
    let whole = fs::read(folder.join("deep/good.pst")).unwrap();
    fs::write(folder.join("empty.pst"), "").unwrap();
    fs::write(folder.join("text.pst"), "this is no archive, only text that is called one").unwrap();
    fs::write(folder.join("header.pst"), &whole[..600]).unwrap();
    fs::write(folder.join("notes.txt"), "nothing").unwrap();
    let store = store(&dir.path().join("data"));
    let paths = [folder.clone(), folder.join("notes.txt"), dir.path().join("none.pst")];
    let report = load(&store, &paths, "");
    assert_eq!((report.found, report.stored), (made.items, made.items));
    let refused: Vec<(String, String)> = report
        .archives
        .iter()
        .filter_map(|a| Some((a.path.rsplit('/').next()?.to_owned(), a.refused.clone()?)))
        .collect();
    let names: Vec<&str> = refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["empty.pst", "header.pst", "text.pst", "notes.txt", "none.pst"]);
    for (name, reason) in &refused {
        assert!(!reason.is_empty() && !reason.contains('\n'), "{name}: {reason}");
    }
    assert!(refused[0].1.contains("empty") && refused[4].1.contains("No such file"), "{refused:?}");
    assert!(!report.clean());
    block_on(store.close()).unwrap();
}

#[test]
fn an_archive_cut_short_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.pst");
    archive(&path, 400, 4);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let store = store(&dir.path().join("data"));
    let report = load(&store, &[path], "");
    let told =
        report.archives[0].refused.clone().or_else(|| report.failures.first().map(|f| f.reason.clone()));
    assert!(told.is_some_and(|told| told.contains("cut short")), "{report:?}");
    assert!(!report.clean());
    block_on(store.close()).unwrap();
}

#[test]
fn a_load_that_is_stopped_again_and_again_comes_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pst");
    let made = archive(&path, 1_500, 5);
    let store = store(&dir.path().join("data"));
    let loader = Loader::new(store.clone(), Parsers::Threads);
    let mut stored = 0;
    let (mut rounds, mut found) = (0, 0);
    loop {
        let request = LoadRequest { paths: vec![path.clone()], jobs: Some(2), ..LoadRequest::default() };
        let load = loader.start(request).unwrap();
        let report = loop {
            match block_on(load.next()).unwrap() {
                // Stopped sooner, a round might bring nothing.
                LoadEvent::Progress(progress) if progress.found > found => load.stop_handle().stop(),
                LoadEvent::Done(report) => break report,
                LoadEvent::Failed { error } => panic!("{error}"),
                _ => {}
            }
        };
        check(&report);
        stored += report.stored;
        found = report.found;
        rounds += 1;
        assert!(rounds < 100, "no end after {stored} of {}", made.items);
        if !report.interrupted {
            assert_eq!(report.found, made.items);
            break;
        }
    }
    let other = common::store(&dir.path().join("other"));
    let at_once = common::load(&other, &[path], "");
    assert_eq!(stored, at_once.stored);
    assert_eq!(block_on(store.stats()).unwrap().emails, block_on(other.stats()).unwrap().emails);
    block_on(store.close()).unwrap();
    block_on(other.close()).unwrap();
}
