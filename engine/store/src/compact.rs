//! Compaction: small segments become few, and segments that span shards are cut at the shards' borders.
//!
//! What always holds: sources stay until what replaces them was read back and the manifest that names it is durable; of
//! rows with one key the newest survives; a damaged source is left as it is and named, never merged away, and keeps no
//! other from being merged; memory is bounded by the size of one target segment.

use crate::api::{KeyRange, Missing, SectionRead};
use crate::error::StoreError;
use crate::keeper::{Edit, KeeperHandle};
use crate::names;
use crate::segment::build::{BuiltSegment, build};
use crate::segment::emails::Emails;
use crate::segment::frames::{self, Effort};
use crate::segment::reader::heap_value;
use crate::segment::shared::SharedSection;
use crate::segment::source::{BuildError, Source, SourceEmail, SourceRow};
use crate::segment::tree;
use crate::shard::{ReadOp, Shared, write_segment};
use crate::verify::{leaf_entries, shared_directory};
use async_channel::Sender;
use bytes::Bytes;
use futures_lite::future::block_on;
use postlode_format::id::{Id, hash_of};
use postlode_format::index::{self, IndexId, Position};
use postlode_format::manifest::{Manifest, SegmentEntry, SegmentKind};
use postlode_format::row::{ArchivedMark, RowKind, access, key_id, shard_hash, shard_of, shard_range};
use postlode_format::segment::{Identity, Location, ORDINAL, Ordinal, SectionKind};
use postlode_runtime::{Runtime, SharedFile, offload};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Segments of this size are left alone, unless they span shards.
const LARGE: u64 = 64 << 20;
/// Sources of one merge together.
const TARGET: u64 = 128 << 20;

/// What a compaction changed. Ids are never used twice, so it is right whenever it is heard of.
#[derive(Debug, Clone, Default)]
pub struct Compacted {
    /// Segments that are new.
    pub added: Vec<SegmentEntry>,
    /// Segments that are gone.
    pub removed: Vec<u64>,
}

/// One merge: sources, and the hash range of the target.
struct Merge {
    sources: Vec<SegmentEntry>,
    range: (u64, u64),
}

/// `purge`: segments that hold emails which are deleted.
fn plan(manifest: &Manifest, shards: usize, purge: &BTreeSet<u64>) -> Vec<Merge> {
    let must = |s: &SegmentEntry| spans_shards(s, shards) || purge.contains(&s.id);
    let mut out = Vec::new();
    for shard in 0..shards {
        let range = shard_range(shard, shards);
        for kind in [SegmentKind::Mail, SegmentKind::Blobs] {
            let overlaps = |s: &&SegmentEntry| s.kind == kind && s.low <= range.1 && s.high >= range.0;
            let mut group: Vec<SegmentEntry> = Vec::new();
            let mut bytes = 0u64;
            for entry in manifest.segments.iter().filter(overlaps).filter(|s| s.bytes < LARGE || must(s)) {
                if bytes.saturating_add(entry.bytes) > TARGET && !group.is_empty() {
                    out.push(Merge { sources: std::mem::take(&mut group), range });
                    bytes = 0;
                }
                bytes += entry.bytes;
                group.push(entry.clone());
            }
            out.push(Merge { sources: group, range });
        }
    }
    out.retain(|m| m.sources.len() > 1 || m.sources.iter().any(must));
    out
}

fn spans_shards(entry: &SegmentEntry, shards: usize) -> bool {
    postlode_format::row::shard_of(entry.low, shards) != postlode_format::row::shard_of(entry.high, shards)
}

/// Merges that have sources in common: a source is gone only when all that becomes of it is there.
fn units(merges: Vec<Merge>) -> Vec<Vec<Merge>> {
    let mut units: Vec<(BTreeSet<u64>, Vec<Merge>)> = Vec::new();
    for merge in merges {
        let mut ids: BTreeSet<u64> = merge.sources.iter().map(|s| s.id).collect();
        let mut unit = vec![merge];
        let (joined, apart): (Vec<_>, Vec<_>) =
            units.into_iter().partition(|(others, _)| !others.is_disjoint(&ids));
        for (others, merges) in joined {
            ids.extend(others);
            unit.splice(0..0, merges);
        }
        units = apart;
        units.push((ids, unit));
    }
    units.into_iter().map(|(_, unit)| unit).collect()
}

