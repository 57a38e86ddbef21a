//! Interruption at every point of what one worker says, as a kill between two commits would.

use crate::child::{Child, Parsers};
use crate::commit::{Commit, put};
use crate::contents;
use crate::limits::Limits;
use crate::load::{How, load};
use crate::losses::{Copy, Losses};
use crate::model::{LoadReport, LoadRequest};
use crate::output::{Loss, Output, Parsed};
use crate::plan::Plan;
use crate::resume::{self, Begun};
use crate::sums::Sums;
use crate::watch::Watch;
use crate::wire::{Format, Opening, Way};
use crate::worker::{Job, work};
use futures_lite::future::block_on;
use postlode_format::row::{ArchivedPlace, Grade, RowKind, access};
use postlode_runtime::CpuPool;
use postlode_runtime::portable::PortableSpawner;
use postlode_store::{Access, Store, StoreOptions};
use postlode_text::TextIndex;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Instant;

fn store(root: &Path, shards: usize) -> Store {
    let cpu = CpuPool::new(1).unwrap();
    let mut options = StoreOptions::new(shards, Access::Write, Arc::new(TextIndex));
    options.log_file_bytes = 4 << 20;
    block_on(Store::open(PortableSpawner::new(root.to_owned(), cpu), options)).unwrap()
}

fn run(store: &Store, path: &Path) -> LoadReport {
    run_request(store, &LoadRequest { paths: vec![path.to_owned()], ..LoadRequest::default() })
}

fn run_request(store: &Store, request: &LoadRequest) -> LoadReport {
    run_by(store, Parsers::Threads, request)
}

fn run_by(store: &Store, parsers: Parsers, request: &LoadRequest) -> LoadReport {
    let (events, _told) = async_channel::unbounded();
    let watch = Watch::new(events, Arc::default());
    let request = LoadRequest { jobs: Some(2), ..request.clone() };
    load(store, &How::new(parsers), &request, &watch).unwrap()
}

