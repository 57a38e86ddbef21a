//! Reads a segment from any thread, blocking: for text search, compaction and verification on the CPU pool.

use crate::api::{Missing, SectionRead};
use crate::cache::BlockCache;
use crate::segment::tree::Pages;
use crate::vectors::VectorParts;
use bytes::{Bytes, BytesMut};
use postlode_format::FormatError;
use postlode_format::block::{self, BlockPlace};
use postlode_format::segment::{Directory, Section, SectionKind, VectorPart};
use postlode_runtime::SharedFile;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One section of one segment.
#[derive(Clone)]
pub struct SharedSection {
    file: Arc<dyn SharedFile>,
    segment: u64,
    salt: u64,
    number: u16,
    section: Section,
    cache: Option<BlockCache>,
}

impl SharedSection {
    /// The section of a kind; `None` where the segment has none.
    pub fn find(
        file: &Arc<dyn SharedFile>,
        directory: &Directory,
        kind: SectionKind,
        index: u16,
        cache: Option<&BlockCache>,
    ) -> Option<Self> {
        let (number, section) = directory.find(kind, index)?;
        Some(Self {
            file: file.clone(),
            segment: directory.id,
            salt: directory.salt,
            number,
            section,
            cache: cache.cloned(),
        })
    }

    fn name(&self, reason: impl Into<String>) -> Missing {
        Missing { segment: Some(self.segment), section: self.section.name(), reason: reason.into() }
    }

    fn block(&self, number: u32) -> Result<Bytes, Missing> {
        let place =
            BlockPlace { segment: self.segment, salt: self.salt, section: self.number, block: number };
        if let Some(found) = self.cache.as_ref().and_then(|c| c.get(place)) {
            return Ok(found);
        }
        let size = self.section.block_size as usize;
        let at = self.section.offset.saturating_add(u64::from(number).saturating_mul(size as u64));
        let bytes = self.file.read_at(at, size).map_err(|e| self.name(format!("block {number}: {e}")))?;
        let payload = checked(place, &bytes).map_err(|e| self.name(format!("block {number}: {e}")))?;
        if let Some(cache) = &self.cache {
            cache.insert(place, payload.clone());
        }
        Ok(payload)
    }
}

/// The vectors of a segment, as far as it has any. Exact values are read through the cache, the others once by who keeps them.
pub fn vectors(file: &Arc<dyn SharedFile>, directory: &Directory, cache: Option<&BlockCache>) -> VectorParts {
    let part = |part: VectorPart| {
        let cache = cache.filter(|_| part == VectorPart::Values);
        SharedSection::find(file, directory, SectionKind::Vectors, part as u16, cache)
    };
    let section = |of| part(of).map(|section| (of, Arc::new(section) as Arc<dyn SectionRead>));
    VectorPart::ALL.into_iter().filter_map(section).collect()
}

/// The columns of a segment, by their numbers: each is read once by who keeps it.
pub fn columns(file: &Arc<dyn SharedFile>, directory: &Directory) -> BTreeMap<u16, Arc<dyn SectionRead>> {
    let own = directory.sections.iter().filter(|section| section.kind == SectionKind::Columns as u16);
    own.filter_map(|section| {
        let found = SharedSection::find(file, directory, SectionKind::Columns, section.index, None)?;
        Some((section.index, Arc::new(found) as Arc<dyn SectionRead>))
    })
    .collect()
}

/// The payload of a block that passes its check, without copying.
pub fn checked(place: BlockPlace, bytes: &Bytes) -> Result<Bytes, FormatError> {
    let payload = block::open(place, bytes)?;
    Ok(bytes.slice_ref(payload))
}

/// Which bytes of which blocks make up `len` bytes at `offset`: block, first byte, bytes.
pub fn pieces(section: &Section, offset: u64, len: usize) -> Option<Vec<(u32, usize, usize)>> {
    let end = offset.checked_add(len as u64)?;
    if end > section.bytes {
        return None;
    }
    let payload = block::payload_size(section.block_size as usize);
    let mut out = Vec::new();
    let mut at = offset;
    while at < end {
        let number = u32::try_from(at / payload as u64).ok()?;
        let from = usize::try_from(at % payload as u64).ok()?;
        let take = payload.saturating_sub(from).min(usize::try_from(end - at).ok()?);
        out.push((number, from, take));
        at += take as u64;
    }
    Some(out)
}

impl SectionRead for SharedSection {
    fn len(&self) -> u64 {
        self.section.bytes
    }

    fn read(&self, offset: u64, len: usize) -> Result<Bytes, Missing> {
        let pieces = pieces(&self.section, offset, len)
            .ok_or_else(|| self.name(format!("bytes {offset}+{len} lie outside it")))?;
        if let [(number, from, take)] = pieces.as_slice() {
            let block = self.block(*number)?;
            return Ok(block.slice(*from..from.saturating_add(*take)));
        }
        let mut out = BytesMut::with_capacity(len);
        for (number, from, take) in pieces {
            let block = self.block(number)?;
            out.extend_from_slice(block.get(from..from.saturating_add(take)).unwrap_or_default());
        }
        Ok(out.freeze())
    }
}

impl Pages for SharedSection {
    fn section(&self) -> &Section {
        &self.section
    }

    async fn page(&self, block: u32) -> Result<Bytes, Missing> {
        self.block(block)
    }

    fn damaged(&self, error: FormatError) -> Missing {
        self.name(error.to_string())
    }
}
