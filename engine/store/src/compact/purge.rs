//! What a compaction takes out: emails that are deleted and under no hold.
//!
//! What always holds: the newest mark decides; where any mark cannot be read, nothing goes. Of an email that goes there is
//! left a mark that says that it was deleted, and no more.

use crate::api::{KeyRange, Missing, SectionRead};
use crate::error::StoreError;
use crate::memtable::full_key;
use crate::names;
use crate::segment::columns;
use crate::segment::heap::Heap;
use crate::segment::shared::SharedSection;
use crate::segment::source::BuildError;
use crate::segment::tree;
use crate::shard::WriteOp;
use crate::store::ShardHandle;
use crate::verify::shared_directory;
use bytes::Bytes;
use futures_lite::future::block_on;
use postlode_format::FormatError;
use postlode_format::bloom::Bloom;
use postlode_format::btree::Page;
use postlode_format::id::{Id, hash_of};
use postlode_format::manifest::{Manifest, SegmentEntry, SegmentKind};
use postlode_format::row::{ArchivedMark, Mark, RowKind, access, key_id, shard_of, to_bytes};
use postlode_format::segment::{Location, SectionKind, VERSION, VectorPart};
use postlode_runtime::{Runtime, SharedFile, offload};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is to go.
#[derive(Default)]
pub struct Deleted {
    /// The emails.
    pub gone: BTreeSet<Id>,
    /// Segments that hold anything of them but the mark that says so.
    pub purge: BTreeSet<u64>,
    /// Segments of an older version, or without vectors where they are to have some.
    pub old: BTreeSet<u64>,
    /// Segments whose marks cannot be read. Any of them may hold the mark that restores an email, so nothing goes then.
    pub damage: Vec<Missing>,
}

/// Emails that are deleted and under no hold, by the newest mark in any segment, and the segments that hold them.
/// `wants_vectors`: segments are to have some.
pub async fn deleted<R: Runtime>(
    runtime: &R,
    manifest: &Manifest,
    wants_vectors: bool,
) -> Result<Deleted, StoreError> {
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
    let found = offload(runtime, move || find_deleted(&files, wants_vectors)).await;
    match found {
        Some(Ok(mut found)) => {
            found.damage.extend(damage);
            Ok(if found.damage.is_empty() {
                found
            } else {
                Deleted { damage: found.damage, old: found.old, ..Deleted::default() }
            })
        }
        Some(Err(error)) => Err(StoreError::Unusable(format!("marks cannot be read: {error}"))),
        None => Err(StoreError::Unusable("reading marks was broken off".into())),
    }
}

type Files = [(Arc<dyn SharedFile>, SegmentEntry)];

fn find_deleted(files: &Files, wants_vectors: bool) -> Result<Deleted, BuildError> {
    let mut marks = Marks::default();
    let mut out = Deleted::default();
    for (file, entry) in files {
        match marks_of(file, entry, &mut marks) {
            Ok(own) if own.is_new() && (own.vectors || !wants_vectors || entry.emails == 0) => {}
            Ok(_) => drop(out.old.insert(entry.id)),
            Err(BuildError::Missing(missing)) => out.damage.push(missing),
            Err(other) => return Err(other),
        }
    }
    if !out.damage.is_empty() {
        return Ok(out);
    }
    out.gone = marks.newest.into_iter().filter(|(_, (_, gone))| *gone).map(|(id, _)| id).collect();
    let told = marks.told.into_iter().filter(|(id, _)| out.gone.contains(id));
    out.purge.extend(told.map(|(_, segment)| segment));
    for (file, entry) in files {
        if !out.gone.is_empty() && !out.purge.contains(&entry.id) && holds_any(file, entry, &out.gone)? {
            out.purge.insert(entry.id);
        }
    }
    Ok(out)
}

