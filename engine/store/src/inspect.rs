//! What one segment is like inside: the shape of its trees, how far its frames are compressed, its rows one by one. For
//! people who look after a store, and for tests that look into one.
//!
//! What always holds: blocks are checked like everywhere else; a section that cannot be read says why and hides no other.

use crate::api::{KeyRange, Missing, SectionRead};
use crate::error::StoreError;
use crate::keeper::KeeperHandle;
use crate::names;
use crate::segment::emails::Emails;
use crate::segment::frames;
use crate::segment::heap::Heap;
use crate::segment::shared::SharedSection;
use crate::segment::tree;
use crate::verify::shared_directory;
use bytes::Bytes;
use futures_lite::future::block_on;
use postlode_format::block;
use postlode_format::btree::Page;
use postlode_format::index::{IndexId, part_of_key};
use postlode_format::manifest::SegmentEntry;
use postlode_format::row::RowKind;
use postlode_format::segment::{Directory, Location, ORDINAL, Ordinal, Section, SectionKind};
use postlode_runtime::{Runtime, SharedFile, offload};
use std::sync::Arc;

/// A segment's sections.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspected {
    /// The segment.
    pub id: u64,
    /// Rows by the number of their kind.
    pub rows: Vec<(u8, u64)>,
    /// Sections in the order in which they lie.
    pub sections: Vec<Inside>,
}

/// One section.
#[derive(Debug, Clone, PartialEq)]
pub struct Inside {
    /// `bodies`, `index:sender` …
    pub name: String,
    /// Bytes of content.
    pub bytes: u64,
    /// Bytes on disk, checksums and padding among them.
    pub bytes_on_disk: u64,
    /// Blocks, and bytes of each.
    pub blocks: (u64, u32),
    /// Records or entries.
    pub entries: u64,
    /// What is known beyond.
    pub shape: Shape,
}

/// What a section is like.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// No more is known.
    Plain,
    /// A B+tree.
    Tree(TreeShape),
    /// Records in compressed frames: frames, and bytes of them decompressed.
    Frames(u64, u64),
    /// A filter: bits, and how many of them are set.
    Filter(u64, u64),
    /// It cannot be read.
    Damaged(Missing),
}

/// A B+tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TreeShape {
    /// Levels.
    pub height: u8,
    /// Pages with entries and pages that lead to them.
    pub pages: (u64, u64),
    /// How full leaves are: up to 10 %, 20 % … 100 %.
    pub filled: [u64; 10],
    /// First and last key.
    pub keys: (Vec<u8>, Vec<u8>),
    /// Different first parts of keys: senders, folders …
    pub parts: u64,
}

/// One row of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// What it is.
    pub kind: RowKind,
    /// Its key.
    pub key: Bytes,
    /// Its sequence number.
    pub seq: u64,
    /// Its record; of an email the metadata.
    pub value: Bytes,
}

/// A segment's file, and what the manifest says of it.
async fn find<R: Runtime>(
    runtime: &R,
    keeper: &KeeperHandle,
    id: u64,
) -> Result<(Arc<dyn SharedFile>, SegmentEntry), StoreError> {
    let manifest = keeper.current().await?;
    let entry = manifest.files().find(|file| file.id == id);
    let entry = entry.ok_or_else(|| StoreError::Unusable(format!("there is no segment {id:016x}")))?;
    Ok((runtime.open_shared(&names::segment(id))?, entry))
}

/// Looks at all sections of a segment.
///
/// # Errors
/// Where there is no such segment, or its directory cannot be read.
pub async fn inspect<R: Runtime>(
    runtime: &R,
    keeper: &KeeperHandle,
    id: u64,
) -> Result<Inspected, StoreError> {
    let (file, entry) = find(runtime, keeper, id).await?;
    let look = move || {
        let directory = shared_directory(&file, &entry)?;
        let sections = directory.sections.iter().map(|section| inside(&file, &directory, section)).collect();
        Ok::<_, Missing>(Inspected { id, rows: directory.rows.clone(), sections })
    };
    match offload(runtime, look).await {
        Some(done) => done.map_err(StoreError::Missing),
        None => Err(StoreError::Unusable("looking into the segment was broken off".into())),
    }
}