/// Plans and merges, step by step: each step is published by itself, so that one that fails costs no other, and a
/// compaction that is broken off goes on where it was. Damaged sources are left alone, and the others go on without
/// them.
///
/// # Errors
/// As [`crate::Store::compact`]; for damage, after everything else was done.
pub async fn run<R: Runtime>(
    runtime: &R,
    shared: &Arc<Shared>,
    keeper: &KeeperHandle,
    shards: &[Sender<ReadOp>],
) -> Result<(), StoreError> {
    let first = keeper.current().await?;
    let Deleted { gone, purge, mut damage } = deleted(runtime, &first).await?;
    let gone = Arc::new(gone);
    let mut damaged: BTreeSet<u64> = damage.iter().filter_map(|missing| missing.segment).collect();
    loop {
        let mut manifest = Manifest::clone(&*keeper.current().await?);
        manifest.segments.retain(|s| !damaged.contains(&s.id));
        let mut met = false;
        for unit in units(plan(&manifest, shards.len(), &purge)) {
            if shared.stopping.load(Ordering::Relaxed) {
                return Err(StoreError::Closed);
            }
            // A target that cannot be read back is another matter: then the disk itself is not to be trusted.
            let sources: BTreeSet<u64> = unit.iter().flat_map(|m| &m.sources).map(|s| s.id).collect();
            let of_source = |missing: &Missing| missing.segment.is_some_and(|id| sources.contains(&id));
            match merge_unit(runtime, shared, keeper, shards, unit, &gone).await {
                Ok(()) => {}
                Err(StoreError::Missing(missing)) if of_source(&missing) => {
                    damaged.extend(missing.segment);
                    tracing::error!("compaction leaves a damaged segment alone: {missing}");
                    damage.push(missing);
                    met = true;
                }
                Err(error) => return Err(error),
            }
        }
        // Without the damaged ones, what stood with them may be merged.
        if !met {
            break;
        }
    }
    damage.into_iter().next().map_or(Ok(()), |missing| Err(StoreError::Missing(missing)))
}

/// Does one step: merges, publishes, tells the shards, and removes what was merged.
async fn merge_unit<R: Runtime>(
    runtime: &R,
    shared: &Arc<Shared>,
    keeper: &KeeperHandle,
    shards: &[Sender<ReadOp>],
    unit: Vec<Merge>,
    gone: &Arc<BTreeSet<Id>>,
) -> Result<(), StoreError> {
    let mut edit = Edit::default();
    let published = publish_unit(runtime, shared, keeper, shards, unit, gone, &mut edit).await;
    if let Err(error) = published {
        // No manifest names them, unless one was being written: then opening decides.
        if edit.remove.is_empty() {
            for built in &edit.add {
                drop(runtime.remove(&names::segment(built.id)).await);
            }
        }
        return Err(error);
    }
    let compacted = Arc::new(Compacted { added: edit.add, removed: edit.remove });
    for shard in shards {
        let (reply, answer) = oneshot::async_channel();
        // A shard that has ended has nothing open any more.
        if shard.send(ReadOp::Refresh(compacted.clone(), reply)).await.is_ok() {
            let _ended = answer.await;
        }
    }
    for id in &compacted.removed {
        runtime.remove(&names::segment(*id)).await?;
    }
    Ok(())
}

/// Builds and publishes. `edit` tells which files were made, and, once the manifest was being written, which are gone.
async fn publish_unit<R: Runtime>(
    runtime: &R,
    shared: &Arc<Shared>,
    keeper: &KeeperHandle,
    shards: &[Sender<ReadOp>],
    unit: Vec<Merge>,
    gone: &Arc<BTreeSet<Id>>,
    edit: &mut Edit,
) -> Result<(), StoreError> {
    let mut sources = BTreeSet::new();
    for merge in unit {
        let kind = merge.sources.first().map_or(SegmentKind::Mail, |s| s.kind);
        sources.extend(merge.sources.iter().map(|s| s.id));
        if let Some(built) = run_merge(runtime, shared, merge, kind, gone).await? {
            edit.add.push(built.entry.clone());
            write_segment(runtime, &built).await?;
        }
    }
    still_deleted(shards, gone).await?;
    edit.remove = sources.into_iter().collect();
    keeper.edit(edit.clone()).await.map(|_| ())
}

/// What is to go.
#[derive(Default)]
struct Deleted {
    gone: BTreeSet<Id>,
    /// Segments that hold such emails.
    purge: BTreeSet<u64>,
    /// Segments whose marks cannot be read. Any of them may hold the mark that restores an email, so nothing goes then.
    damage: Vec<Missing>,
}

