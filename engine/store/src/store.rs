//! The handle: sends requests to shards, merges their answers.

use crate::api::*;
use crate::backup::Copied;
use crate::columns::{ColumnSources, SegmentColumns};
use crate::compact::MergeOp;
use crate::error::StoreError;
use crate::inspect::{Dumped, Inspected};
use crate::keeper::KeeperHandle;
use crate::maintenance::Chore;
use crate::memtable::full_key;
use crate::open::{self, Core};
use crate::shard::scan::{Item, in_order};
use crate::shard::{Lately, ReadOp, Reply, WriteOp};
use crate::vectors::{AddVectors, Coverage, Covered};
use crate::verify;
use async_channel::{Sender, TrySendError};
use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::id::{Id, hash_of};
use postlode_format::index::{IndexId, part_of_key};
use postlode_format::manifest::{Addon, Manifest, SegmentEntry};
use postlode_format::row::{Row, RowKind, Watermark2, shard_of, shard_range, to_bytes, watermark_key};
use postlode_runtime::{Executor, Spawner};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// A handle to an open store; cheap to clone, usable from any thread and any async runtime.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) core: Core,
    pub(crate) shards: Vec<ShardHandle>,
    pub(crate) keeper: KeeperHandle,
    pub(crate) executors: Mutex<Vec<Executor>>,
}

/// How often a snapshot is taken anew beside a writer that goes on meanwhile.
const SNAPSHOT_TRIES: usize = 5;

/// The queues of one shard.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    pub(crate) reads: Sender<ReadOp>,
    pub(crate) writes: Sender<WriteOp>,
    /// Emails that it read lately.
    pub(crate) lately: Lately,
}

impl ShardHandle {
    /// Queues a read; a full queue is an error, not a wait: the caller's caller can come back.
    async fn read<T>(&self, op: impl FnOnce(Reply<T>) -> ReadOp) -> Result<T, StoreError> {
        self.ask(op)?.await.map_err(|_| StoreError::Closed)
    }

    fn ask<T>(&self, op: impl FnOnce(Reply<T>) -> ReadOp) -> Result<oneshot::AsyncReceiver<T>, StoreError> {
        let (reply, answer) = oneshot::async_channel();
        self.reads.try_send(op(reply)).map_err(|e| match e {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Closed(_) => StoreError::Closed,
        })?;
        Ok(answer)
    }

    pub(crate) async fn write<T>(
        &self,
        op: impl FnOnce(Reply<Result<T, StoreError>>) -> WriteOp,
    ) -> Result<oneshot::AsyncReceiver<Result<T, StoreError>>, StoreError> {
        let (reply, answer) = oneshot::async_channel();
        self.writes.send(op(reply)).await.map_err(|_| StoreError::Closed)?;
        Ok(answer)
    }
}

/// One page of the pages of all shards.
fn joined<T: Item>(parts: Vec<Page<T>>, scan: &Scan) -> Page<T> {
    let mut out = Page { done: true, ..Page::default() };
    for part in parts {
        out.done &= part.done;
        out.keys.extend(part.keys);
        out.missing.extend(part.missing);
    }
    in_order(&mut out.keys, scan.descending);
    out.done &= out.keys.len() <= scan.limit;
    out.keys.truncate(scan.limit);
    out.missing = unique(std::mem::take(&mut out.missing));
    out
}

impl Store {
    /// Opens the store in the spawner's folder. For writing, a missing folder is made; for reading, it is an
    /// empty store.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Format`] for a damaged or newer manifest, or what the disk said.
    pub async fn open<S: Spawner>(spawner: S, options: StoreOptions) -> Result<Self, StoreError> {
        let inner = open::open(&spawner, options.clone()).await?;
        let mut store = Self { inner: Arc::new(inner) };
        for _ in 0..SNAPSHOT_TRIES {
            // Beside a writer, files may have gone between reading the manifest and opening them.
            if options.access != Access::Snapshot || store.inner.core.is_current().await? {
                break;
            }
            store.close().await?;
            store = Self { inner: Arc::new(open::open(&spawner, options.clone()).await?) };
        }
        Ok(store)
    }

    fn shard_for(&self, hash: u64) -> Result<&ShardHandle, StoreError> {
        let shards = &self.inner.shards;
        shards.get(shard_of(hash, shards.len())).ok_or(StoreError::Closed)
    }

