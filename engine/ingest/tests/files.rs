//! Mail in files: .eml and .mbox, alone and in folders of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod common;

use common::{check, load, store};
use futures_lite::future::block_on;
use postlode_format::row::{ArchivedPlace, RowKind, access};
use postlode_store::Store;
use std::fmt::Write;
use std::fs;

/// A mail with so many bytes of attachment.
fn mail(number: usize, attached: usize) -> String {
    let mut mail = format!(
        "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nMessage-ID: <{number}@example.org>\r\n\
         Date: Mon, 2 Mar 2020 10:00:00 +0100\r\nSubject: number {number}\r\n"
    );
    if attached == 0 {
        write!(mail, "\r\nText of number {number}.\r\n").unwrap();
    } else {
        let line = "x".repeat(72);
        write!(
            mail,
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n\
             Content-Type: application/octet-stream; name=a.bin\r\n\
             Content-Disposition: attachment; filename=a.bin\r\n\r\n"
        )
        .unwrap();
        for _ in 0..attached / 74 {
            write!(mail, "{line}\r\n").unwrap();
        }
        mail.push_str("--b--\r\n");
    }
    mail
}

fn mailbox(numbers: std::ops::Range<usize>) -> String {
    numbers.fold(String::new(), |text, number| {
        text + "From ann@example.org Mon Mar  2 10:00:00 2020\n"
            + &mail(number, 0).replace("\r\n", "\n")
            + "\n"
    })
}

/// Folders of all places, sorted.
fn folders(store: &Store) -> Vec<String> {
    let (rows, _) = block_on(store.rows(RowKind::Place, &[], None, 10_000)).unwrap();
    let mut folders: Vec<String> =
        rows.iter().map(|row| access::<ArchivedPlace>(&row.value).unwrap().folder.to_string()).collect();
    folders.sort_unstable();
    folders
}

#[test]
fn a_tree_of_files_is_loaded_with_its_folders() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mail");
    fs::create_dir_all(root.join("Inbox/Old")).unwrap();
    for number in 0..40 {
        fs::write(root.join(format!("Inbox/{number}.eml")), mail(number, 0)).unwrap();
    }
    // The same mail in another folder is another place, and no other mail.
    fs::write(root.join("Inbox/Old/7.eml"), mail(7, 0)).unwrap();
    fs::write(root.join("large.eml"), mail(1_000, 3 << 20)).unwrap();
    fs::write(root.join("Lists.mbox"), mailbox(100..600)).unwrap();
    let store = store(&dir.path().join("data"));
    let report = load(&store, std::slice::from_ref(&root), "ann");
    check(&report);
    assert_eq!((report.found, report.stored, report.duplicate, report.failed), (542, 541, 1, 0));
    assert!(report.clean(), "{:?}", report.failures);
    let mut kinds: Vec<&str> = report.archives.iter().map(|a| a.kind.as_str()).collect();
    kinds.dedup();
    assert_eq!(kinds, ["mbox", "eml"], "in the order of their names, folders after files");
    let places = folders(&store);
    assert_eq!(places.len(), 542);
    assert_eq!(places.iter().filter(|f| *f == "/Inbox").count(), 40);
    assert_eq!(places.iter().filter(|f| *f == "/Inbox/Old").count(), 1);
    assert_eq!(places.iter().filter(|f| *f == "/Lists").count(), 500);
    assert_eq!(places.iter().filter(|f| *f == "/").count(), 1);
    let blob = block_on(store.rows(RowKind::BlobChunk, &[], None, 100)).unwrap().0;
    assert_eq!(blob.len(), 3, "an attachment of three chunks");
    let again = load(&store, &[root], "ann");
    check(&again);
    assert_eq!((again.found, again.stored, again.duplicate), (542, 0, 542));
    assert_eq!(folders(&store).len(), 542);
    block_on(store.close()).unwrap();
}

#[test]
fn a_mailbox_that_has_grown_adds_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("box");
    fs::write(&path, mailbox(0..300)).unwrap();
    let store = store(&dir.path().join("data"));
    let report = load(&store, std::slice::from_ref(&path), "");
    assert_eq!((report.found, report.stored, report.duplicate), (300, 300, 0));
    fs::write(&path, mailbox(0..310)).unwrap();
    let report = load(&store, std::slice::from_ref(&path), "");
    check(&report);
    assert_eq!((report.found, report.stored, report.duplicate), (310, 10, 300));
    assert_eq!(folders(&store).len(), 310, "what was there has its place already");
    block_on(store.close()).unwrap();
}
