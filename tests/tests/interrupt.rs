//! Ctrl-C during a load: it stops at the end of a batch, says how to go on, and the next load goes on from there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, number};
use rustix::process::Signal;
use std::time::Duration;

#[test]
fn stopped_by_a_signal_and_gone_on_with() {
    for signal in [Signal::INT, Signal::TERM] {
        let scene = Scene::new();
        let (archive, made) = scene.archive("a.pst", 4_000, 12);
        let archive = archive.to_str().unwrap();
        let mut stopped = None;
        for millis in [400, 250, 150, 100, 50] {
            let mut load = scene.start(&["load", "--json", archive]);
            std::thread::sleep(Duration::from_millis(millis));
            load.signal(signal);
            let ended = load.wait();
            // Before it listens for signals, one ends it as it ends any program; that is no loss either.
            if ended.code == Some(1) {
                stopped = Some(ended);
                break;
            }
            std::fs::remove_dir_all(scene.data()).ok();
        }
        let Some(stopped) = stopped else { panic!("every load ended before its signal") };
        assert!(stopped.err.contains("goes on from there"), "{}", stopped.err);
        let report = stopped.json();
        assert_eq!(report["interrupted"], true);
        let found = number(&report, "found");
        assert_eq!(
            found,
            number(&report, "stored") + number(&report, "duplicate") + number(&report, "failed")
        );
        assert!(found < made.items);
        drop(scene.run(&["segment", "verify"]).code(0));
        let report = scene.run(&["load", "--json", archive]).code(0).json();
        assert_eq!(number(&report, "found"), made.items);
        assert!(number(&report, "duplicate") >= found);
    }
}
