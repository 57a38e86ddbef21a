//! Parsers are processes of their own: confined, replaced when they die, and never the end of a load.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic"
)]

use postlode_tests::{Scene, number};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::time::{Duration, Instant};

/// The parsers of a process that loads.
fn parsers(of: u32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let children: String = lists.collect();
    let is_parser = |pid: &str| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(16).any(|part| part == b"parse-for-loader")
    };
    children.split_ascii_whitespace().filter(|pid| is_parser(pid)).map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn parsers_killed_again_and_again_lose_nothing_in_silence() {
    let scene = Scene::new();
    let (archive, made) = scene.archive("a.pst", 20_000, 51);
    let mut load = scene.start(&["load", "--json", "--jobs", "3", archive.to_str().unwrap()]);
    let mut killed = 0;
    let begun = Instant::now();
    while killed < 50 && !load.has_ended() && begun.elapsed() < Duration::from_secs(100) {
        let running = parsers(load.pid());
        // Killed three times in a row while it lists, an archive is refused: then there would be nothing to see.
        let listing = killed >= 2 && running.len() == 1 && killed < 5;
        if let Some(pid) = running.get(killed % running.len().max(1)).filter(|_| !listing) {
            // It may have ended meanwhile.
            killed += usize::from(kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).is_ok());
        }
        std::thread::sleep(Duration::from_millis(7 + (killed as u64 * 13) % 23));
    }
    let ended = load.wait();
    println!("{killed} parsers were killed");
    assert!(killed >= 10, "only {killed} parsers were killed before the end");
    let report = ended.json();
    let [found, stored, duplicate, failed] =
        ["found", "stored", "duplicate", "failed"].map(|name| number(&report, name));
    assert_eq!((found, found), (made.items, stored + duplicate + failed));
    // A parser that was killed from outside says nothing of its item: that is tried until the killing is over.
    assert_eq!(failed, 0);
    assert_eq!(report["failures"], serde_json::json!([]));
    assert_eq!(ended.code, Some(0));
    drop(scene.run(&["segment", "verify"]).code(0));
}

#[test]
fn a_parser_is_confined_and_dies_with_its_loader() {
    let scene = Scene::new();
    let (archive, _) = scene.archive("a.pst", 12_000, 52);
    let mut load = scene.start(&["load", "--json", "--jobs", "2", archive.to_str().unwrap()]);
    let mut seen = Vec::new();
    while !load.has_ended() && seen.len() < 2 {
        for pid in parsers(load.pid()) {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":"));
                line.map(|value| value.trim().to_owned())
            };
            // It confines itself as the first thing it does: one that is at it is looked at again.
            let filtered = (field("Seccomp"), field("NoNewPrivs"), field("Threads"));
            let expected = (Some("2".to_owned()), Some("1".to_owned()), Some("1".to_owned()));
            if filtered == expected && !seen.contains(&pid) {
                let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
                let of = |name: &str| {
                    limits.lines().any(|line| line.starts_with(name) && line.contains("1073741824"))
                };
                assert!(limits.is_empty() || of("Max data size"), "{limits}");
                seen.push(pid);
            }
        }
    }
    assert_eq!(seen.len(), 2, "no confined parser was seen");
    load.signal(Signal::KILL);
    drop(load.wait());
    let begun = Instant::now();
    while seen.iter().any(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(16).any(|part| part == b"parse-for-loader")
    }) {
        assert!(begun.elapsed() < Duration::from_secs(10), "a parser outlived its loader");
        std::thread::sleep(Duration::from_millis(10));
    }
}
