//! Answers of one shard: active and frozen memtables, then segments.

use super::dates::Dates;
use super::{ReadOp, Shard, ShardStats};
use crate::api::{Found, KeyRange, MemtableText, Missing, SegmentText};
use crate::columns::{ColumnSources, FreshRow};
use crate::memtable::{MemRow, Memtable, full_key};
use crate::segment::reader::Segment;
use bytes::Bytes;
use postlode_format::id::{Id, hash_of};
use postlode_format::index::IndexId;
use postlode_format::manifest::SegmentKind;
use postlode_format::row::{Row, RowKind, shard_hash};
use postlode_runtime::Runtime;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

impl<R: Runtime> Shard<R> {
    /// Does one read. Nobody to hear the answer is no error: the caller gave up.
    pub(super) async fn answer(&self, op: ReadOp) {
        match op {
            ReadOp::Get(kind, key, reply) => drop(reply.send(self.get(kind, &key).await)),
            ReadOp::Rows(kind, prefix, after, limit, reply) => {
                drop(reply.send(self.rows(kind, &prefix, after.as_deref(), limit).await));
            }
            ReadOp::Emails(ids, reply) => {
                let mut out = Vec::with_capacity(ids.len());
                for id in &ids {
                    out.push(self.found(id).await);
                }
                drop(reply.send(out));
            }
            ReadOp::Bodies(ids, reply) => {
                let mut out = Vec::with_capacity(ids.len());
                for id in &ids {
                    out.push(self.body(id).await);
                }
                drop(reply.send(out));
            }
            ReadOp::Scan(scan, reply) => drop(reply.send(self.scan(&scan).await)),
            ReadOp::Positions(scan, reply) => drop(reply.send(self.scan(&scan).await)),
            ReadOp::Count(index, range, reply) => drop(reply.send(self.count(index, &range).await)),
            ReadOp::Text(known, reply) => drop(reply.send(self.text(&known).await)),
            ReadOp::Columns(places, reply) => drop(reply.send(self.columns(places).await)),
            ReadOp::Marks(asked, reply) => drop(reply.send(self.marks(&asked).await)),
            ReadOp::Stats(reply) => drop(reply.send(self.stats())),
            ReadOp::Refresh(change, reply) => {
                self.refresh(&change).await;
                drop(reply.send(()));
            }
            ReadOp::Follow(manifest, strict, reply) => {
                drop(reply.send(self.follow(&manifest, strict).await));
            }
            ReadOp::Followed(rows, reply) => {
                self.followed(rows).await;
                drop(reply.send(()));
            }
            ReadOp::Close(reply) => drop(reply.send(())),
        }
    }

    /// Looks into the memtables, newest first.
    pub(super) fn in_memory<T>(&self, mut look: impl FnMut(&Memtable) -> Option<T>) -> Option<T> {
        if let Some(found) = look(&self.active.borrow()) {
            return Some(found);
        }
        self.frozen.borrow().iter().rev().find_map(|f| look(&f.rows))
    }

    /// Segments that may hold a row with this key.
    pub(super) fn segments_for(&self, kind: RowKind, key: &[u8]) -> Vec<Rc<Segment<R>>> {
        let about = match kind {
            kind if kind.is_about_email() => key.first_chunk::<16>(),
            _ => None,
        };
        let wanted = if kind == RowKind::BlobChunk { SegmentKind::Blobs } else { SegmentKind::Mail };
        let hash = shard_hash(kind, key);
        let segments = self.segments.borrow();
        let fits = |s: &&Rc<Segment<R>>| {
            s.entry.kind == wanted
                && s.entry.low <= hash
                && hash <= s.entry.high
                && about.is_none_or(|id| s.may_contain(id))
        };
        segments.iter().filter(fits).cloned().collect()
    }

    /// May there be rows about this email? Most mail that comes is new, and one look at the filters tells.
    pub(super) fn may_know(&self, id: &Id) -> bool {
        let rows = [RowKind::Email, RowKind::Mark];
        let in_memory = |m: &Memtable| rows.iter().any(|kind| m.get(*kind, id).is_some()).then_some(());
        let hash = hash_of(id);
        let sealed = |s: &Rc<Segment<R>>| s.entry.low <= hash && hash <= s.entry.high && s.may_contain(id);
        self.in_memory(in_memory).is_some() || self.segments.borrow().iter().any(sealed)
    }