    pub(crate) fn writable(&self) -> Result<(), StoreError> {
        match self.inner.core.shared.options.access {
            Access::Write => Ok(()),
            Access::Snapshot | Access::Follow => Err(StoreError::ReadOnly),
        }
    }

    /// Stores emails; durable when it returns. Outcomes are in the order of `batch.emails`. Waits where the
    /// store is behind.
    ///
    /// # Errors
    /// [`StoreError`]; some shards may have stored their part then, and repeating the batch is harmless.
    pub async fn load(&self, batch: LoadBatch) -> Result<Vec<Outcome>, StoreError> {
        self.writable()?;
        let count = self.inner.shards.len();
        let mut parts: Vec<(LoadBatch, Vec<usize>)> = (0..count).map(|_| Default::default()).collect();
        let total = batch.emails.len();
        for (n, email) in batch.emails.into_iter().enumerate() {
            if let Some((part, at)) = parts.get_mut(shard_of(hash_of(&email.id), count)) {
                part.emails.push(email);
                at.push(n);
            }
        }
        for row in batch.rows {
            if let Some((part, _)) = parts.get_mut(shard_of(row.hash(), count)) {
                part.rows.push(row);
            }
        }
        if let Some(progress) = batch.progress {
            for (n, (part, _)) in parts.iter_mut().enumerate() {
                part.rows.push(watermark(&progress, shard_range(n, count))?);
            }
        }
        let mut waiting = Vec::new();
        for (shard, (part, at)) in self.inner.shards.iter().zip(parts) {
            if part.emails.is_empty() && part.rows.is_empty() {
                continue;
            }
            waiting.push((at, shard.write(|reply| WriteOp::Load(part, reply)).await?));
        }
        let mut outcomes = vec![Outcome::Duplicate; total];
        for (at, answer) in waiting {
            let part = answer.await.unwrap_or(Err(StoreError::Closed))?;
            for (n, outcome) in at.into_iter().zip(part) {
                if let Some(slot) = outcomes.get_mut(n) {
                    *slot = outcome;
                }
            }
        }
        Ok(outcomes)
    }

