//! Lays sections into the bytes of a segment's file.
//!
//! What always holds: sections come one after the other, each block sealed with its place; the directory and the
//! trailer come last, so a file that ends early is no segment.

use postlode_format::FormatError;
use postlode_format::block::{self, BlockPlace};
use postlode_format::btree::TreeBuilder;
use postlode_format::limits::PAGE;
use postlode_format::row::to_bytes;
use postlode_format::segment::{
    DIRECTORY_BLOCK, Directory, Identity, Section, SectionKind, directory_block, header_page, trailer_page,
};

/// Block size of the trees' sections.
pub const TREE_BLOCK: usize = 8192;

/// A segment's file under construction.
pub struct SegmentWriter {
    own: Identity,
    bytes: Vec<u8>,
    sections: Vec<Section>,
}

/// A section being filled.
pub struct SectionWriter<'a> {
    segment: &'a mut SegmentWriter,
    section: Section,
    number: u16,
    pending: Vec<u8>,
    block: u32,
}

impl SegmentWriter {
    /// A file with only its header.
    pub fn new(own: Identity) -> Self {
        Self { own, bytes: header_page(own), sections: Vec::new() }
    }

    /// Begins the next section.
    pub fn section(&mut self, kind: SectionKind, index: u16, block_size: usize) -> SectionWriter<'_> {
        let section = Section {
            kind: kind as u16,
            index,
            offset: self.bytes.len() as u64,
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
    /// [`FormatError`] for keys out of order or too large.
    pub fn tree<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        kind: SectionKind,
        index: u16,
        entries: impl Iterator<Item = (K, V)>,
    ) -> Result<(), FormatError> {
        let mut section = self.section(kind, index, TREE_BLOCK);
        let mut builder = TreeBuilder::new(block::payload_size(TREE_BLOCK), |page: &[u8]| section.page(page));
        for (key, value) in entries {
            builder.push(key.as_ref(), value.as_ref())?;
        }
        let built = builder.finish()?;
        section.section.root = built.root;
        section.section.height = built.height;
        section.section.entries = built.entries;
        section.finish()
    }

    /// Writes directory and trailer, and gives the whole file. `directory.sections` is filled in here.
    ///
    /// # Errors
    /// [`FormatError`] for a directory past its limits.
    pub fn finish(mut self, mut directory: Directory) -> Result<Vec<u8>, FormatError> {
        directory.sections = std::mem::take(&mut self.sections);
        let record = to_bytes(&directory)?;
        let at = self.bytes.len() as u64;
        for (number, chunk) in record.chunks(block::payload_size(DIRECTORY_BLOCK)).enumerate() {
            let place = directory_block(self.own, u32::try_from(number).unwrap_or(u32::MAX));
            block::seal(place, DIRECTORY_BLOCK, chunk, &mut self.bytes)?;
        }
        self.bytes.extend_from_slice(&trailer_page(self.own, at, record.len() as u64));
        debug_assert!(self.bytes.len().is_multiple_of(PAGE), "a segment is whole pages");
        Ok(self.bytes)
    }
}

impl SectionWriter<'_> {
    /// Bytes of content so far: where the next ones will lie.
    pub fn position(&self) -> u64 {
        self.section.bytes
    }

    /// Appends content.
    ///
    /// # Errors
    /// Never for a valid block size.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), FormatError> {
        let room = block::payload_size(self.section.block_size as usize);
        self.section.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let take = room.saturating_sub(self.pending.len()).min(bytes.len());
            let (head, rest) = bytes.split_at_checked(take).unwrap_or((bytes, &[]));
            self.pending.extend_from_slice(head);
            bytes = rest;
            if self.pending.len() == room {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Appends content that is one whole block: a tree's page.
    fn page(&mut self, page: &[u8]) -> Result<(), FormatError> {
        self.pending.extend_from_slice(page);
        self.section.bytes += block::payload_size(self.section.block_size as usize) as u64;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), FormatError> {
        let Identity { id, salt } = self.segment.own;
        let place = BlockPlace { segment: id, salt, section: self.number, block: self.block };
        let size = self.section.block_size as usize;
        block::seal(place, size, &self.pending, &mut self.segment.bytes)?;
        self.pending.clear();
        self.block = self.block.saturating_add(1);
        Ok(())
    }

    /// Ends the section, which holds `entries` records.
    ///
    /// # Errors
    /// Never for a valid block size.
    pub fn end(mut self, entries: u64) -> Result<(), FormatError> {
        self.section.entries = entries;
        self.finish()
    }

    fn finish(mut self) -> Result<(), FormatError> {
        if !self.pending.is_empty() {
            self.flush()?;
        }
        self.segment.sections.push(self.section);
        Ok(())
    }
}
