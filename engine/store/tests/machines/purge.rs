//! Deleted means gone: after a compaction no file of the store has a word of what was deleted, however it lies there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use crate::common::machine::Machine;
use crate::common::*;
use postlode_format::block::{self, BlockPlace};
use postlode_format::limits::PAGE;
use postlode_format::manifest::Manifest;
use postlode_format::row::*;
use postlode_format::segment::{
    DIRECTORY_BLOCK, Directory, Identity, SectionKind, VERSION, directory_block, read_trailer,
};
use postlode_store::*;
use std::io::Read;

const ZSTD: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();

/// The content of each section, and of everything in it that can be decompressed.
fn contents(machine: &Machine) -> Vec<(String, Vec<u8>)> {
    let newest = machine.files("manifest").pop().unwrap();
    let name = newest.file_name().unwrap().to_str().unwrap().to_owned();
    let number = postlode_format::manifest::number_of(&name).unwrap();
    let manifest = Manifest::decode(number, &machine.read(&newest)).unwrap();
    let mut out = Vec::new();
    for entry in &manifest.segments {
        let path = std::path::PathBuf::from(format!("segments/{:016x}.seg", entry.id));
        let file = machine.read(&path);
        let own = Identity { id: entry.id, salt: entry.salt };
        let tail = &file[file.len() - PAGE..];
        let (at, len) = read_trailer(own, file.len() as u64, tail).unwrap();
        let mut record = Vec::new();
        for (n, bytes) in (0u32..).zip(file[at as usize..file.len() - PAGE].chunks(DIRECTORY_BLOCK)) {
            record.extend_from_slice(block::open(directory_block(own, n), bytes).unwrap());
        }
        record.truncate(len as usize);
        let directory = Directory::decode(&record, own, VERSION, file.len() as u64).unwrap();
        // Those before the first dictionary need none.
        let mut dictionaries = vec![Vec::new()];
        for (n, section) in (0u16..).zip(&directory.sections) {
            let from = section.offset as usize;
            let to = from + section.blocks() as usize * section.block_size as usize;
            let mut content = Vec::new();
            for (b, bytes) in (0u32..).zip(file[from..to].chunks(section.block_size as usize)) {
                let place = BlockPlace { segment: own.id, salt: own.salt, section: n, block: b };
                content.extend_from_slice(block::open(place, bytes).unwrap());
            }
            if section.kind == SectionKind::Dictionary as u16 {
                dictionaries.push(content[..section.bytes as usize].to_vec());
            }
            for at in (0..content.len().saturating_sub(4)).filter(|at| content[*at..at + 4] == ZSTD) {
                // A frame does not say which dictionary it needs, and the four bytes may stand there by chance.
                for dictionary in &dictionaries {
                    let mut raw = Vec::new();
                    let decoder =
                        zstd::stream::read::Decoder::with_dictionary(&content[at..], dictionary).unwrap();
                    if decoder.single_frame().take(64 << 20).read_to_end(&mut raw).is_ok() {
                        out.push((format!("{} of {:x}, decompressed", section.name(), entry.id), raw));
                    }
                }
            }
            out.push((format!("{} of {:x}", section.name(), entry.id), content));
        }
    }
    for folder in ["segments", "log", "manifest"] {
        for file in machine.files(folder) {
            out.push((file.display().to_string(), machine.read(&file)));
        }
    }
    out
}

fn where_is(machine: &Machine, word: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word.as_bytes()));
    contents(machine).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name).collect()
}

/// So many that there are dictionaries.
const EMAILS: u64 = 2_500;
const WORDS: [&str; 6] = ["subjectword", "bodyword", "folderword", "otherfolder", "tagword", "noteword"];

fn secret(folder: &str, archive: u8) -> NewEmail {
    let mut new = new_email(7, folder);
    let email = Email { subject: "subjectword".into(), ..email(7) };
    new.email = to_bytes(&email).unwrap();
    let mut body =
        rkyv::deserialize::<Body, rkyv::rancor::Error>(access::<ArchivedBody>(&new.body).unwrap()).unwrap();
    body.text = format!("bodyword {}", "and much more that can be compressed ".repeat(200));
    body.plain = None;
    new.body = to_bytes(&body).unwrap();
    let place = access::<ArchivedPlace>(&new.place.value).unwrap();
    let mut place = rkyv::deserialize::<Place, rkyv::rancor::Error>(place).unwrap();
    place.archive = [archive; 16];
    new.place.key = place_key(&new.id, &place.archive, 7).into();
    new.place.value = to_bytes(&place).unwrap();
    new
}

