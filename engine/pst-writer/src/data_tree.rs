//! Data longer than a block: a block of block ids (XBLOCK), or a block of those (XXBLOCK)
//! ([MS-PST] 2.2.2.8.3.2).

use std::io::{Read, Seek, Write};

use crate::bytes::{push_u16, push_u32};
use crate::error::{Error, too_many};
use crate::format::Format;
use crate::ndb::Ndb;

/// Block ids that one tree block holds.
fn ids_per_block(format: Format) -> usize {
    (format.block_data_len() - 8) / format.number_len()
}

/// The blocks of one stream of data. All but the last hold as many bytes as a block can.
#[derive(Debug)]
pub(crate) struct DataTree {
    format: Format,
    blocks: Vec<u64>,
    last_len: usize,
}

impl DataTree {
    /// No blocks yet.
    pub(crate) fn new(format: Format) -> Self {
        Self { format, blocks: Vec::new(), last_len: 0 }
    }

    /// Adds the block `id` of `len` bytes after those there are.
    pub(crate) fn push(&mut self, id: u64, len: usize) -> Result<(), Error> {
        let most = ids_per_block(self.format) * ids_per_block(self.format);
        if self.blocks.len() >= most {
            return Err(too_many("blocks of one stream", most as u64));
        }
        debug_assert!(
            self.blocks.is_empty() || self.last_len == self.format.block_data_len(),
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
        stream_len(&self.blocks, self.last_len, self.format)
    }

    /// Writes the tree's own blocks. Gives the block id to refer to the stream by; zero when it is empty.
    pub(crate) fn finish<W: Write + Seek>(self, ndb: &mut Ndb<W>) -> Result<u64, Error> {
        match self.blocks[..] {
            [] => return Ok(0),
            [only] => return Ok(only),
            _ => {}
        }
        let total = self.len();
        let ids_per_block = ids_per_block(self.format);
        if self.blocks.len() <= ids_per_block {
            return write_ids(ndb, 1, &self.blocks, total);
        }
        let mut tops = Vec::new();
        let mut chunks = self.blocks.chunks(ids_per_block).peekable();
        while let Some(chunk) = chunks.next() {
            let last_len = if chunks.peek().is_some() { self.format.block_data_len() } else { self.last_len };
            tops.push(write_ids(ndb, 1, chunk, stream_len(chunk, last_len, self.format))?);
        }
        write_ids(ndb, 2, &tops, total)
    }
}

fn stream_len(blocks: &[u64], last_len: usize, format: Format) -> u64 {
    match blocks.len() {
        0 => 0,
        count => (count as u64 - 1) * format.block_data_len() as u64 + last_len as u64,
    }
}

fn write_ids<W: Write + Seek>(ndb: &mut Ndb<W>, level: u8, ids: &[u64], total: u64) -> Result<u64, Error> {
    let total = u32::try_from(total).map_err(|_| Error::TooLong { bytes: total })?;
    let mut block = Vec::with_capacity(8 + ids.len() * 8);
    block.extend_from_slice(&[1, level]);
    push_u16(&mut block, ids.len() as u16);
    push_u32(&mut block, total);
    for id in ids {
        ndb.format().push_number(&mut block, *id);
    }
    ndb.write_internal_block(&block)
}

/// Writes `data`. Gives its block id; zero when it is empty.
pub(crate) fn write_data<W: Write + Seek>(ndb: &mut Ndb<W>, data: &[u8]) -> Result<u64, Error> {
    let mut tree = DataTree::new(ndb.format());
    for chunk in data.chunks(ndb.format().block_data_len()) {
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
    let mut tree = DataTree::new(ndb.format());
    let mut block = vec![0; ndb.format().block_data_len()];
    loop {
        let len = fill(reader, &mut block).map_err(CopyError::Read)?;
        if len > 0 {
            let id = ndb.write_block(&block[..len]).map_err(CopyError::Write)?;
            tree.push(id, len).map_err(CopyError::Write)?;
            if tree.len() > u64::from(u32::MAX) {
                return Err(CopyError::Write(Error::TooLong { bytes: tree.len() }));
            }
        }
        if len < block.len() {
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
