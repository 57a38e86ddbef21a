//! An archive as if it held only some of its nodes.
//!
//! The view is the file itself, read through, but for its header, which leads to another tree of nodes, and for the
//! pages of that tree, which lie behind the end of the file. Everything else (the blocks and where they are) is the
//! file's own. What libpff does with it costs what the nodes in it cost, however large the archive is; and because a
//! view serves a limited number of items, so is the memory that libpff takes.

use super::header::{HEADER, Header, PageRef, weak_crc};
use super::nodes::{Node, Nodes, PAGE, PAGE_TYPE, Shape};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::{ControlFlow, RangeInclusive};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

/// Items of folders in one view.
const ITEMS: usize = 512;
/// Node ids below this belong to the archive itself: its store, its names, its root folder and their tables.
const OWN: u32 = 0x2000;
/// Deepest chain of folders that is followed upwards.
const MAX_DEPTH: usize = 256;
/// Where block ids of made-up pages begin: above those that a real archive can have reached.
const FIRST_BID: u64 = 0x7fff_0000;

/// A file with another header and pages behind its end.
#[derive(Debug)]
pub(super) struct View {
    file: Rc<File>,
    header: [u8; HEADER],
    /// Where the archive ends. From here to `base` there are zeros.
    end: u64,
    /// Where the pages begin.
    base: u64,
    pages: Vec<u8>,
}

impl View {
    /// The archive without any item and without its folders, but for the root.
    pub(super) fn of_archive(file: &Rc<File>, header: &Header) -> io::Result<Option<Self>> {
        let Some(nodes) = Nodes::new(file, header) else { return Ok(None) };
        let own = own(&nodes)?;
        Self::build(file, header, &nodes.shape, own)
    }

    /// The archive with all folders and no item; `lists`: with the folders' lists of items.
    pub(super) fn of_folders(file: &Rc<File>, header: &Header, lists: bool) -> io::Result<Option<Self>> {
        let Some(nodes) = Nodes::new(file, header) else { return Ok(None) };
        let mut kept = BTreeMap::new();
        nodes.scan(0, &mut |node| {
            if !node.is_message() && (lists || !node.is_list()) {
                kept.insert(node.nid(), node);
            }
            ControlFlow::Continue(())
        })?;
        Self::build(file, header, &nodes.shape, kept)
    }

    /// The archive with the item `nid`, the items after it in the order of their ids, and the folders they are in.
    /// Says which ids are covered.
    pub(super) fn of_items(
        file: &Rc<File>,
        header: &Header,
        nid: u32,
    ) -> io::Result<Option<(Self, RangeInclusive<u32>)>> {
        let Some(nodes) = Nodes::new(file, header) else { return Ok(None) };
        let mut kept = own(&nodes)?;
        let mut items = Vec::with_capacity(ITEMS);
        nodes.scan(nid, &mut |node| {
            if node.is_message() || node.nid() == nid {
                items.push(node);
            }
            if items.len() < ITEMS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let last = items.last().map_or(nid, Node::nid);
        for item in items {
            let mut above = item.parent();
            kept.insert(item.nid(), item);
            for _ in 0..MAX_DEPTH {
                if kept.contains_key(&above) {
                    break;
                }
                // An item whose folder is gone is not to be found by libpff either way.
                let Some(folder) = nodes.find(above)? else { break };
                above = folder.parent();
                kept.insert(folder.nid(), folder);
            }
        }
        Ok(Self::build(file, header, &nodes.shape, kept)?.map(|view| (view, nid..=last)))
    }

    /// The archive as it is.
    pub(super) fn of_everything(file: &Rc<File>, header: &Header) -> io::Result<Self> {
        let end = file.metadata()?.len();
        Ok(Self { file: Rc::clone(file), header: *header.bytes(), end, base: end, pages: Vec::new() })
    }

    fn build(
        file: &Rc<File>,
        header: &Header,
        shape: &Shape,
        nodes: BTreeMap<u32, Node>,
    ) -> io::Result<Option<Self>> {
        let end = file.metadata()?.len().max(header.size);
        let Some(base) = end.checked_next_multiple_of(4096) else { return Ok(None) };
        let mut tree = Tree { shape, base, pages: Vec::new(), next_bid: FIRST_BID };
        let Some(root) = tree.write(&nodes) else { return Ok(None) };
        // libpff believes no offset behind the end that the header tells.
        let pages = tree.pages;
        let size = base.saturating_add(pages.len() as u64);
        Ok(Some(Self { file: Rc::clone(file), header: header.with_nodes(root, size), end, base, pages }))
    }

    /// Bytes of the view.
    pub(super) fn size(&self) -> u64 {
        self.base.saturating_add(self.pages.len() as u64)
    }

    /// Reads at an offset; fewer bytes than asked for only at an end.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let here = offset.saturating_add(done as u64);
            let count = if let Some(header) = slice_from(&self.header, here) {
                copy(header, rest)
            } else if let Some(behind) = here.checked_sub(self.base) {
                slice_from(&self.pages, behind).map_or(0, |pages| copy(pages, rest))
            } else if here >= self.end {
                let gap = usize::try_from(self.base.saturating_sub(here)).unwrap_or(usize::MAX);
                let gap = gap.min(rest.len());
                rest.iter_mut().take(gap).for_each(|byte| *byte = 0);
                gap
            } else {
                let before = usize::try_from(self.end.saturating_sub(here)).unwrap_or(usize::MAX);
                let part = rest.len().min(before);
                match rest.get_mut(..part).map(|part| self.file.read_at(part, here)) {
                    Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Some(read) => read?,
                    None => 0,
                }
            };
            if count == 0 {
                break;
            }
            done = done.saturating_add(count);
        }
        Ok(done)
    }
}

