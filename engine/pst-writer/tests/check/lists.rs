//! The upper half of the strict reader: heaps, B-trees on heaps, property and table contexts.

use std::collections::BTreeMap;

use super::{Archive, Node, u16_at, u32_at};

/// A heap whose pages have been checked.
pub struct Heap {
    pages: Vec<Vec<u8>>,
}

impl Heap {
    pub fn open(pages: Vec<Vec<u8>>, kind: u8, room: usize) -> Self {
        assert_eq!(pages[0][2..4], [0xEC, kind]);
        for (number, page) in pages.iter().enumerate() {
            let map = usize::from(u16_at(page, 0));
            assert_eq!(map % 2, 0);
            let count = usize::from(u16_at(page, map));
            assert!(count <= 2047);
            assert_eq!(u16_at(page, map + 2), 0, "nothing was freed");
            let starts: Vec<u16> = (0..=count).map(|index| u16_at(page, map + 4 + index * 2)).collect();
            assert!(starts.is_sorted_by(|one, next| one < next));
            let has_bitmap = number >= 8 && (number - 8) % 128 == 0;
            let header = if number == 0 {
                12
            } else if has_bitmap {
                66
            } else {
                2
            };
            assert_eq!(starts[0], header, "page {number}");
            assert!(usize::from(*starts.last().unwrap()) <= map);
            let (teller, offset, index) = match number {
                0..8 => (0, 8, number),
                _ => ((number - 8) / 128 * 128 + 8, 2, (number - 8) % 128),
            };
            let level = pages[teller][offset + index / 2] >> (4 * (index % 2)) & 15;
            let free = room.saturating_sub(map + 4 + 2 * (count + 2));
            let least = [3584, 2560, 2048, 1792, 1536, 1280, 1024, 768, 512, 256, 128, 64, 32, 16, 8, 0];
            assert!(free >= least[usize::from(level)], "fill of page {number}");
            assert!(level == 0 || free < least[usize::from(level) - 1], "fill of page {number}");
        }
        Self { pages }
    }

    pub fn root(&self) -> u32 {
        u32_at(&self.pages[0], 4)
    }

    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    pub fn get(&self, id: u32) -> &[u8] {
        if id == 0 {
            return &[];
        }
        assert_eq!(id & 0x1F, 0, "a heap id");
        let page = &self.pages[(id >> 16) as usize];
        let index = (id >> 5 & 0x7FF) as usize;
        let map = usize::from(u16_at(page, 0));
        assert!(index >= 1 && index <= usize::from(u16_at(page, map)));
        let bounds = |index: usize| usize::from(u16_at(page, map + 4 + index * 2));
        &page[bounds(index - 1)..bounds(index)]
    }

    /// The records of a B-tree and the number of its index levels.
    pub fn tree(&self, header: u32, key_len: usize, value_len: usize) -> (Vec<Vec<u8>>, u8) {
        let header = self.get(header);
        assert_eq!(header[..3], [0xB5, key_len as u8, value_len as u8]);
        let mut out = Vec::new();
        self.descend(u32_at(header, 4), header[3], key_len, value_len, &mut out);
        assert!(out.is_sorted_by(|one, next| key(one, key_len) < key(next, key_len)));
        (out, header[3])
    }

    fn descend(&self, id: u32, level: u8, key_len: usize, value_len: usize, out: &mut Vec<Vec<u8>>) {
        let record_len = key_len + if level == 0 { value_len } else { 4 };
        let bytes = self.get(id);
        assert_eq!(bytes.len() % record_len, 0);
        for record in bytes.chunks(record_len) {
            if level == 0 {
                out.push(record.to_vec());
            } else {
                let first = out.len();
                self.descend(u32_at(record, key_len), level - 1, key_len, value_len, out);
                assert_eq!(out[first][..key_len], record[..key_len]);
            }
        }
    }
}

fn key(record: &[u8], len: usize) -> u32 {
    if len == 2 { u32::from(u16_at(record, 0)) } else { u32_at(record, 0) }
}

/// Properties by tag, each with its bytes.
pub type Values = BTreeMap<u32, Vec<u8>>;

pub fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks(2).map(|unit| u16_at(unit, 0)).collect();
    String::from_utf16(&units).unwrap()
}

impl Archive {
    fn value(&self, heap: &Heap, subnodes: &BTreeMap<u32, Node>, id: u32) -> Vec<u8> {
        if id & 0x1F == 0 { heap.get(id).to_vec() } else { self.data(subnodes[&id].data).concat() }
    }

    /// The properties of a node.
    pub fn properties(&self, node: Node) -> Values {
        let heap = self.heap(node, 0xBC);
        let subnodes = self.subnodes(node.subnodes);
        let (records, _) = heap.tree(heap.root(), 2, 6);
        records
            .iter()
            .map(|record| {
                let (id, kind) = (u16_at(record, 0), u16_at(record, 2));
                let value = match kind {
                    0x0002 | 0x0003 | 0x000B => record[4..8].to_vec(),
                    _ => self.value(&heap, &subnodes, u32_at(record, 4)),
                };
                (u32::from(id) << 16 | u32::from(kind), value)
            })
            .collect()
    }

