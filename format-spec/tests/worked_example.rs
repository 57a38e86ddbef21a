//! The worked example of a segment in SPEC.md, line by line, and its checksums, reckoned as the text says and not as the
//! crate does it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::path::Path;

const SEGMENT: &str = "golden/v2/store/segments/0000000000000002.seg";

/// Offsets and bytes of the example's lines.
fn lines(spec: &str) -> Vec<(usize, Vec<u8>)> {
    let begins = format!("Worked example: `{SEGMENT}`");
    let from = spec.lines().skip_while(|line| !line.starts_with(&begins));
    let example =
        from.take_while(|line| !line.starts_with("The CRC at")).filter_map(|line| line.strip_prefix("    "));
    let parse = |line: &str| {
        let (offset, rest) = line.split_once("  ")?;
        let offset = usize::from_str_radix(offset, 16).ok().filter(|_| offset.len() == 6)?;
        let byte = |word: &str| u8::from_str_radix(word, 16).ok().filter(|_| word.len() == 2);
        let bytes: Vec<u8> = rest.split_whitespace().map_while(byte).collect();
        assert!(!bytes.is_empty(), "{line:?} has no bytes");
        Some((offset, bytes))
    };
    example.filter_map(parse).collect()
}

#[test]
fn the_worked_example_of_a_segment_is_what_the_file_says() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spec = std::fs::read_to_string(own.join("SPEC.md")).unwrap();
    let file = std::fs::read(own.join(SEGMENT)).unwrap();
    let lines = lines(&spec);
    assert!(lines.len() > 15, "{} lines were understood", lines.len());
    for (offset, bytes) in lines {
        assert_eq!(file.get(offset..offset + bytes.len()).unwrap(), bytes, "at {offset:06x}");
    }
}

#[test]
fn checksums_are_reckoned_as_the_text_says() {
    let file = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(SEGMENT)).unwrap();
    let part = |from: usize, to: usize| file.get(from..to).unwrap();
    let stored = |at: usize| u32::from_le_bytes(part(at, at + 4).try_into().unwrap());
    assert_eq!(stored(12), crc32fast::hash(&[part(8, 12), part(16, 4096)].concat()));
    for (section, from, to) in [(0u16, 0x1000, 0x4ffc), (1, 0x5000, 0x6ffc), (u16::MAX, 0x7000, 0x7ffc)] {
        let place = [part(16, 32), &section.to_le_bytes(), &0u32.to_le_bytes(), part(from, to)].concat();
        assert_eq!(stored(to), crc32fast::hash(&place), "section {section}");
    }
}
