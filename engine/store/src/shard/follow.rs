//! What a shard of a follower does when the writer has got on.
//!
//! What always holds: segments are open before the memtables go whose rows they have; a row that is in a segment is in no
//! memtable of the same stream, so that nothing is counted twice.

use super::{Frozen, Shard};
use crate::api::Missing;
use crate::follow::FollowedRow;
use crate::memtable::Memtable;
use crate::segment::reader::Segment;
use bytes::Bytes;
use postlode_format::manifest::{Manifest, SegmentEntry};
use postlode_format::row::{Row, RowKind};
use postlode_runtime::Runtime;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// Rows of one memtable, at most a quarter of what the writer keeps in one: so little is built anew when the writer seals.
const SHARE: usize = 4;

impl<R: Runtime> Shard<R> {
    /// Takes in what a manifest says.
    ///
    /// # Errors
    /// The first segment that cannot be opened, where it is to be `strict`; then nothing has changed.
    pub(super) async fn follow(&self, manifest: &Manifest, strict: bool) -> Result<(), Missing> {
        let mine = |s: &&SegmentEntry| s.low <= self.range.1 && s.high >= self.range.0;
        let known: Vec<u64> = self.segments.borrow().iter().map(|s| s.entry.id).collect();
        let mut opened = Vec::new();
        for entry in manifest.segments.iter().filter(mine).filter(|s| !known.contains(&s.id)) {
            let (entry, cache) = (entry.clone(), self.cache.clone());
            opened.push(if strict {
                Segment::try_open(&self.runtime, entry, cache).await?
            } else {
                Segment::open(&self.runtime, entry, cache).await
            });
        }
        // Rows may have come by a segment alone.
        let marks = self.marks_to_come(&opened).await;
        // Where nothing else of a segment has changed, it may have gained add-ons, or lost them.
        let before = self.segments.borrow().clone();
        let now: HashMap<u64, &SegmentEntry> = manifest.segments.iter().map(|s| (s.id, s)).collect();
        let mut addons = Vec::new();
        for segment in &before {
            let Some(now) = now.get(&segment.entry.id).filter(|now| now.addons != segment.addons()) else {
                continue;
            };
            addons.push((segment, segment.open_addons(&now.addons, strict).await?));
        }
        // The writer may remove a file that merging has replaced: what is open here stays readable, for searching too.
        for segment in &opened {
            let held = segment.hold().await;
            if strict {
                held?;
            }
        }
        let mut left = Vec::new();
        let memtables = self.frozen.borrow().clone();
        for memtable in memtables {
            left.extend(self.unsealed(memtable, manifest, &opened).await);
        }
        {
            addons.into_iter().for_each(|(segment, addons)| segment.put_addons(addons));
            let mut segments = self.segments.borrow_mut();
            segments.retain(|s| manifest.segments.iter().any(|named| named.id == s.entry.id));
            segments.extend(opened);
            *self.frozen.borrow_mut() = left;
        }
        self.lately.clear();
        self.take_marks(marks);
        self.bump();
        Ok(())
    }

    /// What of a memtable is in no segment yet; `None` for nothing. `opened`: the segments that are new.
    async fn unsealed(
        &self,
        memtable: Rc<Frozen>,
        manifest: &Manifest,
        opened: &[Rc<Segment<R>>],
    ) -> Option<Rc<Frozen>> {
        let stream = memtable.stream?;
        let log = manifest.logs.iter().find(|log| log.stream == stream)?;
        if memtable.last_seq < log.floor {
            return None;
        }
        // The shards of a new writer seal what the last one left one after the other, and none moves its floor.
        let left_over = log.epoch < manifest.epoch;
        let mut rows = Memtable::new(self.shared.next_memtable());
        let (mut sealed, mut emails) = (false, HashSet::new());
        for (kind, key, row) in memtable.rows.rows() {
            let mut is_sealed = row.seq < log.floor;
            if left_over && !is_sealed {
                is_sealed = match kind {
                    RowKind::Body => !emails.contains(key),
                    kind => is_in(opened, kind, key, row.seq).await,
                };
            }
            sealed |= is_sealed;
            if !is_sealed {
                if kind == RowKind::Email {
                    emails.insert(key);
                }
                let again = Row { kind, key: Bytes::copy_from_slice(key), value: row.value.clone() };
                insert(&mut rows, row.seq, &again);
            }
        }
        match sealed {
            false => Some(memtable),
            true => (!rows.is_empty()).then(|| Frozen::of_stream(rows, stream, memtable.last_seq)),
        }
    }

