//! What is exported as messages is the mail: it can be loaded again, its hashes are those of the files, and families stay
//! whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by a panic, and its numbers are small"
)]

use postlode_pst_writer::{Attachment, FileTime, Message, Options, Payload, PstWriter};
use postlode_tests::{Scene, number};
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn load(scene: &Scene, path: &Path) -> Value {
    scene.run(&["load", "--json", path.to_str().unwrap()]).code(0).json()
}

/// What tells emails apart here.
fn subjects(scene: &Scene) -> Vec<String> {
    let emails = scene.run(&["export", "--format", "jsonl", "--out", "-"]).code(0).lines();
    let outer = emails.iter().filter(|email| email["parent"].is_null());
    // A body that is no text is an attachment of a message, so their number may differ.
    let mut subjects: Vec<String> =
        outer.map(|email| format!("{} {}", email["subject"], email["message_id"])).collect();
    subjects.sort();
    subjects
}

fn mails(scene: &Scene, count: u64) -> std::path::PathBuf {
    archive(scene, count, false)
}

fn archive(scene: &Scene, count: u64, ansi: bool) -> std::path::PathBuf {
    let path = scene.path("mail.pst");
    let truth = None;
    let options =
        pstgen::Options { seed: 5, truth, ansi, attachments: 0.5, ..pstgen::Options::new(&path, count) };
    pstgen::generate(&options).unwrap();
    path
}

