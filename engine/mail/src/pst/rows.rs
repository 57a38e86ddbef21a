//! Which items a folder has: the ids of the rows of its list, read by ourselves.
//!
//! A list is a table in a heap ([MS-PST] 2.3.1 to 2.3.4). Of it only the index of its rows is read, a few bytes an item;
//! libpff makes objects of all cells of all rows, kilobytes an item, so that a large archive does not fit into memory.
//! What always holds: memory is bounded by the bytes of the file that are there; whatever is odd is an error.

use super::blocks::{Blocks, odd};
use super::header::{Header, at, narrow};
use super::nodes::Nodes;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::rc::Rc;

/// `NID_TYPE_CONTENTS_TABLE`.
const CONTENTS_TABLE: u32 = 0x0e;
const NODE_TYPE: u32 = 0x1f;
/// `bSig` of a heap.
const HEAP: u8 = 0xec;
/// `bClientSig` of a heap that is a table, and `bType` of its description.
const TABLE: u8 = 0x7c;
/// `bType` of a tree in a heap.
const TREE: u8 = 0xb5;
/// Deepest level of a tree in a heap.
const MAX_LEVEL: u8 = 8;

/// The lists of an archive.
#[derive(Debug)]
pub(super) struct Lists<'f> {
    nodes: Nodes<'f>,
    blocks: Blocks<'f>,
    /// Most rows that a file of this size can hold.
    most: usize,
    wide: bool,
}

impl<'f> Lists<'f> {
    /// `None` for an archive whose lists are left to libpff.
    pub(super) fn new(file: &'f File, header: &Header) -> Option<Self> {
        let nodes = Nodes::new(file, header)?;
        let blocks = Blocks::new(file, header)?;
        let most = usize::try_from(file.metadata().ok()?.len() / 8).unwrap_or(usize::MAX);
        let wide = nodes.shape.is_wide();
        Some(Self { nodes, blocks, most, wide })
    }

    /// Node ids of a folder's items, in their order, which is that of libpff. A folder without a list has none.
    pub(super) fn items(&self, folder: u32) -> io::Result<Vec<u32>> {
        let nid = (folder & !NODE_TYPE) | CONTENTS_TABLE;
        let Some(node) = self.nodes.find(nid)? else { return Ok(Vec::new()) };
        if node.data() == 0 {
            return Ok(Vec::new());
        }
        let heap = Heap::open(&self.blocks, node.data())?;
        let table = heap.get(heap.root)?;
        let [kind, ..] = at::<1>(&table, 0);
        if kind != TABLE {
            return Err(odd("a list of items is no table"));
        }
        let mut rows = Vec::new();
        self.index(&heap, index_of(&table)?, &mut rows)?;
        Ok(rows)
    }

    /// Reads the ids in the index of rows.
    fn index(&self, heap: &Heap<'_>, index: u32, rows: &mut Vec<u32>) -> io::Result<()> {
        let header = heap.get(index)?;
        let [kind, key, entry, levels] = at(&header, 0);
        let root = u32::from_le_bytes(at(&header, 4));
        let number = if self.wide { 4 } else { 2 };
        if header.len() < 8 || kind != TREE || key != 4 || entry != number || levels > MAX_LEVEL {
            return Err(odd("the index of a list of items is damaged"));
        }
        let mut steps = 0;
        if root == 0 { Ok(()) } else { self.level(heap, root, levels, rows, &mut steps) }
    }

    fn level(
        &self,
        heap: &Heap<'_>,
        at_id: u32,
        level: u8,
        rows: &mut Vec<u32>,
        steps: &mut usize,
    ) -> io::Result<()> {
        *steps = steps.saturating_add(1);
        // A tree whose pages are used many times over would never end.
        if *steps > self.most || rows.len() > self.most {
            return Err(odd("a list has more items than its archive can hold"));
        }
        let records = heap.get(at_id)?;
        let Some(below) = level.checked_sub(1) else {
            let length = if self.wide { 8 } else { 6 };
            rows.extend(records.chunks_exact(length).map(|record| u32::from_le_bytes(at(record, 0))));
            return if records.len() % length == 0 {
                Ok(())
            } else {
                Err(odd("the index of a list of items is cut"))
            };
        };
        for record in records.chunks_exact(8) {
            self.level(heap, u32::from_le_bytes(at(record, 4)), below, rows, steps)?;
        }
        Ok(())
    }
}

/// `hidRowIndex` of a table's description.
fn index_of(table: &[u8]) -> io::Result<u32> {
    if table.len() < 22 {
        return Err(odd("the description of a list of items is cut"));
    }
    u32::try_from(narrow(table, 10)).map_err(|_| odd("the description of a list of items is damaged"))
}

/// A heap on the data of a node. Holds the block read last.
struct Heap<'b> {
    blocks: &'b Blocks<'b>,
    ids: Vec<u64>,
    root: u32,
    last: RefCell<Option<(usize, Rc<Vec<u8>>)>>,
}

impl<'b> Heap<'b> {
    fn open(blocks: &'b Blocks<'b>, data: u64) -> io::Result<Self> {
        let mut heap = Self { blocks, ids: blocks.of_node(data)?, root: 0, last: RefCell::default() };
        let first = heap.block(0)?;
        let [_, _, signature, client, r0, r1, r2, r3] = at(&first, 0);
        if first.len() < 12 || signature != HEAP || client != TABLE {
            return Err(odd("a list of items is no heap of a table"));
        }
        heap.root = u32::from_le_bytes([r0, r1, r2, r3]);
        Ok(heap)
    }

    fn block(&self, number: usize) -> io::Result<Rc<Vec<u8>>> {
        let mut last = self.last.borrow_mut();
        match &*last {
            Some((known, block)) if *known == number => Ok(Rc::clone(block)),
            _ => {
                let id = self.ids.get(number).ok_or_else(|| odd("a heap leads out of itself"))?;
                let block = Rc::new(self.blocks.read(*id)?);
                *last = Some((number, Rc::clone(&block)));
                Ok(block)
            }
        }
    }

    /// An item of the heap.
    fn get(&self, id: u32) -> io::Result<Vec<u8>> {
        let number = usize::try_from(id >> 16).unwrap_or(usize::MAX);
        let index = usize::try_from((id >> 5) & 0x7ff).unwrap_or(0);
        let block = self.block(number)?;
        let map = usize::from(u16::from_le_bytes(at(&block, 0)));
        let map = block.get(map..).filter(|map| map.len() >= 6).ok_or_else(|| odd("a heap has no map"))?;
        let count = usize::from(u16::from_le_bytes(at(map, 0)));
        let slot = index.checked_sub(1).filter(|slot| id & 0x1f == 0 && *slot < count);
        let slot = slot.ok_or_else(|| odd("a heap leads to nothing"))?;
        let place = |slot: usize| -> Option<usize> {
            let at_slot = slot.checked_mul(2)?.checked_add(4)?;
            map.get(at_slot..)?.first_chunk().map(|bytes| usize::from(u16::from_le_bytes(*bytes)))
        };
        let range = place(slot).zip(place(slot.saturating_add(1)));
        let item = range.and_then(|(start, end)| block.get(start..end));
        item.map(<[u8]>::to_vec).ok_or_else(|| odd("a heap leads out of its block"))
    }
}
