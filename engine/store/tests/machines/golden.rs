//! A store that any version wrote opens for ever: sealed segments of mail and attachments, and a log that was never
//! sealed. `POSTLODE_WRITE_GOLDEN=1` writes that of this version where it is missing, and never overwrites one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and looks at files from outside"
)]

use crate::common::machine::Machine;
use crate::common::*;
use postlode_format::index::IndexId;
use postlode_format::row::*;
use postlode_store::*;
use std::fs;
use std::path::{Path, PathBuf};

fn small(shards: usize, access: Access) -> StoreOptions {
    let mut options = options(shards, access);
    options.memtable_bytes = 1 << 20;
    options.log_file_bytes = 16 << 10;
    options
}

/// The golden store's files, by the path inside it.
fn golden_files(root: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(golden_files(root, &path)),
            false => files.push(path),
        }
    }
    files
}

/// Emails as those of the other tests are, but with more to be told: several recipients, hundreds of different ones,
/// attachments, languages, a custodian.
fn rich(numbers: std::ops::Range<u64>) -> LoadBatch {
    let person = |n: u64| Address { name: format!("Reader {n}"), address: format!("reader{n}@example.org") };
    let attachment = |name: &str| Attachment {
        n: 0,
        name: name.into(),
        mime: "application/pdf".into(),
        content_id: String::new(),
        inline: false,
        kind: AttachmentKind::Reference,
        size: 7,
        sha256: [0; 32],
        child: None,
    };
    let one = |n: u64| {
        let mut email = email(n);
        email.cc = (0..n % 4).map(|more| person(n * 31 % 290 + more)).collect();
        email.attachments =
            ["a.pdf", "b.DOCX", "c"].iter().take(n as usize % 4).map(|a| attachment(a)).collect();
        email.flags = if email.attachments.is_empty() { 0 } else { flag::HAS_ATTACHMENT };
        email.language = ["", "eng", "deu"][n as usize % 3].into();
        email.size = 1 << (n % 40);
        let mut new = new_email(n, ["/Inbox", "/Sent", ""][n as usize % 3]);
        let place = access::<ArchivedPlace>(&new.place.value).unwrap();
        let mut place: Place = rkyv::deserialize::<_, rkyv::rancor::Error>(place).unwrap();
        place.custodian = ["", "Ann", "Bob"][n as usize % 3].into();
        new.place.value = to_bytes(&place).unwrap();
        NewEmail { email: to_bytes(&email).unwrap(), ..new }
    };
    LoadBatch { emails: numbers.map(one).collect(), ..LoadBatch::default() }
}

/// The same mails, found in another archive.
fn found_again(numbers: std::ops::Range<u64>) -> LoadBatch {
    let mut batch = rich(numbers);
    for new in &mut batch.emails {
        let place = access::<ArchivedPlace>(&new.place.value).unwrap();
        let mut place: Place = rkyv::deserialize::<_, rkyv::rancor::Error>(place).unwrap();
        place.archive = [5; 16];
        new.place.key = place_key(&new.id, &place.archive, place.node).into();
        new.place.value = to_bytes(&place).unwrap();
    }
    batch
}

fn write(machine: &Machine, emails: u64) {
    let store = machine.open(small(1, Access::Write)).unwrap();
    machine.wait(store.load(rich(0..emails - 3))).unwrap();
    let chunk =
        Row { kind: RowKind::BlobChunk, key: blob_key(&[7; 32], 0).into(), value: vec![9u8; 3000].into() };
    machine.wait(store.put(vec![chunk])).unwrap();
    machine.wait(store.seal()).unwrap();
    // Only what was merged has dictionaries.
    machine.wait(store.load(rich(emails - 3..emails - 2))).unwrap();
    machine.wait(store.seal()).unwrap();
    // No mail has the attachment: a load under way keeps it.
    let loading = store.loading();
    assert_eq!(machine.wait(store.compact()).unwrap(), Swept::Waits);
    drop(loading);
    // A segment of places alone.
    machine.wait(store.load(found_again(20..40))).unwrap();
    machine.wait(store.seal()).unwrap();
    // Vectors that came later: of some mails of one segment.
    let first = machine.wait(store.coverage("later")).unwrap().segments[0].segment;
    machine.wait(embed(&store, first, "later", |n| n % 3 != 0)).unwrap();
    machine.wait(store.activate("later")).unwrap();
    machine.wait(store.load(rich(emails - 2..emails))).unwrap();
    machine
        .wait(store.put(vec![mark(3, &Mark { tags: vec!["old".into()], revision: 4, ..Mark::default() })]))
        .unwrap();
    drop(store);
}

