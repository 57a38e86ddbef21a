//! Turns rows into a segment's file. Runs on the CPU pool.
//!
//! What always holds: emails lie in (date, id) order, so ordinals are in date order; a body lies in the frame of
//! its neighbours, so that reading a page of hits decompresses few frames.

use super::columns::Columns;
use super::frames::{self, Effort};
use super::heap::Packer;
use super::source::{BuildError, Sampled, Source};
use super::writer::{SectionWriter, SegmentWriter};
use crate::api::{TextBuilder, TextDoc};
use crate::memtable::full_key;
use crate::vectors::{NewVectors, VectorBuilder};
use postlode_format::bloom::Bloom;
use postlode_format::index::IndexId;
use postlode_format::manifest::{Addon, SegmentEntry, SegmentKind};
use postlode_format::row::{RowKind, key_id};
use postlode_format::segment::{Directory, Identity, Location, Ordinal, SectionKind, VERSION};
use postlode_runtime::AppendFile;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Block size of rkyv records, ordinals, heap, bloom filter and text.
const RECORD_BLOCK: usize = 16_384;
/// Block size of compressed bodies.
const BODY_BLOCK: usize = 32_768;
/// Block size of dictionaries, which are small.
const DICTIONARY_BLOCK: usize = 4096;

/// What is to be built.
#[derive(Clone)]
pub struct Recipe {
    /// Mail or blobs.
    pub kind: SegmentKind,
    /// Its id and salt.
    pub own: Identity,
    /// Its hash range.
    pub range: (u64, u64),
    /// Builds the text index. Without it the segment has none, and says so in every search.
    pub text: Option<Arc<dyn TextBuilder>>,
    /// Makes the vectors. Without it the segment has none.
    pub vectors: Option<Arc<dyn VectorBuilder>>,
    /// How hard to compress.
    pub effort: Effort,
}

/// Builds one segment into an empty file, and gives what the manifest will say of it; `None` where the source has no
/// rows of that kind, and the file is of no use then.
///
/// # Errors
/// See [`BuildError`].
pub fn build(
    source: &dyn Source,
    recipe: &Recipe,
    file: &mut dyn AppendFile,
) -> Result<Option<SegmentEntry>, BuildError> {
    let Recipe { kind, own, range, effort, .. } = *recipe;
    let mut writer = SegmentWriter::new(own, file);
    let mut sums = Sums { min_date: i64::MAX, max_date: i64::MIN, ..Sums::default() };
    let mut primary: BTreeMap<Vec<u8>, Location> = BTreeMap::new();
    let mut columns = (kind == SegmentKind::Mail).then(Columns::default);
    if let Some(columns) = &mut columns {
        emails(source, recipe, &mut writer, &mut sums, &mut primary, columns)?;
    }
    heap(source, &mut writer, &mut sums, &mut primary, columns.as_mut(), effort)?;
    if primary.is_empty() {
        return Ok(None);
    }
    let entries = primary.iter().map(|(key, at)| Ok((key.as_slice(), at.encode())));
    writer.tree(SectionKind::Primary, 0, entries)?;
    if let Some(columns) = columns {
        columns.write(&mut writer)?;
        indexes(source, &mut writer)?;
    }
    let rows: u64 = sums.rows.values().sum();
    let emails = sums.rows.get(&(RowKind::Email as u8)).copied().unwrap_or(0);
    let directory = Directory {
        id: own.id,
        salt: own.salt,
        kind,
        low: range.0,
        high: range.1,
        sections: Vec::new(),
        rows: sums.rows.into_iter().collect(),
        min_date: sums.min_date,
        max_date: sums.max_date,
        max_seq: sums.max_seq,
        version: VERSION,
    };
    let bytes = writer.finish(directory)?;
    Ok(Some(SegmentEntry {
        id: own.id,
        salt: own.salt,
        kind,
        low: range.0,
        high: range.1,
        bytes,
        emails,
        rows,
        min_date: sums.min_date,
        max_date: sums.max_date,
        max_seq: sums.max_seq,
        addons: Vec::new(),
    }))
}