#[test]
fn no_byte_of_what_was_deleted_is_left_in_any_file() {
    Machine::each(|machine| {
        let mut options = options(2, Access::Write);
        options.fan_in = 0;
        // So small that its files are kept to be used again.
        options.log_file_bytes = 256 << 10;
        let store = machine.open(options.clone()).unwrap();
        let put = |folder, archive| {
            let emails = vec![secret(folder, archive)];
            machine.wait(store.load(LoadBatch { emails, ..LoadBatch::default() })).unwrap();
        };
        // Its rows lie in four segments: email and place, another place, a mark with words, the deletion.
        machine.wait(store.load(batch((0..EMAILS).filter(|n| *n != 7)))).unwrap();
        put("/Folderword", 1);
        machine.wait(store.seal()).unwrap();
        machine.wait(store.compact()).unwrap();
        put("/Otherfolder", 2);
        machine.wait(store.seal()).unwrap();
        let said = Mark {
            tags: vec!["tagword".into()],
            note: "noteword: the quick brown fox jumps over the lazy dog, and counsel has seen it twice"
                .into(),
            date: date(7),
            revision: 1,
            ..Mark::default()
        };
        // Many say the same: what is that frequent gets into a dictionary, if anything does.
        let all = |said: &Mark| (7..2_000).map(|n| mark(n, said)).collect::<Vec<_>>();
        machine.wait(store.put(all(&said))).unwrap();
        machine.wait(store.seal()).unwrap();
        for word in WORDS {
            assert!(!where_is(machine, word).is_empty(), "{word} must be found where it is");
        }
        // Under a hold nothing goes.
        let held = Mark { deleted: true, holds: vec!["case 7".into()], revision: 2, ..said.clone() };
        machine.wait(store.put(all(&held))).unwrap();
        machine.wait(store.compact()).unwrap();
        assert!(!where_is(machine, "bodyword").is_empty());
        let gone = Mark { deleted: true, revision: 3, ..said };
        machine.wait(store.put(all(&gone))).unwrap();
        machine.wait(store.compact()).unwrap();
        for word in WORDS {
            assert_eq!(where_is(machine, word), [] as [String; 0], "{word}");
        }
        machine.wait(store.close()).unwrap();
        let store = machine.open(options).unwrap();
        let again = LoadBatch { emails: vec![secret("/Folderword", 1)], ..LoadBatch::default() };
        assert_eq!(machine.wait(store.load(again)).unwrap(), [Outcome::Deleted]);
        machine.wait(check(&store, &(0..EMAILS).filter(|n| !(7..2_000).contains(n)).collect::<Vec<_>>()));
        let left = machine.wait(store.get(RowKind::Mark, &email_id(7))).unwrap().unwrap();
        let left = access::<ArchivedMark>(&left).unwrap();
        assert!(left.deleted && left.tags.is_empty() && left.note.is_empty());
        assert_eq!(left.revision.to_native(), 3);
        machine.wait(store.close()).unwrap();
    });
}

/// A mail with two attachments.
fn with(n: u64, attachments: [u8; 2]) -> LoadBatch {
    let attachments = (0u32..).zip(attachments).map(|(n, content)| Attachment {
        n,
        name: format!("{n}.txt"),
        mime: "text/plain".into(),
        content_id: String::new(),
        inline: false,
        kind: AttachmentKind::Data,
        size: 4000,
        sha256: [content; 32],
        child: None,
    });
    let email = Email { attachments: attachments.collect(), flags: flag::HAS_ATTACHMENT, ..email(n) };
    let email = NewEmail { email: to_bytes(&email).unwrap(), ..new_email(n, "/Inbox") };
    LoadBatch { emails: vec![email], ..LoadBatch::default() }
}

fn content(n: u8) -> Row {
    let value = format!("content{n:03} ").repeat(400).into_bytes();
    Row { kind: RowKind::BlobChunk, key: blob_key(&[n; 32], 0).into(), value: value.into() }
}

