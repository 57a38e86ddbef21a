//! The table context ([MS-PST] 2.3.4): columns of a fixed schema, a matrix of rows, and an index from row
//! id to row. Rows go to the file as blocks fill; the index, eight bytes a row, stays until the end.

use std::io::{Seek, Write};

use crate::bth;
use crate::bytes::{push_u16, push_u32, put};
use crate::context::store;
use crate::data_tree::DataTree;
use crate::error::{Error, too_many};
use crate::format::Format;
use crate::heap::{Heap, HeapKind, MAX_ALLOCATION};
use crate::ids;
use crate::ndb::Ndb;
use crate::schema::{ROW_ID, ROW_VERSION};
use crate::subnodes::Subnodes;
use crate::value::{Properties, cell_is_reference, cell_width};

const MARK: u8 = 0x7C;

#[derive(Debug, Clone, Copy)]
struct Column {
    tag: u32,
    offset: u16,
    width: u8,
    /// Where the bit lies that tells whether a row has the cell.
    bit: u8,
}

/// How the cells of a row lie: eight- and four-byte cells, then two, then one, then the bits of existence.
#[derive(Debug)]
struct Layout {
    columns: Vec<Column>,
    /// Where the four groups end.
    ends: [u16; 4],
}

/// A table that is being filled.
#[derive(Debug)]
pub(crate) struct Table {
    layout: Layout,
    heap: Heap,
    subnodes: Subnodes,
    full_blocks: DataTree,
    rows: Vec<u8>,
    index: Vec<(u32, u32)>,
}

impl Table {
    /// An empty table with `columns`, which are sorted.
    pub(crate) fn new<W: Write + Seek>(ndb: &mut Ndb<W>, columns: &[u32]) -> Self {
        Self {
            layout: Layout::new(columns, ndb.format()),
            heap: Heap::new(ndb, HeapKind::Table),
            subnodes: Subnodes::default(),
            full_blocks: DataTree::new(ndb.format()),
            rows: Vec::new(),
            index: Vec::new(),
        }
    }

    /// Adds a row with those of `properties` that the table has columns for.
    pub(crate) fn add_row<W: Write + Seek>(
        &mut self,
        ndb: &mut Ndb<W>,
        row_id: u32,
        properties: &Properties,
    ) -> Result<(), Error> {
        let format = ndb.format();
        let most = format.most_items();
        let number = u32::try_from(self.index.len())
            .ok()
            .filter(|number| u64::from(*number) < most)
            .ok_or(too_many("rows of one table", most))?;
        let mut row = vec![0; self.layout.row_len()];
        for column in &self.layout.columns {
            let value = match column.tag {
                ROW_ID => row_id.to_le_bytes().to_vec(),
                ROW_VERSION => (number + 1).to_le_bytes().to_vec(),
                tag => {
                    let kind = tag as u16;
                    let Some(value) =
                        properties.get((tag >> 16) as u16).filter(|value| format.kind(value.kind()) == kind)
                    else {
                        continue;
                    };
                    let encoded = value.encode(format);
                    if cell_is_reference(kind) {
                        store(ndb, &mut self.heap, &mut self.subnodes, &encoded)?.to_le_bytes().to_vec()
                    } else {
                        encoded
                    }
                }
            };
            let width = usize::from(column.width).min(value.len());
            put(&mut row, usize::from(column.offset), &value[..width]);
            row[usize::from(self.layout.ends[2]) + usize::from(column.bit / 8)] |= 0x80 >> (column.bit % 8);
        }
        if self.rows.len() + row.len() > format.block_data_len() {
            self.rows.resize(format.block_data_len(), 0);
            let id = ndb.write_block(&self.rows)?;
            self.full_blocks.push(id, format.block_data_len())?;
            self.rows.clear();
        }
        self.rows.extend_from_slice(&row);
        self.index.push((row_id, number));
        Ok(())
    }

