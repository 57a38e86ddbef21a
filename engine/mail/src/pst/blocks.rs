//! The data of nodes, read by ourselves: blocks by their ids, and trees of them ([MS-PST] 2.2.2.8).
//!
//! Only what the lists of items in folders need, which libpff keeps in memory many times over. What always holds: no block
//! is believed whose checksum, id or length is wrong; whatever is odd is an error, and libpff is asked instead.

use super::header::{Crypt, Header, PageRef, at, narrow, weak_crc, wide};
use super::nodes::Shape;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// `ptypeBBT`.
const PAGE_TYPE: u8 = 0x80;
/// Most bytes of a block with its trailer.
const MAX_BLOCK: usize = 8192;
/// Bit of a block id: the block holds ids of blocks, and is not encoded.
const INTERNAL: u64 = 2;
/// Bit of a block id that is not part of it in the tree.
const RESERVED: u64 = 1;
/// `btype` of a block of block ids.
const TREE_BLOCK: u8 = 1;

/// What each byte is read as in archives of the "compressible" encoding ([MS-PST] 5.1).
#[rustfmt::skip]
const DECODE: [u8; 256] = [
    0x47, 0xf1, 0xb4, 0xe6, 0x0b, 0x6a, 0x72, 0x48, 0x85, 0x4e, 0x9e, 0xeb, 0xe2, 0xf8, 0x94, 0x53,
    0xe0, 0xbb, 0xa0, 0x02, 0xe8, 0x5a, 0x09, 0xab, 0xdb, 0xe3, 0xba, 0xc6, 0x7c, 0xc3, 0x10, 0xdd,
    0x39, 0x05, 0x96, 0x30, 0xf5, 0x37, 0x60, 0x82, 0x8c, 0xc9, 0x13, 0x4a, 0x6b, 0x1d, 0xf3, 0xfb,
    0x8f, 0x26, 0x97, 0xca, 0x91, 0x17, 0x01, 0xc4, 0x32, 0x2d, 0x6e, 0x31, 0x95, 0xff, 0xd9, 0x23,
    0xd1, 0x00, 0x5e, 0x79, 0xdc, 0x44, 0x3b, 0x1a, 0x28, 0xc5, 0x61, 0x57, 0x20, 0x90, 0x3d, 0x83,
    0xb9, 0x43, 0xbe, 0x67, 0xd2, 0x46, 0x42, 0x76, 0xc0, 0x6d, 0x5b, 0x7e, 0xb2, 0x0f, 0x16, 0x29,
    0x3c, 0xa9, 0x03, 0x54, 0x0d, 0xda, 0x5d, 0xdf, 0xf6, 0xb7, 0xc7, 0x62, 0xcd, 0x8d, 0x06, 0xd3,
    0x69, 0x5c, 0x86, 0xd6, 0x14, 0xf7, 0xa5, 0x66, 0x75, 0xac, 0xb1, 0xe9, 0x45, 0x21, 0x70, 0x0c,
    0x87, 0x9f, 0x74, 0xa4, 0x22, 0x4c, 0x6f, 0xbf, 0x1f, 0x56, 0xaa, 0x2e, 0xb3, 0x78, 0x33, 0x50,
    0xb0, 0xa3, 0x92, 0xbc, 0xcf, 0x19, 0x1c, 0xa7, 0x63, 0xcb, 0x1e, 0x4d, 0x3e, 0x4b, 0x1b, 0x9b,
    0x4f, 0xe7, 0xf0, 0xee, 0xad, 0x3a, 0xb5, 0x59, 0x04, 0xea, 0x40, 0x55, 0x25, 0x51, 0xe5, 0x7a,
    0x89, 0x38, 0x68, 0x52, 0x7b, 0xfc, 0x27, 0xae, 0xd7, 0xbd, 0xfa, 0x07, 0xf4, 0xcc, 0x8e, 0x5f,
    0xef, 0x35, 0x9c, 0x84, 0x2b, 0x15, 0xd5, 0x77, 0x34, 0x49, 0xb6, 0x12, 0x0a, 0x7f, 0x71, 0x88,
    0xfd, 0x9d, 0x18, 0x41, 0x7d, 0x93, 0xd8, 0x58, 0x2c, 0xce, 0xfe, 0x24, 0xaf, 0xde, 0xb8, 0x36,
    0xc8, 0xa1, 0x80, 0xa6, 0x99, 0x98, 0xa8, 0x2f, 0x0e, 0x81, 0x65, 0x73, 0xe4, 0xc2, 0xa2, 0x8a,
    0xd4, 0xe1, 0x11, 0xd0, 0x08, 0x8b, 0x2a, 0xf2, 0xed, 0x9a, 0x64, 0x3f, 0xc1, 0x6c, 0xf9, 0xec,
];