/// Emails that are deleted and under no hold, by the newest mark in any segment, and the segments that hold them.
async fn deleted<R: Runtime>(runtime: &R, manifest: &Manifest) -> Result<Deleted, StoreError> {
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
async fn still_deleted(shards: &[Sender<ReadOp>], gone: &BTreeSet<Id>) -> Result<(), StoreError> {
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

async fn run_merge<R: Runtime>(
    runtime: &R,
    shared: &Arc<Shared>,
    merge: Merge,
    kind: SegmentKind,
    gone: &Arc<BTreeSet<Id>>,
) -> Result<Option<BuiltSegment>, StoreError> {
    let mut files = Vec::new();
    for entry in merge.sources {
        let missing = |error: postlode_runtime::DiskError| Missing {
            segment: Some(entry.id),
            section: "file".into(),
            reason: error.to_string(),
        };
        let file = runtime.open_shared(&names::segment(entry.id));
        files.push((file.map_err(|error| StoreError::Missing(missing(error)))?, entry));
    }
    let id = shared.next_segment.fetch_add(1, Ordering::Relaxed);
    let own = Identity { id, salt: runtime.random_u64() };
    let (text, gone) = (shared.options.text.clone(), gone.clone());
    let built = offload(runtime, move || {
        let source = MergeSource::open(files, merge.range, &gone)?;
        build(&source, kind, own, merge.range, Some(&*text), Effort::Small)
    })
    .await;
    match built {
        Some(Ok(built)) => Ok(built),
        Some(Err(BuildError::Missing(missing))) => Err(StoreError::Missing(missing)),
        Some(Err(error)) => Err(StoreError::Unusable(format!("segments cannot be merged: {error}"))),
        None => Err(StoreError::Unusable("merging segments was broken off".into())),
    }
}

/// One source of a merge.
struct Input {
    ordinals: Option<SharedSection>,
    emails: Option<Emails>,
    bodies: Option<SharedSection>,
    heap: Option<SharedSection>,
    /// The frame read last, decompressed: neighbours share it.
    frame: RefCell<Option<(u64, Bytes)>>,
    id: u64,
}

impl Input {
    fn section<'a>(
        &self,
        part: &'a Option<SharedSection>,
        name: &str,
    ) -> Result<&'a SharedSection, BuildError> {
        part.as_ref().ok_or_else(|| self.no_section(name))
    }

    fn no_section(&self, name: &str) -> BuildError {
        BuildError::Missing(Missing {
            segment: Some(self.id),
            section: name.into(),
            reason: "the segment has no such section".into(),
        })
    }

    fn ordinal(&self, number: u64) -> Result<Ordinal, BuildError> {
        let part = self.section(&self.ordinals, "ordinals")?;
        let bytes = part.read(number.saturating_mul(ORDINAL as u64), ORDINAL).map_err(BuildError::Missing)?;
        Ok(Ordinal::decode(&bytes)?)
    }

    fn email(&self, ordinal: &Ordinal) -> Result<Bytes, BuildError> {
        match &self.emails {
            Some(emails) => emails.read(ordinal).map_err(BuildError::Missing),
            None => Err(self.no_section("emails")),
        }
    }

    fn body(&self, ordinal: &Ordinal) -> Result<Bytes, BuildError> {
        let part = self.section(&self.bodies, "bodies")?;
        let mut frame = self.frame.borrow_mut();
        let damaged = |reason: String| {
            BuildError::Missing(Missing { segment: Some(self.id), section: "bodies".into(), reason })
        };
        if frame.as_ref().is_none_or(|(at, _)| *at != ordinal.frame_at) {
            let bytes =
                part.read(ordinal.frame_at, ordinal.frame_len as usize).map_err(BuildError::Missing)?;
            *frame = Some((ordinal.frame_at, frames::open(&bytes).map_err(damaged)?));
        }
        let raw = frame.as_ref().map(|(_, raw)| raw.clone()).unwrap_or_default();
        frames::body_in(&raw, ordinal).map_err(damaged)
    }

    fn value(&self, at: &Location) -> Result<Bytes, BuildError> {
        let part = self.section(&self.heap, "heap")?;
        let bytes = part.read(at.offset, at.len as usize).map_err(BuildError::Missing)?;
        heap_value(&bytes).map_err(|reason| {
            BuildError::Missing(Missing { segment: Some(self.id), section: "heap".into(), reason })
        })
    }
}

/// The newest rows of several segments, inside one hash range.
struct MergeSource {
    inputs: Vec<Input>,
    /// In (date, id) order: input, ordinal.
    emails: Vec<(Position, usize, Ordinal)>,
    rows: BTreeMap<Vec<u8>, (usize, Location)>,
    indexes: BTreeMap<IndexId, BTreeSet<Bytes>>,
}