    /// The rows of a table, by row id, and how deep its index is.
    pub fn table(&self, node: Node) -> (BTreeMap<u32, Values>, u8) {
        let heap = self.heap(node, 0x7C);
        let subnodes = self.subnodes(node.subnodes);
        let info = heap.get(heap.root());
        assert_eq!(info[0], 0x7C);
        let row_len = usize::from(u16_at(info, 8));
        let bits = usize::from(u16_at(info, 6));
        let columns: Vec<&[u8]> = info[22..].chunks(8).collect();
        assert_eq!(columns.len(), usize::from(info[1]));
        assert_eq!(row_len, bits + columns.len().div_ceil(8));
        assert!(columns.is_sorted_by(|one, next| u32_at(one, 0) < u32_at(next, 0)));
        let rows = u32_at(info, 14);
        let blocks = match rows {
            0 => Vec::new(),
            id if id & 0x1F == 0 => vec![heap.get(id).to_vec()],
            nid => self.data(subnodes[&nid].data),
        };
        let number_len = if self.layout.ansi { 2 } else { 4 };
        let matrix: Vec<&[u8]> = blocks.iter().flat_map(|block| block.chunks_exact(row_len)).collect();
        let (records, depth) = heap.tree(u32_at(info, 10), 4, number_len);
        assert_eq!(records.len(), matrix.len(), "as many rows as index entries");
        let mut out = BTreeMap::new();
        for record in records {
            let row_id = u32_at(&record, 0);
            let number = match number_len {
                2 => usize::from(u16_at(&record, 4)),
                _ => u32_at(&record, 4) as usize,
            };
            let row = matrix[number];
            let mut values = Values::new();
            for column in &columns {
                let (tag, offset) = (u32_at(column, 0), usize::from(u16_at(column, 4)));
                let (width, bit) = (usize::from(column[6]), usize::from(column[7]));
                if row[bits + bit / 8] & (0x80 >> (bit % 8)) == 0 {
                    continue;
                }
                let cell = &row[offset..offset + width];
                let value = match tag as u16 {
                    0x001E | 0x001F | 0x0102 => self.value(&heap, &subnodes, u32_at(cell, 0)),
                    _ => cell.to_vec(),
                };
                values.insert(tag, value);
            }
            assert_eq!(u32_at(&values[&0x67F2_0003], 0), row_id);
            out.insert(row_id, values);
        }
        (out, depth)
    }

    /// The heap of a node, to look at its pages.
    pub fn heap(&self, node: Node, kind: u8) -> Heap {
        Heap::open(self.data(node.data), kind, 8192 - self.layout.trailer)
    }

    /// Reads every folder with its tables and every message with its recipients and attachments, and
    /// asserts that folders, tables and nodes tell the same story. Gives the number of messages.
    pub fn check_messaging(&self) -> usize {
        let mut seen = 0;
        for (nid, node) in &self.nodes {
            if nid & 0x1F != 2 {
                continue;
            }
            let folder = self.properties(*node);
            let (children, _) = self.table(self.nodes[&(nid & !0x1F | 0x0D)]);
            let (contents, _) = self.table(self.nodes[&(nid & !0x1F | 0x0E)]);
            assert!(self.table(self.nodes[&(nid & !0x1F | 0x0F)]).0.is_empty());
            assert_eq!(u32_at(&folder[&0x3602_0003], 0) as usize, contents.len());
            assert_eq!(u32_at(&folder[&0x360A_000B], 0) != 0, !children.is_empty());
            let unread = contents.values().filter(|row| u32_at(&row[&0x0E07_0003], 0) & 1 == 0).count();
            assert_eq!(u32_at(&folder[&0x3603_0003], 0) as usize, unread);
            for (child, row) in &children {
                assert_eq!(self.nodes[child].parent, *nid);
                let name = if self.layout.ansi { 0x3001_001E } else { 0x3001_001F };
                assert_eq!(row[&name], self.properties(self.nodes[child])[&name]);
            }
            for (message, row) in &contents {
                let node = self.nodes[message];
                assert_eq!(node.parent, *nid, "a message's parent is its folder");
                let properties = self.check_message(node);
                for (tag, cell) in row {
                    if *tag == 0x67F2_0003 || *tag == 0x67F3_0003 {
                        continue;
                    }
                    assert_eq!(properties[tag][..cell.len()], cell[..], "{tag:#x} of {message:#x}");
                }
                seen += 1;
            }
        }
        assert_eq!(seen, self.messages().len(), "every message is in one folder");
        seen
    }

    /// Reads a message and all below it; gives its properties.
    pub fn check_message(&self, node: Node) -> Values {
        let properties = self.properties(node);
        let subnodes = self.subnodes(node.subnodes);
        self.table(subnodes[&0x692]);
        let attachments = subnodes.get(&0x671).map(|node| self.table(*node).0).unwrap_or_default();
        assert_eq!(u32_at(&properties[&0x0E07_0003], 0) & 0x10 != 0, !attachments.is_empty());
        for nid in attachments.keys() {
            let attachment = subnodes[nid];
            let properties = self.properties(attachment);
            if let Some(object) = properties.get(&0x3701_000D) {
                assert_eq!(u32_at(&properties[&0x3705_0003], 0), 5);
                let below = self.subnodes(attachment.subnodes);
                self.check_message(below[&u32_at(object, 0)]);
            } else {
                assert!(properties.contains_key(&0x3701_0102));
            }
        }
        properties
    }
}