#[derive(Default)]
struct Sums {
    rows: BTreeMap<u8, u64>,
    min_date: i64,
    max_date: i64,
    max_seq: u64,
}

impl Sums {
    fn count(&mut self, kind: RowKind, seq: u64) {
        *self.rows.entry(kind as u8).or_default() += 1;
        self.max_seq = self.max_seq.max(seq);
    }
}

fn emails(
    source: &dyn Source,
    recipe: &Recipe,
    writer: &mut SegmentWriter<'_>,
    sums: &mut Sums,
    primary: &mut BTreeMap<Vec<u8>, Location>,
    columns: &mut Columns,
) -> Result<(), BuildError> {
    let effort = recipe.effort;
    let mut ordinals: Vec<Ordinal> = Vec::new();
    let dictionary = dictionary(source, Some(Sampled::Emails), SectionKind::EmailFrames, writer)?;
    let mut compressor =
        effort.compressor(dictionary.as_deref().unwrap_or_default()).map_err(BuildError::Other)?;
    let mut section = writer.section(SectionKind::EmailFrames, 0, RECORD_BLOCK);
    let mut raw: Vec<u8> = Vec::new();
    let mut flush = |raw: &mut Vec<u8>, section: &mut SectionWriter<'_, '_>| -> Result<(), BuildError> {
        let frame = compressor.compress(raw).map_err(|e| BuildError::Other(format!("zstd: {e}")))?;
        section.write(&length(frame.len())?.to_le_bytes())?;
        section.write(&frame)?;
        raw.clear();
        Ok(())
    };
    for e in source.emails() {
        let e = e?;
        // The frame that this one goes into begins where the last one ended.
        if raw.len() >= frames::EMAILS {
            flush(&mut raw, &mut section)?;
        }
        let ordinal = Ordinal {
            date: e.position.date,
            id: e.position.id,
            seq: e.seq,
            email_at: frames::email_at(section.position(), raw.len()).map_err(BuildError::Other)?,
            email_len: length(e.email.len())?,
            frame_at: 0,
            frame_len: 0,
            body_at: 0,
            body_len: 0,
        };
        raw.extend_from_slice(&e.email);
        columns.email(&e.email);
        let at = Location { offset: ordinals.len() as u64, len: 0, seq: e.seq };
        primary.insert(full_key(RowKind::Email, &e.position.id), at);
        sums.count(RowKind::Email, e.seq);
        sums.min_date = sums.min_date.min(e.position.date);
        sums.max_date = sums.max_date.max(e.position.date);
        ordinals.push(ordinal);
    }
    if ordinals.is_empty() {
        return Ok(());
    }
    let count = ordinals.len() as u64;
    flush(&mut raw, &mut section)?;
    section.end(count)?;
    bodies(source, writer, sums, &mut ordinals, effort)?;

    let mut section = writer.section(SectionKind::Ordinals, 0, RECORD_BLOCK);
    for ordinal in &ordinals {
        section.write(&ordinal.encode())?;
    }
    section.end(count)?;

    if let Some(text) = &recipe.text {
        words(source, writer, text.as_ref(), count)?;
    }
    match &recipe.vectors {
        Some(builder) => vectors(source, writer, builder.as_ref()),
        None => Ok(()),
    }
}

/// The vectors: merged from those of the sources, or else made from the emails. Where that fails the segment has none, and
/// searches say so: mail that cannot be found by its meaning is better than none.
fn vectors(
    source: &dyn Source,
    writer: &mut SegmentWriter<'_>,
    builder: &dyn VectorBuilder,
) -> Result<(), BuildError> {
    let merged = source.vectors().map(|sources| builder.merge(&sources));
    let made = match merged {
        Some(Ok(merged)) => Ok(merged),
        other => {
            if let Some(Err(reason)) = other {
                tracing::warn!("mail is embedded anew, vectors cannot be merged: {reason}");
            }
            with_documents(source, |next| builder.build(next))?
        }
    };
    let made = match made {
        Ok(made) => made,
        Err(reason) => {
            tracing::error!("a segment is without vectors: {reason}");
            return Ok(());
        }
    };
    write_vectors(&made, writer)
}

