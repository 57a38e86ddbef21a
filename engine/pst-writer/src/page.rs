//! Pages of 512 bytes: their trailer, and the pages of the two B-trees ([MS-PST] 2.2.2.7).

use crate::bytes::put;
use crate::crc::crc;

/// Bytes in a page.
pub(crate) const PAGE_LEN: usize = 512;
/// Bytes of a page before its trailer.
pub(crate) const PAGE_DATA_LEN: usize = PAGE_LEN - 16;

/// Bytes of a B-tree page that hold entries.
const ENTRIES_LEN: usize = 488;
/// Bytes of an entry that points to a page: key, page id, place.
pub(crate) const BRANCH_LEN: usize = 24;

/// What a page is, by the byte that its trailer repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageKind {
    BlockTree = 0x80,
    NodeTree = 0x81,
    FreeMap = 0x82,
    PageMap = 0x83,
    AllocationMap = 0x84,
    FreePageMap = 0x85,
    DensityList = 0x86,
}

/// Folds where a page or block lies and its id into the signature in its trailer ([MS-PST] 5.5).
pub(crate) fn signature(at: u64, id: u64) -> u16 {
    let mixed = (at ^ id) as u32;
    (mixed >> 16) as u16 ^ mixed as u16
}

/// Writes the trailer of a page that lies at `at`. Maps have their place as id and no signature.
pub(crate) fn seal(page: &mut [u8], kind: PageKind, at: u64, id: u64) {
    let mapped = matches!(
        kind,
        PageKind::FreeMap | PageKind::PageMap | PageKind::AllocationMap | PageKind::FreePageMap
    );
    let signature = if mapped { 0 } else { signature(at, id) };
    let checksum = crc(&page[..PAGE_DATA_LEN]);
    put(page, PAGE_DATA_LEN, &[kind as u8, kind as u8]);
    put(page, PAGE_DATA_LEN + 2, &signature.to_le_bytes());
    put(page, PAGE_DATA_LEN + 4, &checksum.to_le_bytes());
    put(page, PAGE_DATA_LEN + 8, &id.to_le_bytes());
}

/// How many entries of `entry_len` bytes a B-tree page holds.
pub(crate) fn entries_per_page(entry_len: usize) -> usize {
    ENTRIES_LEN / entry_len
}

/// Fills a zeroed B-tree page with `entries`, which are `entry_len` bytes each; `level` 0 is a leaf.
pub(crate) fn fill_tree_page(page: &mut [u8], entries: &[u8], entry_len: usize, level: u8) {
    put(page, 0, entries);
    let counts =
        [(entries.len() / entry_len) as u8, entries_per_page(entry_len) as u8, entry_len as u8, level];
    put(page, ENTRIES_LEN, &counts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_those_of_the_format() {
        assert_eq!(entries_per_page(BRANCH_LEN), 20);
        assert_eq!(entries_per_page(32), 15);
    }

    #[test]
    fn a_tree_page_has_counts_and_trailer_in_place() {
        let mut page = [0; PAGE_LEN];
        fill_tree_page(&mut page, &[1; 48], 24, 1);
        seal(&mut page, PageKind::NodeTree, 0x8e00, 346);
        assert_eq!(page[488..492], [2, 20, 24, 1]);
        assert_eq!(page[496..498], [0x81, 0x81]);
        // As in a page that Outlook wrote at this place with this id.
        assert_eq!(u16::from_le_bytes([page[498], page[499]]), 36698);
        assert_eq!(u32::from_le_bytes([page[500], page[501], page[502], page[503]]), crc(&page[..496]));
        assert_eq!(page[504..506], 346_u16.to_le_bytes());
    }

    #[test]
    fn map_pages_carry_no_signature() {
        let mut page = [0xFF; PAGE_LEN];
        seal(&mut page, PageKind::PageMap, 0x4600, 0x4600);
        assert_eq!(page[496..504], [0x83, 0x83, 0, 0, 0x6e, 0xe7, 0xaa, 0xa1]);
    }
}