/// Does a segment hold one of these emails, or a place of one?
fn holds_any(
    file: &Arc<dyn SharedFile>,
    entry: &SegmentEntry,
    ids: &BTreeSet<Id>,
) -> Result<bool, BuildError> {
    let directory = shared_directory(file, entry).map_err(BuildError::Missing)?;
    let find = |kind| SharedSection::find(file, &directory, kind, 0, None);
    let Some(primary) = find(SectionKind::Primary) else { return Ok(false) };
    // Without a filter that can be read, the tree is asked for each.
    let bloom = find(SectionKind::Bloom).and_then(|part| {
        let bits = part.read(0, usize::try_from(part.len()).ok()?).ok()?;
        Bloom::from_bytes(bits.to_vec()).ok()
    });
    for id in ids.iter().filter(|id| bloom.as_ref().is_none_or(|bloom| bloom.may_contain(id))) {
        for kind in [RowKind::Email, RowKind::Place] {
            let range = KeyRange::prefix(&full_key(kind, id));
            let mut damage = Vec::new();
            let mut found = false;
            let mut each = |_: &[u8], _: &[u8], _: &Page| {
                found = true;
                false
            };
            let scanned = block_on(tree::scan(&primary, &range, false, &mut damage, &mut each));
            // What cannot be read its merge will name.
            if found || scanned.is_err() || !damage.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// What all segments say of emails.
#[derive(Default)]
struct Marks {
    /// Of each email the sequence number of the newest mark, and whether the email is to go by it.
    newest: BTreeMap<Id, (u64, bool)>,
    /// Emails and segments whose mark of them has tags or a note.
    told: Vec<(Id, u64)>,
}

/// The mark of an email that is gone: that it was deleted, and nothing of what was said of it.
pub fn bare(mark: &[u8]) -> Result<Bytes, FormatError> {
    let mark = access::<ArchivedMark>(mark)?;
    let (revision, date) = (mark.revision.to_native(), mark.date.to_native());
    to_bytes(&Mark { deleted: true, revision, date, ..Mark::default() })
}

/// What a segment has.
struct Own {
    version: u32,
    vectors: bool,
    columns: bool,
}

impl Own {
    /// It is as this version writes it.
    fn is_new(&self) -> bool {
        self.version == VERSION && self.columns
    }
}

/// The marks of one segment; gives what it has.
fn marks_of(file: &Arc<dyn SharedFile>, entry: &SegmentEntry, marks: &mut Marks) -> Result<Own, BuildError> {
    let directory = shared_directory(file, entry).map_err(BuildError::Missing)?;
    let vectors = directory.find(SectionKind::Vectors, VectorPart::Head as u16).is_some();
    // Columns that cannot be read are made anew of the rows.
    let with_columns =
        entry.kind != SegmentKind::Mail || columns::check(file, &directory, entry.emails).unwrap_or(false);
    let told = Own { version: directory.version, vectors, columns: with_columns };
    let find = |kind| SharedSection::find(file, &directory, kind, 0, None);
    let heap = Heap::find(file, &directory).map_err(BuildError::Missing)?;
    let (Some(primary), Some(heap)) = (find(SectionKind::Primary), heap) else {
        return Ok(told);
    };
    let range = KeyRange::prefix(&[RowKind::Mark as u8]);
    let mut damage = Vec::new();
    let mut entries: Vec<(Vec<u8>, Bytes)> = Vec::new();
    let mut each = |key: &[u8], value: &[u8], page: &Page| {
        entries.push((key.to_vec(), page.slice(value)));
        true
    };
    let scan = tree::scan(&primary, &range, false, &mut damage, &mut each);
    block_on(scan).map_err(BuildError::Missing)?;
    if let Some(missing) = damage.pop() {
        return Err(BuildError::Missing(missing));
    }
    for (key, value) in entries {
        let at = Location::decode(&value)?;
        let value = heap.read(&at).map_err(BuildError::Missing)?;
        let mark = access::<ArchivedMark>(&value)?;
        let gone = mark.deleted && mark.holds.is_empty();
        if let Some(id) = key.get(1..).and_then(key_id) {
            if !mark.tags.is_empty() || !mark.note.is_empty() {
                marks.told.push((id, entry.id));
            }
            let slot = marks.newest.entry(id).or_insert((at.seq, gone));
            if slot.0 < at.seq {
                *slot = (at.seq, gone);
            }
        }
    }
    Ok(told)
}

/// What came of [`condemn`].
pub struct Condemned {
    /// Whom to spare afterwards: shard and emails.
    pub asked: Vec<(usize, Vec<Id>)>,
    /// All are still deleted.
    pub all: Result<(), StoreError>,
}

/// Has the shards keep the marks of these emails as they are, if all are still deleted: a mark may have been taken back
/// while segments were merged, and must not be taken back between now and the manifest without them.
pub async fn condemn(shards: &[ShardHandle], gone: &BTreeSet<Id>) -> Condemned {
    let mut parts: BTreeMap<usize, Vec<Id>> = BTreeMap::new();
    for id in gone {
        parts.entry(shard_of(hash_of(id), shards.len())).or_default().push(*id);
    }
    let mut out = Condemned { asked: Vec::new(), all: Ok(()) };
    for (shard, ids) in parts {
        let Some(handle) = shards.get(shard) else { continue };
        let (reply, answer) = oneshot::async_channel();
        let asked = handle.writes.send(WriteOp::Condemn(ids.clone(), reply)).await;
        let answer = if asked.is_ok() { answer.await.ok() } else { None };
        out.all = match answer {
            Some(true) => {
                out.asked.push((shard, ids));
                continue;
            }
            Some(false) => Err(StoreError::Unusable(
                "an email was restored while segments were merged: try again".into(),
            )),
            None => Err(StoreError::Closed),
        };
        break;
    }
    out
}

/// Gives the marks free again.
pub async fn spare(shards: &[ShardHandle], asked: Vec<(usize, Vec<Id>)>) {
    for (shard, ids) in asked {
        if let Some(handle) = shards.get(shard) {
            // A writer that has ended changes no marks any more.
            drop(handle.writes.send(WriteOp::Spare(ids)).await);
        }
    }
}