fn write_vectors(made: &NewVectors, writer: &mut SegmentWriter<'_>) -> Result<(), BuildError> {
    for (part, (bytes, entries)) in &made.parts {
        let mut section = writer.section(SectionKind::Vectors, *part as u16, RECORD_BLOCK);
        section.write(bytes)?;
        section.end(*entries)?;
    }
    Ok(())
}

/// Writes an add-on of a segment into an empty file, and gives what a manifest would say of it if it were a segment.
///
/// # Errors
/// What the file gives.
pub fn build_addon(
    of: &SegmentEntry,
    own: Identity,
    vectors: &NewVectors,
    file: &mut dyn AppendFile,
) -> Result<SegmentEntry, BuildError> {
    let mut writer = SegmentWriter::new(own, file);
    write_vectors(vectors, &mut writer)?;
    let addon = Addon { id: own.id, salt: own.salt, bytes: 0, model: String::new(), pending: 0 };
    let entry = of.of_addon(&addon);
    let bytes = writer.finish(Directory {
        id: entry.id,
        salt: entry.salt,
        kind: entry.kind,
        low: entry.low,
        high: entry.high,
        sections: Vec::new(),
        rows: Vec::new(),
        min_date: entry.min_date,
        max_date: entry.max_date,
        max_seq: entry.max_seq,
        version: VERSION,
    })?;
    Ok(SegmentEntry { bytes, ..entry })
}

