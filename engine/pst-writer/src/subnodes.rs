//! The subnodes of a node: a sorted block of entries (SLBLOCK), or a block of those (SIBLOCK)
//! ([MS-PST] 2.2.2.8.3.3).

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use crate::bytes::push_u16;
use crate::error::{Error, too_many};
use crate::format::Format;
use crate::ids;
use crate::ndb::Ndb;

/// How many entries of `numbers` ids each a block holds.
fn entries_per_block(numbers: usize, format: Format) -> usize {
    (format.block_data_len() - format.subnodes_head_len()) / (numbers * format.number_len())
}

/// The subnodes gathered for one node.
#[derive(Debug)]
pub(crate) struct Subnodes {
    entries: BTreeMap<u32, (u64, u64)>,
    next_index: u32,
}

impl Default for Subnodes {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), next_index: 0x401 }
    }
}

impl Subnodes {
    /// Adds a subnode with an id of its own.
    pub(crate) fn add(&mut self, nid: u32, data: u64, subnodes: u64) {
        self.entries.insert(nid, (data, subnodes));
    }

    /// An id for a subnode of type `kind`, not given out before.
    pub(crate) fn new_nid(&mut self, kind: u32) -> Result<u32, Error> {
        if self.next_index >= ids::MAX_INDEX {
            return Err(too_many("subnodes", u64::from(ids::MAX_INDEX)));
        }
        let nid = ids::nid(kind, self.next_index);
        self.next_index += 1;
        Ok(nid)
    }

    /// Writes the tree. Gives its block id, zero when there is no subnode.
    pub(crate) fn finish<W: Write + Seek>(self, ndb: &mut Ndb<W>) -> Result<u64, Error> {
        let format = ndb.format();
        let (per_leaf, per_branch) = (entries_per_block(3, format), entries_per_block(2, format));
        let entries: Vec<_> = self.entries.into_iter().collect();
        let mut leaves = Vec::new();
        for chunk in entries.chunks(per_leaf) {
            let mut block = head(0, chunk.len(), format);
            for (nid, (data, subnodes)) in chunk {
                for number in [u64::from(*nid), *data, *subnodes] {
                    format.push_number(&mut block, number);
                }
            }
            leaves.push((chunk[0].0, ndb.write_internal_block(&block)?));
        }
        match leaves[..] {
            [] => Ok(0),
            [(_, only)] => Ok(only),
            _ if leaves.len() > per_branch => Err(too_many("subnodes", (per_leaf * per_branch) as u64)),
            _ => {
                let mut block = head(1, leaves.len(), format);
                for (nid, id) in leaves {
                    format.push_number(&mut block, u64::from(nid));
                    format.push_number(&mut block, id);
                }
                ndb.write_internal_block(&block)
            }
        }
    }
}

fn head(level: u8, count: usize, format: Format) -> Vec<u8> {
    let mut block = Vec::with_capacity(format.block_data_len());
    block.extend_from_slice(&[2, level]);
    push_u16(&mut block, count as u16);
    block.resize(format.subnodes_head_len(), 0);
    block
}
