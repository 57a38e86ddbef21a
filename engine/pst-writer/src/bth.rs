//! The B-tree on a heap ([MS-PST] 2.3.2): sorted records of fixed length, in heap allocations.

use std::io::{Seek, Write};

use crate::bytes::push_u32;
use crate::error::Error;
use crate::heap::{Heap, HeapId, MAX_ALLOCATION};
use crate::ndb::Ndb;

const MARK: u8 = 0xB5;

/// Writes a tree over `records`, which are sorted, each a key of `key_len` bytes and a value of
/// `value_len`. Gives the heap id of its header.
pub(crate) fn write<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    heap: &mut Heap,
    key_len: usize,
    value_len: usize,
    records: &[u8],
) -> Result<HeapId, Error> {
    let mut record_len = key_len + value_len;
    let mut level_bytes = records.to_vec();
    let mut levels = 0;
    let root = loop {
        if level_bytes.len() <= MAX_ALLOCATION {
            break heap.allocate(ndb, &level_bytes)?;
        }
        let mut above = Vec::new();
        for chunk in level_bytes.chunks(MAX_ALLOCATION / record_len * record_len) {
            let id = heap.allocate(ndb, chunk)?;
            above.extend_from_slice(&chunk[..key_len]);
            push_u32(&mut above, id);
        }
        record_len = key_len + 4;
        level_bytes = above;
        levels += 1;
    };
    let mut header = vec![MARK, key_len as u8, value_len as u8, levels];
    push_u32(&mut header, root);
    heap.allocate(ndb, &header)
}
