//! The subnodes of a node: a sorted block of entries (SLBLOCK), or a block of those (SIBLOCK)
//! ([MS-PST] 2.2.2.8.3.3).

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use crate::bytes::{push_u16, push_u32, push_u64};
use crate::error::{Error, too_many};
use crate::ids;
use crate::ndb::{BLOCK_DATA_LEN, Ndb};

const ENTRIES_PER_LEAF: usize = (BLOCK_DATA_LEN - 8) / 24;
const LEAVES_PER_BRANCH: usize = (BLOCK_DATA_LEN - 8) / 16;

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
            return Err(too_many("subnodes", (ENTRIES_PER_LEAF * LEAVES_PER_BRANCH) as u64));
        }
        let nid = ids::nid(kind, self.next_index);
        self.next_index += 1;
        Ok(nid)
    }

    /// Writes the tree. Gives its block id, zero when there is no subnode.
    pub(crate) fn finish<W: Write + Seek>(self, ndb: &mut Ndb<W>) -> Result<u64, Error> {
        let entries: Vec<_> = self.entries.into_iter().collect();
        let mut leaves = Vec::new();
        for chunk in entries.chunks(ENTRIES_PER_LEAF) {
            let mut block = head(0, chunk.len());
            for (nid, (data, subnodes)) in chunk {
                push_u64(&mut block, u64::from(*nid));
                push_u64(&mut block, *data);
                push_u64(&mut block, *subnodes);
            }
            leaves.push((chunk[0].0, ndb.write_internal_block(&block)?));
        }
        match leaves[..] {
            [] => Ok(0),
            [(_, only)] => Ok(only),
            _ if leaves.len() > LEAVES_PER_BRANCH => {
                Err(too_many("subnodes", (ENTRIES_PER_LEAF * LEAVES_PER_BRANCH) as u64))
            }
            _ => {
                let mut block = head(1, leaves.len());
                for (nid, id) in leaves {
                    push_u64(&mut block, u64::from(nid));
                    push_u64(&mut block, id);
                }
                ndb.write_internal_block(&block)
            }
        }
    }
}

fn head(level: u8, count: usize) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK_DATA_LEN);
    block.extend_from_slice(&[2, level]);
    push_u16(&mut block, count as u16);
    push_u32(&mut block, 0);
    block
}