#[test]
fn a_folder_of_messages_is_the_mail() {
    let scene = Scene::new();
    let report = load(&scene, &mails(&scene, 60));
    let out = scene.path("out");
    let said =
        scene.run(&["export", "--format", "eml", "--out", out.to_str().unwrap(), "--json"]).code(0).json();
    let outer = subjects(&scene);
    assert_eq!((number(&said, "emails"), number(&said, "lost")), (outer.len() as u64, 0), "{said}");
    let manifest = rows(&out.join("manifest.csv"));
    assert_eq!(manifest.len(), outer.len());
    for row in &manifest {
        let bytes = fs::read(out.join(&row["file"])).unwrap();
        assert_eq!((sha256(&bytes), bytes.len().to_string()), (row["sha256"].clone(), row["bytes"].clone()));
        assert_eq!((row["form"].as_str(), row["error"].as_str()), ("reconstructed", ""));
        let shown = scene.run(&["show", "--eml", &row["id"]]).code(0).out;
        assert_eq!(shown, String::from_utf8_lossy(&bytes));
    }
    let again = Scene::new();
    let reloaded = load(&again, &out);
    assert_eq!(number(&reloaded, "failed"), 0, "{reloaded}");
    let with_message_id: Vec<String> = outer.into_iter().filter(|subject| subject.contains('@')).collect();
    let reloaded = subjects(&again);
    assert!(with_message_id.len() > 20, "{report}");
    let missing: Vec<&String> = with_message_id.iter().filter(|one| !reloaded.contains(one)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    // What is there is not replaced, and nothing is left beside it.
    let before = fs::read_dir(scene.path("")).unwrap().count();
    let refused = scene.run(&["export", "--format", "eml", "--out", out.to_str().unwrap()]).code(2);
    assert!(refused.err.contains("is there already"), "{}", refused.err);
    assert_eq!(fs::read_dir(scene.path("")).unwrap().count(), before);
}

#[test]
fn an_mbox_is_the_mail() {
    let scene = Scene::new();
    load(&scene, &mails(&scene, 60));
    let out = scene.path("out.mbox");
    let said =
        scene.run(&["export", "--format", "mbox", "--out", out.to_str().unwrap(), "--json"]).code(0).json();
    let bytes = fs::read(&out).unwrap();
    assert_eq!(said["sha256"], sha256(&bytes).as_str());
    let manifest = rows(&scene.path("out.mbox.manifest.csv"));
    assert_eq!((manifest.len() as u64, said["manifest"].as_str().is_some()), (number(&said, "emails"), true));
    let mut end = 0;
    for row in &manifest {
        let (offset, length): (usize, usize) =
            (row["offset"].parse().unwrap(), row["bytes"].parse().unwrap());
        assert_eq!(offset, end, "one right behind the other");
        end = offset + length;
        assert!(bytes[offset..end].starts_with(b"From ") && bytes[..end].ends_with(b"\n\n"));
    }
    assert_eq!(end, bytes.len());
    let again = Scene::new();
    let reloaded = load(&again, &out);
    assert_eq!(
        (number(&reloaded, "found"), number(&reloaded, "failed")),
        (manifest.len() as u64, 0),
        "{reloaded}"
    );
    assert_eq!(subjects(&again).len(), subjects(&scene).len());
}

/// What is told of each email of a store, by id; without what an archive makes up.
fn told(scene: &Scene) -> BTreeMap<String, Value> {
    let lines = scene.run(&["export", "--format", "jsonl", "--out", "-"]).code(0).lines();
    let of = |mut email: Value| {
        let id = email["id"].as_str().unwrap().to_owned();
        let folder = email["folder"].as_str().unwrap().rsplit('/').next().unwrap_or_default().to_owned();
        let fields = email.as_object_mut().unwrap();
        ["archive", "places", "size", "thread"].iter().for_each(|name| drop(fields.remove(*name)));
        // Of an embedded message it is what its object takes.
        let attachments = fields["attachments"].as_array_mut().unwrap().iter_mut();
        for attachment in attachments.filter(|attachment| !attachment["child"].is_null()) {
            drop(attachment.as_object_mut().unwrap().remove("size"));
        }
        fields.insert("folder".to_owned(), folder.into());
        (id, email)
    };
    lines.into_iter().map(of).collect()
}

/// An archive that came out of one is the same mail: every email has the id that it had, which is of its raw properties, and
/// says the same.
#[test]
fn an_outlook_archive_is_the_mail() {
    // Of older ones, too, whose strings have other types than the columns of tables.
    for ansi in [false, true] {
        is_the_mail(ansi);
    }
}

fn is_the_mail(ansi: bool) {
    let scene = Scene::new();
    let first = load(&scene, &archive(&scene, 200, ansi));
    let out = scene.path("out.pst");
    let said =
        scene.run(&["export", "--format", "pst", "--out", out.to_str().unwrap(), "--json"]).code(0).json();
    assert_eq!(said["sha256"], sha256(&fs::read(&out).unwrap()).as_str());
    let manifest = rows(&scene.path("out.pst.manifest.csv"));
    assert_eq!(manifest.len() as u64, number(&said, "emails"));
    assert_eq!(number(&first, "stored"), number(&said, "emails"));
    let again = Scene::new();
    let reloaded = load(&again, &out);
    assert_eq!(
        (number(&reloaded, "found"), number(&reloaded, "failed")),
        (number(&first, "stored"), 0),
        "{reloaded}"
    );
    assert_eq!(number(&reloaded, "partial"), number(&first, "partial"), "{reloaded}");
    let (before, after) = (told(&scene), told(&again));
    let embedded = before.values().filter(|email| !email["parent"].is_null()).count();
    assert!(embedded > 0, "{}", before.len());
    for (id, email) in &before {
        let same = after.get(id).unwrap_or_else(|| panic!("it has another id: {email:#}"));
        assert_eq!(same, email);
    }
    assert_eq!(before.len(), after.len());
    for row in &manifest {
        assert_eq!(before[&row["id"]]["hashes"]["sha256"], row["sha256"].as_str());
    }
    // Nothing is overwritten.
    let refused = scene.run(&["export", "--format", "pst", "--out", out.to_str().unwrap()]).code(2);
    assert!(refused.err.contains("out.pst"), "{}", refused.err);
    let refused = scene.run(&["export", "--format", "pst", "--out", "-"]).code(2);
    assert!(refused.err.contains("--out"), "{}", refused.err);
}

/// Mail that never was in such an archive has the properties that say what it says.
#[test]
fn internet_mail_comes_into_an_outlook_archive() {
    let scene = Scene::new();
    let path = scene.path("mail.eml");
    let mail = "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nSender: s@example.org\r\nTo: Ann <a@example.org>, b@example.org\r\nCc: c@example.org\r\n\
        Subject: =?utf-8?q?Re=3A_Pl=C3=A4ne?=\r\nDate: Tue, 28 Feb 2017 15:39:00 +0100\r\nMessage-ID: <1@x>\r\nReferences: <0@x>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n\
        --c\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n\
        --c\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>Gr=FC=DFe</p>\r\n--c--\r\n\
        --b\r\nContent-Type: text/csv; name=t.csv\r\nContent-Disposition: attachment; filename=t.csv\r\n\r\n1,2\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: d@example.org\r\nSubject: inner\r\nMessage-ID: <2@x>\r\n\r\nokapi\r\n--b--\r\n";
    fs::write(&path, mail).unwrap();
    load(&scene, &path);
    let out = scene.path("out.pst");
    let said =
        scene.run(&["export", "--format", "pst", "--out", out.to_str().unwrap(), "--json"]).code(0).json();
    assert_eq!(number(&said, "emails"), 1);
    let again = Scene::new();
    assert_eq!(number(&load(&again, &out), "found"), 1);
    let of = |scene: &Scene| -> Vec<Value> {
        let mut all: Vec<Value> = told(scene).into_values().collect();
        all.sort_by_key(|email| email["message_id"].to_string());
        all
    };
    let (before, after) = (of(&scene), of(&again));
    assert_eq!((before.len(), after.len()), (2, 2));
    for (a, b) in before.iter().zip(&after) {
        // Who has no name there has the address for one, as Outlook writes it.
        let people = |email: &Value| -> Vec<(String, String)> {
            let lists = ["to", "cc"].iter().flat_map(|list| email[list].as_array().unwrap());
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            std::iter::once(&email["from"])
                .chain(lists)
                .map(|one| (text(&one["name"]), text(&one["address"])))
                .map(|(name, address)| (if name.is_empty() { address.clone() } else { name }, address))
                .collect()
        };
        assert_eq!(people(a), people(b));
        for field in ["subject", "date", "message_id", "class"] {
            assert_eq!(a[field], b[field], "{field}");
        }
        assert_eq!(a["body"].as_str().unwrap().trim(), b["body"].as_str().unwrap().trim());
        let attachments = |email: &Value| -> Vec<(Value, Value)> {
            let all = email["attachments"].as_array().unwrap();
            all.iter()
                .filter(|a| a["child"].is_null())
                .map(|a| (a["name"].clone(), a["sha256"].clone()))
                .collect()
        };
        assert_eq!(attachments(a), attachments(b));
    }
    assert_eq!(after[1]["parent"], after[0]["id"]);
}

#[test]
fn a_table_has_a_row_for_each_email_and_no_formula() {
    let scene = Scene::new();
    let path = scene.path("evil.eml");
    let mail = "From: \"=cmd|' /C calc'!A0\" <a@example.org>\r\nSubject: =HYPERLINK(\"http://x\")\r\nDate: Tue, 28 Feb 2017 15:39:00 +0000\r\nMessage-ID: <1@x>\r\n\r\ntext\r\n";
    fs::write(&path, mail).unwrap();
    load(&scene, &path);
    let out = scene.path("out.csv");
    let said =
        scene.run(&["export", "--format", "csv", "--out", out.to_str().unwrap(), "--json"]).code(0).json();
    assert_eq!(said["sha256"], sha256(&fs::read(&out).unwrap()).as_str());
    let rows = rows(&out);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["subject"], "'=HYPERLINK(\"http://x\")");
    assert!(rows[0]["from_name"].starts_with("'="), "{:?}", rows[0]);
    assert_eq!(
        (rows[0]["from_address"].as_str(), rows[0]["date"].as_str()),
        ("a@example.org", "2017-02-28T15:39:00Z")
    );
    assert_eq!(rows[0]["sha256"], sha256(mail.as_bytes()), "it came as this message");
    let stdout = scene.run(&["export", "--format", "csv", "--out", "-"]).code(0).out;
    assert_eq!(stdout.as_bytes(), fs::read(&out).unwrap());
}