/// All that a single worker says of an archive, told step by step to `each`.
fn said(path: &Path, store: &Store, each: impl FnMut(&Commit<'_>, Output)) {
    told(path, store, true, each);
}

/// The same; with no parser but the one that lists, where there shall be none to read.
fn told(path: &Path, store: &Store, readable: bool, mut each: impl FnMut(&Commit<'_>, Output)) {
    let file = File::open(path).unwrap();
    let (sha256, bytes) = crate::hash::sha256(&file, |_| true).unwrap().unwrap();
    let limits = Limits::default();
    let until = Instant::now() + limits.of_archive(bytes);
    let (mut child, _) = Child::start(&Parsers::Threads, limits.item).unwrap();
    let opening = Opening {
        version: sha256,
        format: Format::Pst,
        folder: String::new(),
        name: String::new(),
        recover: false,
    };
    let opened = contents::open(&mut child, &file, &opening, until).unwrap();
    let contents = contents::list(&mut child, opened, bytes, &limits, until, Way::Whole).unwrap();
    let archive = contents.opened.archive;
    let plan = Plan::of(contents.items.clone());
    let version = *sha256.first_chunk().unwrap();
    let load = plan.load_id(&archive, &version, "");
    let (marks, known) = (HashMap::new(), Losses::default());
    let copy = Copy { archive, version, ..Copy::default() };
    let begun = Begun {
        copy: &copy,
        load: &load,
        marks: &marks,
        known: &known,
        folders: &contents.folders,
        retry: false,
        finished: false,
    };
    let (tally, _) = resume::tally(&plan, &begun);
    let job = Job {
        file,
        bytes,
        opening,
        archive,
        version,
        custodian: String::new(),
        folders: contents.folders,
        done: vec![0; plan.ranges()],
        plan,
        next: AtomicUsize::new(0),
        stop: Arc::new(AtomicBool::new(false)),
        parsers: match readable {
            true => Parsers::Threads,
            false => Parsers::Processes {
                program: "/bin/false".into(),
                arguments: Vec::new(),
                environment: Vec::new(),
            },
        },
        limits,
        until,
        spare: readable.then_some(child).into(),
        workers: 1,
        able: AtomicUsize::new(1),
        stages: Arc::default(),
    };
    let (events, _told) = async_channel::unbounded();
    let watch = Watch::new(events, Arc::default());
    let commit = Commit {
        store,
        copy: &copy,
        load: Some(load),
        known: &known,
        before: Sums::default(),
        tally: tally.into(),
        watch: &watch,
        edges: Default::default(),
        workers: 1,
    };
    let (to, from) = async_channel::unbounded();
    std::thread::scope(|scope| {
        let job = &job;
        scope.spawn(move || work(job, &to));
        while let Ok(output) = from.recv_blocking() {
            each(&commit, output);
        }
    });
}

#[test]
fn a_load_cut_off_after_any_commit_is_completed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pst");
    // More than one batch; attachments, embedded messages among them.
    let made =
        pstgen::generate(&pstgen::Options { attachments: 0.1, ..pstgen::Options::new(&path, 600) }).unwrap();
    let whole = store(&dir.path().join("whole"), 2);
    let expected = run(&whole, &path);
    let emails = block_on(whole.stats()).unwrap().emails;
    assert_eq!((expected.found, expected.failed), (made.items, 0));
    block_on(whole.close()).unwrap();
    drop(whole);

    let mut steps = 0;
    let scratch = store(&dir.path().join("count"), 1);
    said(&path, &scratch, |commit, output| {
        steps += 1;
        one(commit, output);
    });
    drop(scratch);
    assert!(steps >= 3, "{steps} commits");
    for cut in 0..=steps {
        let root = dir.path().join(format!("cut-{cut}"));
        let cut_off = store(&root, 2);
        let mut done = 0;
        said(&path, &cut_off, |commit, output| {
            if done < cut {
                one(commit, output);
            }
            done += 1;
        });
        // Opened again with another number of shards, as on another machine.
        block_on(cut_off.close()).unwrap();
        drop(cut_off);
        let again = store(&root, 1 + cut % 3);
        let report = run(&again, &path);
        assert_eq!(report.found, report.stored + report.duplicate + report.failed);
        assert_eq!((report.found, report.failed), (made.items, 0), "cut after {cut}");
        assert_eq!(report.archives[0].attachments, expected.archives[0].attachments, "cut after {cut}");
        assert_eq!(block_on(again.stats()).unwrap().emails, emails, "cut after {cut}");
        let third = run(&again, &path);
        assert_eq!((third.stored, third.duplicate), (0, made.items), "cut after {cut}");
        block_on(again.close()).unwrap();
    }
}

/// Commits one thing that was said; questions are answered on the way.
fn one(commit: &Commit<'_>, output: Output) {
    let (to, from) = async_channel::unbounded();
    to.send_blocking(output).unwrap();
    drop(to);
    block_on(commit.run(from)).unwrap();
}

fn loss(node: u32) -> Loss {
    let text = |text: &str| text.to_owned();
    let (code, stage, reason) = (text("crashed"), text("item"), text("the parser was ended by signal 11"));
    Loss { grade: Grade::Item, folder: text("/"), node: node.into(), code, stage, reason }
}

/// What an earlier load could not read stays failed in every later report, until somebody asks to try it again; then
/// it is read, and taken back. Neither without nor with a path may that store anything twice.
#[test]
fn what_failed_is_tried_again_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pst");
    pstgen::generate(&pstgen::Options::new(&path, 700)).unwrap();
    let store = store(&dir.path().join("data"), 2);
    let first = run(&store, &path);
    let mut key = [0; 32];
    let mut nodes = Vec::new();
    block_on(crate::commit::each_row(&store, RowKind::Place, &[], |_, value| {
        let place = access::<ArchivedPlace>(value).unwrap();
        key[..16].copy_from_slice(&place.archive);
        key[16..].copy_from_slice(&place.version);
        // Items of folders: above their node id there is nothing.
        nodes.extend(u32::try_from(place.node.to_native()).ok());
    }))
    .unwrap();
    for node in [nodes[3], nodes[500]] {
        let (archive, version) = (key[..16].try_into().unwrap(), key[16..].try_into().unwrap());
        let copy = Copy { archive, version, path: path.display().to_string(), ..Copy::default() };
        block_on(put(&store, copy.rows(&[loss(node)]).unwrap())).unwrap();
    }
    let counts = |report: &LoadReport| (report.found, report.stored, report.duplicate, report.failed);
    let again = run(&store, &path);
    assert_eq!(counts(&again), (first.found, 0, first.found - 2, 2));
    assert_eq!(again.failures.len(), 2);
    let all = LoadRequest { retry_failed: true, ..LoadRequest::default() };
    let retried = run_request(&store, &all);
    assert_eq!(counts(&retried), (first.found, 0, first.found, 0));
    assert_eq!(retried.archives[0].path, path.display().to_string());
    assert_eq!(counts(&run(&store, &path)), (first.found, 0, first.found, 0));
    assert!(run_request(&store, &all).archives.is_empty(), "nothing is left to be tried");
    let named = LoadRequest { paths: vec![path], retry_failed: true, ..LoadRequest::default() };
    assert_eq!(counts(&run_request(&store, &named)), (first.found, 0, first.found, 0));
    block_on(store.close()).unwrap();
}

