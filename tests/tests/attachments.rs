//! Attachments are searched; what in them cannot be read is said, and costs no mail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_pst_writer::{Attachment, FileTime, Message, Options, Payload, PstWriter};
use postlode_tests::Scene;
use std::fs::File;

fn message(number: i64, name: &str, bytes: &[u8]) -> Message {
    Message {
        subject: format!("number {number}"),
        message_id: Some(format!("<{number}@example.org>")),
        delivered: Some(FileTime::from_unix(1_600_000_000 + number)),
        body_text: Some("see the attachment".to_owned()),
        attachments: vec![Attachment::new(name, Payload::Bytes(bytes.to_vec()))],
        ..Message::default()
    }
}

#[test]
fn text_in_attachments_is_found_and_what_is_not_read_is_said() {
    let scene = Scene::new();
    let path = scene.path("a.pst");
    let mut writer = PstWriter::new(File::create_new(&path).unwrap(), Options::new([7; 16])).unwrap();
    let inbox = writer.add_folder_path("Inbox").unwrap();
    // One that is larger than what goes with its mail in one piece.
    let mut large = "filling ".repeat(400_000).into_bytes();
    large.splice(0..0, *b"the word okapi ");
    let contents: [(&str, &[u8]); 6] = [
        ("a.txt", b"the word zebra in plain text"),
        ("b.html", b"<html><body>the word <b>giraffe</b></body></html>"),
        ("c.rtf", b"{\\rtf1\\ansi the word gnu}"),
        ("d.pdf", b"%PDF-1.7\nnot a document at all"),
        ("e.txt", &large),
        ("f.bin", &[0, 1, 2, 3, 0xff]),
    ];
    for (number, (name, bytes)) in (0..).zip(contents) {
        writer.add_message(inbox, message(number, name, bytes)).unwrap();
    }
    writer.finish().unwrap();
    let report = scene.run(&["load", "--json", path.to_str().unwrap()]).code(0).json();
    assert_eq!((&report["stored"], &report["partial"]), (&6.into(), &0.into()), "{report}");
    for (word, number) in [("zebra", 0), ("giraffes", 1), ("gnu", 2), ("okapi", 4)] {
        let hits = scene.run(&["search", "--mode", "keyword", "--json", word]).code(0).lines();
        assert_eq!(hits.len(), 1, "{word}");
        assert_eq!(hits[0]["subject"], format!("number {number}"), "{word}");
        assert_eq!(hits[0]["matched_in"], "attachments", "{word}");
        assert!(hits[0]["snippet"].as_str().unwrap().contains("<mark>"), "{}", hits[0]);
    }
    let unread = |subject: &str| {
        let hit =
            scene.run(&["search", "--json", &format!("subject:\"{subject}\"")]).code(0).lines().remove(0);
        scene.run(&["show", "--json", hit["id"].as_str().unwrap()]).code(0).json()["unread"].clone()
    };
    let noted = unread("number 3");
    assert_eq!((&noted[0]["code"], &noted[0]["what"]), (&"corrupt".into(), &"d.pdf".into()), "{noted}");
    let noted = unread("number 4");
    assert_eq!(noted[0]["n"], 0, "more than a mebibyte of text is cut, and that is said: {noted}");
    assert_eq!(unread("number 0"), serde_json::json!([]));
    assert_eq!(unread("number 5"), serde_json::json!([]));
}
