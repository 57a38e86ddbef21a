//! What a compaction takes out: emails that are deleted and under no hold.
//!
//! What always holds: the newest mark decides; where any mark cannot be read, nothing goes.

use crate::api::SectionRead;
use crate::api::{KeyRange, Missing};
use crate::error::StoreError;
use crate::names;
use crate::segment::reader::heap_value;
use crate::segment::shared::SharedSection;
use crate::segment::source::BuildError;
use crate::segment::tree;
use crate::shard::ReadOp;
use crate::verify::shared_directory;
use async_channel::Sender;
use bytes::Bytes;
use futures_lite::future::block_on;
use postlode_format::id::{Id, hash_of};
use postlode_format::manifest::{Manifest, SegmentEntry, SegmentKind};
use postlode_format::row::{ArchivedMark, RowKind, access, key_id, shard_of};
use postlode_format::segment::{Location, SectionKind};
use postlode_runtime::{Runtime, SharedFile, offload};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is to go.
#[derive(Default)]
pub struct Deleted {
    /// The emails.
    pub gone: BTreeSet<Id>,
    /// Segments that hold such emails.
    pub purge: BTreeSet<u64>,
    /// Segments whose marks cannot be read. Any of them may hold the mark that restores an email, so nothing goes then.
    pub damage: Vec<Missing>,
}

/// Emails that are deleted and under no hold, by the newest mark in any segment, and the segments that hold them.
pub async fn deleted<R: Runtime>(runtime: &R, manifest: &Manifest) -> Result<Deleted, StoreError> {
    let (mut files, mut damage) = (Vec::new(), Vec::new());
    for entry in manifest.segments.iter().filter(|s| s.kind == SegmentKind::Mail) {
        match runtime.open_shared(&names::segment(entry.id)) {
            Ok(file) => files.push((file, entry.clone())),
            Err(error) => damage.push(Missing {
                segment: Some(entry.id),
                section: "file".into(),
                reason: error.to_string(),
            }),
        }
    }
    let found = offload(runtime, move || find_deleted(&files)).await;
    match found {
        Some(Ok(mut found)) => {
            found.damage.extend(damage);
            Ok(if found.damage.is_empty() {
                found
            } else {
                Deleted { damage: found.damage, ..Deleted::default() }
            })
        }
        Some(Err(error)) => Err(StoreError::Unusable(format!("marks cannot be read: {error}"))),
        None => Err(StoreError::Unusable("reading marks was broken off".into())),
    }
}

type Files = [(Arc<dyn SharedFile>, SegmentEntry)];

fn find_deleted(files: &Files) -> Result<Deleted, BuildError> {
    let mut newest: BTreeMap<Id, (u64, bool)> = BTreeMap::new();
    let mut out = Deleted::default();
    for (file, entry) in files {
        match marks_of(file, entry, &mut newest) {
            Ok(()) => {}
            Err(BuildError::Missing(missing)) => out.damage.push(missing),
            Err(other) => return Err(other),
        }
    }
    if !out.damage.is_empty() {
        return Ok(out);
    }
    out.gone = newest.into_iter().filter(|(_, (_, gone))| *gone).map(|(id, _)| id).collect();
    for (file, entry) in files {
        let directory = shared_directory(file, entry).map_err(BuildError::Missing)?;
        let Some(primary) = SharedSection::find(file, &directory, SectionKind::Primary, 0, None) else {
            continue;
        };
        for id in &out.gone {
            let key = crate::memtable::full_key(RowKind::Email, id);
            match block_on(tree::get(&primary, &key)) {
                Ok(Some(_)) => {
                    out.purge.insert(entry.id);
                    break;
                }
                Ok(None) => {}
                // Its merge will name it.
                Err(_) => break,
            }
        }
    }
    Ok(out)
}

/// The marks of one segment: whether the email is to go, by the newest of them.
fn marks_of(
    file: &Arc<dyn SharedFile>,
    entry: &SegmentEntry,
    newest: &mut BTreeMap<Id, (u64, bool)>,
) -> Result<(), BuildError> {
    let directory = shared_directory(file, entry).map_err(BuildError::Missing)?;
    let find = |kind| SharedSection::find(file, &directory, kind, 0, None);
    let (Some(primary), Some(heap)) = (find(SectionKind::Primary), find(SectionKind::Heap)) else {
        return Ok(());
    };
    let marks = KeyRange::prefix(&[RowKind::Mark as u8]);
    let mut damage = Vec::new();
    let scan = tree::scan(&primary, &marks, false, usize::MAX, |_| true, &mut damage);
    let entries = block_on(scan).map_err(BuildError::Missing)?;
    if let Some(missing) = damage.pop() {
        return Err(BuildError::Missing(missing));
    }
    for (key, value) in entries {
        let at = Location::decode(&value)?;
        let bytes = heap.read(at.offset, at.len as usize).map_err(BuildError::Missing)?;
        let named = |reason: String| {
            BuildError::Missing(Missing { segment: Some(entry.id), section: "heap".into(), reason })
        };
        let value = heap_value(&bytes).map_err(named)?;
        let mark = access::<ArchivedMark>(&value)?;
        let gone = mark.deleted && mark.holds.is_empty();
        if let Some(id) = key.get(1..).and_then(key_id) {
            let slot = newest.entry(id).or_insert((at.seq, gone));
            if slot.0 < at.seq {
                *slot = (at.seq, gone);
            }
        }
    }
    Ok(())
}

/// Asks the shards once more: a mark may have been taken back while segments were merged.
pub async fn still_deleted(shards: &[Sender<ReadOp>], gone: &BTreeSet<Id>) -> Result<(), StoreError> {
    for id in gone {
        let Some(shard) = shards.get(shard_of(hash_of(id), shards.len())) else { continue };
        let (reply, answer) = oneshot::async_channel();
        let op = ReadOp::Get(RowKind::Mark, Bytes::copy_from_slice(id), reply);
        shard.send(op).await.map_err(|_| StoreError::Closed)?;
        let mark = answer.await.map_err(|_| StoreError::Closed)?.map_err(StoreError::Missing)?;
        let gone =
            mark.is_some_and(|m| access::<ArchivedMark>(&m).is_ok_and(|m| m.deleted && m.holds.is_empty()));
        if !gone {
            return Err(StoreError::Unusable(
                "an email was restored while segments were merged: try again".into(),
            ));
        }
    }
    Ok(())
}
