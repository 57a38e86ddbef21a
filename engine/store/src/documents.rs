//! Emails of a segment by their numbers in it, for who makes something of all of them.
//!
//! What always holds: what is given is in the order that was asked for, one for each number, and no more bytes than was
//! said, whatever a body's size; one that cannot be read is named and costs no other.

use crate::api::{Missing, SectionRead, TextDoc};
use crate::error::StoreError;
use crate::keeper::KeeperHandle;
use crate::names;
use crate::segment::emails::Emails;
use crate::segment::frames;
use crate::segment::shared::SharedSection;
use crate::verify::shared_directory;
use bytes::Bytes;
use postlode_format::manifest::SegmentEntry;
use postlode_format::segment::{ORDINAL, Ordinal, SectionKind};
use postlode_runtime::{DiskErrorKind, Runtime, SharedFile, background};
use std::sync::Arc;

/// What was read: as far as it was to be read.
pub type Read = Vec<Result<TextDoc, Missing>>;

/// Steps behind those who ask.
const NICE: u8 = 10;

/// Reads them, at least one, and then until they are so many bytes; `None` where there is no such segment any more.
///
/// # Errors
/// [`StoreError::Missing`] where none can be read.
pub async fn read<R: Runtime>(
    runtime: &R,
    keeper: &KeeperHandle,
    id: u64,
    ordinals: Vec<u32>,
    most: usize,
) -> Result<Option<Read>, StoreError> {
    let find = |manifest: &postlode_format::manifest::Manifest| {
        manifest.segments.iter().find(|entry| entry.id == id).cloned()
    };
    let Some(entry) = find(&*keeper.current().await?) else { return Ok(None) };
    let file = match runtime.open_shared(&names::segment(id)) {
        Ok(file) => file,
        // It may have been merged away since.
        Err(error) if error.kind == DiskErrorKind::NotFound && find(&*keeper.current().await?).is_none() => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    match background(runtime, NICE, move || documents(&file, &entry, &ordinals, most)).await {
        Some(done) => done.map(Some).map_err(StoreError::Missing),
        None => Err(StoreError::Unusable("reading emails was broken off".into())),
    }
}

fn documents(
    file: &Arc<dyn SharedFile>,
    entry: &SegmentEntry,
    numbers: &[u32],
    most: usize,
) -> Result<Read, Missing> {
    let directory = shared_directory(file, entry)?;
    let damaged =
        |section: &str, reason: String| Missing { segment: Some(entry.id), section: section.into(), reason };
    let find = |kind: SectionKind| {
        let section = SharedSection::find(file, &directory, kind, 0, None);
        section.ok_or_else(|| damaged(kind.name(), "the segment has no such section".into()))
    };
    let (ordinals, bodies) = (find(SectionKind::Ordinals)?, find(SectionKind::Bodies)?);
    let emails = Emails::find(file, &directory)?
        .ok_or_else(|| damaged("emails", "the segment has no such section".into()))?;
    // Neighbours share a frame.
    let mut frame: Option<(u64, Bytes)> = None;
    let mut one = |number: u32| -> Result<TextDoc, Missing> {
        let bytes = ordinals.read(u64::from(number).saturating_mul(ORDINAL as u64), ORDINAL)?;
        let ordinal =
            Ordinal::decode(&bytes).map_err(|e| damaged("ordinals", format!("entry {number}: {e}")))?;
        if frame.as_ref().is_none_or(|(at, _)| *at != ordinal.frame_at) {
            let compressed = bodies.read(ordinal.frame_at, ordinal.frame_len as usize)?;
            let raw = frames::open(&compressed, None).map_err(|e| damaged("bodies", e))?;
            frame = Some((ordinal.frame_at, raw));
        }
        let raw = frame.as_ref().map(|(_, raw)| raw.clone()).unwrap_or_default();
        let body = frames::body_in(&raw, &ordinal).map_err(|e| damaged("bodies", e))?;
        // A copy: what is kept of a frame keeps all of it.
        Ok(TextDoc { email: emails.read(&ordinal)?, body: Bytes::copy_from_slice(&body) })
    };
    let (mut out, mut bytes) = (Vec::with_capacity(numbers.len()), 0usize);
    for number in numbers {
        if bytes >= most {
            break;
        }
        let read = one(*number);
        bytes = bytes.saturating_add(read.as_ref().map_or(0, |doc| doc.email.len() + doc.body.len()));
        out.push(read);
    }
    Ok(out)
}
