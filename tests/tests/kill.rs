//! A load that is killed at any moment, and loaded again: everything is there once, and nothing is damaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, number};
use rustix::process::Signal;
use std::time::Duration;

#[test]
fn killed_again_and_again_and_then_complete() {
    let scene = Scene::new();
    let (archive, made) = scene.archive("a.pst", 3_000, 11);
    let archive = archive.to_str().unwrap();

    let quiet = Scene::new();
    let at_once = quiet.run(&["load", "--json", archive]).code(0).json();
    assert_eq!(number(&at_once, "found"), made.items);
    let emails = number(&quiet.run(&["stats", "--json"]).code(0).json(), "emails");

    let mut killed = 0;
    for millis in [1, 20, 60, 100, 150, 200, 260, 330, 400, 500, 650, 800] {
        let mut load = scene.start(&["load", "--json", archive]);
        std::thread::sleep(Duration::from_millis(millis));
        killed += u32::from(!load.has_ended());
        load.signal(Signal::KILL);
        drop(load.wait());
        // A snapshot reads what is there, and finds no damage in it.
        let verified = scene.run(&["segment", "verify", "--json"]).code(0).json();
        assert_eq!(verified["damage"], serde_json::json!([]), "killed after {millis} ms");
    }
    assert!(killed >= 3, "only {killed} loads were killed before their end");

    let report = scene.run(&["load", "--json", archive]).code(0).json();
    let [found, stored, duplicate] = ["found", "stored", "duplicate"].map(|name| number(&report, name));
    assert_eq!((found, found), (made.items, stored + duplicate));
    assert_eq!(number(&report, "failed"), 0);
    assert_eq!(number(&report["archives"][0], "attachments"), made.attachments);
    let again = scene.run(&["load", "--json", archive]).code(0).json();
    assert_eq!((number(&again, "stored"), number(&again, "duplicate")), (0, made.items));
    assert_eq!(number(&scene.run(&["stats", "--json"]).code(0).json(), "emails"), emails);
    drop(scene.run(&["segment", "verify"]).code(0));
    // No email is there twice, and none is missing.
    let exported = |scene: &Scene| {
        let mut ids: Vec<String> = scene
            .run(&["export", "--format", "jsonl", "--out", "-"])
            .code(0)
            .lines()
            .iter()
            .map(|email| email["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort_unstable();
        ids
    };
    let ids = exported(&scene);
    assert!(ids.windows(2).all(|two| two[0] != two[1]));
    assert_eq!(ids, exported(&quiet));
}