    /// Stores rows as they are (marks, documents, attachment chunks, archives); durable when it returns.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub async fn put(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        self.writable()?;
        if rows.iter().any(|row| matches!(row.kind, RowKind::Email | RowKind::Body)) {
            let why = "emails and bodies come together, through Store::load";
            return Err(StoreError::Refused(FormatError::Malformed { what: "row", why }));
        }
        let count = self.inner.shards.len();
        let mut parts: Vec<Vec<Row>> = vec![Vec::new(); count];
        for row in rows {
            if let Some(part) = parts.get_mut(shard_of(row.hash(), count)) {
                part.push(row);
            }
        }
        let mut waiting = Vec::new();
        for (shard, part) in self.inner.shards.iter().zip(parts).filter(|(_, part)| !part.is_empty()) {
            waiting.push(shard.write(|reply| WriteOp::Put(part, reply)).await?);
        }
        for answer in waiting {
            answer.await.unwrap_or(Err(StoreError::Closed))?;
        }
        Ok(())
    }

    /// The newest row with this key.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where it lies in damaged bytes.
    pub async fn get(&self, kind: RowKind, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let shard = self.shard_for(postlode_format::row::shard_hash(kind, key))?;
        let key = Bytes::copy_from_slice(key);
        shard.read(|reply| ReadOp::Get(kind, key, reply)).await?.map_err(StoreError::Missing)
    }

    /// Newest rows of a kind whose keys begin with `prefix` and are above `after`, in key order, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Closed`].
    pub async fn rows(
        &self,
        kind: RowKind,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<Row>, Vec<Missing>), StoreError> {
        let prefix = Bytes::copy_from_slice(prefix);
        let after = after.map(Bytes::copy_from_slice);
        let parts = self.all(|reply| ReadOp::Rows(kind, prefix.clone(), after.clone(), limit, reply)).await?;
        let (mut rows, mut missing) = (Vec::new(), Vec::new());
        for (some, damage) in parts {
            rows.extend(some);
            missing.extend(damage);
        }
        rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        rows.truncate(limit);
        Ok((rows, unique(missing)))
    }

    /// Asks all shards at once and waits for all.
    pub(crate) async fn all<T>(&self, op: impl Fn(Reply<T>) -> ReadOp) -> Result<Vec<T>, StoreError> {
        let waiting: Result<Vec<_>, _> = self.inner.shards.iter().map(|s| s.ask(&op)).collect();
        let mut out = Vec::new();
        for answer in waiting? {
            out.push(answer.await.map_err(|_| StoreError::Closed)?);
        }
        Ok(out)
    }

    /// Asks each shard about its ids and puts the answers in the order of `ids`.
    async fn by_id<T>(
        &self,
        ids: &[Id],
        op: impl Fn(Vec<Id>, Reply<Vec<Result<Option<T>, Missing>>>) -> ReadOp,
    ) -> Result<Vec<Result<Option<T>, Missing>>, StoreError> {
        let count = self.inner.shards.len();
        let mut parts: Vec<(Vec<Id>, Vec<usize>)> = (0..count).map(|_| Default::default()).collect();
        for (n, id) in ids.iter().enumerate() {
            if let Some((some, at)) = parts.get_mut(shard_of(hash_of(id), count)) {
                some.push(*id);
                at.push(n);
            }
        }
        let mut waiting = Vec::new();
        for (shard, (some, at)) in self.inner.shards.iter().zip(parts).filter(|(_, (ids, _))| !ids.is_empty())
        {
            waiting.push((at, shard.ask(|reply| op(some, reply))?));
        }
        let mut out: Vec<Result<Option<T>, Missing>> = ids.iter().map(|_| Ok(None)).collect();
        for (at, answer) in waiting {
            for (n, value) in at.into_iter().zip(answer.await.map_err(|_| StoreError::Closed)?) {
                if let Some(slot) = out.get_mut(n) {
                    *slot = value;
                }
            }
        }
        Ok(out)
    }

    /// Emails with places and marks, in the order asked for. Deleted ones are given, with their mark.
    /// What could not be read is `Err` in its place.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Closed`].
    pub async fn emails(&self, ids: &[Id]) -> Result<Vec<Result<Option<Found>, Missing>>, StoreError> {
        let mut out: Vec<Result<Option<Found>, Missing>> = Vec::with_capacity(ids.len());
        let (mut unknown, mut at) = (Vec::new(), Vec::new());
        for (n, id) in ids.iter().enumerate() {
            // What a shard read lately anybody can take: nobody has to be woken for it.
            let known = self.shard_for(hash_of(id))?.lately.get(id);
            if known.is_none() {
                unknown.push(*id);
                at.push(n);
            }
            out.push(Ok(known));
        }
        if !unknown.is_empty() {
            for (n, found) in at.into_iter().zip(self.by_id(&unknown, ReadOp::Emails).await?) {
                if let Some(slot) = out.get_mut(n) {
                    *slot = found;
                }
            }
        }
        Ok(out)
    }

    /// Bodies (rkyv `Body`), in the order asked for.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Closed`].
    pub async fn bodies(&self, ids: &[Id]) -> Result<Vec<Result<Option<Bytes>, Missing>>, StoreError> {
        self.by_id(ids, ReadOp::Bodies).await
    }

    /// Keys of a metadata index, over all shards.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Closed`]; damage is in the page.
    pub async fn scan(&self, scan: Scan) -> Result<ScanPage, StoreError> {
        let parts = self.all(|reply| ReadOp::Scan(scan.clone(), reply)).await?;
        Ok(joined(parts, &scan))
    }

    /// The positions at the ends of the keys of one part of an index: what most scans are for, without the keys.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub async fn positions(&self, scan: Scan) -> Result<PositionPage, StoreError> {
        let parts = self.all(|reply| ReadOp::Positions(scan.clone(), reply)).await?;
        Ok(joined(parts, &scan))
    }

    /// How many keys a range of an index holds, counted without reading them. Rows superseded since count too.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where the index is damaged.
    pub async fn count(&self, index: IndexId, range: KeyRange) -> Result<u64, StoreError> {
        let mut sum = 0u64;
        for part in self.all(|reply| ReadOp::Count(index, range.clone(), reply)).await? {
            sum = sum.saturating_add(part.map_err(StoreError::Missing)?);
        }
        Ok(sum)
    }

    /// Distinct parts of a text index (senders, folders …) that begin with `prefix`, with their number of keys, in
    /// order, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where the index is damaged.
    pub async fn parts(
        &self,
        index: IndexId,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let mut out = Vec::new();
        let mut range = KeyRange::prefix(prefix);
        while out.len() < limit {
            let page = self.scan(Scan { index, range: range.clone(), descending: false, limit: 1 }).await?;
            if let Some(missing) = page.missing.into_iter().next() {
                return Err(StoreError::Missing(missing));
            }
            let Some(key) = page.keys.first() else { break };
            let Some(part) = part_of_key(key) else { break };
            let all = KeyRange::prefix(&[part, &[0]].concat());
            let part = String::from_utf8_lossy(part).into_owned();
            if all.high <= range.low || all.high.is_empty() {
                break;
            }
            range.low.clone_from(&all.high);
            let count = self.count(index, all).await?;
            out.push((part, count));
        }
        Ok(out)
    }

    /// What text search reads. `known`: how many documents of a memtable the caller has already.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Closed`].
    pub async fn text_sources(&self, known: HashMap<u64, usize>) -> Result<TextSources, StoreError> {
        let mut out = TextSources::default();
        let mut segments: BTreeMap<u64, SegmentText> = BTreeMap::new();
        for (some, memtables, missing) in self.all(|reply| ReadOp::Text(known.clone(), reply)).await? {
            segments.extend(some.into_iter().map(|s| (s.id, s)));
            out.memtables.extend(memtables);
            out.missing.extend(missing);
        }
        out.segments = segments.into_values().collect();
        out.missing = unique(out.missing);
        Ok(out)
    }

    /// The key of the model whose vectors, which are in add-ons, answer; empty: those of the segments' own sections do. Ask
    /// before [`Store::text_sources`]: segments have the vectors of a model before it answers.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn active(&self) -> Result<String, StoreError> {
        Ok(self.inner.keeper.current().await?.active.clone())
    }

    /// How much of what is sealed a model's vectors cover, by its key.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn coverage(&self, model: &str) -> Result<Coverage, StoreError> {
        let manifest = self.inner.keeper.current().await?;
        let covered = |entry: &SegmentEntry| Covered {
            segment: entry.id,
            emails: entry.emails,
            pending: entry.addon(model).map_or(entry.emails, |addon| addon.pending),
        };
        let mut segments: Vec<Covered> =
            manifest.segments.iter().filter(|entry| entry.emails > 0).map(covered).collect();
        segments.sort_unstable_by_key(|one| one.segment);
        let stranger = |addon: &Addon| addon.model != model && addon.model != manifest.active;
        let others = manifest.segments.iter().flat_map(|entry| &entry.addons).any(stranger);
        Ok(Coverage { active: manifest.active == model, others, segments })
    }

    /// Emails of a segment by their ordinals, ascending: the first of them that are not more bytes than `most`, at least one;
    /// each or why it cannot be read. `None` where the segment is gone.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where none of its emails can be read.
    pub async fn documents(
        &self,
        segment: u64,
        ordinals: Vec<u32>,
        most: usize,
    ) -> Result<Option<Vec<Result<TextDoc, Missing>>>, StoreError> {
        self.inner.core.chore(|reply| Chore::Documents(segment, ordinals, most, reply)).await?
    }

    /// Says that searches find something else from now on, though nothing was committed: lists that were ranked before are
    /// not gone on with.
    pub fn touch(&self) {
        self.inner.core.shared.generation.fetch_add(1, Ordering::Release);
    }

    /// Adds vectors of a model to a segment; durable when it returns. False where the segment is gone, merged with others.
    ///
    /// # Errors
    /// Why they could not be made, and what the disk says; all is as before then.
    pub async fn add_vectors(&self, add: AddVectors) -> Result<bool, StoreError> {
        self.writable()?;
        self.inner.core.shared.merger.ask(|reply| MergeOp::AddVectors(add, reply)).await?
    }

    /// From now on the vectors of a model answer, which are in add-ons; by an empty key those of the segments' own sections.
    /// Add-ons of other models go.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn activate(&self, model: &str) -> Result<(), StoreError> {
        self.writable()?;
        let model = model.to_owned();
        self.inner.core.shared.merger.ask(|reply| MergeOp::Activate(model, reply)).await?
    }

    /// What counting and sorting read; places of memtables where they are asked for.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Closed`].
    pub async fn column_sources(&self, places: bool) -> Result<ColumnSources, StoreError> {
        let mut out = ColumnSources::default();
        let mut segments: BTreeMap<u64, SegmentColumns> = BTreeMap::new();
        for shard in self.all(|reply| ReadOp::Columns(places, reply)).await? {
            for segment in shard.segments {
                match segments.entry(segment.id) {
                    Entry::Vacant(place) => drop(place.insert(segment)),
                    Entry::Occupied(mut known) => known.get_mut().and(segment),
                }
            }
            out.emails.extend(shard.emails);
            out.places.extend(shard.places);
            out.missing.extend(shard.missing);
        }
        out.segments = segments.into_values().collect();
        out.missing = unique(out.missing);
        Ok(out)
    }

    /// A number that moves with every committed change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.core.shared.generation.load(Ordering::Acquire)
    }

    /// What moves with every change of what a read finds, and of where it finds it: what was gathered while it was the same
    /// before and after is what would be gathered now. A change that was acknowledged has moved it.
    #[must_use]
    pub fn version(&self) -> Version {
        Version {
            generation: self.generation(),
            layout: self.inner.core.shared.layout.load(Ordering::Acquire),
        }
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.inner.shards.len()
    }

    /// Counts and sizes, without those that only the segments themselves know: rows by kind, sections.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Closed`].
    pub async fn counts(&self) -> Result<StoreStats, StoreError> {
        let manifest = self.inner.keeper.current().await?;
        self.counts_of(&manifest).await
    }

    async fn counts_of(&self, manifest: &Manifest) -> Result<StoreStats, StoreError> {
        let mut out = StoreStats {
            manifest: manifest.number,
            generation: self.generation(),
            lost: manifest.lost.clone(),
            compaction: self.inner.core.shared.merged.told(manifest),
            active: manifest.active.clone(),
            missing: self.inner.core.missing.clone(),
            ..StoreStats::default()
        };
        for shard in self.all(ReadOp::Stats).await? {
            out.emails += shard.memtable_emails;
            out.bytes_on_disk += shard.log_bytes_on_disk;
            out.shards.push(shard);
        }
        for entry in &manifest.segments {
            out.emails += entry.emails;
            out.sealed_rows += entry.rows;
            out.bytes_on_disk += entry.files().map(|file| file.bytes).sum::<u64>();
            out.segments.push(SegmentStats::of(entry));
        }
        Ok(out)
    }

    /// Counts and sizes. Reads the directory of each segment.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Closed`].
    pub async fn stats(&self) -> Result<StoreStats, StoreError> {
        let manifest = self.inner.keeper.current().await?;
        let mut out = self.counts_of(&manifest).await?;
        out.segments.clear();
        let (segments, missing) = verify::describe(&self.inner.core, &manifest).await?;
        let mut rows: BTreeMap<u8, u64> = BTreeMap::new();
        for (segment, by_kind) in segments {
            for (kind, count) in by_kind {
                *rows.entry(kind).or_default() += count;
            }
            out.segments.push(segment);
        }
        out.missing.extend(missing);
        out.missing = unique(out.missing);
        out.rows = rows.into_iter().collect();
        Ok(out)
    }

    /// Makes segments of all that is in memory.
    ///
    /// # Errors
    /// What the disk says; nothing is lost then, the log has it.
    pub async fn seal(&self) -> Result<(), StoreError> {
        self.on_all_shards(WriteOp::Seal).await
    }

    async fn on_all_shards(
        &self,
        op: impl Fn(Reply<Result<(), StoreError>>) -> WriteOp,
    ) -> Result<(), StoreError> {
        self.writable()?;
        let mut waiting = Vec::new();
        for shard in &self.inner.shards {
            waiting.push(shard.write(&op).await?);
        }
        for answer in waiting {
            answer.await.unwrap_or(Err(StoreError::Closed))?;
        }
        Ok(())
    }

    /// Seals, and merges segments into as few as their size allows; segments that span shards are cut. Of deleted mail
    /// nothing is left then, in segments or logs; of its attachments nothing that no other mail has, unless that has to
    /// wait, which the answer says.
    ///
    /// # Errors
    /// Damage in a source, or what the disk says; the store is as before then.
    pub async fn compact(&self) -> Result<Swept, StoreError> {
        self.on_all_shards(WriteOp::Scrub).await?;
        self.inner.core.chore(Chore::Compact).await?
    }

    /// Copies the store as it is now into an empty folder, an absolute path: all that was acknowledged before. `link`: where
    /// the file system allows it, files get a second name there instead of a copy.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for damage, [`StoreError::Disk`] for either folder, [`StoreError::Unusable`] in a snapshot of
    /// a store that was not closed, some of whose rows are in a log only.
    pub async fn copy_to(&self, to: &Path, link: bool) -> Result<Copied, StoreError> {
        match self.inner.core.shared.options.access {
            Access::Write => self.seal().await?,
            Access::Snapshot | Access::Follow => {
                if !self.inner.keeper.current().await?.logs.is_empty() {
                    let why = "some of its rows are in a log only: `postlode segment compact` puts them into segments";
                    return Err(StoreError::Unusable(why.into()));
                }
            }
        }
        self.inner.core.chore(|reply| Chore::Copy(to.to_owned(), link, reply)).await?
    }

    /// Looks into a segment.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where there is none of that id, [`StoreError::Missing`] where its directory is damaged.
    pub async fn inspect(&self, segment: u64) -> Result<Inspected, StoreError> {
        self.inner.core.chore(|reply| Chore::Inspect(segment, reply)).await?
    }

    /// Rows of a segment in the order of kind and key, above a kind and key, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::inspect`], and [`StoreError::Missing`] for the first damage met.
    pub async fn dump(
        &self,
        segment: u64,
        after: Option<(RowKind, &[u8])>,
        limit: usize,
    ) -> Result<Vec<Dumped>, StoreError> {
        let after = after.map(|(kind, key)| full_key(kind, key));
        self.inner.core.chore(|reply| Chore::Dump(segment, after, limit, reply)).await?
    }

    /// Reads every byte of segments and logs.
    ///
    /// # Errors
    /// [`StoreError::Closed`]; damage is in the report.
    pub async fn verify(&self) -> Result<VerifyReport, StoreError> {
        verify::verify(&self.inner.core).await
    }

    /// Seals, and ends all executors. Further calls give [`StoreError::Closed`]. Blocks its thread for the end of
    /// the executors, so call it from none of them.
    ///
    /// # Errors
    /// Where sealing failed: what was acknowledged is in the log then, and the next opening finds it.
    pub async fn close(&self) -> Result<(), StoreError> {
        let mut result = Ok(());
        if self.inner.core.shared.options.access == Access::Write {
            let mut waiting = Vec::new();
            for shard in &self.inner.shards {
                match shard.write(WriteOp::Close).await {
                    Ok(answer) => waiting.push(answer),
                    Err(error) => result = Err(error),
                }
            }
            for answer in waiting {
                if let Err(error) = answer.await.unwrap_or(Err(StoreError::Closed)) {
                    result = Err(error);
                }
            }
        }
        self.inner.core.stop().await;
        for shard in &self.inner.shards {
            let (reply, answer) = oneshot::async_channel();
            if shard.reads.send(ReadOp::Close(reply)).await.is_ok() {
                // A shard that has ended already answers nothing.
                let _ended = answer.await;
            }
            shard.reads.close();
            shard.writes.close();
        }
        let executors = std::mem::take(&mut *self.inner.executors.lock().unwrap_or_else(|e| e.into_inner()));
        for executor in executors {
            if let Err(error) = executor.join() {
                tracing::error!("{error}");
            }
        }
        result
    }
}

fn watermark(progress: &Progress, (low, high): (u64, u64)) -> Result<Row, StoreError> {
    let Progress { load, range, batches, counts, holdings } = *progress;
    let value = to_bytes(&Watermark2 { high, batches, counts, holdings }).map_err(StoreError::Refused)?;
    Ok(Row { kind: RowKind::Watermark2, key: watermark_key(low, &load, range).into(), value })
}

fn unique(mut missing: Vec<Missing>) -> Vec<Missing> {
    missing.sort_unstable();
    missing.dedup();
    missing
}