/// Who is found inside another email brings all of it, and it is written once.
#[test]
fn families_come_whole_and_once() {
    let scene = Scene::new();
    let path = scene.path("family.eml");
    let inner = |n: u32| {
        format!(
            "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@example.org\r\nSubject: inner {n}\r\nMessage-ID: <inner{n}@x>\r\n\r\nthe word okapi\r\n"
        )
    };
    let mail = format!(
        "From: a@example.org\r\nSubject: outer\r\nMessage-ID: <outer@x>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee inside\r\n{}{}--b--\r\n",
        inner(1),
        inner(2)
    );
    fs::write(&path, &mail).unwrap();
    load(&scene, &path);
    let found = scene.run(&["search", "--mode", "keyword", "--json", "body:okapi"]).code(0).lines();
    assert_eq!(found.len(), 2, "{found:?}");
    let out = scene.path("out");
    let said = scene
        .run(&["export", "body:okapi", "--format", "eml", "--out", out.to_str().unwrap(), "--json"])
        .code(0)
        .json();
    assert_eq!(number(&said, "emails"), 1);
    let manifest = rows(&out.join("manifest.csv"));
    assert_eq!(manifest.len(), 1);
    let row = &manifest[0];
    assert_eq!((row["form"].as_str(), row["message_id"].as_str()), ("original", "<outer@x>"));
    assert!(
        found.iter().any(|hit| hit["id"] == row["found"].as_str() && hit["parent"] == row["id"].as_str())
    );
    assert_eq!(fs::read_to_string(out.join(&row["file"])).unwrap(), mail);
    assert!(row["file"].starts_with("undated/"), "{}", row["file"]);
}

