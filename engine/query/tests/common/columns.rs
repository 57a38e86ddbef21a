//! Damage to sections of a store.

use postlode_format::block;
use postlode_format::limits::PAGE;
use postlode_format::segment::{
    DIRECTORY_BLOCK, Directory, Identity, SectionKind, VERSION, directory_block, read_trailer,
};
use std::path::Path;

/// Turns a byte of each column of each segment; gives how many.
pub fn damage_columns(root: &Path) -> usize {
    damage(root, SectionKind::Columns)
}

/// Turns a byte of each section of a kind; gives how many.
pub fn damage(root: &Path, kind: SectionKind) -> usize {
    let mut turned = 0;
    for file in std::fs::read_dir(root.join("segments")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let number = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().unwrap());
        let own = Identity { id: number(16), salt: number(24) };
        let (size, tail) = (bytes.len() as u64, &bytes[bytes.len() - PAGE..]);
        let (at, len) = read_trailer(own, size, tail).unwrap();
        let blocks =
            bytes[at as usize..].chunks(DIRECTORY_BLOCK).take(block::count(len, DIRECTORY_BLOCK) as usize);
        let mut record = Vec::new();
        for (n, bytes) in blocks.enumerate() {
            record.extend_from_slice(block::open(directory_block(own, n as u32), bytes).unwrap());
        }
        let directory = Directory::decode(&record[..len as usize], own, VERSION, size).unwrap();
        for section in directory.sections.iter().filter(|s| s.kind == kind as u16) {
            bytes[section.offset as usize + 3] ^= 1;
            turned += 1;
        }
        std::fs::write(path, bytes).unwrap();
    }
    turned
}