    /// The newest row of a key.
    pub(super) async fn get(&self, kind: RowKind, key: &[u8]) -> Result<Option<Bytes>, Missing> {
        match kind {
            RowKind::Email => return self.email(key.first_chunk::<16>().unwrap_or(&[0; 16])).await,
            RowKind::Body => return self.body(key.first_chunk::<16>().unwrap_or(&[0; 16])).await,
            _ => {}
        }
        if let Some(value) = self.in_memory(|m| m.get(kind, key).map(|row| row.value.clone())) {
            return Ok(Some(value));
        }
        let mut newest: Option<(u64, Rc<Segment<R>>, _)> = None;
        // A segment that cannot be read may hold rows up to its highest sequence number.
        let (mut damage, mut hidden) = (None, 0u64);
        for segment in self.segments_for(kind, key) {
            match segment.location(kind, key).await {
                Ok(Some(at)) if newest.as_ref().is_none_or(|(seq, ..)| *seq < at.seq) => {
                    newest = Some((at.seq, segment, at));
                }
                Ok(_) => {}
                Err(error) => {
                    hidden = hidden.max(segment.entry.max_seq);
                    damage = Some(error);
                }
            }
        }
        match (newest, damage) {
            (Some((seq, _, _)), Some(error)) if seq < hidden => Err(error),
            (Some((_, segment, at)), _) => segment.value(at).await.map(Some),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    async fn email(&self, id: &Id) -> Result<Option<Bytes>, Missing> {
        if let Some(value) = self.in_memory(|m| m.get(RowKind::Email, id).map(|row| row.value.clone())) {
            return Ok(Some(value));
        }
        let mut damage = None;
        for segment in self.segments_for(RowKind::Email, id) {
            match segment.email(id).await {
                Ok(Some(value)) => return Ok(Some(value)),
                Ok(None) => {}
                Err(error) => damage = Some(error),
            }
        }
        damage.map_or(Ok(None), Err)
    }

    async fn body(&self, id: &Id) -> Result<Option<Bytes>, Missing> {
        if let Some(value) = self.in_memory(|m| m.get(RowKind::Body, id).map(|row| row.value.clone())) {
            return Ok(Some(value));
        }
        let mut damage = None;
        for segment in self.segments_for(RowKind::Body, id) {
            match segment.body(id).await {
                Ok(Some(value)) => return Ok(Some(value)),
                Ok(None) => {}
                Err(error) => damage = Some(error),
            }
        }
        damage.map_or(Ok(None), Err)
    }

    async fn found(&self, id: &Id) -> Result<Option<Found>, Missing> {
        if let Some(found) = self.lately.get(id) {
            return Ok(Some(found));
        }
        self.lately.begin(id);
        let found = self.read_found(id).await;
        self.lately.end(id, found.as_ref().ok().and_then(Option::as_ref));
        found
    }

    async fn read_found(&self, id: &Id) -> Result<Option<Found>, Missing> {
        // One after the other, each would wait for the disk by itself.
        let places = self.rows(RowKind::Place, id, None, usize::MAX);
        let others = futures_lite::future::zip(places, self.get(RowKind::Mark, id));
        let (email, ((places, damage), mark)) = futures_lite::future::zip(self.email(id), others).await;
        let Some(email) = email? else { return Ok(None) };
        // A place or mark that cannot be read makes the email itself unreadable: without them nobody can tell
        // whether it may be shown.
        if let Some(error) = damage.into_iter().next() {
            return Err(error);
        }
        let mark = mark?;
        let places = places.into_iter().map(|row| row.value).collect();
        Ok(Some(Found { id: *id, email, places, mark }))
    }

    /// Newest rows of a kind by prefix, above `after`, in key order.
    pub(super) async fn rows(
        &self,
        kind: RowKind,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> (Vec<Row>, Vec<Missing>) {
        enum At<R: Runtime> {
            Memory(Bytes),
            Sealed(Rc<Segment<R>>, postlode_format::segment::Location),
        }
        let mut newest: BTreeMap<Vec<u8>, (u64, At<R>)> = BTreeMap::new();
        let mut missing = Vec::new();
        let past = |key: &[u8]| after.is_some_and(|after| key <= after);
        let mut add = |key: Vec<u8>, seq: u64, at: At<R>| {
            if newest.get(&key).is_none_or(|(old, _)| *old < seq) {
                newest.insert(key, (seq, at));
            }
        };
        let mut range = KeyRange::prefix(&full_key(kind, prefix));
        if kind != RowKind::Doc {
            // A segment may span shards: of a page that is full of others' rows nothing would be left.
            range.low = range.low.max(full_key(kind, &self.range.0.to_be_bytes()));
        }
        if let Some(after) = after {
            let mut low = full_key(kind, after);
            low.push(0);
            range.low = range.low.max(low);
        }
        // Memtables and the list of segments in one go: what moves from one to the other meanwhile is then seen twice,
        // never missed.
        let segments = self.segments_for_prefix(kind, prefix);
        let mut from_memory = |m: &Memtable| {
            for (key, row) in m.prefix(kind, prefix).filter(|(key, _)| !past(key)).take(limit) {
                add(key.to_vec(), row.seq, At::Memory(row.value.clone()));
            }
            None::<()>
        };
        self.in_memory(&mut from_memory);
        for segment in segments {
            match segment.locations(&range, limit, &mut missing).await {
                Ok(found) => {
                    for (key, at) in found.into_iter().filter(|(key, _)| self.owns(shard_hash(kind, key))) {
                        add(key, at.seq, At::Sealed(segment.clone(), at));
                    }
                }
                Err(error) => missing.push(error),
            }
        }
        let mut out = Vec::new();
        for (key, (_, at)) in newest.into_iter().take(limit) {
            let value = match at {
                At::Memory(value) => Ok(value),
                At::Sealed(segment, at) => segment.value(at).await,
            };
            match value {
                Ok(value) => out.push(Row { kind, key: key.into(), value }),
                Err(error) => missing.push(error),
            }
        }
        (out, missing)
    }

    fn segments_for_prefix(&self, kind: RowKind, prefix: &[u8]) -> Vec<Rc<Segment<R>>> {
        // A document's place comes from its whole key; all others fall by their first bytes.
        if prefix.len() >= 16 && kind != RowKind::Doc {
            return self.segments_for(kind, prefix);
        }
        let wanted = if kind == RowKind::BlobChunk { SegmentKind::Blobs } else { SegmentKind::Mail };
        self.segments.borrow().iter().filter(|s| s.entry.kind == wanted).cloned().collect()
    }

    pub(super) fn mail_segments(&self) -> Vec<Rc<Segment<R>>> {
        self.segments.borrow().iter().filter(|s| s.entry.kind == SegmentKind::Mail).cloned().collect()
    }

    async fn count(&self, index: IndexId, range: &KeyRange) -> Result<u64, Missing> {
        let mut sum = 0u64;
        self.in_memory(|m| {
            sum += m.count(index, range);
            None::<()>
        });
        let dates = Dates::of(index, range);
        for segment in self.mail_segments() {
            // A segment that spans shards is counted by the shard in which it begins.
            if !self.owns(segment.entry.low) || dates.as_ref().is_some_and(|d| !d.meet(&segment.entry)) {
                continue;
            }
            let whole = index == IndexId::Date && dates.as_ref().is_some_and(|d| d.hold(&segment.entry));
            sum += if whole { segment.entry.emails } else { segment.count(index, range).await? };
        }
        Ok(sum)
    }

    async fn text(&self, known: &HashMap<u64, usize>) -> (Vec<SegmentText>, Vec<MemtableText>, Vec<Missing>) {
        let (mut segments, mut memtables, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        // Memtables and the list of segments in one go, as in `rows`.
        let sealed = self.mail_segments();
        self.in_memory(|m| {
            let first = known.get(&m.number).copied().unwrap_or(0).min(m.email_count());
            memtables.push(MemtableText { memtable: m.number, first, docs: m.docs(first) });
            None::<()>
        });
        for segment in sealed {
            match segment.text().await {
                Ok(text) => segments.extend(text),
                Err(error) => missing.push(error),
            }
        }
        (segments, memtables, missing)
    }

    async fn columns(&self, places: bool) -> ColumnSources {
        let mut out = ColumnSources::default();
        // Memtables and the list of segments in one go, as in `rows`.
        let sealed = self.mail_segments();
        self.in_memory(|m| {
            let fresh = |(key, row): (&[u8], &MemRow)| FreshRow {
                key: Bytes::copy_from_slice(key),
                value: row.value.clone(),
            };
            out.emails.extend(m.prefix(RowKind::Email, &[]).map(fresh));
            if places {
                out.places.extend(m.prefix(RowKind::Place, &[]).map(fresh));
            }
            None::<()>
        });
        for segment in sealed {
            let within = self.range.0 <= segment.entry.low && segment.entry.high <= self.range.1;
            match segment.columns((!within).then(|| vec![self.range])).await {
                Ok(columns) => out.segments.extend(columns),
                Err(error) => out.missing.push(error),
            }
        }
        out
    }

    fn stats(&self) -> ShardStats {
        let (mut emails, mut bytes) = (0u64, 0u64);
        self.in_memory(|m| {
            emails += m.email_count() as u64;
            bytes += m.bytes() as u64;
            None::<()>
        });
        let mut stats = self.stats.borrow().clone();
        stats.memtable_emails = emails;
        stats.memtable_bytes = bytes;
        let (hits, misses, bytes) = self.cache.stats();
        stats.cache = (hits, misses, bytes.saturating_add(self.lately.bytes()));
        stats
    }
}
