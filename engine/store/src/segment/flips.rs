//! Every byte of a golden segment turned, and every truncation: an error that names it, or the exact answer. `BITS=8` turns
//! every bit (the default is one of each byte; a CRC-32 treats them alike).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic, and reads golden files"
)]

use super::emails::Emails;
use super::heap::Heap;
use super::shared::SharedSection;
use super::{frames, leaves};
use crate::api::{Missing, SectionRead};
use crate::verify::{check_segment, shared_directory};
use bytes::Bytes;
use postlode_format::manifest::{Manifest, SegmentEntry, SegmentKind};
use postlode_format::row::RowKind;
use postlode_format::segment::{ORDINAL, Ordinal, SectionKind};
use postlode_runtime::{DiskError, DiskErrorKind, SharedFile};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A file in memory.
struct InMemory(Mutex<Vec<u8>>);

impl SharedFile for InMemory {
    fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        let bytes = self.0.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        let found = from.checked_add(len).and_then(|to| bytes.get(from..to));
        found.map(Bytes::copy_from_slice).ok_or_else(|| {
            DiskError::new(DiskErrorKind::Eof, "read", Path::new("golden"), "the file ends before")
        })
    }
}

/// What was asked, and what the segment says, or that it is damaged.
type Answers = BTreeMap<Vec<u8>, Result<u32, Missing>>;

/// All that a segment answers: its sections, its emails, its rows.
fn answers(file: &Arc<dyn SharedFile>, entry: &SegmentEntry) -> Result<Answers, Missing> {
    let directory = shared_directory(file, entry)?;
    let mut out = Answers::new();
    for section in &directory.sections {
        let Some(kind) = SectionKind::from_number(section.kind) else { continue };
        let part = SharedSection::find(file, &directory, kind, section.index, None).unwrap();
        let mut hash = crc32fast::Hasher::new();
        let told = match kind {
            SectionKind::Primary | SectionKind::Index => leaves::entries(&part).try_for_each(|entry| {
                let (key, value) = entry?;
                hash.update(&key);
                hash.update(&value);
                Ok(())
            }),
            _ => part.read(0, usize::try_from(part.len()).unwrap()).map(|bytes| hash.update(&bytes)),
        };
        out.insert(section.name().into(), told.map(|()| hash.finalize()));
    }
    let find = |kind| SharedSection::find(file, &directory, kind, 0, None);
    let damaged =
        |section: &str, reason: String| Missing { segment: Some(entry.id), section: section.into(), reason };
    let (emails, heap) = (Emails::find(file, &directory)?, Heap::find(file, &directory)?);
    if let (Some(ordinals), Some(emails), Some(bodies)) =
        (find(SectionKind::Ordinals), emails, find(SectionKind::Bodies))
    {
        for n in 0..ordinals.len() / ORDINAL as u64 {
            let one = || {
                let bytes = ordinals.read(n * ORDINAL as u64, ORDINAL)?;
                let o = Ordinal::decode(&bytes).map_err(|e| damaged("ordinals", e.to_string()))?;
                let email = emails.read(&o)?;
                let frame = bodies.read(o.frame_at, o.frame_len as usize)?;
                let body = frames::open(&frame, None).and_then(|raw| frames::body_in(&raw, &o));
                let body = body.map_err(|e| damaged("bodies", e))?;
                Ok(crc32fast::hash(&[&email[..], &body[..]].concat()))
            };
            out.insert(format!("email {n}").into(), one());
        }
    }
    if let (Some(primary), Some(heap)) = (find(SectionKind::Primary), heap) {
        for entry in leaves::locations(&primary) {
            match entry {
                Ok((key, _)) if key[0] == RowKind::Email as u8 => drop(out.insert(key, Ok(0))),
                Ok((key, at)) => {
                    let value = heap.read(&at);
                    out.insert(key, value.map(|value| crc32fast::hash(&value)));
                }
                // In the place of all rows of a leaf.
                Err(missing) => drop(out.insert(b"a leaf".to_vec(), Err(missing))),
            }
        }
    }
    Ok(out)
}

fn golden(version: &str) -> (PathBuf, Manifest) {
    let store = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let store = store.join("../../format-spec/golden").join(version).join("store");
    let newest = std::fs::read_dir(store.join("manifest")).unwrap().map(|e| e.unwrap().path()).max().unwrap();
    let number = newest.file_name().unwrap().to_str().unwrap().parse().unwrap();
    (store, Manifest::decode(number, &std::fs::read(newest).unwrap()).unwrap())
}

