//! Where the two layouts of the format differ.

use super::{u32_at, u64_at};

/// Where the two layouts of the format have what.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub ansi: bool,
    /// Bytes of block ids and places.
    pub number: usize,
    /// Bytes of the trailers of pages and blocks.
    pub trailer: usize,
    /// Where B-tree pages have their counts.
    pub counts: usize,
    /// Where the bits of maps begin.
    pub map: usize,
    /// Bytes before the entries of blocks of subnodes.
    pub subnodes: usize,
    /// In the header: length, last map, free bytes, root of the nodes, of the blocks.
    pub header: [usize; 5],
    pub next_page: usize,
    pub next_block: usize,
    pub sentinel: usize,
}

pub const UNICODE: Layout = Layout {
    ansi: false,
    number: 8,
    trailer: 16,
    counts: 488,
    map: 0,
    subnodes: 8,
    header: [184, 192, 200, 216, 232],
    next_page: 32,
    next_block: 516,
    sentinel: 512,
};

pub const ANSI: Layout = Layout {
    ansi: true,
    number: 4,
    trailer: 12,
    counts: 496,
    map: 4,
    subnodes: 4,
    header: [168, 172, 176, 184, 192],
    next_page: 28,
    next_block: 24,
    sentinel: 460,
};

impl Layout {
    /// A block id or a place.
    pub fn number(&self, bytes: &[u8], at: usize) -> u64 {
        if self.ansi { u64::from(u32_at(bytes, at)) } else { u64_at(bytes, at) }
    }

    /// So many of them, one after the other.
    pub fn numbers<const N: usize>(&self, bytes: &[u8], at: usize) -> [u64; N] {
        std::array::from_fn(|index| self.number(bytes, at + index * self.number))
    }

    /// Checksum and id in the trailer of a page or block, which begins at `at`.
    pub fn checksum_and_id(&self, bytes: &[u8], at: usize) -> (u32, u64) {
        if self.ansi {
            (u32_at(bytes, at + 8), u64::from(u32_at(bytes, at + 4)))
        } else {
            (u32_at(bytes, at + 4), u64_at(bytes, at + 8))
        }
    }

    /// Bytes of data in the largest block.
    pub fn block_len(&self) -> usize {
        8192 - self.trailer
    }
}