    /// Takes in rows that the writer has acknowledged.
    pub(super) async fn followed(&self, rows: Vec<FollowedRow>) {
        let mut new: BTreeMap<u64, Vec<(u64, Row)>> = BTreeMap::new();
        let mut emails: HashSet<Bytes> = HashSet::new();
        for FollowedRow { stream, left_over, seq, row } in rows {
            // A body goes where its email goes.
            let wanted = match row.kind {
                _ if !left_over => true,
                RowKind::Body => emails.contains(&row.key),
                kind => self.sealed_seq(kind, &row.key).await.is_none_or(|sealed| sealed < seq),
            };
            if wanted {
                if row.kind == RowKind::Email {
                    emails.insert(row.key.clone());
                }
                new.entry(stream).or_default().push((seq, row));
            }
        }
        for (stream, rows) in new {
            for (_, row) in rows.iter().filter(|(_, row)| row.kind.is_about_email()) {
                if let Some(id) = row.key.first_chunk::<16>() {
                    self.lately.changed(id);
                }
            }
            self.add(stream, &rows);
            rows.iter().for_each(|(seq, row)| self.note_mark(*seq, row));
        }
        self.bump();
    }

    /// Rows of one frame stay together, as an email and its body do.
    fn add(&self, stream: u64, rows: &[(u64, Row)]) {
        let Some(last_seq) = rows.iter().map(|(seq, _)| *seq).max() else { return };
        let mut frozen = self.frozen.borrow_mut();
        let limit = self.shared.options.memtable_bytes / SHARE;
        let last = frozen.iter_mut().rev().find(|memtable| memtable.stream == Some(stream));
        // A memtable that somebody is reading at this moment takes no more rows.
        let open = last
            .and_then(Rc::get_mut)
            .and_then(|memtable| Some((Arc::get_mut(&mut memtable.rows)?, &mut memtable.last_seq)))
            .filter(|(memtable, _)| memtable.bytes() < limit);
        match open {
            Some((memtable, last)) => {
                rows.iter().for_each(|(seq, row)| insert(memtable, *seq, row));
                *last = last_seq.max(*last);
            }
            None => {
                let mut memtable = Memtable::new(self.shared.next_memtable());
                rows.iter().for_each(|(seq, row)| insert(&mut memtable, *seq, row));
                frozen.push(Frozen::of_stream(memtable, stream, last_seq));
            }
        }
        // The newest row is looked for from behind, and a later writer's are all newer than an earlier one's.
        frozen.sort_by_key(|memtable| memtable.last_seq);
    }
}

/// Does one of these segments have a row of that key, as new as this one? One that cannot say is taken not to.
async fn is_in<R: Runtime>(segments: &[Rc<Segment<R>>], kind: RowKind, key: &[u8], seq: u64) -> bool {
    for segment in segments {
        if let Ok(Some(at)) = segment.location(kind, key).await
            && at.seq >= seq
        {
            return true;
        }
    }
    false
}

fn insert(rows: &mut Memtable, seq: u64, row: &Row) {
    if let Err(error) = rows.insert(seq, row) {
        // It passed its checksum, so the writer wrote it so; it can be neither indexed nor shown.
        tracing::error!("a row of kind {:?} cannot be used: {error}", row.kind);
    }
}

impl Frozen {
    fn of_stream(rows: Memtable, stream: u64, last_seq: u64) -> Rc<Self> {
        Rc::new(Self { rows: Arc::new(rows), text_failures: Cell::new(0), stream: Some(stream), last_seq })
    }
}