/// Turns bits of every `parts`th byte from `part` on, and cuts the file at all such lengths.
fn campaign(version: &str, part: usize, parts: usize) {
    let bits: u32 = std::env::var("BITS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let (store, manifest) = golden(version);
    let (mut named, mut unharmed) = (0u64, 0u64);
    for entry in &manifest.segments {
        let bytes = std::fs::read(store.join(crate::names::segment(entry.id))).unwrap();
        assert_eq!(bytes.len() as u64, entry.bytes);
        let memory = Arc::new(InMemory(Mutex::new(bytes.clone())));
        let file: Arc<dyn SharedFile> = memory.clone();
        let whole = answers(&file, entry).unwrap();
        assert!(whole.values().all(Result::is_ok) && whole.len() > 2, "{whole:?}");
        assert!(entry.kind == SegmentKind::Blobs || whole.len() > 30, "{} answers", whole.len());
        for at in (part..bytes.len()).step_by(parts) {
            for turned in 0..bits {
                let bit = (at as u32 + turned) % 8;
                memory.0.lock().unwrap()[at] ^= 1 << bit;
                let told = answers(&file, entry);
                let harm = match &told {
                    Err(_) => true,
                    Ok(told) => {
                        for (asked, now) in told {
                            let exact = now.is_err() || whole.get(asked) == Some(now);
                            assert!(exact, "segment {}, byte {at}, bit {bit}: a wrong answer", entry.id);
                        }
                        told.values().any(Result::is_err)
                    }
                };
                // What verifying passes over can be no answer's business.
                if !harm {
                    unharmed += 1;
                }
                named += u64::from(harm);
                memory.0.lock().unwrap()[at] ^= 1 << bit;
            }
        }
        // The exact answers are there again.
        assert_eq!(answers(&file, entry).unwrap(), whole);
        for len in (part..bytes.len()).step_by(parts) {
            *memory.0.lock().unwrap() = bytes[..len].to_vec();
            assert!(answers(&file, entry).is_err(), "segment {}, cut at {len}", entry.id);
            if len % 4096 < parts {
                assert!(!check_segment(&file, &file, entry).damage.is_empty());
            }
        }
    }
    println!("{version}, part {part} of {parts}: {named} named, {unharmed} exact");
    assert!(named > 1_000, "{named} were named");
    assert_eq!(unharmed, 0, "every byte lies in something that is checked");
}

#[test]
fn every_byte_of_version_1() {
    campaign("v1", 0, 16);
}

/// It is larger, for the sake of its dictionaries: `ALL=1` turns every byte of it.
#[test]
fn one_byte_of_61_of_version_3() {
    let wanted =
        ["dictionary:emails", "dictionary:heap", "index:domain", "index:size", "index:archive-folder"];
    some_bytes_of("v3", 61, &wanted);
}

/// Larger yet.
#[test]
fn one_byte_of_251_of_version_4() {
    some_bytes_of("v4", 251, &["dictionary:emails", "vectors:head", "vectors:values"]);
}

#[test]
fn one_byte_of_257_of_version_5() {
    some_bytes_of(
        "v5",
        257,
        &["columns:strangers", "columns:type", "columns:recipient", "columns:folder", "columns:size"],
    );
}

fn some_bytes_of(version: &str, one_of: usize, wanted: &[&str]) {
    let (store, manifest) = golden(version);
    let sections: Vec<String> = manifest
        .segments
        .iter()
        .flat_map(|entry| {
            let bytes = std::fs::read(store.join(crate::names::segment(entry.id))).unwrap();
            let file: Arc<dyn SharedFile> = Arc::new(InMemory(Mutex::new(bytes)));
            let directory = shared_directory(&file, entry).unwrap();
            directory.sections.iter().map(|section| section.name()).collect::<Vec<_>>()
        })
        .collect();
    for name in wanted {
        assert!(sections.iter().any(|section| section == name), "{name} is not among {sections:?}");
    }
    let all = std::env::var_os("ALL").is_some();
    campaign(version, 0, if all { 1 } else { one_of });
}

#[test]
fn every_byte_of_version_2_0() {
    campaign("v2", 0, 4);
}

#[test]
fn every_byte_of_version_2_1() {
    campaign("v2", 1, 4);
}

#[test]
fn every_byte_of_version_2_2() {
    campaign("v2", 2, 4);
}

#[test]
fn every_byte_of_version_2_3() {
    campaign("v2", 3, 4);
}
