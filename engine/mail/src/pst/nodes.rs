//! The tree of an archive's nodes (the NBT of [MS-PST] 2.2.2.7.7), read by ourselves.
//!
//! libpff turns the whole tree into a linked list when it opens an archive and walks that list for each item, so that
//! its time grows with the square of the number of items. A [`super::view`] gives it a small tree instead; this
//! module finds the nodes that go into it. What always holds: no page is believed whose checksum, kind or place in
//! the tree is wrong. Then there is no view, and libpff reads the archive by itself, as well as it can.

use super::header::{Header, Layout, PageRef, at, narrow, weak_crc, wide};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

/// Bytes of a page.
pub(super) const PAGE: usize = 512;
/// `ptypeNBT`.
pub(super) const PAGE_TYPE: u8 = 0x81;
/// Deepest level of the tree: eight times twenty children a page is more than there are node ids.
const MAX_LEVEL: u8 = 8;

/// Where things are in a page and in its entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Where the count of entries is, then their largest count, size and level, a byte each.
    pub(super) count: usize,
    /// Where the trailer begins: kind twice, a signature, and then checksum and block id in some order.
    pub(super) trailer: usize,
    pub(super) leaf_entry: usize,
    pub(super) branch_entry: usize,
    wide: bool,
}

impl Shape {
    /// The shape of the pages of a layout; none for pages of 4 KiB, which are left to libpff.
    pub(super) fn of(layout: Layout) -> Option<Self> {
        match layout {
            Layout::Ansi => {
                Some(Self { count: 496, trailer: 500, leaf_entry: 16, branch_entry: 12, wide: false })
            }
            Layout::Unicode => {
                Some(Self { count: 488, trailer: 496, leaf_entry: 32, branch_entry: 24, wide: true })
            }
            Layout::Unicode4k => None,
        }
    }

    /// Checksum and block id of a page.
    fn seal(&self, page: &[u8; PAGE]) -> (u64, u64) {
        if self.wide { (narrow(page, 500), wide(page, 504)) } else { (narrow(page, 508), narrow(page, 504)) }
    }

    /// 64-bit offsets.
    pub(super) fn is_wide(&self) -> bool {
        self.wide
    }

    /// Reads a page of a tree, whose leaves have entries of so many bytes, below one of level `above`.
    pub(super) fn open(
        &self,
        file: &File,
        at: PageRef,
        page_type: u8,
        leaf_entry: usize,
        above: Option<u8>,
    ) -> io::Result<Opened> {
        let mut page = [0u8; PAGE];
        file.read_exact_at(&mut page, at.offset)?;
        let [kind, again] = super::header::at(&page, self.trailer);
        let [count, _, size, level] = super::header::at(&page, self.count);
        let (checksum, bid) = self.seal(&page);
        let entry = if level == 0 { leaf_entry } else { self.branch_entry };
        let below = above.map_or(level <= MAX_LEVEL, |above| above.checked_sub(1) == Some(level));
        let length = usize::from(count).saturating_mul(entry);
        if (kind, again) != (page_type, page_type)
            || bid != at.bid
            || usize::from(size) != entry
            || length > self.count
            || !below
            || u64::from(weak_crc(page.get(..self.trailer).unwrap_or_default())) != checksum
        {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a page of a tree is damaged"));
        }
        Ok(Opened { page, level, length, entry })
    }

    pub(super) fn child(&self, entry: &[u8]) -> PageRef {
        if self.wide {
            PageRef { bid: wide(entry, 8), offset: wide(entry, 16) }
        } else {
            PageRef { bid: narrow(entry, 4), offset: narrow(entry, 8) }
        }
    }
}

/// A page of a tree that was believed.
#[derive(Debug)]
pub(super) struct Opened {
    page: [u8; PAGE],
    /// 0: a leaf.
    pub(super) level: u8,
    length: usize,
    entry: usize,
}

impl Opened {
    /// Its entries.
    pub(super) fn entries(&self) -> std::slice::ChunksExact<'_, u8> {
        self.page.get(..self.length).unwrap_or_default().chunks_exact(self.entry)
    }
}

/// A node as it stands in a leaf: the entry's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    bytes: [u8; 32],
    length: usize,
}

impl Node {
    /// A node of an entry's bytes.
    pub(super) fn of(entry: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        bytes.get_mut(..entry.len())?.copy_from_slice(entry);
        Some(Self { bytes, length: entry.len() })
    }

    /// The entry.
    pub(super) fn entry(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// Its id.
    pub(super) fn nid(&self) -> u32 {
        u32::from_le_bytes(at(&self.bytes, 0))
    }

    /// The id of the folder it is in.
    pub(super) fn parent(&self) -> u32 {
        u32::from_le_bytes(at(&self.bytes, if self.length == 32 { 24 } else { 12 }))
    }

    /// The id of the block or tree of blocks of its data.
    pub(super) fn data(&self) -> u64 {
        if self.length == 32 { wide(&self.bytes, 8) } else { narrow(&self.bytes, 4) }
    }

    /// A list of items of a folder.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.nid() & 0x1f, 0x0e..=0x10)
    }

    /// An item of a folder, seen or hidden.
    pub(super) fn is_message(&self) -> bool {
        matches!(self.nid() & 0x1f, 0x04 | 0x08)
    }
}

/// Reads the tree from its pages. Holds no part of it.
#[derive(Debug)]
pub(super) struct Nodes<'f> {
    file: &'f File,
    root: PageRef,
    pub(super) shape: Shape,
}

impl<'f> Nodes<'f> {
    /// The tree of an archive; `None` for a layout that is left to libpff.
    pub(super) fn new(file: &'f File, header: &Header) -> Option<Self> {
        Some(Self { file, root: header.nodes, shape: Shape::of(header.layout)? })
    }

    /// The node with this id.
    pub(super) fn find(&self, nid: u32) -> io::Result<Option<Node>> {
        let mut found = None;
        self.scan(nid, &mut |node| {
            found = (node.nid() == nid).then_some(node);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Hands out nodes in the order of their ids, from the first that is not below `from`.
    pub(super) fn scan(&self, from: u32, f: &mut dyn FnMut(Node) -> ControlFlow<()>) -> io::Result<()> {
        self.page(self.root, None, from, f).map(|_| ())
    }

    fn page(
        &self,
        at: PageRef,
        above: Option<u8>,
        from: u32,
        f: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let opened = self.shape.open(self.file, at, PAGE_TYPE, self.shape.leaf_entry, above)?;
        let (level, entries) = (opened.level, opened.entries());
        if level == 0 {
            for node in entries.filter_map(Node::of).filter(|node| node.nid() >= from) {
                if f(node).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        // A child is passed over when the one after it begins at or below what is looked for.
        let key = |entry: &[u8]| narrow(entry, 0);
        let mut entries = entries.peekable();
        while let Some(entry) = entries.next() {
            if entries.peek().is_some_and(|next| key(next) <= u64::from(from)) {
                continue;
            }
            if self.page(self.shape.child(entry), Some(level), from, f)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
