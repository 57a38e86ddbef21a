//! Lays sections into a segment's file, from its start to its end.
//!
//! What always holds: sections come one after the other, each block sealed with its place; the directory and the
//! trailer come last, so a file that ends early is no segment; memory is bounded, whatever the segment's size.

use super::source::BuildError;
use postlode_format::FormatError;
use postlode_format::block::{self, BlockPlace};
use postlode_format::btree::TreeBuilder;
use postlode_format::row::to_bytes;
use postlode_format::segment::{
    DIRECTORY_BLOCK, Directory, Identity, Section, SectionKind, directory_block, header_page, trailer_page,
};
use postlode_runtime::{AppendFile, DiskError};
use std::io;

/// Block size of the trees' sections.
pub const TREE_BLOCK: usize = 8192;

/// Bytes that are collected before they go to the file.
const CHUNK: usize = 1 << 20;

/// A segment's file under construction.
pub struct SegmentWriter<'f> {
    own: Identity,
    file: &'f mut dyn AppendFile,
    /// What the file took.
    written: u64,
    /// Whole blocks that wait for the file.
    blocks: Vec<u8>,
    /// The first failure of the file: nothing goes to it any more, and the next call tells.
    failed: Option<DiskError>,
    sections: Vec<Section>,
}

/// A section being filled.
pub struct SectionWriter<'a, 'f> {
    segment: &'a mut SegmentWriter<'f>,
    section: Section,
    number: u16,
    pending: Vec<u8>,
    block: u32,
}

impl<'f> SegmentWriter<'f> {
    /// Begins a file that is empty so far.
    pub fn new(own: Identity, file: &'f mut dyn AppendFile) -> Self {
        Self { own, file, written: 0, blocks: header_page(own), failed: None, sections: Vec::new() }
    }

    /// Where the next block will lie.
    fn position(&self) -> u64 {
        self.written.saturating_add(self.blocks.len() as u64)
    }

    /// Gives the file what has been collected, if that is `at_least` so much.
    fn drain(&mut self, at_least: usize) {
        if self.blocks.len() < at_least || self.failed.is_some() {
            return;
        }
        match self.file.append(&self.blocks) {
            Ok(()) => self.written = self.position(),
            Err(error) => self.failed = Some(error),
        }
        self.blocks.clear();
    }

    fn check(&self) -> Result<(), BuildError> {
        self.failed.clone().map_or(Ok(()), |error| Err(BuildError::Disk(error)))
    }

    /// Begins the next section.
    pub fn section(&mut self, kind: SectionKind, index: u16, block_size: usize) -> SectionWriter<'_, 'f> {
        let section = Section {
            kind: kind as u16,
            index,
            offset: self.position(),
            bytes: 0,
            block_size: u32::try_from(block_size).unwrap_or(u32::MAX),
            root: 0,
            height: 0,
            entries: 0,
        };
        let number = u16::try_from(self.sections.len()).unwrap_or(u16::MAX);
        SectionWriter { segment: self, section, number, pending: Vec::new(), block: 0 }
    }

    /// A section that is one B+tree of these ascending entries.
    ///
    /// # Errors
    /// [`BuildError`] for keys out of order or too large, and what the entries and the file give.
    pub fn tree<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        kind: SectionKind,
        index: u16,
        entries: impl Iterator<Item = Result<(K, V), BuildError>>,
    ) -> Result<(), BuildError> {
        let mut section = self.section(kind, index, TREE_BLOCK);
        let mut builder = TreeBuilder::new(block::payload_size(TREE_BLOCK), |page: &[u8]| section.page(page));
        for entry in entries {
            let (key, value) = entry?;
            builder.push(key.as_ref(), value.as_ref())?;
        }
        let built = builder.finish()?;
        section.section.root = built.root;
        section.section.height = built.height;
        section.section.entries = built.entries;
        section.finish()
    }

    /// Writes directory and trailer, and gives the length of the file, which is not durable yet.
    /// `directory.sections` is filled in here.
    ///
    /// # Errors
    /// [`BuildError`] for a directory past its limits, and what the file gives.
    pub fn finish(mut self, mut directory: Directory) -> Result<u64, BuildError> {
        directory.sections = std::mem::take(&mut self.sections);
        let record = to_bytes(&directory)?;
        let at = self.position();
        for (number, chunk) in record.chunks(block::payload_size(DIRECTORY_BLOCK)).enumerate() {
            let place = directory_block(self.own, u32::try_from(number).unwrap_or(u32::MAX));
            block::seal(place, DIRECTORY_BLOCK, chunk, &mut self.blocks)?;
        }
        self.blocks.extend_from_slice(&trailer_page(self.own, at, record.len() as u64));
        self.drain(0);
        self.check()?;
        Ok(self.written)
    }
}

impl SectionWriter<'_, '_> {
    /// Bytes of content so far: where the next ones will lie.
    pub fn position(&self) -> u64 {
        self.section.bytes
    }

    /// Appends content.
    ///
    /// # Errors
    /// What the file gives.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), BuildError> {
        let room = block::payload_size(self.section.block_size as usize);
        self.section.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let take = room.saturating_sub(self.pending.len()).min(bytes.len());
            let (head, rest) = bytes.split_at_checked(take).unwrap_or((bytes, &[]));
            self.pending.extend_from_slice(head);
            bytes = rest;
            if self.pending.len() == room {
                self.seal()?;
            }
        }
        self.check()
    }

    /// The first failure of the file, if there was one.
    ///
    /// # Errors
    /// What the file gave.
    pub fn check(&self) -> Result<(), BuildError> {
        self.segment.check()
    }

    /// Appends content that is one whole block: a tree's page.
    fn page(&mut self, page: &[u8]) -> Result<(), FormatError> {
        self.pending.extend_from_slice(page);
        self.section.bytes += block::payload_size(self.section.block_size as usize) as u64;
        self.seal()
    }

    fn seal(&mut self) -> Result<(), FormatError> {
        let Identity { id, salt } = self.segment.own;
        let place = BlockPlace { segment: id, salt, section: self.number, block: self.block };
        let size = self.section.block_size as usize;
        block::seal(place, size, &self.pending, &mut self.segment.blocks)?;
        self.segment.drain(CHUNK);
        self.pending.clear();
        self.block = self.block.saturating_add(1);
        Ok(())
    }

    /// Ends the section, which holds `entries` records.
    ///
    /// # Errors
    /// What the file gives.
    pub fn end(mut self, entries: u64) -> Result<(), BuildError> {
        self.section.entries = entries;
        self.finish()
    }

    fn finish(mut self) -> Result<(), BuildError> {
        if !self.pending.is_empty() {
            self.seal()?;
        }
        self.segment.sections.push(self.section);
        self.segment.check()
    }
}

/// Of a failure it tells no more than that there was one: [`SectionWriter::check`] tells which.
impl io::Write for SectionWriter<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SectionWriter::write(self, bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
