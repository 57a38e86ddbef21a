//! Archives of our own generator: what is read is what was written, through views and without them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod common;

use common::micros;
use postlode_format::row::{AttachmentKind, TextSource};
use postlode_mail::pst::{Archive, Family, ItemRef, Listing, Reader};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Writes an archive of `messages` items and returns its truth by node id.
fn generate(path: &Path, messages: u64, seed: u64) -> HashMap<u32, Value> {
    let truth = path.with_extension("jsonl");
    let options = pstgen::Options {
        seed,
        attachments: 0.3,
        truth: Some(truth.clone()),
        ..pstgen::Options::new(path, messages)
    };
    let made = pstgen::generate(&options).unwrap();
    assert_eq!(made.items, messages);
    let lines = std::fs::read_to_string(truth).unwrap();
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| (u32::try_from(row["nid"].as_u64().unwrap()).unwrap(), row)).collect()
}

fn addresses(list: &[postlode_format::row::Address]) -> Vec<Value> {
    list.iter().map(|a| Value::from(a.address.as_str())).collect()
}

fn compare(family: &Family, truth: &Value) {
    let (email, body) = (&family.members[0].email, &family.members[0].body);
    let text = |key: &str| truth[key].as_str().unwrap_or("");
    assert_eq!(email.class, text("message_class"));
    assert_eq!(email.subject, text("subject"));
    assert_eq!(email.message_id, text("message_id"));
    assert_eq!(email.from.as_ref().map_or("", |a| &a.name), text("sender"));
    assert_eq!(email.from.as_ref().map_or("", |a| &a.address), text("sender_address"));
    assert_eq!(email.received.map(|t| t.unix_micros), truth["delivered"].as_str().map(micros));
    assert_eq!(email.sent.map(|t| t.unix_micros), truth["submitted"].as_str().map(micros));
    assert_eq!(email.in_reply_to.first().map_or("", String::as_str), text("in_reply_to"));
    assert_eq!(addresses(&email.to), *truth["to"].as_array().unwrap());
    assert_eq!(addresses(&email.cc), *truth["cc"].as_array().unwrap());
    assert_eq!(addresses(&email.bcc), *truth["bcc"].as_array().unwrap());
    let importance = ["low", "normal", "high"][usize::from(email.importance)];
    assert_eq!(importance, text("importance"));
    let plain = body.plain.as_ref().map_or("", |p| std::str::from_utf8(&p.bytes).unwrap());
    let wanted = truth["text_len"].as_u64().unwrap();
    assert!([plain.len(), plain.chars().count()].contains(&usize::try_from(wanted).unwrap()), "{plain}");
    assert_eq!(body.html.as_ref().map_or(0, |h| h.original().len()) as u64, truth["html_len"]);
    assert_eq!(body.text().trim().is_empty(), body.text_source == TextSource::None);
    assert!(email.partial.is_empty(), "{:?}", email.partial);
    let files = truth["files"].as_array().unwrap();
    assert_eq!(email.attachments.len(), files.len());
    for (attachment, file) in email.attachments.iter().zip(files) {
        assert_eq!(attachment.name, file["name"].as_str().unwrap());
        if file["message"].is_null() {
            assert_eq!(attachment.size, file["size"]);
            let hex: String = attachment.sha256.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, file["sha256"].as_str().unwrap());
        } else {
            assert_eq!(attachment.kind, AttachmentKind::Message);
            let child = family.members.iter().find(|m| Some(m.email.id) == attachment.child).unwrap();
            assert_eq!(child.email.parent, Some(email.id));
        }
    }
}

#[test]
fn what_is_read_is_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made.pst");
    // More items than one view holds, so that several follow each other.
    let truth = generate(&path, 1500, 7);
    let reader = Reader::new(Archive::open(&path).unwrap(), b"");
    assert!(reader.archive().has_views());
    let listing = reader.list().unwrap();
    assert!(listing.failures.is_empty(), "{:?}", listing.failures);
    assert_eq!(listing.items.len(), 1500);
    // In the order of folders and back: each jump is another view.
    for item in listing.items.iter().chain(listing.items.iter().rev().take(100)) {
        let truth = &truth[&item.nid];
        assert_eq!(listing.path_of(item), truth["folder"].as_str().unwrap());
        compare(&reader.read(item.nid).unwrap(), truth);
    }
    assert!(reader.read(0x7fff_ffe4).is_err());
    assert!(reader.read(0).is_err());
}

/// A list of items was read by libpff alone, which needs kilobytes for each: an archive of a million did not fit into the
/// memory that a parser may have, and was refused whole.
#[test]
fn lists_are_read_as_libpff_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    for (ansi, messages) in [(false, 0), (false, 1), (false, 9_000), (true, 2_000)] {
        let path = dir.path().join(format!("{ansi}-{messages}.pst"));
        pstgen::generate(&pstgen::Options { ansi, seed: 5, ..pstgen::Options::new(&path, messages) })
            .unwrap();
        let archive = Archive::open(&path).unwrap();
        let (ours, theirs) = (archive.list_by_index().unwrap(), archive.list_by_libpff().unwrap());
        assert_eq!((ours.found(), ours.failures.len()), (messages, 0));
        // By the tree of nodes the same items are found in as many folders, whose names are not known.
        let by_nodes = archive.list_by_nodes().unwrap();
        let nids = |listing: &Listing| {
            let of = |item: &ItemRef| (item.nid, listing.folders[item.folder as usize].nid);
            listing.items.iter().map(of).collect::<BTreeSet<_>>()
        };
        assert_eq!(nids(&by_nodes), nids(&theirs));
        assert!(by_nodes.folders.iter().skip(1).all(|folder| folder.path.starts_with("/(folder ")));
        assert_eq!((ours.items, ours.folders), (theirs.items, theirs.folders));
    }
}

/// Of an archive with a byte changed anywhere, either all items are named, or it is not believed.
#[test]
fn no_item_goes_missing_from_a_list_for_a_changed_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pst");
    pstgen::generate(&pstgen::Options { seed: 5, attachments: 0.0, ..pstgen::Options::new(&path, 60) })
        .unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut odd = 0;
    for at in (600..bytes.len()).step_by(499) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        let Ok(archive) = Archive::open(&path) else { continue };
        match archive.list_by_index() {
            None => odd += 1,
            Some(listing) => assert_eq!(listing.found(), 60, "byte {at}"),
        }
    }
    assert!(odd > 0, "no byte of any list was changed");
}

#[test]
fn a_tree_that_is_damaged_is_left_to_libpff() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made.pst");
    let truth = generate(&path, 100, 3);
    let mut bytes = std::fs::read(&path).unwrap();
    // The root page of the tree of nodes: libpff does not mind its checksum, views do.
    let root = usize::try_from(u64::from_le_bytes(bytes[224..232].try_into().unwrap())).unwrap();
    bytes[root + 500] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let reader = Reader::new(Archive::open(&path).unwrap(), b"");
    assert!(!reader.archive().has_views());
    let listing = reader.list().unwrap();
    assert_eq!(listing.items.len(), 100);
    for item in &listing.items {
        compare(&reader.read(item.nid).unwrap(), &truth[&item.nid]);
    }
}
