//! The heap on a node: small allocations in a node's data, known by heap ids ([MS-PST] 2.3.1).
//!
//! Each block of the node is a heap page: a header, the allocations one after the other, and a map of where
//! they begin. Pages fill one after the other and are written once they are full; only the first page and
//! the latest page with a fill bitmap are kept until the fill of the pages they speak for is known.

use std::io::{Seek, Write};

use crate::bytes::{push_u16, put};
use crate::data_tree::DataTree;
use crate::error::{Error, too_many};
use crate::ndb::Ndb;

/// The longest allocation; what is longer goes into a subnode.
pub(crate) const MAX_ALLOCATION: usize = 3580;

/// Allocations a page can have: their index has eleven bits and starts at one.
const MAX_ALLOCATIONS: usize = (1 << 11) - 1;
const MAX_PAGES: usize = 1 << 16;

/// Pages whose fill the first page's header tells.
const PAGES_BY_HEADER: usize = 8;
/// Pages whose fill a bitmap header tells, beginning with the page it is in.
const PAGES_BY_BITMAP: usize = 128;

/// The kinds of things that live in a heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeapKind {
    /// A table context.
    Table = 0x7C,
    /// A property context.
    Properties = 0xBC,
}

/// Names an allocation: its number on the page from bit 5, its page from bit 16.
pub(crate) type HeapId = u32;

#[derive(Debug)]
struct Page {
    number: usize,
    id: u64,
    /// Bytes of its block.
    room: usize,
    bytes: Vec<u8>,
    starts: Vec<u16>,
}

/// A heap that is being filled.
#[derive(Debug)]
pub(crate) struct Heap {
    tree: DataTree,
    current: Page,
    first: Option<Page>,
    bitmap: Option<Page>,
}

impl Heap {
    /// An empty heap.
    pub(crate) fn new<W: Write + Seek>(ndb: &mut Ndb<W>, kind: HeapKind) -> Self {
        let mut current = Page::new(0, ndb.reserve_block(), ndb.format().block_data_len());
        put(&mut current.bytes, 2, &[0xEC, kind as u8]);
        Self { tree: DataTree::new(ndb.format()), current, first: None, bitmap: None }
    }

    /// Puts `data`, at most [`MAX_ALLOCATION`] bytes, onto the heap. Nothing gives heap id zero.
    pub(crate) fn allocate<W: Write + Seek>(
        &mut self,
        ndb: &mut Ndb<W>,
        data: &[u8],
    ) -> Result<HeapId, Error> {
        debug_assert!(data.len() <= MAX_ALLOCATION);
        if data.is_empty() {
            return Ok(0);
        }
        if !self.current.has_room(data.len()) {
            self.turn_page(ndb)?;
        }
        let page = &mut self.current;
        page.starts.push(page.bytes.len() as u16);
        page.bytes.extend_from_slice(data);
        Ok(((page.number as u32) << 16) | ((page.starts.len() as u32) << 5))
    }

    /// Writes what is left, with `root` as the allocation that readers begin at. Gives the data's block id.
    pub(crate) fn finish<W: Write + Seek>(mut self, ndb: &mut Ndb<W>, root: HeapId) -> Result<u64, Error> {
        self.note_fill();
        let last = self.current.to_bytes();
        match self.first {
            None => {
                let mut only = last;
                put(&mut only, 4, &root.to_le_bytes());
                ndb.write_reserved(self.current.id, &only)?;
                return Ok(self.current.id);
            }
            Some(mut first) => {
                put(&mut first.bytes, 4, &root.to_le_bytes());
                first.write_full(ndb)?;
            }
        }
        if let Some(bitmap) = self.bitmap {
            bitmap.write_full(ndb)?;
        }
        ndb.write_reserved(self.current.id, &last)?;
        self.tree.push(self.current.id, last.len())?;
        self.tree.finish(ndb)
    }

    fn turn_page<W: Write + Seek>(&mut self, ndb: &mut Ndb<W>) -> Result<(), Error> {
        let number = self.current.number + 1;
        if number >= MAX_PAGES {
            return Err(too_many("pages of one heap", MAX_PAGES as u64));
        }
        self.note_fill();
        let room = self.current.room;
        let full = std::mem::replace(&mut self.current, Page::new(number, ndb.reserve_block(), room));
        self.tree.push(full.id, room)?;
        if full.number == 0 {
            self.first = Some(full);
        } else if full.has_bitmap() {
            if let Some(earlier) = self.bitmap.replace(full) {
                earlier.write_full(ndb)?;
            }
        } else {
            full.write_full(ndb)?;
        }
        Ok(())
    }

    /// Writes the current page's fill into the header that tells it.
    fn note_fill(&mut self) {
        let number = self.current.number;
        let level = fill_level(self.current.free());
        let (page, offset, index) = if number < PAGES_BY_HEADER {
            (self.first.as_mut(), 8, number)
        } else {
            (self.bitmap.as_mut(), 2, (number - PAGES_BY_HEADER) % PAGES_BY_BITMAP)
        };
        let page = match page {
            Some(page) if !self.current.has_header() => page,
            _ => &mut self.current,
        };
        page.bytes[offset + index / 2] |= level << (4 * (index % 2));
    }
}

impl Page {
    fn new(number: usize, id: u64, room: usize) -> Self {
        let mut page = Self { number, id, room, bytes: Vec::with_capacity(room), starts: Vec::new() };
        let header = match number {
            0 => 12,
            _ if page.has_bitmap() => 2 + PAGES_BY_BITMAP / 2,
            _ => 2,
        };
        page.bytes.resize(header, 0);
        page
    }

    fn has_bitmap(&self) -> bool {
        self.number >= PAGES_BY_HEADER && (self.number - PAGES_BY_HEADER).is_multiple_of(PAGES_BY_BITMAP)
    }

    /// Whether the page tells its own fill.
    fn has_header(&self) -> bool {
        self.number == 0 || self.has_bitmap()
    }

    /// Bytes left for another allocation, its entry in the map aside.
    fn free(&self) -> usize {
        let map = 4 + 2 * (self.starts.len() + 2);
        self.room.saturating_sub(self.bytes.len().next_multiple_of(2) + map)
    }

    fn has_room(&self, len: usize) -> bool {
        let map = 4 + 2 * (self.starts.len() + 2);
        self.starts.len() < MAX_ALLOCATIONS && (self.bytes.len() + len).next_multiple_of(2) + map <= self.room
    }

    /// The page with its map. The map begins at an even offset.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let end = bytes.len() as u16;
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        let map = bytes.len() as u16;
        put(&mut bytes, 0, &map.to_le_bytes());
        push_u16(&mut bytes, self.starts.len() as u16);
        push_u16(&mut bytes, 0);
        for start in &self.starts {
            push_u16(&mut bytes, *start);
        }
        push_u16(&mut bytes, end);
        bytes
    }

    /// Writes a page that others follow.
    fn write_full<W: Write + Seek>(self, ndb: &mut Ndb<W>) -> Result<(), Error> {
        let mut bytes = self.to_bytes();
        bytes.resize(self.room, 0);
        ndb.write_reserved(self.id, &bytes)
    }
}

/// The four bits that tell how much of a page is free.
fn fill_level(free: usize) -> u8 {
    const STEPS: [usize; 15] = [3584, 2560, 2048, 1792, 1536, 1280, 1024, 768, 512, 256, 128, 64, 32, 16, 8];
    STEPS.iter().position(|least| free >= *least).unwrap_or(STEPS.len()) as u8
}