impl MergeSource {
    fn open(
        files: Vec<(Arc<dyn SharedFile>, SegmentEntry)>,
        range: (u64, u64),
        gone: &BTreeSet<Id>,
    ) -> Result<Self, BuildError> {
        let mut out =
            Self { inputs: Vec::new(), emails: Vec::new(), rows: BTreeMap::new(), indexes: BTreeMap::new() };
        for (file, entry) in &files {
            out.add(file, entry, range)?;
        }
        let mut emails = Vec::new();
        for (key, (input, at)) in &out.rows {
            let id = key
                .split_first()
                .filter(|(kind, _)| **kind == RowKind::Email as u8)
                .and_then(|(_, k)| key_id(k));
            let (Some(id), Some(source)) = (id, out.inputs.get(*input)) else { continue };
            if !gone.contains(&id) {
                let ordinal = source.ordinal(at.offset)?;
                emails.push((Position { date: ordinal.date, id }, *input, ordinal));
            }
        }
        emails.sort_unstable_by_key(|(position, ..)| *position);
        out.emails = emails;
        out.rows.retain(|key, _| match key.split_first() {
            Some((kind, _)) if *kind == RowKind::Email as u8 => false,
            Some((kind, key)) if *kind == RowKind::Place as u8 => {
                key_id(key).is_none_or(|id| !gone.contains(&id))
            }
            _ => true,
        });
        out.index_all()?;
        Ok(out)
    }

    fn add(
        &mut self,
        file: &Arc<dyn SharedFile>,
        entry: &SegmentEntry,
        range: (u64, u64),
    ) -> Result<(), BuildError> {
        let directory = shared_directory(file, entry).map_err(BuildError::Missing)?;
        let find = |kind| SharedSection::find(file, &directory, kind, 0, None);
        let number = self.inputs.len();
        if let Some(primary) = find(SectionKind::Primary) {
            for row in leaf_entries(&primary, &directory) {
                let (key, at) = row.map_err(BuildError::Missing)?;
                let Some((kind, own)) = key.split_first() else { continue };
                let hash = shard_hash(RowKind::from_number(*kind)?, own);
                let newer = self.rows.get(&key).is_none_or(|(_, old)| old.seq < at.seq);
                if range.0 <= hash && hash <= range.1 && newer {
                    self.rows.insert(key, (number, at));
                }
            }
        }
        self.inputs.push(Input {
            ordinals: find(SectionKind::Ordinals),
            emails: Emails::find(file, &directory),
            bodies: find(SectionKind::Bodies),
            heap: find(SectionKind::Heap),
            frame: RefCell::new(None),
            id: entry.id,
        });
        Ok(())
    }

    fn value(&self, input: usize, at: &Location) -> Result<Bytes, BuildError> {
        let input = self.inputs.get(input).ok_or_else(|| BuildError::Other("a source is missing".into()))?;
        input.value(at)
    }

    fn index_all(&mut self) -> Result<(), BuildError> {
        let mut indexes: BTreeMap<IndexId, BTreeSet<Bytes>> = BTreeMap::new();
        let mut add = |kind: RowKind, key: &[u8], value: &[u8]| -> Result<(), BuildError> {
            for (index, entry) in index::entries(kind, key, value)? {
                indexes.entry(index).or_default().insert(entry.into());
            }
            Ok(())
        };
        for (position, input, ordinal) in &self.emails {
            let Some(input) = self.inputs.get(*input) else { continue };
            add(RowKind::Email, &position.id, &input.email(ordinal)?)?;
        }
        for (key, (input, at)) in &self.rows {
            let Some((kind, own)) = key.split_first() else { continue };
            let kind = RowKind::from_number(*kind)?;
            if matches!(kind, RowKind::Place | RowKind::Mark) {
                add(kind, own, &self.value(*input, at)?)?;
            }
        }
        self.indexes = indexes;
        Ok(())
    }
}

impl Source for MergeSource {
    fn emails(&self) -> Box<dyn Iterator<Item = Result<SourceEmail, BuildError>> + '_> {
        Box::new(self.emails.iter().map(|(position, input, ordinal)| {
            let input =
                self.inputs.get(*input).ok_or_else(|| BuildError::Other("a source is missing".into()))?;
            let (email, body) = (input.email(ordinal)?, input.body(ordinal)?);
            Ok(SourceEmail { position: *position, seq: ordinal.seq, email, body })
        }))
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Result<SourceRow, BuildError>> + '_> {
        Box::new(self.rows.iter().filter_map(|(key, (input, at))| {
            let (kind, own) = key.split_first()?;
            let row = RowKind::from_number(*kind).map_err(BuildError::from).and_then(|kind| {
                Ok(SourceRow { kind, key: own.to_vec(), seq: at.seq, value: self.value(*input, at)? })
            });
            Some(row)
        }))
    }

    fn index(&self, index: IndexId) -> Result<Vec<Bytes>, BuildError> {
        Ok(self.indexes.get(&index).map(|keys| keys.iter().cloned().collect()).unwrap_or_default())
    }

    fn ids(&self) -> Vec<Id> {
        let about = |kind: u8| kind == RowKind::Place as u8 || kind == RowKind::Mark as u8;
        let others = self.rows.keys().filter_map(|key| {
            let (kind, own) = key.split_first()?;
            about(*kind).then(|| key_id(own))?
        });
        let all: BTreeSet<Id> = self.emails.iter().map(|(p, ..)| p.id).chain(others).collect();
        all.into_iter().collect()
    }
}
