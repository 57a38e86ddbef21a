//! A reader that forgives nothing: it walks a whole archive by [MS-PST] and asserts every checksum,
//! signature, length, reference count and map bit. It shares no code with the writer.

#![allow(dead_code, reason = "each test file uses its own part of the reader")]

pub mod layout;
pub mod lists;
pub mod made;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use layout::{ANSI, Layout, UNICODE};

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn crc(bytes: &[u8]) -> u32 {
    let mut table = [0_u32; 256];
    for (index, entry) in table.iter_mut().enumerate() {
        let mut value = index as u32;
        for _ in 0..8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
        }
        *entry = value;
    }
    bytes.iter().fold(0, |crc, byte| table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

fn signature(at: u64, id: u64) -> u16 {
    let mixed = (at ^ id) as u32;
    (mixed >> 16) as u16 ^ mixed as u16
}

#[derive(Debug, Clone, Copy)]
pub struct Block {
    at: u64,
    len: usize,
    references: u16,
}

#[derive(Debug, Clone, Copy)]
pub struct Node {
    pub data: u64,
    pub subnodes: u64,
    pub parent: u32,
}

/// An archive whose lowest layer has been checked.
pub struct Archive {
    file: Vec<u8>,
    pub layout: Layout,
    decode: Option<[u8; 256]>,
    pub nodes: BTreeMap<u32, Node>,
    pub blocks: HashMap<u64, Block>,
    pub tree_depth: u8,
}

/// What each byte of an encoded block stands for.
pub type Permutation = [u8; 256];

impl Archive {
    /// Checks header, maps, B-trees, blocks and references. `decode` is there when `file` is encoded.
    pub fn open(file: Vec<u8>, decode: Option<Permutation>) -> Self {
        assert_eq!(&file[..4], b"!BDN");
        assert_eq!(&file[8..10], b"SM");
        let layout = match u16_at(&file, 10) {
            23 => UNICODE,
            15 => ANSI,
            other => panic!("version {other}"),
        };
        assert_eq!(u32_at(&file, 4), crc(&file[8..479]), "partial header checksum");
        if !layout.ansi {
            assert_eq!(u32_at(&file, 524), crc(&file[8..524]), "full header checksum");
        }
        assert_eq!(file[layout.sentinel], 0x80);
        assert_eq!(file[layout.sentinel + 1] == 1, decode.is_some());
        assert_eq!(layout.number(&file, layout.header[0]), file.len() as u64, "length of the file");
        let mut archive =
            Self { file, layout, decode, nodes: BTreeMap::new(), blocks: HashMap::new(), tree_depth: 0 };
        let mut taken: Vec<(u64, u64)> = Vec::new();
        let node_root = layout.numbers(&archive.file, layout.header[3]);
        let block_root = layout.numbers(&archive.file, layout.header[4]);
        let mut entries = Vec::new();
        archive.walk(0x81, node_root, None, 4 * layout.number, &mut entries, &mut taken);
        for entry in entries.drain(..) {
            let [_, data, subnodes] = layout.numbers(&entry, 0);
            let node = Node { data, subnodes, parent: u32_at(&entry, 3 * layout.number) };
            assert!(archive.nodes.insert(u32_at(&entry, 0), node).is_none());
        }
        archive.walk(0x80, block_root, None, if layout.ansi { 12 } else { 24 }, &mut entries, &mut taken);
        for entry in &entries {
            let [id, at] = layout.numbers(entry, 0);
            let len = usize::from(u16_at(entry, 2 * layout.number));
            let block = Block { at, len, references: u16_at(entry, 2 * layout.number + 2) };
            archive.blocks.insert(id, block);
        }
        archive.check_blocks(&mut taken);
        archive.check_maps(taken);
        archive.check_references();
        archive
    }

    fn walk(
        &mut self,
        kind: u8,
        [id, at]: [u64; 2],
        key: Option<u64>,
        leaf_len: usize,
        out: &mut Vec<Vec<u8>>,
        taken: &mut Vec<(u64, u64)>,
    ) -> u8 {
        assert_eq!(at % 512, 0);
        let page = self.file[at as usize..at as usize + 512].to_vec();
        let layout = self.layout;
        let trailer = 512 - layout.trailer;
        assert_eq!([page[trailer], page[trailer + 1]], [kind, kind]);
        assert_eq!(u16_at(&page, trailer + 2), signature(at, id), "signature of page {id:#x}");
        assert_eq!(layout.checksum_and_id(&page, trailer), (crc(&page[..trailer]), id), "page {id:#x}");
        assert!(id < layout.number(&self.file, layout.next_page), "page ids are below the next one");
        taken.push((at, 512));
        let [count, most, len, level] = *page[layout.counts..].first_chunk().unwrap();
        let expected = if level == 0 { leaf_len } else { 3 * layout.number };
        assert_eq!(usize::from(len), expected);
        assert_eq!(usize::from(most), layout.counts / expected);
        assert!(count <= most && (count > 0 || out.is_empty()));
        let entries: Vec<&[u8]> = page[..usize::from(count) * expected].chunks(expected).collect();
        assert!(
            entries.is_sorted_by(|one, next| layout.number(one, 0) < layout.number(next, 0)),
            "keys rise"
        );
        if let (Some(key), Some(first)) = (key, entries.first()) {
            assert_eq!(layout.number(first, 0), key, "a branch has the first key below it");
        }
        for entry in entries {
            if level == 0 {
                out.push(entry.to_vec());
            } else {
                let [key, id, at] = layout.numbers(entry, 0);
                let below = self.walk(kind, [id, at], Some(key), leaf_len, out, taken);
                assert_eq!(below, level - 1);
            }
        }
        self.tree_depth = self.tree_depth.max(level);
        level
    }

    fn check_blocks(&self, taken: &mut Vec<(u64, u64)>) {
        let layout = self.layout;
        let next = layout.number(&self.file, layout.next_block);
        for (id, block) in &self.blocks {
            assert!(id & 1 == 0 && *id < next, "block id {id:#x}");
            assert!((1..=layout.block_len()).contains(&block.len), "block {id:#x} has {} bytes", block.len);
            let total = ((block.len + layout.trailer) as u64).next_multiple_of(64);
            assert_eq!(block.at % 64, 0);
            let bytes = &self.file[block.at as usize..(block.at + total) as usize];
            let trailer = &bytes[bytes.len() - layout.trailer..];
            assert_eq!(usize::from(u16_at(trailer, 0)), block.len);
            assert_eq!(u16_at(trailer, 2), signature(block.at, *id), "signature of block {id:#x}");
            let expected = (crc(&bytes[..block.len]), *id);
            assert_eq!(layout.checksum_and_id(trailer, 0), expected, "block {id:#x}");
            taken.push((block.at, total));
        }
    }

    /// The allocation maps must show exactly the pages and blocks there are, none of them twice.
    fn check_maps(&self, mut taken: Vec<(u64, u64)>) {
        const REGION: u64 = 496 * 8 * 64;
        let layout = self.layout;
        let in_header = |index: usize| layout.number(&self.file, layout.header[index]);
        let regions = (self.file.len() as u64 - 0x4400) / REGION;
        assert_eq!((self.file.len() as u64 - 0x4400) % REGION, 0);
        for region in 0..regions {
            let mut at = 0x4400 + region * REGION;
            let mut kinds = vec![0x84];
            if region % 8 == 0 {
                kinds.push(0x83);
            }
            if region >= 128 && (region - 128) % 496 == 0 {
                kinds.push(0x82);
            }
            if region >= 8192 && (region - 8192) % (496 * 64) == 0 {
                kinds.push(0x85);
            }
            for kind in kinds {
                let page = &self.file[at as usize..at as usize + 512];
                let trailer = 512 - layout.trailer;
                assert_eq!([page[trailer], page[trailer + 1]], [kind, kind], "map of region {region}");
                assert_eq!(u16_at(page, trailer + 2), 0);
                assert_eq!(layout.checksum_and_id(page, trailer), (crc(&page[..trailer]), at));
                assert!(page[..layout.map].iter().all(|byte| *byte == 0));
                taken.push((at, 512));
                at += 512;
            }
        }
        assert_eq!(in_header(1), 0x4400 + (regions - 1) * REGION, "the last map");
        taken.sort_unstable();
        let mut expected = vec![0_u8; self.file.len() / 64 / 8 + 1];
        let mut end = 0;
        for (at, len) in &taken {
            assert!(*at >= end, "two things at {at:#x}");
            end = at + len;
            assert_eq!((at - 0x4400) / REGION, (end - 1 - 0x4400) / REGION, "across regions");
            for slot in at / 64..end / 64 {
                expected[slot as usize / 8] |= 0x80 >> (slot % 8);
            }
        }
        let mut free = 0;
        for region in 0..regions {
            let at = (0x4400 + region * REGION) as usize;
            let map = &self.file[at + layout.map..][..496];
            assert_eq!(map, &expected[at / 512..at / 512 + 496], "allocation map of region {region}");
            free += map.iter().map(|byte| u64::from(byte.count_zeros()) * 64).sum::<u64>();
        }
        assert_eq!(in_header(2), free, "free bytes");
    }

    /// Each block's count is one more than the references to it, and each block is referred to.
    fn check_references(&self) {
        let layout = self.layout;
        let head = layout.subnodes;
        let mut counts: HashMap<u64, u16> = HashMap::new();
        let mut queue: Vec<u64> = Vec::new();
        for node in self.nodes.values() {
            queue.extend([node.data, node.subnodes].into_iter().filter(|id| *id != 0));
        }
        while let Some(id) = queue.pop() {
            let count = counts.entry(id).or_insert(0);
            *count += 1;
            if *count > 1 || id & 2 == 0 {
                continue;
            }
            let block = self.raw(id);
            let entries = usize::from(u16_at(block, 2));
            let below: Vec<u64> = match (block[0], block[1]) {
                (1, _) => (0..entries).map(|index| layout.number(block, 8 + index * layout.number)).collect(),
                (2, 0) => (0..entries)
                    .flat_map(|index| {
                        let [_, data, below] = layout.numbers(block, head + index * 3 * layout.number);
                        [data, below]
                    })
                    .collect(),
                (2, 1) => (0..entries)
                    .map(|index| layout.number(block, head + (index * 2 + 1) * layout.number))
                    .collect(),
                other => panic!("an internal block of kind {other:?}"),
            };
            queue.extend(below.into_iter().filter(|id| *id != 0));
        }
        for (id, block) in &self.blocks {
            let count = counts.get(id).copied().unwrap_or(0);
            assert_eq!(block.references, count + 1, "references to block {id:#x}");
        }
        assert_eq!(counts.len(), self.blocks.len(), "every reference leads to a block");
    }

    fn raw(&self, id: u64) -> &[u8] {
        let block = &self.blocks[&id];
        &self.file[block.at as usize..block.at as usize + block.len]
    }

    /// The data blocks behind a block id, decoded.
    pub fn data(&self, id: u64) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        if id == 0 {
            return out;
        }
        self.collect(id, &mut out);
        if let [full @ .., _] = &out[..] {
            assert!(
                full.iter().all(|block| block.len() == self.layout.block_len()),
                "only the last block may be short"
            );
        }
        out
    }

    fn collect(&self, id: u64, out: &mut Vec<Vec<u8>>) {
        let raw = self.raw(id);
        if id & 2 == 0 {
            let decoded = match &self.decode {
                Some(table) => raw.iter().map(|byte| table[usize::from(*byte)]).collect(),
                None => raw.to_vec(),
            };
            out.push(decoded);
            return;
        }
        assert_eq!(raw[0], 1, "a data tree");
        let count = usize::from(u16_at(raw, 2));
        let width = self.layout.number;
        assert_eq!(raw.len(), 8 + count * width);
        let before: usize = out.iter().map(Vec::len).sum();
        for index in 0..count {
            let below = self.layout.number(raw, 8 + index * width);
            assert_eq!(below & 2 != 0, raw[1] == 2, "levels of a data tree");
            self.collect(below, out);
        }
        let total: usize = out.iter().map(Vec::len).sum();
        assert_eq!(u32_at(raw, 4) as usize, total - before, "length told by a data tree");
    }

    /// The subnodes behind a block id.
    pub fn subnodes(&self, id: u64) -> BTreeMap<u32, Node> {
        let mut out = BTreeMap::new();
        if id == 0 {
            return out;
        }
        let raw = self.raw(id);
        assert_eq!(raw[0], 2, "a subnode tree");
        let layout = self.layout;
        let leaves: Vec<u64> = if raw[1] == 0 {
            vec![id]
        } else {
            (0..usize::from(u16_at(raw, 2)))
                .map(|index| layout.number(raw, layout.subnodes + (index * 2 + 1) * layout.number))
                .collect()
        };
        let mut last = 0;
        for leaf in leaves {
            let raw = self.raw(leaf);
            assert_eq!([raw[0], raw[1]], [2, 0]);
            for index in 0..usize::from(u16_at(raw, 2)) {
                let [nid, data, subnodes] = layout.numbers(raw, layout.subnodes + index * 3 * layout.number);
                let nid = nid as u32;
                assert!(nid > last, "subnode ids rise");
                last = nid;
                let node = Node { data, subnodes, parent: 0 };
                out.insert(nid, node);
            }
        }
        out
    }

    /// The node ids of messages in folders.
    pub fn messages(&self) -> BTreeSet<u32> {
        self.nodes.keys().copied().filter(|nid| nid & 0x1F == 4).collect()
    }
}