/// Gives somebody all emails as documents, and tells whether all could be read.
fn with_documents<T>(
    source: &dyn Source,
    work: impl FnOnce(&mut dyn FnMut() -> Option<TextDoc>) -> T,
) -> Result<T, BuildError> {
    let mut emails = source.emails();
    let mut unreadable = None;
    let done = work(&mut || match emails.next()? {
        Ok(e) => Some(TextDoc { email: e.email, body: e.body }),
        Err(error) => {
            unreadable = Some(error);
            None
        }
    });
    match unreadable {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

/// The text section: merged from those of the sources, or else made from the emails.
fn words(
    source: &dyn Source,
    writer: &mut SegmentWriter<'_>,
    text: &dyn TextBuilder,
    count: u64,
) -> Result<(), BuildError> {
    let mut section = writer.section(SectionKind::Text, 0, RECORD_BLOCK);
    if let Some(texts) = source.texts() {
        let merged = text.merge(&texts, length(usize::try_from(count).unwrap_or(usize::MAX))?, &mut section);
        section.check()?;
        match merged {
            Ok(()) => return section.end(count),
            Err(reason) if section.position() == 0 => {
                tracing::warn!("text is indexed anew, its sections cannot be merged: {reason}");
            }
            Err(reason) => return Err(BuildError::Text(reason)),
        }
    }
    let built = with_documents(source, |next| text.build(next, &mut section))?;
    // A disk that took no more is told as what it is.
    section.check()?;
    built.map_err(BuildError::Text)?;
    section.end(count)
}

fn bodies(
    source: &dyn Source,
    writer: &mut SegmentWriter<'_>,
    sums: &mut Sums,
    ordinals: &mut [Ordinal],
    effort: Effort,
) -> Result<(), BuildError> {
    let mut compressor = effort.compressor(&[]).map_err(BuildError::Other)?;
    let mut section = writer.section(SectionKind::Bodies, 0, BODY_BLOCK);
    let mut raw: Vec<u8> = Vec::new();
    let mut first = 0usize;
    let mut next = 0usize;
    let mut flush = |raw: &mut Vec<u8>, members: &mut [Ordinal]| -> Result<(), BuildError> {
        let frame = compressor.compress(raw).map_err(|e| BuildError::Other(format!("zstd: {e}")))?;
        let (frame_at, frame_len) = (section.position(), length(frame.len())?);
        for ordinal in members {
            ordinal.frame_at = frame_at;
            ordinal.frame_len = frame_len;
        }
        section.write(&frame)?;
        raw.clear();
        Ok(())
    };
    for e in source.emails() {
        let e = e?;
        if next >= ordinals.len() {
            return Err(BuildError::Other("the source gave more emails the second time".into()));
        }
        if e.body.len() >= frames::BODIES && !raw.is_empty() {
            // A large body gets a frame of its own, or its small neighbours would be slow to read.
            flush(&mut raw, ordinals.get_mut(first..next).unwrap_or_default())?;
            first = next;
        }
        let Some(ordinal) = ordinals.get_mut(next) else { continue };
        ordinal.body_at = length(raw.len())?;
        ordinal.body_len = length(e.body.len())?;
        raw.extend_from_slice(&e.body);
        sums.count(RowKind::Body, e.seq);
        next += 1;
        if raw.len() >= frames::BODIES {
            flush(&mut raw, ordinals.get_mut(first..next).unwrap_or_default())?;
            first = next;
        }
    }
    if first < next {
        flush(&mut raw, ordinals.get_mut(first..next).unwrap_or_default())?;
    }
    section.end(next as u64)?;
    Ok(())
}

/// Trains a dictionary on what a source has, and writes it as a section of its own.
fn dictionary(
    source: &dyn Source,
    sampled: Option<Sampled>,
    of: SectionKind,
    writer: &mut SegmentWriter<'_>,
) -> Result<Option<Vec<u8>>, BuildError> {
    let samples = sampled.map_or(Ok(Vec::new()), |sampled| source.samples(sampled))?;
    let Some(dictionary) = frames::train(&samples) else { return Ok(None) };
    let mut section = writer.section(SectionKind::Dictionary, of as u16, DICTIONARY_BLOCK);
    section.write(&dictionary)?;
    section.end(samples.len() as u64)?;
    Ok(Some(dictionary))
}

fn heap(
    source: &dyn Source,
    writer: &mut SegmentWriter<'_>,
    sums: &mut Sums,
    primary: &mut BTreeMap<Vec<u8>, Location>,
    mut columns: Option<&mut Columns>,
    effort: Effort,
) -> Result<(), BuildError> {
    let sampled = columns.as_ref().map(|_| Sampled::Rows);
    let dictionary = dictionary(source, sampled, SectionKind::Heap, writer)?;
    let mut packer = Packer::new(effort, dictionary.as_deref()).map_err(BuildError::Other)?;
    let mut section = writer.section(SectionKind::Heap, 0, RECORD_BLOCK);
    let mut count = 0u64;
    for row in source.rows() {
        let row = row?;
        let is_blob = row.kind == RowKind::BlobChunk;
        if is_blob == columns.is_some() {
            continue;
        }
        if let (RowKind::Place, Some(columns), Some(id)) = (row.kind, &mut columns, key_id(&row.key)) {
            let ordinal = primary.get(&full_key(RowKind::Email, &id));
            let ordinal = ordinal.and_then(|at| u32::try_from(at.offset).ok());
            columns.place(&id, ordinal, &row.value);
        }
        let value = packer.pack(&row.value).map_err(BuildError::Other)?;
        let at = Location { offset: section.position(), len: length(value.len())?, seq: row.seq };
        section.write(&value)?;
        primary.insert(full_key(row.kind, &row.key), at);
        sums.count(row.kind, row.seq);
        count += 1;
    }
    section.end(count)?;
    Ok(())
}

fn indexes(source: &dyn Source, writer: &mut SegmentWriter<'_>) -> Result<(), BuildError> {
    for index in IndexId::ALL {
        let mut keys = source.index(index).map(|key| Ok((key?, []))).peekable();
        if keys.peek().is_some() {
            writer.tree(SectionKind::Index, index as u16, keys)?;
        }
    }
    let ids = source.ids();
    let mut bloom = Bloom::with_capacity(ids.len());
    for id in &ids {
        bloom.insert(id);
    }
    let mut section = writer.section(SectionKind::Bloom, 0, RECORD_BLOCK);
    section.write(bloom.as_bytes())?;
    section.end(ids.len() as u64)?;
    Ok(())
}

fn length(n: usize) -> Result<u32, BuildError> {
    u32::try_from(n)
        .map_err(|_| BuildError::Other(format!("a record of {n} bytes is too large for a segment")))
}
