//! Commands beside a running writer go through its socket, and see what has been committed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, number};
use rustix::process::Signal;
use std::time::{Duration, Instant};

#[test]
fn search_and_stats_see_a_running_load() {
    let scene = Scene::new();
    let (archive, made) = scene.archive("a.pst", 6_000, 13);
    let mut load = scene.start(&["load", "--json", archive.to_str().unwrap()]);
    let socket = scene.data().join("postlode.sock");
    let begun = Instant::now();
    while !socket.exists() {
        assert!(!load.has_ended() && begun.elapsed() < Duration::from_secs(30), "no socket");
        std::thread::sleep(Duration::from_millis(1));
    }
    // In the middle: more and more is seen, and what is counted can be found.
    let mut seen = 0;
    let mut hits = 0;
    while !load.has_ended() && (seen == 0 || hits == 0) {
        let stats = scene.run(&["stats", "--json"]).code(0).json();
        let emails = number(&stats, "emails");
        assert!(emails >= seen);
        seen = emails;
        hits = scene.run(&["search", "--json", "", "--limit", "5"]).code(0).lines().len();
    }
    let ended = load.wait().code(0);
    assert!(seen > 0 && hits > 0, "nothing was seen of a running load");
    assert_eq!(number(&ended.json(), "found"), made.items);
    assert!(!socket.exists(), "the socket goes away with its writer");
}

#[test]
fn a_load_beside_a_server_goes_through_it() {
    let scene = Scene::new();
    let (archive, made) = scene.archive("a.pst", 400, 14);
    let archive = archive.to_str().unwrap();
    let mut server = scene.serve();
    assert_eq!(server.get("/healthz").0, 200);
    let report = scene.run(&["load", "--json", archive]).code(0).json();
    assert_eq!(number(&report, "found"), made.items);
    let answer = server.json("/v1/search?q=&limit=3");
    assert_eq!(answer["hits"].as_array().unwrap().len(), 3);
    let id = answer["hits"][0]["id"].as_str().unwrap();
    let over_http = server.json(&format!("/v1/emails/{id}"));
    assert_eq!(over_http["id"], id);
    assert_eq!(scene.run(&["show", "--json", id]).code(0).json(), over_http);
    // A second server is refused; it names what is in the way.
    let second = scene.run(&["serve", "--listen", "127.0.0.1:0"]).code(3);
    assert!(second.err.contains("another process holds the store"), "{}", second.err);
    server.running.signal(Signal::TERM);
    let ended = server.running.wait().code(0);
    assert!(ended.err.is_empty() || ended.err.contains("sealing"), "{}", ended.err);
    // It left the store sealed: nothing is in a log, and all is there.
    let stats = scene.run(&["stats", "--json"]).code(0).json();
    assert_eq!(number(&stats["unsealed"], "emails"), 0);
    assert!(number(&stats, "emails") > 0);
}

#[test]
fn a_writer_that_does_not_answer_is_named() {
    let scene = Scene::new();
    let (archive, _) = scene.archive("a.pst", 20, 15);
    let server = scene.serve();
    // As if it hung before it listened: its lock is there, its socket is not.
    std::fs::remove_file(scene.data().join("postlode.sock")).unwrap();
    let refused = scene.run(&["load", archive.to_str().unwrap()]).code(3);
    assert!(refused.err.contains("lock") && refused.err.lines().count() == 1, "{}", refused.err);
    if std::fs::read_to_string("/proc/locks").is_ok_and(|locks| !locks.is_empty()) {
        assert!(refused.err.contains(&format!("process {}", server.running.pid())), "{}", refused.err);
    }
}
