//! The golden segments as Python reads them by the description for Kaitai Struct, beside what is read here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

use postlode_format::block::{self, BlockPlace};
use postlode_format::btree::Page;
use postlode_format::id::to_hex;
use postlode_format::limits::PAGE;
use postlode_format::manifest::Manifest;
use postlode_format::segment::*;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The content of a section's blocks, each without its checksum.
fn blocks(file: &[u8], own: Identity, number: usize, section: &Section) -> Vec<Vec<u8>> {
    let size = section.block_size as usize;
    let from = section.offset as usize;
    let all = &file[from..from + section.blocks() as usize * size];
    let open = |(n, bytes): (usize, &[u8])| {
        let place = BlockPlace { segment: own.id, salt: own.salt, section: number as u16, block: n as u32 };
        block::open(place, bytes).unwrap().to_vec()
    };
    all.chunks(size).enumerate().map(open).collect()
}

fn entries(blocks: Vec<Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut out = Vec::new();
    for bytes in blocks {
        let page = Page::parse(bytes.into()).unwrap();
        if page.is_leaf() {
            out.extend(page.entries().unwrap().into_iter().map(|(key, value)| (key, value.to_vec())));
        }
    }
    out
}

/// What is in a segment, as `read_segment.py` writes it.
fn told(file: &[u8], own: Identity) -> String {
    let version = check_header(own, &file[..PAGE]).unwrap();
    let (at, len) = read_trailer(own, file.len() as u64, &file[file.len() - PAGE..]).unwrap();
    let record =
        block::open(directory_block(own, 0), &file[at as usize..at as usize + DIRECTORY_BLOCK]).unwrap();
    let directory = Directory::decode(&record[..len as usize], own, version, file.len() as u64).unwrap();
    let mut out = format!("version {version}\n");
    for (kind, rows) in &directory.rows {
        writeln!(out, "rows {kind} {rows}").unwrap();
    }
    for (number, section) in directory.sections.iter().enumerate() {
        let Section { kind, index, bytes, entries: count, .. } = *section;
        writeln!(out, "section {kind} {index} {bytes} {count}").unwrap();
        let blocks = blocks(file, own, number, section);
        match SectionKind::from_number(kind) {
            Some(SectionKind::Ordinals) => {
                let content = blocks.concat();
                for bytes in content[..bytes as usize].chunks(ORDINAL) {
                    let Ordinal { date, id, seq, email_len, body_len, .. } = Ordinal::decode(bytes).unwrap();
                    writeln!(out, "email {date} {} {seq} {email_len} {body_len}", to_hex(&id)).unwrap();
                }
            }
            Some(SectionKind::Primary) => {
                for (key, value) in entries(blocks) {
                    let Location { offset, len, seq } = Location::decode(&value).unwrap();
                    writeln!(out, "row {} {offset} {len} {seq}", to_hex(&key)).unwrap();
                }
            }
            Some(SectionKind::Index) => {
                for (key, _) in entries(blocks) {
                    writeln!(out, "key {index} {}", to_hex(&key)).unwrap();
                }
            }
            _ => {}
        }
    }
    out
}

/// Where Debian's packages put the reader's library.
fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

fn read_by_kaitai(file: &Path) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kaitai/read_segment.py");
    let done = Command::new(python()).arg("-B").arg(script).arg(file).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

#[test]
fn golden_segments_are_read_without_our_code() {
    let mut lines = 0;
    for version in ["v1", "v2", "v3", "v4", "v5", "v6", "v7"] {
        let store = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(version).join("store");
        let newest =
            std::fs::read_dir(store.join("manifest")).unwrap().map(|e| e.unwrap().path()).max().unwrap();
        let number = newest.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let manifest = Manifest::decode(number, &std::fs::read(newest).unwrap()).unwrap();
        for entry in manifest.files() {
            let path = store.join(format!("segments/{:016x}.seg", entry.id));
            let ours = told(&std::fs::read(&path).unwrap(), Identity { id: entry.id, salt: entry.salt });
            assert_eq!(read_by_kaitai(&path).unwrap(), ours, "{}", path.display());
            lines += ours.lines().count();
        }
    }
    assert!(lines > 1_000, "{lines} lines");
}

#[test]
fn a_turned_bit_is_noticed_without_our_code_too() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v3/store/segments/0000000000000005.seg");
    let mut bytes = std::fs::read(golden).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("turned.seg");
    let end = bytes.len();
    // Header, a section, the directory, the trailer.
    for at in [8, 5_000, end - 8_000, end - 4_000] {
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let told = read_by_kaitai(&path).unwrap_err();
        assert!(told.contains("checksum is wrong"), "byte {at}: {told}");
        bytes[at] ^= 1;
    }
}