fn inside(file: &Arc<dyn SharedFile>, directory: &Directory, section: &Section) -> Inside {
    let kind = SectionKind::from_number(section.kind);
    let part = kind.and_then(|kind| SharedSection::find(file, directory, kind, section.index, None));
    let shape = match (kind, &part) {
        (Some(SectionKind::Primary | SectionKind::Index), Some(part)) => {
            tree_shape(part, section).map(Shape::Tree)
        }
        (Some(SectionKind::Bodies), Some(part)) => bodies(file, directory, part),
        (Some(SectionKind::EmailFrames), Some(part)) => email_frames(directory, part),
        (Some(SectionKind::Bloom), Some(part)) => filter(part),
        _ => Ok(Shape::Plain),
    };
    Inside {
        name: section.name(),
        bytes: section.bytes,
        bytes_on_disk: section.blocks().saturating_mul(u64::from(section.block_size)),
        blocks: (section.blocks(), section.block_size),
        entries: section.entries,
        shape: shape.unwrap_or_else(Shape::Damaged),
    }
}

fn tree_shape(part: &SharedSection, section: &Section) -> Result<TreeShape, Missing> {
    let index = (section.kind == SectionKind::Index as u16).then_some(section.index);
    let index = index.and_then(IndexId::from_number);
    let payload = block::payload_size(section.block_size as usize);
    let mut out = TreeShape { height: section.height, ..TreeShape::default() };
    let mut last_part: Option<Vec<u8>> = None;
    for number in 0..section.blocks() {
        let bytes = part.read(number.saturating_mul(payload as u64), payload)?;
        let name = |error: postlode_format::FormatError| Missing {
            segment: None,
            section: section.name(),
            reason: format!("block {number}: {error}"),
        };
        let page = Page::parse(bytes).map_err(name)?;
        if !page.is_leaf() {
            out.pages.1 = out.pages.1.saturating_add(1);
            continue;
        }
        out.pages.0 = out.pages.0.saturating_add(1);
        let tenth = page.used().saturating_mul(10).saturating_sub(1).checked_div(payload).unwrap_or(0).min(9);
        if let Some(count) = out.filled.get_mut(tenth) {
            *count = count.saturating_add(1);
        }
        for (key, _) in page.entries().map_err(name)? {
            let own = match index {
                Some(IndexId::Thread | IndexId::Parent) => key.get(..16),
                Some(IndexId::Size) => key.get(..1),
                Some(IndexId::Near) => key.get(..4),
                Some(IndexId::Date | IndexId::Attachment) | None => None,
                Some(_) => part_of_key(&key),
            };
            if let Some(own) = own
                && last_part.as_deref() != Some(own)
            {
                out.parts = out.parts.saturating_add(1);
                last_part = Some(own.to_vec());
            }
            if out.keys.0.is_empty() {
                out.keys.0.clone_from(&key);
            }
            out.keys.1 = key;
        }
    }
    Ok(out)
}

/// What a frame says that it is decompressed. Only a hint for people: it was checked when it was written.
fn told_size(frame: &[u8]) -> u64 {
    zstd::zstd_safe::get_frame_content_size(frame).ok().flatten().unwrap_or(0)
}

fn bodies(file: &Arc<dyn SharedFile>, directory: &Directory, part: &SharedSection) -> Result<Shape, Missing> {
    let Some(ordinals) = SharedSection::find(file, directory, SectionKind::Ordinals, 0, None) else {
        return Ok(Shape::Plain);
    };
    let (mut count, mut raw, mut last) = (0u64, 0u64, None);
    for number in 0..ordinals.len() / ORDINAL as u64 {
        let bytes = ordinals.read(number.saturating_mul(ORDINAL as u64), ORDINAL)?;
        let Ok(ordinal) = Ordinal::decode(&bytes) else { continue };
        if last == Some(ordinal.frame_at) {
            continue;
        }
        last = Some(ordinal.frame_at);
        count = count.saturating_add(1);
        let frame = part.read(ordinal.frame_at, ordinal.frame_len as usize)?;
        raw = raw.saturating_add(told_size(&frame));
    }
    Ok(Shape::Frames(count, raw))
}

