//! Nodes and blocks: the lowest layer that has names for its parts ([MS-PST] 2.2).
//!
//! A block is up to 8 KiB with its trailer, known by its block id. A node is known by its node id and
//! has a block (or a tree of blocks) of data and perhaps a tree of subnodes. Two B-trees say where blocks
//! lie and what nodes there are; both are built when the archive is finished, from the entries kept here.

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use crate::bytes::put;
use crate::crc::crc;
use crate::error::Error;
use crate::format::Format;
use crate::header::{self, Roots};
use crate::ids;
use crate::page::{PAGE_LEN, PageKind, checksum_and_id, entries_per_page, fill_tree_page, seal, signature};
use crate::permute;
use crate::space::{DENSITY_LIST, FIRST_REGION, SLOT_LEN, Space};

/// Block ids go up in fours; the lowest bit is reserved.
const BLOCK_ID_STEP: u64 = 4;
/// Marks blocks of the format's own (trees of blocks and subnodes), which are never encoded.
const INTERNAL_BIT: u64 = 2;

/// How data blocks are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// As they are.
    None,
    /// By the fixed permutation that Outlook calls "compressible encryption".
    #[default]
    Permute,
}

#[derive(Debug, Clone, Copy)]
struct BlockEntry {
    id: u64,
    at: u64,
    len: u16,
}

#[derive(Debug, Clone, Copy)]
struct NodeEntry {
    nid: u32,
    parent: u32,
    data: u64,
    subnodes: u64,
}

/// The nodes and blocks of an archive that is being written.
#[derive(Debug)]
pub(crate) struct Ndb<W> {
    space: Space<W>,
    format: Format,
    encoding: Encoding,
    next_block: u64,
    next_page: u64,
    blocks: Vec<BlockEntry>,
    nodes: Vec<NodeEntry>,
    /// Blocks that more than one node refers to, with the references beyond the first.
    shared: BTreeMap<u64, u16>,
    /// The highest node index in use, by node type.
    last_index: [u32; 32],
}

impl<W: Write + Seek> Ndb<W> {
    /// Starts an archive in the empty `sink`.
    pub(crate) fn new(sink: W, format: Format, encoding: Encoding) -> Result<Self, Error> {
        let mut last_index = [0x400; 32];
        last_index[ids::TYPE_SEARCH_FOLDER as usize] = 0x4000;
        last_index[ids::TYPE_MESSAGE as usize] = 0x10000;
        last_index[ids::TYPE_ASSOCIATED_MESSAGE as usize] = 0x8000;
        Ok(Self {
            space: Space::new(sink, format)?,
            format,
            encoding,
            next_block: BLOCK_ID_STEP,
            next_page: 1,
            blocks: Vec::new(),
            nodes: Vec::new(),
            shared: BTreeMap::new(),
            last_index,
        })
    }

    /// How the archive is laid out.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// A new node id of type `kind`.
    pub(crate) fn new_nid(&mut self, kind: u32) -> Result<u32, Error> {
        let last = &mut self.last_index[kind as usize];
        if *last >= ids::MAX_INDEX {
            return Err(crate::error::too_many("nodes", u64::from(ids::MAX_INDEX)));
        }
        *last += 1;
        Ok(ids::nid(kind, *last))
    }

    /// Notes that the index of `nid`, which has a fixed meaning, is in use.
    pub(crate) fn claim_nid(&mut self, nid: u32) {
        let last = &mut self.last_index[(nid & 0x1F) as usize];
        *last = (*last).max(nid >> ids::TYPE_BITS);
    }

    /// Adds a node. `data` and `subnodes` are block ids, zero for none; `parent` is the folder's node id for
    /// folders and messages and zero for the rest.
    pub(crate) fn add_node(&mut self, nid: u32, data: u64, subnodes: u64, parent: u32) {
        self.nodes.push(NodeEntry { nid, parent, data, subnodes });
    }

    /// Adds a node whose data another node has already; gives false, and adds none, when a block cannot
    /// be referred to once more.
    pub(crate) fn add_node_sharing(&mut self, nid: u32, data: u64, parent: u32) -> bool {
        let extra = self.shared.entry(data).or_insert(0);
        // The count on disk is one more than the references there are.
        if *extra >= u16::MAX - 2 {
            return false;
        }
        *extra += 1;
        self.add_node(nid, data, 0, parent);
        true
    }

    /// The id of a data block that will be written later.
    pub(crate) fn reserve_block(&mut self) -> u64 {
        let id = self.next_block;
        self.next_block += BLOCK_ID_STEP;
        id
    }

    /// Writes a data block of at most [`Format::block_data_len`] bytes.
    pub(crate) fn write_block(&mut self, data: &[u8]) -> Result<u64, Error> {
        let id = self.reserve_block();
        self.write_reserved(id, data)?;
        Ok(id)
    }

    /// Writes the data block whose id was reserved.
    pub(crate) fn write_reserved(&mut self, id: u64, data: &[u8]) -> Result<(), Error> {
        let encoding = self.encoding;
        self.write(id, data, encoding)
    }

    /// Writes a block of the format's own.
    pub(crate) fn write_internal_block(&mut self, data: &[u8]) -> Result<u64, Error> {
        let id = self.reserve_block() | INTERNAL_BIT;
        self.write(id, data, Encoding::None)?;
        Ok(id)
    }

