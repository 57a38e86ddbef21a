//! A reader that forgives nothing: it walks a whole archive by [MS-PST] and asserts every checksum,
//! signature, length, reference count and map bit. It shares no code with the writer.

#![allow(dead_code, reason = "each test file uses its own part of the reader")]

pub mod lists;

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
        assert_eq!(u16_at(&file, 10), 23);
        assert_eq!(u32_at(&file, 4), crc(&file[8..479]), "partial header checksum");
        assert_eq!(u32_at(&file, 524), crc(&file[8..524]), "full header checksum");
        assert_eq!(file[512], 0x80);
        assert_eq!(file[513] == 1, decode.is_some());
        assert_eq!(u64_at(&file, 184), file.len() as u64, "length of the file");
        let mut archive =
            Self { file, decode, nodes: BTreeMap::new(), blocks: HashMap::new(), tree_depth: 0 };
        let mut taken: Vec<(u64, u64)> = Vec::new();
        let node_root = (u64_at(&archive.file, 216), u64_at(&archive.file, 224));
        let block_root = (u64_at(&archive.file, 232), u64_at(&archive.file, 240));
        let mut entries = Vec::new();
        archive.walk(0x81, node_root, None, 32, &mut entries, &mut taken);
        for entry in entries.drain(..) {
            let node =
                Node { data: u64_at(&entry, 8), subnodes: u64_at(&entry, 16), parent: u32_at(&entry, 24) };
            assert!(archive.nodes.insert(u32_at(&entry, 0), node).is_none());
        }
        archive.walk(0x80, block_root, None, 24, &mut entries, &mut taken);
        for entry in &entries {
            let block = Block {
                at: u64_at(entry, 8),
                len: usize::from(u16_at(entry, 16)),
                references: u16_at(entry, 18),
            };
            archive.blocks.insert(u64_at(entry, 0), block);
        }
        archive.check_blocks(&mut taken);
        archive.check_maps(taken);
        archive.check_references();
        archive
    }

    fn walk(
        &mut self,
        kind: u8,
        (id, at): (u64, u64),
        key: Option<u64>,
        leaf_len: usize,
        out: &mut Vec<Vec<u8>>,
        taken: &mut Vec<(u64, u64)>,
    ) -> u8 {
        assert_eq!(at % 512, 0);
        let page = self.file[at as usize..at as usize + 512].to_vec();
        assert_eq!([page[496], page[497]], [kind, kind]);
        assert_eq!(u16_at(&page, 498), signature(at, id), "signature of page {id:#x}");
        assert_eq!(u32_at(&page, 500), crc(&page[..496]), "checksum of page {id:#x}");
        assert_eq!(u64_at(&page, 504), id);
        assert!(id < u64_at(&self.file, 32), "page ids are below the next one");
        taken.push((at, 512));
        let [count, most, len, level] = [page[488], page[489], page[490], page[491]];
        let expected = if level == 0 { leaf_len } else { 24 };
        assert_eq!(usize::from(len), expected);
        assert_eq!(usize::from(most), 488 / expected);
        assert!(count <= most && (count > 0 || out.is_empty()));
        let entries: Vec<&[u8]> = page[..usize::from(count) * expected].chunks(expected).collect();
        assert!(entries.is_sorted_by(|one, next| u64_at(one, 0) < u64_at(next, 0)), "keys rise");
        if let (Some(key), Some(first)) = (key, entries.first()) {
            assert_eq!(u64_at(first, 0), key, "a branch has the first key below it");
        }
        for entry in entries {
            if level == 0 {
                out.push(entry.to_vec());
            } else {
                let below = self.walk(
                    kind,
                    (u64_at(entry, 8), u64_at(entry, 16)),
                    Some(u64_at(entry, 0)),
                    leaf_len,
                    out,
                    taken,
                );
                assert_eq!(below, level - 1);
            }
        }
        self.tree_depth = self.tree_depth.max(level);
        level
    }

    fn check_blocks(&self, taken: &mut Vec<(u64, u64)>) {
        let next = u64_at(&self.file, 516);
        for (id, block) in &self.blocks {
            assert!(id & 1 == 0 && *id < next, "block id {id:#x}");
            assert!((1..=8176).contains(&block.len), "block {id:#x} has {} bytes", block.len);
            let total = (block.len as u64 + 16).next_multiple_of(64);
            assert_eq!(block.at % 64, 0);
            let bytes = &self.file[block.at as usize..(block.at + total) as usize];
            let trailer = &bytes[bytes.len() - 16..];
            assert_eq!(usize::from(u16_at(trailer, 0)), block.len);
            assert_eq!(u16_at(trailer, 2), signature(block.at, *id), "signature of block {id:#x}");
            assert_eq!(u32_at(trailer, 4), crc(&bytes[..block.len]), "checksum of block {id:#x}");
            assert_eq!(u64_at(trailer, 8), *id);
            taken.push((block.at, total));
        }
    }

    /// The allocation maps must show exactly the pages and blocks there are, none of them twice.
    fn check_maps(&self, mut taken: Vec<(u64, u64)>) {
        const REGION: u64 = 496 * 8 * 64;
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
                assert_eq!([page[496], page[497]], [kind, kind], "map of region {region}");
                assert_eq!(u16_at(page, 498), 0);
                assert_eq!(u32_at(page, 500), crc(&page[..496]));
                assert_eq!(u64_at(page, 504), at);
                taken.push((at, 512));
                at += 512;
            }
        }
        assert_eq!(u64_at(&self.file, 192), 0x4400 + (regions - 1) * REGION, "the last map");
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
            let map = &self.file[at..at + 496];
            assert_eq!(map, &expected[at / 512..at / 512 + 496], "allocation map of region {region}");
            free += map.iter().map(|byte| u64::from(byte.count_zeros()) * 64).sum::<u64>();
        }
        assert_eq!(u64_at(&self.file, 200), free, "free bytes");
    }

    /// Each block's count is one more than the references to it, and each block is referred to.
    fn check_references(&self) {
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
                (1, _) => (0..entries).map(|index| u64_at(block, 8 + index * 8)).collect(),
                (2, 0) => (0..entries)
                    .flat_map(|index| [u64_at(block, 16 + index * 24), u64_at(block, 24 + index * 24)])
                    .collect(),
                (2, 1) => (0..entries).map(|index| u64_at(block, 16 + index * 16)).collect(),
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
            assert!(full.iter().all(|block| block.len() == 8176), "only the last block may be short");
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
        assert!((1..=1021).contains(&count));
        assert_eq!(raw.len(), 8 + count * 8);
        let before: usize = out.iter().map(Vec::len).sum();
        for index in 0..count {
            let below = u64_at(raw, 8 + index * 8);
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
        let leaves: Vec<u64> = if raw[1] == 0 {
            vec![id]
        } else {
            (0..usize::from(u16_at(raw, 2))).map(|index| u64_at(raw, 16 + index * 16)).collect()
        };
        let mut last = 0;
        for leaf in leaves {
            let raw = self.raw(leaf);
            assert_eq!([raw[0], raw[1]], [2, 0]);
            for index in 0..usize::from(u16_at(raw, 2)) {
                let at = 8 + index * 24;
                let nid = u64_at(raw, at) as u32;
                assert!(nid > last, "subnode ids rise");
                last = nid;
                let node = Node { data: u64_at(raw, at + 8), subnodes: u64_at(raw, at + 16), parent: 0 };
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