fn email_frames(directory: &Directory, part: &SharedSection) -> Result<Shape, Missing> {
    let (mut at, mut count, mut raw) = (0u64, 0u64, 0u64);
    while at < part.len() {
        let name = |reason: String| Missing { segment: Some(directory.id), section: "emails".into(), reason };
        let length = frames::email_frame_len(&part.read(at, frames::LENGTH)?).map_err(name)?;
        let begins = at.saturating_add(frames::LENGTH as u64);
        raw = raw.saturating_add(told_size(&part.read(begins, length)?));
        count = count.saturating_add(1);
        at = begins.saturating_add(length as u64);
    }
    Ok(Shape::Frames(count, raw))
}

fn filter(part: &SharedSection) -> Result<Shape, Missing> {
    let bytes = part.read(0, usize::try_from(part.len()).unwrap_or(0))?;
    let set = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
    Ok(Shape::Filter((bytes.len() as u64).saturating_mul(8), set))
}

/// Rows of a segment whose full keys (the number of the kind, then the key) are above `after`, in order, at most `limit`;
/// bodies are with their emails and not told by themselves.
///
/// # Errors
/// Where there is no such segment, and the first damage met.
pub async fn dump<R: Runtime>(
    runtime: &R,
    keeper: &KeeperHandle,
    id: u64,
    after: Option<Vec<u8>>,
    limit: usize,
) -> Result<Vec<Dumped>, StoreError> {
    let (file, entry) = find(runtime, keeper, id).await?;
    let read = move || rows(&file, &entry, after.as_deref(), limit);
    match offload(runtime, read).await {
        Some(done) => done.map_err(StoreError::Missing),
        None => Err(StoreError::Unusable("reading the segment was broken off".into())),
    }
}

fn rows(
    file: &Arc<dyn SharedFile>,
    entry: &SegmentEntry,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Dumped>, Missing> {
    let directory = shared_directory(file, entry)?;
    let find = |kind| SharedSection::find(file, &directory, kind, 0, None);
    let named =
        |section: &str, reason: String| Missing { segment: Some(entry.id), section: section.into(), reason };
    let Some(primary) = find(SectionKind::Primary) else { return Ok(Vec::new()) };
    let (heap, ordinals, emails) =
        (Heap::find(file, &directory)?, find(SectionKind::Ordinals), Emails::find(file, &directory)?);
    let low = after.map(|after| [after, &[0]].concat()).unwrap_or_default();
    let (range, mut damage) = (KeyRange { low, high: Vec::new() }, Vec::new());
    let mut found: Vec<(Vec<u8>, Bytes)> = Vec::new();
    let mut each = |key: &[u8], value: &[u8], page: &Page| {
        found.push((key.to_vec(), page.slice(value)));
        found.len() < limit
    };
    if limit > 0 {
        block_on(tree::scan(&primary, &range, false, &mut damage, &mut each))?;
    }
    if let Some(missing) = damage.into_iter().next() {
        return Err(missing);
    }
    let mut out = Vec::with_capacity(found.len());
    for (full, at) in found {
        let at = Location::decode(&at).map_err(|e| named("primary", e.to_string()))?;
        let Some((number, key)) = full.split_first() else { continue };
        let kind = RowKind::from_number(*number).map_err(|e| named("primary", e.to_string()))?;
        let value = match (kind, &heap, &ordinals, &emails) {
            (RowKind::Email, _, Some(ordinals), Some(emails)) => {
                let bytes = ordinals.read(at.offset.saturating_mul(ORDINAL as u64), ORDINAL)?;
                let ordinal = Ordinal::decode(&bytes).map_err(|e| named("ordinals", e.to_string()))?;
                emails.read(&ordinal)?
            }
            (_, Some(heap), ..) => heap.read(&at)?,
            _ => return Err(named("heap", "the segment has no such section".into())),
        };
        out.push(Dumped { kind, key: Bytes::copy_from_slice(key), seq: at.seq, value });
    }
    Ok(out)
}