/// Two custodians have the same archive, and of both an item could not be read. The second try of one took back the
/// failure of the other, whose copy then was said to be whole.
#[test]
fn what_failed_of_one_copy_is_not_mended_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pst");
    let made = pstgen::generate(&pstgen::Options::new(&path, 300)).unwrap();
    let store = store(&dir.path().join("data"), 2);
    let of = |custodian: &str| LoadRequest {
        paths: vec![path.clone()],
        custodian: custodian.to_owned(),
        ..LoadRequest::default()
    };
    let counts = |report: &LoadReport| (report.found, report.duplicate, report.failed);
    let mut copies = Vec::new();
    for custodian in ["Ann", "Bob"] {
        run_request(&store, &of(custodian));
    }
    block_on(crate::commit::each_row(&store, RowKind::Place, &[], |_, value| {
        let place = access::<ArchivedPlace>(value).unwrap();
        if let Ok(node) = u32::try_from(place.node.to_native()) {
            let copy = Copy {
                archive: place.archive,
                version: place.version,
                custodian: place.custodian.to_string(),
                path: path.display().to_string(),
            };
            copies.push((node, copy));
        }
    }))
    .unwrap();
    let node = copies[0].0;
    for (_, copy) in copies.iter().filter(|(n, _)| *n == node) {
        block_on(put(&store, copy.rows(&[loss(node)]).unwrap())).unwrap();
    }
    let ann = LoadRequest { retry_failed: true, ..of("Ann") };
    assert_eq!(counts(&run_request(&store, &ann)), (made.items, made.items, 0));
    assert_eq!(counts(&run_request(&store, &of("Ann"))), (made.items, made.items, 0));
    assert_eq!(counts(&run_request(&store, &of("Bob"))), (made.items, made.items - 1, 1));
    // All that is left, wherever it is.
    run_request(&store, &LoadRequest { retry_failed: true, ..LoadRequest::default() });
    assert_eq!(counts(&run_request(&store, &of("Bob"))), (made.items, made.items, 0));
    block_on(store.close()).unwrap();
}

/// Where no parser could be had any more, what was left of an archive was neither counted nor named.
#[test]
fn what_cannot_be_read_on_is_named_and_read_by_the_next_load() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pst");
    let made = pstgen::generate(&pstgen::Options::new(&path, 600)).unwrap();
    let store = store(&dir.path().join("data"), 2);
    let mut failed = 0;
    told(&path, &store, false, |commit, output| {
        if let Output::Piece(piece) = &output {
            failed += piece.items.iter().filter(|item| matches!(item, Parsed::Failed(_))).count() as u64;
        }
        one(commit, output);
    });
    assert_eq!(failed, made.items);
    let report = run(&store, &path);
    assert_eq!((report.found, report.stored + report.duplicate, report.failed), (made.items, made.items, 0));
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    block_on(store.close()).unwrap();
}

/// A parser that died three times while it named the items of an archive had it refused whole, though each item by itself
/// could be read: by the tree of nodes they can be named without asking for the folders.
#[test]
fn an_archive_whose_folders_are_the_end_of_every_parser_is_read_by_its_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pst");
    pstgen::generate(&pstgen::Options { seed: 8, ..pstgen::Options::new(&path, 300) }).unwrap();
    let load_by = |name: &str, recover: bool, parsers: Parsers| {
        let store = store(&dir.path().join(name), 2);
        let request = LoadRequest { paths: vec![path.clone()], recover, ..LoadRequest::default() };
        let first = run_by(&store, parsers, &request);
        let again = run_by(&store, Parsers::Threads, &request);
        block_on(store.close()).unwrap();
        (first, again)
    };
    let counts = |report: &LoadReport| (report.found, report.stored, report.duplicate, report.failed);
    let (whole, _) = load_by("whole", false, Parsers::Threads);
    let (by_nodes, again) = load_by("nodes", false, Parsers::Frail(2));
    assert_eq!(counts(&by_nodes), counts(&whole));
    assert_eq!(by_nodes.archives[0].refused, None);
    assert_eq!(by_nodes.failures.len(), 1, "{:?}", by_nodes.failures);
    let named = &by_nodes.failures[0];
    assert_eq!((named.code.as_str(), named.stage.as_str()), ("crashed", "folders"), "{named:?}");
    assert!(named.reason.contains("by the tree of nodes"), "{named:?}");
    // Once its folders can be read, nothing is left to be said of it, and nothing is stored twice.
    assert_eq!(counts(&again), (whole.found, 0, whole.found, 0));
    assert!(again.failures.is_empty(), "{:?}", again.failures);
    // What is looked for beside the folders costs nothing of what they show.
    let (shown, _) = load_by("shown", true, Parsers::Frail(1));
    assert_eq!(counts(&shown), counts(&whole));
    assert!(shown.failures[0].reason.contains("deleted and orphaned items"), "{:?}", shown.failures);
    let (refused, _) = load_by("none", true, Parsers::Frail(3));
    assert!(refused.archives[0].refused.is_some());
}
