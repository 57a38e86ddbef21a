//! Pages of 512 bytes: their trailer, and the pages of the two B-trees ([MS-PST] 2.2.2.7).

use crate::bytes::put;
use crate::crc::crc;
use crate::format::Format;

/// Bytes in a page.
pub(crate) const PAGE_LEN: usize = 512;
/// Bytes of an allocation map, one bit for each unit of a region.
pub(crate) const MAP_LEN: usize = 496;

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
pub(crate) fn seal(page: &mut [u8], kind: PageKind, at: u64, id: u64, format: Format) {
    let mapped = matches!(
        kind,
        PageKind::FreeMap | PageKind::PageMap | PageKind::AllocationMap | PageKind::FreePageMap
    );
    let signature = if mapped { 0 } else { signature(at, id) };
    let data_len = PAGE_LEN - format.trailer_len();
    let checksum = crc(&page[..data_len]).to_le_bytes();
    put(page, data_len, &[kind as u8, kind as u8]);
    put(page, data_len + 2, &signature.to_le_bytes());
    put(page, data_len + 4, &checksum_and_id(checksum, id, format));
}

/// Checksum and id in the order in which trailers of pages and blocks have them.
pub(crate) fn checksum_and_id(checksum: [u8; 4], id: u64, format: Format) -> Vec<u8> {
    let mut id_bytes = Vec::with_capacity(12);
    format.push_number(&mut id_bytes, id);
    match format {
        Format::Unicode => [&checksum[..], &id_bytes].concat(),
        Format::Ansi => [&id_bytes, &checksum[..]].concat(),
    }
}

/// How many entries of `entry_len` bytes a B-tree page holds.
pub(crate) fn entries_per_page(entry_len: usize, format: Format) -> usize {
    format.tree_entries_len() / entry_len
}

/// Fills a zeroed B-tree page with `entries`, which are `entry_len` bytes each; `level` 0 is a leaf.
pub(crate) fn fill_tree_page(page: &mut [u8], entries: &[u8], entry_len: usize, level: u8, format: Format) {
    put(page, 0, entries);
    let counts = [
        (entries.len() / entry_len) as u8,
        entries_per_page(entry_len, format) as u8,
        entry_len as u8,
        level,
    ];
    put(page, format.tree_entries_len(), &counts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_those_of_the_format() {
        assert_eq!([24, 32].map(|len| entries_per_page(len, Format::Unicode)), [20, 15]);
        assert_eq!([12, 16].map(|len| entries_per_page(len, Format::Ansi)), [41, 31]);
    }

    #[test]
    fn a_tree_page_has_counts_and_trailer_in_place() {
        let mut page = [0; PAGE_LEN];
        fill_tree_page(&mut page, &[1; 48], 24, 1, Format::Unicode);
        seal(&mut page, PageKind::NodeTree, 0x8e00, 346, Format::Unicode);
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
        seal(&mut page, PageKind::PageMap, 0x4600, 0x4600, Format::Unicode);
        assert_eq!(page[496..504], [0x83, 0x83, 0, 0, 0x6e, 0xe7, 0xaa, 0xa1]);
    }

    #[test]
    fn pages_of_ansi_archives_have_shorter_trailers() {
        let mut page = [0; PAGE_LEN];
        fill_tree_page(&mut page, &[1; 36], 12, 1, Format::Ansi);
        seal(&mut page, PageKind::NodeTree, 0x7e00, 0xf4, Format::Ansi);
        assert_eq!(page[496..508], [3, 41, 12, 1, 0x81, 0x81, 0xf4, 0x7e, 0xf4, 0, 0, 0]);
        assert_eq!(page[508..], crc(&page[..500]).to_le_bytes());
    }
}