#[test]
fn a_store_of_version_1_opens_and_is_whole() {
    opens_and_is_whole("v1", 15);
}

#[test]
fn a_store_of_version_2_opens_and_is_whole() {
    opens_and_is_whole("v2", 15);
}

#[test]
fn a_store_of_version_3_opens_and_is_whole() {
    opens_and_is_whole("v3", 130);
}

#[test]
fn a_store_of_version_4_opens_and_is_whole() {
    opens_and_is_whole("v4", 300);
}

#[test]
fn a_store_of_version_5_opens_and_is_whole() {
    opens_and_is_whole("v5", 300);
}

#[test]
fn a_store_of_version_6_opens_and_is_whole() {
    opens_and_is_whole("v6", 120);
}

#[test]
fn a_store_of_version_7_opens_and_is_whole() {
    opens_and_is_whole("v7", 120);
}

fn opens_and_is_whole(version: &str, emails: u64) {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../format-spec/golden");
    let golden = golden.join(version).join("store");
    if !golden.exists() && std::env::var_os("POSTLODE_WRITE_GOLDEN").is_some() {
        write(&Machine::Portable(golden.clone()), emails);
    }
    let files = golden_files(&golden, Path::new(""));
    assert!(!files.is_empty(), "the golden store is gone");
    Machine::each(|machine| {
        for file in &files {
            machine.write(file, &fs::read(golden.join(file)).unwrap());
        }
        let mut compacted = false;
        for (shards, access) in
            [(1, Access::Snapshot), (3, Access::Snapshot), (2, Access::Write), (1, Access::Write)]
        {
            let store = machine.open(small(shards, access)).unwrap();
            machine.wait(check(&store, &(0..emails).collect::<Vec<_>>()));
            assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
            // No mail has it, so the compaction below takes it out.
            let chunk = machine.wait(store.get(RowKind::BlobChunk, &blob_key(&[7; 32], 0))).unwrap();
            assert_eq!(chunk, (!compacted).then(|| vec![9u8; 3000].into()));
            // Before and after: a merge takes along what is there, and cuts it for two shards.
            let later = if ["v6", "v7"].contains(&version) { (true, "later") } else { (false, "") };
            let active = machine.wait(store.active()).unwrap();
            assert_eq!((machine.wait(check_addons(&store)).0 > 0, active.as_str()), later, "{version}");
            let mark = machine.wait(store.get(RowKind::Mark, &email_id(3))).unwrap().unwrap();
            assert_eq!(access_mark(&mark), 4);
            if access == Access::Write {
                machine.wait(store.compact()).unwrap();
                compacted = true;
                // Those of older versions had none, and have them now.
                let sources = machine.wait(store.text_sources(Default::default())).unwrap();
                assert_eq!(machine.wait(check_vectors(&store)), sources.segments.len(), "{version}");
                let columns = machine.wait(store.column_sources(true)).unwrap().segments;
                assert!(
                    !columns.is_empty() && columns.iter().all(|own| !own.columns.is_empty()),
                    "{version}"
                );
                let emails_of = |index| machine.wait(store.count(index, KeyRange::prefix(&[]))).unwrap();
                // Indexes that the version did not have are there now.
                assert_eq!(emails_of(IndexId::Size), emails, "{version}");
                assert_eq!(emails_of(IndexId::Domain), emails, "{version}");
                // Some were found twice.
                let places = if ["v5", "v6", "v7"].contains(&version) { emails + 20 } else { emails };
                assert_eq!(emails_of(IndexId::ArchiveFolder), places, "{version}");
                // One in seven is too short for a signature; of the emails of older versions it is noted that they have none.
                let bands = if version == "v7" { 4 * (emails - emails.div_ceil(7)) } else { emails };
                assert_eq!(emails_of(IndexId::Near), bands, "{version}");
                machine.wait(check(&store, &(0..emails).collect::<Vec<_>>()));
            }
            machine.wait(store.close()).unwrap();
        }
    });
}

fn access_mark(bytes: &[u8]) -> u64 {
    access::<ArchivedMark>(bytes).unwrap().revision.to_native()
}