/// Where a block is.
#[derive(Debug, Clone, Copy)]
struct BlockRef {
    offset: u64,
    length: usize,
}

/// Reads blocks. Holds none.
#[derive(Debug)]
pub(super) struct Blocks<'f> {
    file: &'f File,
    root: PageRef,
    shape: Shape,
    crypt: Crypt,
}

pub(super) fn odd(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl<'f> Blocks<'f> {
    /// The blocks of an archive; `None` for a layout or an encoding that is left to libpff.
    pub(super) fn new(file: &'f File, header: &Header) -> Option<Self> {
        let crypt = header.crypt().filter(|crypt| *crypt != Crypt::Cyclic)?;
        Some(Self { file, root: header.blocks, shape: Shape::of(header.layout)?, crypt })
    }

    /// The blocks of a node's data, in their order.
    pub(super) fn of_node(&self, data: u64) -> io::Result<Vec<u64>> {
        let mut out = Vec::new();
        self.collect(data, None, &mut out)?;
        Ok(out)
    }

    fn collect(&self, bid: u64, above: Option<u8>, out: &mut Vec<u64>) -> io::Result<()> {
        if bid & INTERNAL == 0 {
            out.push(bid);
            return Ok(());
        }
        let block = self.read(bid)?;
        let [kind, level, low, high] = at(&block, 0);
        let fits = match above {
            None => level == 1 || level == 2,
            Some(above) => above.checked_sub(1) == Some(level) && level > 0,
        };
        let each = if self.shape.is_wide() { 8 } else { 4 };
        let ids = block.get(8..).unwrap_or_default();
        let ids = ids.get(..usize::from(u16::from_le_bytes([low, high])).saturating_mul(each));
        let ids =
            ids.filter(|_| kind == TREE_BLOCK && fits).ok_or_else(|| odd("a block of blocks is damaged"))?;
        for id in ids.chunks_exact(each) {
            let id = if each == 8 { wide(id, 0) } else { narrow(id, 0) };
            // A block of blocks of the lowest level holds data and nothing else.
            if (level == 1) != (id & INTERNAL == 0) {
                return Err(odd("a block of blocks is damaged"));
            }
            self.collect(id, Some(level), out)?;
        }
        Ok(())
    }

    /// The bytes of a block, decoded.
    pub(super) fn read(&self, bid: u64) -> io::Result<Vec<u8>> {
        let place = self.find(bid)?.ok_or_else(|| odd("a block is not in the tree of blocks"))?;
        let (trailer, align) = (if self.shape.is_wide() { 16 } else { 12 }, 64);
        let whole = place.length.saturating_add(trailer).next_multiple_of(align);
        if whole > MAX_BLOCK {
            return Err(odd("a block is too large"));
        }
        let mut bytes = vec![0; whole];
        self.file.read_exact_at(&mut bytes, place.offset)?;
        let end = bytes.split_off(whole.saturating_sub(trailer));
        let (checksum, own) =
            if trailer == 16 { (narrow(&end, 4), wide(&end, 8)) } else { (narrow(&end, 8), narrow(&end, 4)) };
        bytes.truncate(place.length);
        let length = usize::from(u16::from_le_bytes(at(&end, 0)));
        if length != place.length || (own ^ bid) & !RESERVED != 0 || u64::from(weak_crc(&bytes)) != checksum {
            return Err(odd("a block is damaged"));
        }
        if self.crypt == Crypt::Permute && bid & INTERNAL == 0 {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = DECODE.get(usize::from(*byte)).copied().unwrap_or(*byte));
        }
        Ok(bytes)
    }

    /// Looks a block up in the tree.
    fn find(&self, bid: u64) -> io::Result<Option<BlockRef>> {
        let wanted = bid & !RESERVED;
        let leaf = if self.shape.is_wide() { 24 } else { 12 };
        let key = |entry: &[u8]| if self.shape.is_wide() { wide(entry, 0) } else { narrow(entry, 0) };
        let (mut page, mut above) = (self.root, None);
        loop {
            let opened = self.shape.open(self.file, page, PAGE_TYPE, leaf, above)?;
            if opened.level == 0 {
                let entry = opened.entries().find(|entry| key(entry) & !RESERVED == wanted);
                return Ok(entry.map(|entry| {
                    let wide_entry = self.shape.is_wide();
                    let offset = if wide_entry { wide(entry, 8) } else { narrow(entry, 4) };
                    let length = u16::from_le_bytes(at(entry, if wide_entry { 16 } else { 8 }));
                    BlockRef { offset, length: length.into() }
                }));
            }
            let child = opened.entries().take_while(|entry| key(entry) & !RESERVED <= wanted).last();
            let Some(child) = child else { return Ok(None) };
            (page, above) = (self.shape.child(child), Some(opened.level));
        }
    }
}