fn slice_from(bytes: &[u8], offset: u64) -> Option<&[u8]> {
    usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).filter(|rest| !rest.is_empty())
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    count
}

/// The nodes of the archive itself.
fn own(nodes: &Nodes<'_>) -> io::Result<BTreeMap<u32, Node>> {
    let mut own = BTreeMap::new();
    nodes.scan(0, &mut |node| {
        if node.nid() >= OWN {
            return ControlFlow::Break(());
        }
        if !node.is_message() {
            own.insert(node.nid(), node);
        }
        ControlFlow::Continue(())
    })?;
    Ok(own)
}

/// Writes a tree of nodes, leaves first.
struct Tree<'s> {
    shape: &'s Shape,
    base: u64,
    pages: Vec<u8>,
    next_bid: u64,
}

impl Tree<'_> {
    /// Writes all levels and returns the root; `None` where offsets outgrow the layout.
    fn write(&mut self, nodes: &BTreeMap<u32, Node>) -> Option<PageRef> {
        let mut level = 0u8;
        let leaves: Vec<(u32, Vec<u8>)> =
            nodes.iter().map(|(nid, node)| (*nid, node.entry().to_vec())).collect();
        let mut entries = leaves;
        loop {
            let size = if level == 0 { self.shape.leaf_entry } else { self.shape.branch_entry };
            let room = self.shape.count.checked_div(size)?;
            let mut above = Vec::with_capacity(entries.len().div_ceil(room));
            for group in entries.chunks(room) {
                let page = self.page(level, size, room, group)?;
                above.push((group.first().map_or(0, |(key, _)| *key), page));
            }
            if let [(_, root)] = above[..] {
                return Some(root);
            }
            if above.is_empty() {
                return None;
            }
            entries = above.into_iter().map(|(key, page)| (key, self.branch(key, page))).collect();
            level = level.checked_add(1)?;
        }
    }

    fn branch(&self, key: u32, page: PageRef) -> Vec<u8> {
        let [key, bid, offset] = [u64::from(key), page.bid, page.offset].map(u64::to_le_bytes);
        let each = self.shape.branch_entry / 3;
        [key, bid, offset].iter().flat_map(|number| number.iter().take(each)).copied().collect()
    }

    fn page(&mut self, level: u8, size: usize, room: usize, entries: &[(u32, Vec<u8>)]) -> Option<PageRef> {
        let offset = self.base.checked_add(self.pages.len() as u64)?;
        let bid = self.next_bid;
        self.next_bid = bid.checked_add(4)?;
        let narrow = self.shape.branch_entry == 12;
        if narrow && i32::try_from(offset).is_err() {
            return None;
        }
        let mut page = vec![0u8; PAGE];
        let content = entries.iter().flat_map(|(_, entry)| entry);
        page.iter_mut().zip(content).for_each(|(to, from)| *to = *from);
        let counts =
            [u8::try_from(entries.len()).ok()?, u8::try_from(room).ok()?, u8::try_from(size).ok()?, level];
        page.get_mut(self.shape.count..)?.first_chunk_mut::<4>()?.copy_from_slice(&counts);
        let checksum = weak_crc(page.get(..self.shape.trailer)?).to_le_bytes();
        let mixed = offset ^ bid;
        let signature = u16::try_from(((mixed >> 16) ^ mixed) & 0xffff).ok()?.to_le_bytes();
        let [b0, b1, b2, b3, ..] = bid.to_le_bytes();
        let seal = if narrow {
            [[b0, b1, b2, b3], checksum].concat()
        } else {
            [checksum.as_slice(), &bid.to_le_bytes()].concat()
        };
        let trailer = [&[PAGE_TYPE, PAGE_TYPE][..], &signature, &seal].concat();
        page.get_mut(self.shape.trailer..)?.iter_mut().zip(trailer).for_each(|(to, from)| *to = from);
        self.pages.append(&mut page);
        Some(PageRef { bid, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Seek, Write};

    /// A header of either layout whose tree of nodes begins nowhere, and its file.
    fn archive(wide: bool) -> (tempfile::NamedTempFile, Header) {
        let mut bytes = vec![0u8; 1000];
        bytes[..4].copy_from_slice(b"!BDN");
        bytes[8..10].copy_from_slice(b"SM");
        bytes[10] = if wide { 23 } else { 14 };
        let crc = weak_crc(&bytes[8..479]).to_le_bytes();
        bytes[4..8].copy_from_slice(&crc);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let header = Header::read(&bytes, 1000).unwrap();
        (file, header)
    }

    fn node(nid: u32, wide: bool) -> Node {
        let mut entry = vec![7u8; if wide { 32 } else { 16 }];
        entry[..4].copy_from_slice(&nid.to_le_bytes());
        Node::of(&entry).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_tree_of_a_view_is_read_back(wide: bool, mut nids in proptest::collection::btree_set(any::<u32>(), 1..2000)) {
            let (mut file, header) = archive(wide);
            nids.insert(77);
            let nodes: BTreeMap<u32, Node> = nids.iter().map(|nid| (*nid, node(*nid, wide))).collect();
            let shape = Shape::of(header.layout).unwrap();
            let whole = Rc::new(file.reopen().unwrap());
            let view = View::build(&whole, &header, &shape, nodes.clone()).unwrap().unwrap();

            let mut bytes = vec![0; usize::try_from(view.size()).unwrap() + 10];
            prop_assert_eq!(view.read_at(&mut bytes, 0).unwrap() as u64, view.size());
            let mut part = [0; 100];
            prop_assert_eq!(view.read_at(&mut part, 540).unwrap(), 100);
            prop_assert_eq!(&part[..], &bytes[540..640]);
            bytes.truncate(bytes.len() - 10);
            file.rewind().unwrap();
            file.write_all(&bytes).unwrap();

            let header = Header::read(&bytes, view.size()).unwrap();
            prop_assert_eq!(header.size, view.size());
            let tree = Nodes::new(file.as_file(), &header).unwrap();
            for from in [0, 77, 1 << 31, u32::MAX] {
                let mut seen = Vec::new();
                tree.scan(from, &mut |node| { seen.push(node); ControlFlow::Continue(()) }).unwrap();
                let wanted: Vec<Node> = nodes.range(from..).map(|(_, node)| *node).collect();
                prop_assert_eq!(seen, wanted);
            }
            prop_assert_eq!(tree.find(77).unwrap(), Some(node(77, wide)));
        }

        #[test]
        fn a_damaged_tree_is_an_error_and_no_panic(wide: bool, at in 0usize..1536, value: u8) {
            let (mut file, header) = archive(wide);
            let nodes: BTreeMap<u32, Node> = (0..40).map(|nid| (nid, node(nid, wide))).collect();
            let whole = Rc::new(file.reopen().unwrap());
            let view = View::build(&whole, &header, &Shape::of(header.layout).unwrap(), nodes).unwrap().unwrap();
            let mut bytes = vec![0; usize::try_from(view.size()).unwrap()];
            view.read_at(&mut bytes, 0).unwrap();
            let place = usize::try_from(view.base).unwrap() + at;
            let intact = bytes[place] == value;
            bytes[place] = value;
            file.rewind().unwrap();
            file.write_all(&bytes).unwrap();
            let header = Header::read(&bytes, view.size()).unwrap();
            let tree = Nodes::new(file.as_file(), &header).unwrap();
            let read = tree.scan(0, &mut |_| ControlFlow::Continue(()));
            // Two bytes of each trailer are a signature, which is not looked at.
            prop_assert!(read.is_err() || intact || matches!(at % PAGE, 498 | 499 | 502 | 503));
        }
    }
}