/// Where a mail cannot be read, it is not known which attachments it has: none goes, and that is told.
#[test]
fn attachments_stay_where_a_mail_cannot_be_read() {
    Machine::each(|machine| {
        let store = machine.open(options(1, Access::Write)).unwrap();
        machine.wait(store.put((1..4).map(content).collect())).unwrap();
        machine.wait(store.load(with(1, [1, 2]))).unwrap();
        machine.wait(store.close()).unwrap();
        let stats = {
            let store = machine.open(options(1, Access::Snapshot)).unwrap();
            let stats = machine.wait(store.stats()).unwrap();
            machine.wait(store.close()).unwrap();
            stats
        };
        let segment = stats.segments.iter().find(|s| s.kind == "mail").unwrap();
        let before = segment.sections.iter().take_while(|(name, ..)| name != "emails");
        let at = 4096 + before.map(|(_, _, on_disk, _)| on_disk).sum::<u64>();
        let path = std::path::PathBuf::from(format!("segments/{:016x}.seg", segment.id));
        machine.flip(&path, at + 100);
        let store = machine.open(options(1, Access::Write)).unwrap();
        let swept = machine.wait(store.compact()).unwrap();
        assert!(
            matches!(&swept, Swept::Damaged(missing) if missing.segment == Some(segment.id)),
            "{swept:?}"
        );
        machine.flip(&path, at + 100);
        // The third was in no mail.
        assert_eq!(machine.wait(store.compact()).unwrap(), Swept::Done(1));
        machine.wait(store.close()).unwrap();
    });
}

/// Attachments of deleted mail stayed for ever. Those that another mail has stay, and nothing goes while mail is loaded.
#[test]
fn attachments_go_with_the_last_mail_that_has_them() {
    Machine::each(|machine| {
        let store = machine.open(options(2, Access::Write)).unwrap();
        machine.wait(store.put((1..6).map(content).collect())).unwrap();
        for (n, attachments) in [(1, [1, 2]), (2, [2, 3]), (3, [4, 4])] {
            machine.wait(store.load(with(n, attachments))).unwrap();
        }
        machine.wait(store.load(batch(10..40))).unwrap();
        let there = |store: &Store| {
            let has = |n: &u8| {
                let found = machine.wait(store.get(RowKind::BlobChunk, &blob_key(&[*n; 32], 0))).unwrap();
                found.map(|value| assert_eq!(value, content(*n).value)).is_some()
            };
            (1..6).filter(has).collect::<Vec<u8>>()
        };
        // The fifth is in no mail yet: its load is under way.
        let loading = store.loading();
        assert_eq!(machine.wait(store.compact()).unwrap(), Swept::Waits);
        assert_eq!(there(&store), [1, 2, 3, 4, 5]);
        machine.wait(store.load(with(5, [5, 5]))).unwrap();
        drop(loading);
        assert_eq!(machine.wait(store.compact()).unwrap(), Swept::Done(0));

        let gone = |n| mark(n, &Mark { deleted: true, revision: 1, ..Mark::default() });
        machine.wait(store.put(vec![gone(1)])).unwrap();
        assert_eq!(machine.wait(store.compact()).unwrap(), Swept::Done(1));
        assert_eq!(there(&store), [2, 3, 4, 5]);
        assert_eq!(where_is(machine, "content001"), [] as [String; 0]);
        machine.wait(store.put(vec![gone(2), gone(3)])).unwrap();
        assert_eq!(machine.wait(store.compact()).unwrap(), Swept::Done(3));
        assert_eq!(there(&store), [5]);
        for n in [1, 2, 3, 4] {
            assert_eq!(where_is(machine, &format!("content{n:03}")), [] as [String; 0], "content {n}");
        }
        // Loaded again with another mail it is there again.
        machine.wait(store.put(vec![content(3)])).unwrap();
        machine.wait(store.load(with(6, [3, 5]))).unwrap();
        assert_eq!(machine.wait(store.compact()).unwrap(), Swept::Done(0));
        assert_eq!(there(&store), [3, 5]);
        machine.wait(store.put(vec![gone(5), gone(6)])).unwrap();
        assert_eq!(machine.wait(store.compact()).unwrap(), Swept::Done(2));
        assert!(!machine.wait(store.stats()).unwrap().segments.iter().any(|s| s.kind == "blobs"));
        machine.wait(store.close()).unwrap();
        let store = machine.open(options(3, Access::Write)).unwrap();
        machine.wait(check(&store, &(10..40).collect::<Vec<_>>()));
        assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
        machine.wait(store.close()).unwrap();
    });
}