/// Who was found inside an email that cannot be read came with it, or not at all: not even its name was told.
#[test]
fn who_is_inside_a_family_that_cannot_be_read_comes_alone() {
    let scene = Scene::new();
    let path = scene.path("a.pst");
    let mut writer = PstWriter::new(File::create_new(&path).unwrap(), Options::new([7; 16])).unwrap();
    let inbox = writer.add_folder_path("Inbox").unwrap();
    let text = |subject: &str, body: &str| Message {
        subject: subject.to_owned(),
        message_id: Some(format!("<{subject}@example.org>")),
        delivered: Some(FileTime::from_unix(1_600_000_000)),
        body_text: Some(body.to_owned()),
        ..Message::default()
    };
    // Larger than what stands beside the mail itself, so that it can be damaged alone.
    let mut noise = vec![0u8; 3 << 20];
    let mut state = 1u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    let mut outer = text("outer", "see inside");
    outer.attachments = vec![
        Attachment::new("big.bin", Payload::Bytes(noise)),
        Attachment::new("inner", Payload::Message(Box::new(text("inner", "the word okapi")))),
    ];
    writer.add_message(inbox, outer).unwrap();
    writer.finish().unwrap();
    load(&scene, &path);
    let damaged = blobs(&scene.data());
    assert_eq!(damaged, 1, "one file of attachments");
    let out = scene.path("out");
    let ended =
        scene.run(&["export", "okapi", "--format", "eml", "--out", out.to_str().unwrap(), "--json"]).code(1);
    let said = ended.json();
    assert_eq!((number(&said, "emails"), number(&said, "lost")), (1, 1), "{said}: {}", ended.err);
    let manifest = rows(&out.join("manifest.csv"));
    let of = |subject: &str| manifest.iter().find(|row| row["message_id"].contains(subject)).unwrap();
    assert!(of("outer")["file"].is_empty() && !of("outer")["error"].is_empty(), "{manifest:?}");
    let inner = fs::read_to_string(out.join(&of("inner")["file"])).unwrap();
    assert!(inner.contains("the word okapi"), "{inner}");
    assert_eq!(fs::read_dir(out.join("2020-09")).unwrap().count(), 1, "what is not whole is not there");
}

/// Damages the middle of each segment of attachments; how many there are.
fn blobs(data: &Path) -> usize {
    let mut damaged = 0;
    for entry in fs::read_dir(data.join("segments")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if bytes.len() > 2 << 20 {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    damaged
}

/// An export that was stopped left what it had written beside its name.
#[test]
fn an_export_that_is_stopped_leaves_nothing() {
    let scene = Scene::new();
    load(&scene, &scene.archive("a.pst", 3000, 3).0);
    let before = fs::read_dir(scene.path("")).unwrap().count();
    let out = scene.path("out");
    let mut export = scene.start(&["export", "--format", "eml", "--out", out.to_str().unwrap()]);
    let begun = Instant::now();
    while fs::read_dir(scene.path("")).unwrap().count() == before {
        assert!(begun.elapsed() < Duration::from_secs(30) && !export.has_ended(), "it wrote nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    export.signal(Signal::TERM);
    let ended = export.wait();
    if ended.code != Some(0) {
        assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
        assert_eq!(fs::read_dir(scene.path("")).unwrap().count(), before);
    }
}
