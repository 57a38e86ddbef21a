//! Damaged archives, raw and with repaired checksums: the loader never dies, accounts for every item, and is done with
//! each within its limits. `MUTATIONS=n` has it try n of them (`make mutations`: 2,000), `MUTATION=n` one again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by a panic, and a campaign tells how it went"
)]

use postlode_tests::mutate::{covered, mutate};
use postlode_tests::{Scene, corpus, number};
use std::collections::BTreeMap;
use std::fs;

/// Archives in one load.
const TOGETHER: u64 = 50;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn damaged_archives_are_accounted_for() {
    let maker = Scene::new();
    let mut sources = vec![fs::read(maker.archive("a.pst", 60, 61).0).unwrap()];
    // A campaign also damages what other programs wrote.
    if setting("MUTATIONS").is_some()
        && let Some(corpus) = corpus()
    {
        for entry in fs::read_dir(corpus.join("pst")).unwrap() {
            let path = entry.unwrap().path();
            let archive = path.extension().is_some_and(|e| e == "pst" || e == "ost");
            if archive && fs::metadata(&path).unwrap().len() < 3 << 20 {
                sources.push(fs::read(path).unwrap());
            }
        }
    }
    let sources: Vec<_> = sources.into_iter().map(|bytes| (covered(&bytes), bytes)).collect();
    assert!(sources[0].0.len() > 50, "the structures of our own archive are not found");

    let one = setting("MUTATION");
    let numbers: Vec<u64> = match one {
        Some(n) => vec![n],
        None => (0..setting("MUTATIONS").unwrap_or(60)).collect(),
    };
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    let mut slowest = (0.0, String::new());
    for group in numbers.chunks(TOGETHER as usize) {
        let scene = Scene::new();
        let folder = scene.path("archives");
        fs::create_dir(&folder).unwrap();
        for n in group {
            let (covered, bytes) = &sources[*n as usize % sources.len()];
            fs::write(folder.join(format!("{n:06}.pst")), mutate(bytes, covered, *n)).unwrap();
        }
        let ended = scene.run_for(&["load", "--json", folder.to_str().unwrap()], 60 * 60);
        assert!(matches!(ended.code, Some(0 | 1)), "{group:?}: {ended:?}");
        let report = ended.json();
        let archives = report["archives"].as_array().unwrap();
        assert_eq!(archives.len(), group.len(), "{report}");
        for archive in archives {
            let count = |name: &str| number(archive, name);
            let path = archive["path"].as_str().unwrap();
            assert_eq!(count("found"), count("stored") + count("duplicate") + count("failed"), "{archive}");
            assert!(archive["refused"].is_null() || count("found") == 0, "{archive}");
            let seconds = archive["seconds"].as_f64().unwrap();
            assert!(seconds < 120.0, "{archive}");
            if seconds > slowest.0 {
                slowest = (seconds, path.to_owned());
            }
            let outcome = match archive["refused"].as_str() {
                Some(_) => "refused",
                None if count("failed") > 0 => "some items failed",
                None if count("partial") > 0 => "some items partial",
                None => "whole",
            };
            *told.entry(outcome.to_owned()).or_default() += 1;
        }
        for failure in report["failures"].as_array().unwrap() {
            *told.entry(format!("failures: {}", failure["code"].as_str().unwrap())).or_default() += 1;
        }
        drop(scene.run(&["segment", "verify"]).code(0));
    }
    println!("{} damaged archives: {told:?}; slowest {slowest:?}", numbers.len());
    if one.is_none() {
        assert!(told.len() >= 4, "these mutations damage too little or too much: {told:?}");
    }
}
