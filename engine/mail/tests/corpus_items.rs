//! Every item of the corpus, read as a family: its columns are those of `truth/*.jsonl`.
//!
//! Needs the corpus (`POSTLODE_CORPUS`, by default `../shared/corpus` beside the workspace); says so where there is none.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod common;

use common::{corpus, expected, micros, truth};
use postlode_mail::pst::{Archive, BlobContent, Family, Reader, Which, table, tag};
use sha2::Digest;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

fn reader(path: &Path) -> Reader {
    Reader::new(Archive::open(path).expect("an archive that opens"), b"version")
}

#[test]
fn columns_are_those_of_the_truth() {
    let Some(corpus) = corpus() else { return };
    let mut rows = 0;
    for file in expected(&corpus).into_iter().filter(|row| row.counts.is_some()) {
        let reader = reader(&corpus.join("pst").join(&file.file));
        let listing = reader.list().unwrap();
        let truth = truth(&corpus, &file.file);
        assert_eq!(truth.len(), listing.items.len(), "{}", file.file);
        let by_nid: HashMap<u64, &serde_json::Value> =
            truth.iter().map(|t| (t["nid"].as_u64().unwrap(), t)).collect();
        assert_eq!(by_nid.len(), truth.len());
        for item in &listing.items {
            let wanted = by_nid[&u64::from(item.nid)];
            let place = format!("{} {}", file.file, item.nid);
            assert_eq!(listing.path_of(item), wanted["folder"], "{place}");
            let family = reader.read(item.nid).expect(&place);
            compare(&family, wanted, &place);
            rows += 1;
        }
    }
    assert_eq!(rows, 9153);
}

fn compare(family: &Family, wanted: &serde_json::Value, place: &str) {
    let email = &family.members[0].email;
    let body = &family.members[0].body;
    assert_eq!(email.class, wanted["message_class"], "{place}");
    // The truth's reader refuses a few items without a body; there, only the class is known.
    if wanted["attachments"].is_null() {
        assert!(!email.subject.is_empty(), "{place}");
        return;
    }
    assert_eq!(email.subject, wanted["subject"].as_str().unwrap_or(""), "{place}");
    assert_eq!(email.message_id, wanted["message_id"].as_str().unwrap_or(""), "{place}");
    assert_eq!(email.received.map(|r| r.unix_micros), wanted["delivered"].as_str().map(micros), "{place}");
    assert_eq!(email.attachments.len() as u64, wanted["attachments"], "{place}");
    if let Some(sender) = wanted["sender"].as_str() {
        let names = [&email.sender, &email.from].map(|a| a.as_ref().map_or("", |a| a.name.as_str()));
        assert!(names.contains(&sender), "{place}: {names:?} {sender}");
    }
    let html = body.html.as_ref().map_or(0, |h| h.original().len());
    assert_eq!(html as u64, wanted["html_len"], "{place}");
    // The truth counts the bytes of the plain body in UTF-8 up to its first zero.
    let text =
        body.plain.as_ref().map_or(0, |p| p.bytes.iter().position(|b| *b == 0).unwrap_or(p.bytes.len()));
    assert_eq!(text as u64, wanted["text_len"], "{place}");
    assert_eq!(body.rtf.is_some(), wanted["rtf"].as_bool().unwrap_or(true), "{place}");
    assert!(email.partial.is_empty(), "{place}: {:?}", email.partial);
    for member in &family.members {
        assert_eq!(member.node & 0xffff_ffff, wanted["nid"], "{place}");
        assert_eq!(member.email.parent.is_none(), member.node >> 32 == 0, "{place}");
    }
    for attachment in family.members.iter().flat_map(|m| &m.email.attachments) {
        if attachment.child.is_none() {
            assert!(family.blobs.iter().any(|b| b.sha256 == attachment.sha256), "{place}: {attachment:?}");
        }
    }
    for blob in &family.blobs {
        if let BlobContent::Whole(bytes) = &blob.content {
            assert_eq!(bytes.len() as u64, blob.size, "{place}");
        }
    }
}

