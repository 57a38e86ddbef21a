//! Data longer than a block: a block of block ids (XBLOCK), or a block of those (XXBLOCK)
//! ([MS-PST] 2.2.2.8.3.2).

use std::io::{Read, Seek, Write};

use crate::bytes::{push_u16, push_u32, push_u64};
use crate::error::{Error, too_many};
use crate::ndb::{BLOCK_DATA_LEN, Ndb};

/// Block ids that one tree block holds.
const IDS_PER_BLOCK: usize = (BLOCK_DATA_LEN - 8) / 8;

/// The blocks of one stream of data. All but the last hold [`BLOCK_DATA_LEN`] bytes.
#[derive(Debug, Default)]
pub(crate) struct DataTree {
    blocks: Vec<u64>,
    last_len: usize,
}

impl DataTree {
    /// Adds the block `id` of `len` bytes after those there are.
    pub(crate) fn push(&mut self, id: u64, len: usize) -> Result<(), Error> {
        if self.blocks.len() >= IDS_PER_BLOCK * IDS_PER_BLOCK {
            return Err(too_many("blocks of one stream", (IDS_PER_BLOCK * IDS_PER_BLOCK) as u64));
        }
        debug_assert!(
            self.blocks.is_empty() || self.last_len == BLOCK_DATA_LEN,
            "only the last may be short"
        );
        self.blocks.push(id);
        self.last_len = len;
        Ok(())
    }

    /// Whether there is no block yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Bytes in the stream.
    pub(crate) fn len(&self) -> u64 {
        stream_len(&self.blocks, self.last_len)
    }

    /// Writes the tree's own blocks. Gives the block id to refer to the stream by; zero when it is empty.
    pub(crate) fn finish<W: Write + Seek>(self, ndb: &mut Ndb<W>) -> Result<u64, Error> {
        match self.blocks[..] {
            [] => return Ok(0),
            [only] => return Ok(only),
            _ => {}
        }
        let total = self.len();
        if self.blocks.len() <= IDS_PER_BLOCK {
            return write_ids(ndb, 1, &self.blocks, total);
        }
        let mut tops = Vec::new();
        let mut chunks = self.blocks.chunks(IDS_PER_BLOCK).peekable();
        while let Some(chunk) = chunks.next() {
            let last_len = if chunks.peek().is_some() { BLOCK_DATA_LEN } else { self.last_len };
            tops.push(write_ids(ndb, 1, chunk, stream_len(chunk, last_len))?);
        }
        write_ids(ndb, 2, &tops, total)
    }
}

fn stream_len(blocks: &[u64], last_len: usize) -> u64 {
    match blocks.len() {
        0 => 0,
        count => (count as u64 - 1) * BLOCK_DATA_LEN as u64 + last_len as u64,
    }
}

fn write_ids<W: Write + Seek>(ndb: &mut Ndb<W>, level: u8, ids: &[u64], total: u64) -> Result<u64, Error> {
    let total = u32::try_from(total).map_err(|_| Error::TooLong { bytes: total })?;
    let mut block = Vec::with_capacity(8 + ids.len() * 8);
    block.extend_from_slice(&[1, level]);
    push_u16(&mut block, ids.len() as u16);
    push_u32(&mut block, total);
    for id in ids {
        push_u64(&mut block, *id);
    }
    ndb.write_internal_block(&block)
}

/// Writes `data`. Gives its block id; zero when it is empty.
pub(crate) fn write_data<W: Write + Seek>(ndb: &mut Ndb<W>, data: &[u8]) -> Result<u64, Error> {
    let mut tree = DataTree::default();
    for chunk in data.chunks(BLOCK_DATA_LEN) {
        tree.push(ndb.write_block(chunk)?, chunk.len())?;
    }
    tree.finish(ndb)
}

/// Why a stream could not be copied.
pub(crate) enum CopyError {
    /// The reader's fault.
    Read(std::io::Error),
    /// The archive's.
    Write(Error),
}

/// Writes what `reader` gives, a block at a time. Gives its block id and its length in bytes.
pub(crate) fn copy_data<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    reader: &mut dyn Read,
) -> Result<(u64, u64), CopyError> {
    let mut tree = DataTree::default();
    let mut block = vec![0; BLOCK_DATA_LEN];
    loop {
        let len = fill(reader, &mut block).map_err(CopyError::Read)?;
        if len > 0 {
            let id = ndb.write_block(&block[..len]).map_err(CopyError::Write)?;
            tree.push(id, len).map_err(CopyError::Write)?;
            if tree.len() > u64::from(u32::MAX) {
                return Err(CopyError::Write(Error::TooLong { bytes: tree.len() }));
            }
        }
        if len < BLOCK_DATA_LEN {
            break;
        }
    }
    let total = tree.len();
    Ok((tree.finish(ndb).map_err(CopyError::Write)?, total))
}

/// Reads until `buffer` is full or the reader is at its end.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match reader.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}