    /// Writes what is left. Gives the block ids of the table's data and of its subnodes.
    pub(crate) fn finish<W: Write + Seek>(mut self, ndb: &mut Ndb<W>) -> Result<(u64, u64), Error> {
        let rows = if self.full_blocks.is_empty() && self.rows.len() <= MAX_ALLOCATION {
            self.heap.allocate(ndb, &self.rows)?
        } else {
            let id = ndb.write_block(&self.rows)?;
            self.full_blocks.push(id, self.rows.len())?;
            let nid = self.subnodes.new_nid(ids::TYPE_LTP)?;
            self.subnodes.add(nid, self.full_blocks.finish(ndb)?, 0);
            nid
        };
        let number_len = ndb.format().row_number_len();
        self.index.sort_unstable();
        let mut records = Vec::with_capacity(self.index.len() * 8);
        for (row_id, number) in &self.index {
            push_u32(&mut records, *row_id);
            records.extend_from_slice(&number.to_le_bytes()[..number_len]);
        }
        let index = bth::write(ndb, &mut self.heap, 4, number_len, &records)?;
        let root = self.heap.allocate(ndb, &self.layout.encode(index, rows))?;
        Ok((self.heap.finish(ndb, root)?, self.subnodes.finish(ndb)?))
    }
}

impl Layout {
    fn new(tags: &[u32], format: Format) -> Self {
        let tags: Vec<u32> =
            tags.iter().map(|tag| tag & 0xFFFF_0000 | u32::from(format.kind(*tag as u16))).collect();
        let mut columns = Vec::with_capacity(tags.len());
        let mut ends = [0; 4];
        let mut offset = 0;
        let wide = |width| width == 4 || width == 8;
        let groups: [&dyn Fn(usize) -> bool; 3] = [&wide, &|width| width == 2, &|width| width == 1];
        for (group, belongs) in groups.into_iter().enumerate() {
            let first = [ROW_ID, ROW_VERSION].into_iter().filter(|_| group == 0);
            let others = tags.iter().copied().filter(|tag| *tag != ROW_ID && *tag != ROW_VERSION);
            for tag in first.chain(others.filter(|tag| belongs(cell_width(*tag as u16)))) {
                let width = cell_width(tag as u16);
                columns.push(Column { tag, offset, width: width as u8, bit: columns.len() as u8 });
                offset += width as u16;
            }
            ends[group] = offset;
        }
        ends[3] = offset + columns.len().div_ceil(8) as u16;
        columns.sort_by_key(|column| column.tag);
        Self { columns, ends }
    }

    fn row_len(&self) -> usize {
        usize::from(self.ends[3])
    }

    /// The table's header and column descriptions.
    fn encode(&self, index: u32, rows: u32) -> Vec<u8> {
        let mut out = vec![MARK, self.columns.len() as u8];
        for end in self.ends {
            push_u16(&mut out, end);
        }
        push_u32(&mut out, index);
        push_u32(&mut out, rows);
        push_u32(&mut out, 0);
        for column in &self.columns {
            push_u32(&mut out, column.tag);
            push_u16(&mut out, column.offset);
            out.extend_from_slice(&[column.width, column.bit]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{CONTENTS, HIERARCHY};

    #[test]
    fn rows_are_as_long_as_those_of_outlook() {
        assert_eq!(Layout::new(HIERARCHY, Format::Unicode).ends, [52, 52, 53, 55]);
        let contents = Layout::new(CONTENTS, Format::Unicode);
        assert_eq!(contents.ends[1] - contents.ends[0], 0);
        assert_eq!(contents.columns.len(), 28);
    }

    #[test]
    fn the_row_id_and_version_come_first() {
        let layout = Layout::new(CONTENTS, Format::Unicode);
        let place = |tag| layout.columns.iter().find(|column| column.tag == tag).unwrap();
        assert_eq!((place(ROW_ID).offset, place(ROW_ID).bit), (0, 0));
        assert_eq!((place(ROW_VERSION).offset, place(ROW_VERSION).bit), (4, 1));
    }
}