#[test]
fn attachments_stream_a_second_time() {
    let Some(corpus) = corpus() else { return };
    let mut streamed = 0;
    for file in ["aspose-email__test.pst", "aspose-email__Outlook-2.pst", "apache__testPST.pst"] {
        let reader = reader(&corpus.join("pst").join(file));
        for item in reader.list().unwrap().items {
            let family = reader.read(item.nid).unwrap();
            let root = &family.members[0].email;
            for attachment in root.attachments.iter().filter(|a| a.child.is_none()) {
                let mut bytes = Vec::new();
                let read = reader
                    .attachment(Which::Node(item.nid), &[attachment.n], |data| data.read_to_end(&mut bytes));
                assert_eq!(read.unwrap().unwrap() as u64, attachment.size);
                let sha256: [u8; 32] = sha2::Sha256::digest(&bytes).into();
                assert_eq!(sha256, attachment.sha256);
                streamed += 1;
            }
            assert!(reader.attachment(Which::Node(item.nid), &[9999], |_| ()).is_err());
            assert!(reader.attachment(Which::Node(item.nid), &[], |_| ()).is_err());
        }
    }
    assert!(streamed > 50, "{streamed}");
}

#[test]
fn a_message_inside_a_message_is_an_item_with_a_parent() {
    let Some(corpus) = corpus() else { return };
    let reader = reader(&corpus.join("pst/emk__submessage.pst"));
    let family = reader.read(2_097_188).unwrap();
    let [outer, inner] = &family.members[..] else { panic!("{family:?}") };
    assert_eq!(inner.email.parent, Some(outer.email.id));
    assert_eq!(outer.email.attachments[0].child, Some(inner.email.id));
    assert_eq!(inner.email.subject, "This is an embedded message");
    assert_eq!(inner.node, (1 << 32) | 2_097_188);
    assert_ne!(inner.email.thread, outer.email.thread);
    // Exchange gave the sender as a distinguished name; a property beside it has the address.
    assert_eq!(outer.email.from.as_ref().unwrap().address, "terrymah@microsoft.com");
    assert_eq!(outer.email.sent.unwrap().offset_minutes, Some(-420));
    // The names of properties are those of the archive's map, and recipients keep all of theirs.
    let named = outer.body.props.iter().find(|p| p.id == 0x800d).unwrap();
    assert!(named.name.as_ref().is_some_and(|n| n.guid != [0; 16]));
    let table = outer.body.props.iter().find(|p| p.id == tag::MESSAGE_RECIPIENTS).unwrap();
    assert_eq!(table::rows(&table.value.original()).unwrap()[0].0.len(), 30);
}

#[test]
fn the_same_archive_gives_the_same_ids_and_the_same_mail_in_another_too() {
    let Some(corpus) = corpus() else { return };
    let read = |file: &str| -> Vec<(String, [u8; 16])> {
        let reader = reader(&corpus.join("pst").join(file));
        let items = reader.list().unwrap().items;
        let roots = items.iter().map(|i| reader.read(i.nid).unwrap().members.remove(0).email);
        roots.filter(|e| !e.message_id.is_empty()).map(|e| (e.message_id, e.id)).collect()
    };
    let (first, again) = (read("aspose-email__Outlook-2.pst"), read("aspose-email__Outlook-2.pst"));
    assert_eq!(first, again);
    // This archive holds six of the same mails, and copies of them in another folder.
    let other = read("aspose-email__test.pst");
    let mut same = 0;
    for (message_id, id) in &other {
        if let Some((_, known)) = first.iter().find(|(m, _)| m == message_id) {
            assert_eq!(id, known, "{message_id}");
            same += 1;
        }
    }
    assert!(same > 6, "{same}");
}