    fn write(&mut self, id: u64, data: &[u8], encoding: Encoding) -> Result<(), Error> {
        let total = (data.len() + self.format.trailer_len()).next_multiple_of(SLOT_LEN);
        let (at, block) = self.space.take(total, SLOT_LEN)?;
        block[..data.len()].copy_from_slice(data);
        if encoding == Encoding::Permute {
            permute::encode(&mut block[..data.len()]);
        }
        let checksum = crc(&block[..data.len()]);
        let len = data.len() as u16;
        let trailer = total - self.format.trailer_len();
        put(block, trailer, &len.to_le_bytes());
        put(block, trailer + 2, &signature(at, id).to_le_bytes());
        put(block, trailer + 4, &checksum_and_id(checksum.to_le_bytes(), id, self.format));
        self.blocks.push(BlockEntry { id, at, len });
        Ok(())
    }

    /// Writes both B-trees and the head of the file. Gives the sink and the length of the file.
    pub(crate) fn finish(mut self) -> Result<(W, u64), Error> {
        let node_root = self.write_node_tree()?;
        let block_root = self.write_block_tree()?;
        let extent = self.space.close()?;
        let density_list = self.next_page;
        self.next_page += 1;
        let mut head = vec![0; FIRST_REGION as usize];
        let roots = Roots {
            extent,
            nodes: (node_root.id, node_root.at),
            blocks: (block_root.id, block_root.at),
            next_page: self.next_page,
            next_block: self.next_block,
            last_index: self.last_index,
        };
        put(&mut head, 0, &header::write(&roots, self.format, self.encoding));
        // An empty density list tells writers to find free space by the allocation maps.
        let page = &mut head[DENSITY_LIST as usize..][..PAGE_LEN];
        seal(page, PageKind::DensityList, DENSITY_LIST, density_list, self.format);
        Ok((self.space.write_head(&head)?, extent.file_len))
    }

    fn write_node_tree(&mut self) -> Result<PageRef, Error> {
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.sort_unstable_by_key(|node| node.nid);
        let format = self.format;
        self.write_tree(PageKind::NodeTree, 4 * format.number_len(), &nodes, |node, out| {
            for number in [u64::from(node.nid), node.data, node.subnodes, u64::from(node.parent)] {
                format.push_number(out, number);
            }
            u64::from(node.nid)
        })
    }

    fn write_block_tree(&mut self) -> Result<PageRef, Error> {
        let mut blocks = std::mem::take(&mut self.blocks);
        let shared = std::mem::take(&mut self.shared);
        blocks.sort_unstable_by_key(|block| block.id);
        let format = self.format;
        let padding = match format {
            Format::Unicode => 4,
            Format::Ansi => 0,
        };
        let entry_len = 2 * format.number_len() + 4 + padding;
        self.write_tree(PageKind::BlockTree, entry_len, &blocks, |block, out| {
            let references = 2 + shared.get(&block.id).copied().unwrap_or(0);
            format.push_number(out, block.id);
            format.push_number(out, block.at);
            out.extend_from_slice(&block.len.to_le_bytes());
            out.extend_from_slice(&references.to_le_bytes());
            out.resize(out.len() + padding, 0);
            block.id
        })
    }

    /// Writes a B-tree over sorted `entries`, leaves first. `encode` appends an entry and gives its key.
    fn write_tree<T>(
        &mut self,
        kind: PageKind,
        entry_len: usize,
        entries: &[T],
        encode: impl Fn(&T, &mut Vec<u8>) -> u64,
    ) -> Result<PageRef, Error> {
        let mut pages = Vec::new();
        for chunk in entries.chunks(entries_per_page(entry_len, self.format)) {
            let mut bytes = Vec::with_capacity(PAGE_LEN);
            let mut first = None;
            for entry in chunk {
                let key = encode(entry, &mut bytes);
                first.get_or_insert(key);
            }
            pages.push(self.write_tree_page(kind, &bytes, entry_len, 0, first.unwrap_or(0))?);
        }
        if pages.is_empty() {
            pages.push(self.write_tree_page(kind, &[], entry_len, 0, 0)?);
        }
        let mut level = 0;
        let branch_len = 3 * self.format.number_len();
        while let [first, _, ..] = pages[..] {
            level += 1;
            let mut above = Vec::new();
            let mut first_key = first.key;
            for chunk in pages.chunks(entries_per_page(branch_len, self.format)) {
                let mut bytes = Vec::with_capacity(PAGE_LEN);
                for (index, page) in chunk.iter().enumerate() {
                    if index == 0 {
                        first_key = page.key;
                    }
                    for number in [page.key, page.id, page.at] {
                        self.format.push_number(&mut bytes, number);
                    }
                }
                above.push(self.write_tree_page(kind, &bytes, branch_len, level, first_key)?);
            }
            pages = above;
        }
        Ok(pages[0])
    }

    fn write_tree_page(
        &mut self,
        kind: PageKind,
        entries: &[u8],
        entry_len: usize,
        level: u8,
        key: u64,
    ) -> Result<PageRef, Error> {
        let id = self.next_page;
        self.next_page += 1;
        let (at, page) = self.space.take(PAGE_LEN, PAGE_LEN)?;
        fill_tree_page(page, entries, entry_len, level, self.format);
        seal(page, kind, at, id, self.format);
        Ok(PageRef { key, id, at })
    }
}

/// A page of a B-tree, and the first key below it.
#[derive(Debug, Clone, Copy)]
struct PageRef {
    key: u64,
    id: u64,
    at: u64,
}
