//! What cannot be read is named, counted, kept, told again by every later load, and taken back when it can be read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Ended, Scene, number};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

fn eml(number: usize, rest: &str) -> String {
    format!(
        "From: Ann <ann@example.org>\r\nTo: bob@example.org, carl@example.org\r\nCc: dora@example.org\r\n\
         Message-ID: <{number}@example.org>\r\nDate: Mon, 2 Mar 2020 10:00:00 +0100\r\nSubject: number {number}\r\n{rest}"
    )
}

/// A mail with an attachment in base64.
fn with_attachment(number: usize, name: &str, base64: &str) -> String {
    let rest = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsome words\r\n--b\r\n\
         Content-Type: application/octet-stream; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{base64}\r\n--b--\r\n"
    );
    eml(number, &rest)
}

/// How many exceptions of each grade `stats --failures` lists.
fn kept(scene: &Scene) -> BTreeMap<String, usize> {
    let mut grades = BTreeMap::new();
    for line in scene.run(&["stats", "--failures", "--json"]).lines() {
        assert!(line["code"].is_string() && line["reason"].is_string(), "{line}");
        *grades.entry(line["lost"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    grades
}

fn grades(report: &Value) -> Vec<&str> {
    report["failures"].as_array().unwrap().iter().map(|f| f["lost"].as_str().unwrap()).collect()
}

fn load(scene: &Scene, arguments: &[&str]) -> Ended {
    let mail = scene.path("mail");
    scene.run(&[&["load", "--json", mail.to_str().unwrap()], arguments].concat())
}

#[test]
fn parts_and_texts_that_cannot_be_read_are_told_by_every_load() {
    let scene = Scene::new();
    fs::create_dir(scene.path("mail")).unwrap();
    let write = |name: &str, text: String| fs::write(scene.path("mail").join(name), text).unwrap();
    write("good.eml", eml(0, "\r\ngood\r\n"));
    // Not all of it is base64: what can be read is stored.
    write("odd.eml", with_attachment(1, "a.txt", "aGVsbG8g!!!d29ybGQ="));
    // It says that it is a document, and is none: stored whole, not found by its words.
    write("sealed.eml", with_attachment(2, "a.docx", "AAECAwQFBgc="));
    let mut reports = Vec::new();
    for _ in 0..2 {
        let ended = load(&scene, &[]).code(1);
        let report = ended.json();
        assert_eq!(
            (number(&report, "found"), number(&report, "failed"), number(&report, "partial")),
            (3, 0, 1)
        );
        assert_eq!(grades(&report), ["part"]);
        assert_eq!(report["failures"][0]["stage"], "attachment 0");
        let sum = |name: &str| -> u64 {
            report["archives"].as_array().unwrap().iter().map(|archive| number(archive, name)).sum()
        };
        assert_eq!((sum("attachments"), sum("attachments_unsearched"), sum("recipients")), (2, 1, 9));
        assert!(ended.err.contains("stored in part") && ended.err.contains("1 attachments"), "{}", ended.err);
        assert_eq!(kept(&scene), BTreeMap::from([("part".to_owned(), 1), ("text".to_owned(), 1)]));
        reports.push((number(&report, "stored"), number(&report, "duplicate")));
    }
    assert_eq!(reports, [(3, 0), (0, 3)]);
    let partial = scene.run(&["search", "--json", "is:partial"]).code(0).lines();
    assert_eq!(partial.len(), 1);
    assert_eq!(partial[0]["subject"], "number 1");
    let csv = scene.run(&["stats", "--failures", "--csv"]).code(0).out;
    assert!(
        csv.starts_with("archive,folder,node,lost,code,stage,reason\r\n") && csv.contains("a.docx"),
        "{csv}"
    );
}

/// A mailbox that has grown is another version of the same archive: what could not be read of the old one is said of the
/// new one, or not at all.
#[test]
fn what_an_older_version_could_not_read_is_not_told_for_ever() {
    let scene = Scene::new();
    fs::create_dir(scene.path("mail")).unwrap();
    let path = scene.path("mail").join("a.mbox");
    let from = "From ann@example.org Mon Mar  2 10:00:00 2020\n";
    let mail = |text: String| format!("{from}{}\n", text.replace("\r\n", "\n"));
    let odd = mail(with_attachment(1, "a.txt", "aGVsbG8g!!!d29ybGQ="));
    fs::write(&path, &odd).unwrap();
    assert_eq!(grades(&load(&scene, &[]).code(1).json()), ["part"]);
    fs::write(&path, odd + &mail(eml(2, "\r\nmore\r\n"))).unwrap();
    let report = load(&scene, &[]).code(1).json();
    assert_eq!((number(&report, "found"), number(&report, "stored")), (2, 1));
    assert_eq!(kept(&scene), BTreeMap::from([("part".to_owned(), 1)]));
}

/// Parsers are kept for the next file, and died with the thread that had started them: the mailbox after a folder of
/// messages was refused, because its parser had been killed.
#[test]
fn a_mailbox_after_many_messages_is_loaded() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("mail/a")).unwrap();
    fs::create_dir_all(scene.path("mail/b")).unwrap();
    for n in 0..60 {
        fs::write(scene.path("mail/a").join(format!("{n}.eml")), eml(n, "\r\nwords\r\n")).unwrap();
    }
    let message =
        |n: usize| format!("From ann@example.org Mon Mar  2 10:00:00 2020\n{}\n", eml(n, "\nwords\n"));
    for name in ["x", "y", "z"] {
        let mailbox: String = (100..140).map(message).collect();
        fs::write(scene.path("mail/b").join(format!("{name}.mbox")), mailbox.replace("\r\n", "\n")).unwrap();
    }
    let report = load(&scene, &[]).code(0).json();
    assert_eq!((number(&report, "found"), number(&report, "stored")), (60 + 3 * 40, 60 + 40));
    assert!(report["archives"].as_array().unwrap().iter().all(|archive| archive["refused"].is_null()));
}

#[test]
fn a_file_that_cannot_be_opened_is_remembered_until_it_can() {
    let scene = Scene::new();
    fs::create_dir(scene.path("mail")).unwrap();
    let (good, _) = scene.archive("good.pst", 50, 5);
    let bytes = fs::read(good).unwrap();
    let path = scene.path("mail").join("a.pst");
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    fs::write(&path, damaged).unwrap();
    for _ in 0..2 {
        let report = load(&scene, &[]).code(1).json();
        assert_eq!(number(&report, "found"), 0);
        assert!(report["archives"][0]["refused"].is_string());
        assert_eq!(kept(&scene), BTreeMap::from([("archive".to_owned(), 1)]));
    }
    // Mended, it is tried again without being named.
    fs::write(&path, bytes).unwrap();
    let report = scene.run(&["load", "--retry-failed", "--json"]).code(0).json();
    assert_eq!((number(&report, "found"), number(&report, "failed")), (50, 0));
    assert_eq!(kept(&scene), BTreeMap::new());
    let nothing = scene.run(&["load", "--retry-failed", "--json"]).code(0).json();
    assert_eq!(nothing["archives"], serde_json::json!([]));
}

#[test]
fn a_file_of_custodians_says_whose_mail_is_where_and_a_slip_is_told() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("mail/ann")).unwrap();
    for (n, name) in ["ann/1.eml", "ann/2.eml", "3.eml"].into_iter().enumerate() {
        fs::write(scene.path("mail").join(name), eml(n, "\r\nwords\r\n")).unwrap();
    }
    std::os::unix::fs::symlink(scene.path("mail"), scene.path("link")).unwrap();
    let csv = scene.path("who.csv");
    fs::write(&csv, "path,custodian\nlink/ann,Ann\nmail/nobody,Bob\n").unwrap();
    let arguments = ["--custodian", "Rest", "--custodians", csv.to_str().unwrap()];
    let ended = load(&scene, &arguments).code(0);
    assert!(ended.err.contains("mail/nobody"), "{}", ended.err);
    for (query, count) in [("custodian:ann", 2), ("custodian:rest", 1), ("custodian:bob", 0)] {
        assert_eq!(scene.run(&["search", "--json", query]).code(0).lines().len(), count, "{query}");
    }
}
