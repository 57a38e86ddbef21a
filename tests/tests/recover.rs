//! Items that no folder shows: left out without `--recover`, found and marked with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_pst_writer::{Address, FileTime, Message, Options, PstWriter};
use postlode_tests::{Scene, corpus, number};
use serde_json::Value;
use std::fs::File;
use std::path::Path;

fn message(number: i64) -> Message {
    Message {
        subject: format!("number {number}"),
        sender: Some(Address::new("Ann", "ann@example.org")),
        message_id: Some(format!("<{number}@example.org>")),
        submitted: Some(FileTime::from_unix(1_600_000_000 + number)),
        delivered: Some(FileTime::from_unix(1_600_000_100 + number)),
        body_text: Some(format!("text of {number}")),
        ..Message::default()
    }
}

/// An archive of three items that its folder shows and two that it does not.
fn archive(path: &Path) {
    let file = File::create_new(path).unwrap();
    let mut writer = PstWriter::new(file, Options::new([7; 16])).unwrap();
    let inbox = writer.add_folder_path("Inbox").unwrap();
    for number in 0..3 {
        writer.add_message(inbox, message(number)).unwrap();
    }
    for number in 3..5 {
        writer.add_orphan(inbox, message(number)).unwrap();
    }
    writer.finish().unwrap();
}

fn counts(report: &Value) -> [u64; 4] {
    ["found", "stored", "duplicate", "failed"].map(|name| number(report, name))
}

#[test]
fn orphans_are_found_when_asked_for_and_marked() {
    let scene = Scene::new();
    let path = scene.path("a.pst");
    archive(&path);
    let path = path.to_str().unwrap();
    assert_eq!(counts(&scene.run(&["load", "--json", path]).code(0).json()), [3, 3, 0, 0]);
    assert_eq!(counts(&scene.run(&["load", "--json", "--recover", path]).code(0).json()), [5, 2, 3, 0]);
    assert_eq!(counts(&scene.run(&["load", "--json", "--recover", path]).code(0).json()), [5, 0, 5, 0]);
    assert_eq!(counts(&scene.run(&["load", "--json", path]).code(0).json()), [3, 0, 3, 0]);
    let emails = scene.run(&["export", "--format", "jsonl", "--out", "-"]).code(0).lines();
    assert_eq!(emails.len(), 5);
    for email in emails {
        let place = &email["places"][0];
        let subject = email["subject"].as_str().unwrap();
        let orphan = matches!(subject, "number 3" | "number 4");
        assert_eq!(place["recovered"], orphan, "{subject}");
        assert_eq!(place["folder"], "/Top of Outlook data file/Inbox", "{subject}");
    }
}

#[test]
fn deleted_items_of_real_archives_are_found_or_named() {
    let Some(corpus) = corpus() else { return };
    let scene = Scene::new();
    let path = corpus.join("pst/aspose-email__Outlook-2.pst");
    let report = scene.run(&["load", "--json", "--recover", path.to_str().unwrap()]).code(1).json();
    // One whole item is left in its free parts, and the heads of three.
    assert_eq!(counts(&report), [21, 18, 0, 3]);
    for failure in report["failures"].as_array().unwrap() {
        assert!(number(failure, "node") >= 1 << 63, "{failure}");
    }
}
