//! The property context ([MS-PST] 2.3.3): an object's properties as a B-tree on a heap.

use std::io::{Seek, Write};

use crate::bytes::{push_u16, push_u32};
use crate::data_tree::write_data;
use crate::error::Error;
use crate::heap::{Heap, HeapKind, MAX_ALLOCATION};
use crate::ids;
use crate::ndb::Ndb;
use crate::subnodes::Subnodes;
use crate::value::Properties;
use crate::{bth, bytes};

const PTYP_OBJECT: u16 = 0x000D;

/// A property whose value is in a subnode that has been written already.
#[derive(Debug, Clone, Copy)]
pub(crate) enum InSubnode {
    /// The subnode's data is the value, of type `kind`.
    Data { id: u16, kind: u16, nid: u32 },
    /// The subnode is an object of its own, of `size` bytes.
    Object { id: u16, nid: u32, size: u32 },
}

/// Writes a property context. Long values become subnodes. Gives the block id of the context's data.
pub(crate) fn write<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    properties: &Properties,
    in_subnode: Option<InSubnode>,
    subnodes: &mut Subnodes,
) -> Result<u64, Error> {
    let mut heap = Heap::new(ndb, HeapKind::Properties);
    let mut records = Vec::new();
    let mut add = |id: u16, kind: u16, value: u32| {
        let mut record = Vec::with_capacity(8);
        push_u16(&mut record, id);
        push_u16(&mut record, kind);
        push_u32(&mut record, value);
        records.push((id, record));
    };
    for (id, value) in properties.iter() {
        let encoded = value.encode(ndb.format());
        let small = value.is_small() && encoded.len() <= 4;
        let reference = if small {
            let mut four = [0; 4];
            bytes::put(&mut four, 0, &encoded);
            u32::from_le_bytes(four)
        } else {
            store(ndb, &mut heap, subnodes, &encoded)?
        };
        add(id, ndb.format().kind(value.kind()), reference);
    }
    match in_subnode {
        Some(InSubnode::Data { id, kind, nid }) => add(id, kind, nid),
        Some(InSubnode::Object { id, nid, size }) => {
            let mut object = Vec::with_capacity(8);
            push_u32(&mut object, nid);
            push_u32(&mut object, size);
            add(id, PTYP_OBJECT, heap.allocate(ndb, &object)?);
        }
        None => {}
    }
    records.sort_by_key(|(id, _)| *id);
    let records: Vec<u8> = records.into_iter().flat_map(|(_, record)| record).collect();
    let root = bth::write(ndb, &mut heap, 2, 6, &records)?;
    heap.finish(ndb, root)
}

/// Puts a value onto the heap or, when it is too long for that, into a subnode. Gives what refers to it.
pub(crate) fn store<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    heap: &mut Heap,
    subnodes: &mut Subnodes,
    value: &[u8],
) -> Result<u32, Error> {
    if value.len() <= MAX_ALLOCATION {
        return heap.allocate(ndb, value);
    }
    if u32::try_from(value.len()).is_err() {
        return Err(Error::TooLong { bytes: value.len() as u64 });
    }
    let data = write_data(ndb, value)?;
    let nid = subnodes.new_nid(ids::TYPE_LTP)?;
    subnodes.add(nid, data, 0);
    Ok(nid)
}
