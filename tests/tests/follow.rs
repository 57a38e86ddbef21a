//! `serve --follow` beside the process that writes: it sees what comes, and is in nobody's way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, Server, number};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

fn total(server: &Server, query: &str) -> u64 {
    let answer = server.json(&format!("/v1/search?q={query}&limit=3"));
    // Answers may tell of mail that the model does not know; nothing may be missing.
    let missing = answer["partial"].to_string();
    assert!(!missing.contains("segment"), "{answer}");
    number(&answer["total"], "value")
}

/// Asks until the answer is as expected. That it takes a second at most is tested where nothing else takes time, on a
/// simulated machine.
fn soon(what: &str, mut ask: impl FnMut() -> Result<(), String>) {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(()) => return,
            Err(so_far) => {
                let late = begun.elapsed();
                assert!(late < Duration::from_secs(20), "{what}: after {late:?} it is still {so_far}");
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn same(a: &Server, b: &Server, query: &str) -> Result<(), String> {
    let answer = |server: &Server| -> Value {
        let all = server.json(&format!("/v1/search?q={query}&limit=50&sort=date&mode=keyword"));
        serde_json::json!([
            all["total"],
            all["hits"].as_array().unwrap().iter().map(|hit| hit["id"].clone()).collect::<Vec<_>>()
        ])
    };
    let (a, b) = (answer(a), answer(b));
    if a == b { Ok(()) } else { Err(format!("{b} where the writer says {a}")) }
}

#[test]
fn a_follower_sees_what_comes_and_is_in_nobodys_way() {
    let scene = Scene::new();
    // There is no store yet.
    let follower = scene.serve_with(&["--follow"]);
    assert_eq!(total(&follower, ""), 0);
    assert!(!scene.data().exists(), "a follower makes nothing");

    let mut writer = scene.serve();
    for (n, seed) in [(1, 61), (2, 62)] {
        let (archive, made) = scene.archive(&format!("{n}.pst"), 700, seed);
        let report = scene.run(&["load", "--json", archive.to_str().unwrap()]).code(0).json();
        assert_eq!(number(&report, "found"), made.items);
        for query in ["", "has:attachment", "the"] {
            soon(query, || same(&writer, &follower, query));
        }
    }
    assert!(total(&follower, "") > 1_000);
    // Merged while it is open: no answer lacks anything.
    drop(scene.run(&["segment", "compact"]).code(0));
    soon("after a compaction", || same(&writer, &follower, ""));
    soon("words after a compaction", || same(&writer, &follower, "the"));
    let id = follower.json("/v1/search?q=&limit=1")["hits"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(follower.json(&format!("/v1/emails/{id}")), writer.json(&format!("/v1/emails/{id}")));

    // The writer ends and comes back: the follower stays.
    writer.running.signal(Signal::TERM);
    drop(writer.running.wait().code(0));
    let (archive, _) = scene.archive("3.pst", 300, 63);
    drop(scene.run(&["load", "--json", archive.to_str().unwrap()]).code(0));
    let all = number(&scene.run(&["stats", "--json"]).code(0).json(), "emails");
    soon("another writer", || match total(&follower, "") {
        emails if emails == all => Ok(()),
        emails => Err(format!("{emails} of {all}")),
    });
}

#[test]
fn a_writer_is_refused_a_second_time_and_told_of_following() {
    let scene = Scene::new();
    let _writer = scene.serve();
    let second = scene.run(&["serve", "--listen", "127.0.0.1:0"]).code(3);
    assert!(second.err.contains("--follow"), "{}", second.err);
    // Two of them are no trouble either.
    let (one, two) = (scene.serve_with(&["--follow"]), scene.serve_with(&["--follow", "--shards", "3"]));
    assert_eq!((total(&one, ""), total(&two, "")), (0, 0));
}
