//! One shard: a part of the hash space with its log, memtable and segments, on one executor.
//!
//! Three tasks work here: the reader loop answers [`ReadOp`]s, the writer commits groups of [`WriteOp`]s, the
//! sealer turns frozen memtables into segments. What always holds: a row is visible after it is durable, and
//! never before; between two awaits the set of memtables and segments is consistent, so a row that moves from one
//! to the other is in at least one of them; rows outside the shard's hash range are never answered.

mod dates;
mod follow;
mod found;
mod mark;
mod marks;
mod read;
pub mod scan;
mod seal;
mod write;

use crate::api::{
    Found, KeyRange, LoadBatch, MemtableText, Missing, Outcome, PositionPage, Scan, ScanPage, SegmentText,
    StoreOptions,
};
use crate::attachments::Attachments;
use crate::cache::BlockCache;
use crate::columns::ColumnSources;
use crate::compact::{self, Compacted, MergerHandle};
use crate::error::StoreError;
use crate::follow::FollowedRow;
use crate::inbox::Inbox;
use crate::keeper::{Fence, KeeperHandle};
use crate::log::LogWriter;
use crate::marks::{MarkChange, Marked, MarksAsked, MarksTold};
use crate::memtable::Memtable;
use crate::reserve::Reserve;
use crate::segment::reader::Segment;
use async_channel::Sender;
use bytes::Bytes;
use found::FoundCache;
pub use found::Lately;
use postlode_format::id::Id;
use postlode_format::index::IndexId;
use postlode_format::manifest::{Addon, Manifest, SegmentEntry};
use postlode_format::row::{Row, RowKind};
use postlode_runtime::Runtime;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use crate::api::ShardStats;

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<T>;

/// What a shard reads for a caller.
pub enum ReadOp {
    /// The newest row with a key.
    Get(RowKind, Bytes, Reply<Result<Option<Bytes>, Missing>>),
    /// Newest rows by key prefix.
    Rows(RowKind, Bytes, Option<Bytes>, usize, Reply<(Vec<Row>, Vec<Missing>)>),
    /// Emails with places and marks.
    Emails(Vec<Id>, Reply<Vec<Result<Option<Found>, Missing>>>),
    /// Bodies.
    Bodies(Vec<Id>, Reply<Vec<Result<Option<Bytes>, Missing>>>),
    /// Keys of an index.
    Scan(Scan, Reply<ScanPage>),
    /// Positions at the ends of such keys.
    Positions(Scan, Reply<PositionPage>),
    /// Number of keys in a range.
    Count(IndexId, KeyRange, Reply<Result<u64, Missing>>),
    /// What text search reads.
    Text(HashMap<u64, usize>, Reply<(Vec<SegmentText>, Vec<MemtableText>, Vec<Missing>)>),
    /// What counting and sorting read: with places, or without.
    Columns(bool, Reply<ColumnSources>),
    /// What all marks say.
    Marks(MarksAsked, Reply<Result<MarksTold, Missing>>),
    /// Counts and sizes.
    Stats(Reply<ShardStats>),
    /// Segments were merged.
    Refresh(Arc<Compacted>, Reply<()>),
    /// The writer that is followed has published a manifest. Where it is to be strict, it changes nothing if a segment
    /// cannot be opened, and says which.
    Follow(Arc<Manifest>, bool, Reply<Result<(), Missing>>),
    /// Rows that the writer has acknowledged.
    Followed(Vec<FollowedRow>, Reply<()>),
    /// Wait for what runs, then end.
    Close(Reply<()>),
}

/// What a shard writes for a caller.
pub enum WriteOp {
    /// This shard's part of a batch: rows beside emails are in `rows`, a watermark among them.
    Load(LoadBatch, Reply<Result<Vec<Outcome>, StoreError>>),
    /// Rows as they are.
    Put(Vec<Row>, Reply<Result<(), StoreError>>),
    /// Changes of what is said about emails.
    Mark(Vec<MarkChange>, Reply<Result<Vec<Marked>, StoreError>>),
    /// Log files before this one are not needed any more.
    Release(u32),
    /// These emails, which are deleted, are about to be taken out: where all still are, their marks are not changed until
    /// they are spared, and the answer is `true`.
    Condemn(Vec<Id>, Reply<bool>),
    /// Marks of these may be changed again.
    Spare(Vec<Id>),
    /// Make all that is in memory a segment.
    Seal(Reply<Result<(), StoreError>>),
    /// Seal, and leave nothing in the log of what was ever written into it.
    Scrub(Reply<Result<(), StoreError>>),
    /// Seal, end the log, and end the writer.
    Close(Reply<Result<(), StoreError>>),
}

/// Both ends of a shard's queues.
pub struct Queues {
    /// For the reader loop.
    pub reads: Inbox<ReadOp>,
    /// For the writer; it also sends to itself.
    pub writes: (Sender<WriteOp>, Inbox<WriteOp>),
    /// Emails that were read lately.
    pub lately: Lately,
}

/// What all shards of a store share.
pub struct Shared {
    /// How the store was opened.
    pub options: StoreOptions,
    /// Moves with every change of what is there.
    pub generation: AtomicU64,
    /// Moves with every change of where it is: what is opened of it is to be opened anew.
    pub layout: AtomicU64,
    /// Numbers memtables.
    pub memtables: AtomicU64,
    /// The next segment's id.
    pub next_segment: AtomicU64,
    /// The store is closing: long work ends early.
    pub stopping: AtomicBool,
    /// Whether another writer has come.
    pub fence: Arc<Fence>,
    /// Merges segments.
    pub merger: MergerHandle,
    /// What it merged.
    pub merged: compact::Counts,
    /// Room that is kept for deletions.
    pub reserve: Arc<Reserve>,
    /// Which attachments loads rely on.
    pub attachments: Arc<Attachments>,
}

impl Shared {
    /// A number no memtable of this process had.
    pub fn next_memtable(&self) -> u64 {
        self.memtables.fetch_add(1, Ordering::Relaxed)
    }
}

/// How a shard begins.
pub struct Start {
    /// Number of the shard.
    pub index: usize,
    /// Its part of the hash space, both ends included.
    pub range: (u64, u64),
    /// The store at this moment.
    pub manifest: Arc<Manifest>,
    /// Rows of the logs that fall in its range.
    pub recovered: Vec<(u64, Row)>,
    /// The sequence number of its first new row.
    pub next_seq: u64,
    /// Its log's stream; `None` in a snapshot.
    pub stream: Option<u64>,
}

/// A shard's state. It stays on its executor; its tasks share it.
pub struct Shard<R: Runtime> {
    runtime: R,
    shared: Arc<Shared>,
    index: usize,
    range: (u64, u64),
    cache: BlockCache,
    /// Emails that were read lately.
    lately: FoundCache,
    active: RefCell<Memtable>,
    /// Oldest first.
    frozen: RefCell<Vec<Rc<Frozen>>>,
    segments: RefCell<Vec<Rc<Segment<R>>>>,
    keeper: KeeperHandle,
    /// Why sealing does not get on at the moment.
    stuck: RefCell<Option<StoreError>>,
    stats: RefCell<ShardStats>,
    in_flight: Cell<usize>,
    /// Segments that were merged away: one that was being opened meanwhile must not come back.
    removed: RefCell<BTreeSet<u64>>,
    /// Add-ons of segments that their sealer has not taken in yet.
    early_addons: RefCell<BTreeMap<u64, Vec<Addon>>>,
    /// The sealer has not ended.
    sealing: Cell<bool>,
    /// Emails that are being taken out: their marks stay as they are.
    condemned: RefCell<HashSet<Id>>,
    /// What all marks say, once somebody has asked.
    marks: RefCell<marks::Known>,
}

/// A memtable that takes no more rows. The CPU pool shares it while it is sealed.
pub struct Frozen {
    rows: Arc<Memtable>,
    /// How often its text index could not be built.
    text_failures: Cell<u32>,
    /// In a follower: the stream that its rows came by.
    stream: Option<u64>,
    /// In a follower: the highest sequence number in it.
    last_seq: u64,
}

impl Frozen {
    fn new(rows: Memtable) -> Rc<Self> {
        Rc::new(Self { rows: Arc::new(rows), text_failures: Cell::new(0), stream: None, last_seq: 0 })
    }
}

/// Bytes of the caches of one shard: of blocks, and of whole emails.
pub fn shares(options: &StoreOptions) -> (usize, usize) {
    let own = options.cache_bytes / options.shards.max(1);
    (own - own / FOUND_SHARE, own / FOUND_SHARE)
}

/// Which part of the cache is for whole emails; the rest is for blocks.
const FOUND_SHARE: usize = 4;
/// Reads that may run at the same time on one shard; further ones wait in its queue.
const MAX_IN_FLIGHT: usize = 256;

impl<R: Runtime> Shard<R> {
    /// Runs a shard to its end. `started` hears when it can answer.
    pub async fn run(
        runtime: R,
        shared: Arc<Shared>,
        start: Start,
        queues: Queues,
        keeper: KeeperHandle,
        started: Reply<()>,
    ) {
        let cache = BlockCache::new(shares(&shared.options).0);
        let active = Memtable::new(shared.next_memtable());
        let shard = Rc::new(Self {
            runtime: runtime.clone(),
            index: start.index,
            range: start.range,
            cache,
            lately: FoundCache::of(queues.lately),
            active: RefCell::new(active),
            frozen: RefCell::new(Vec::new()),
            segments: RefCell::new(Vec::new()),
            keeper,
            stuck: RefCell::new(None),
            stats: RefCell::new(ShardStats { range: start.range, ..ShardStats::default() }),
            in_flight: Cell::new(0),
            removed: RefCell::new(BTreeSet::new()),
            early_addons: RefCell::default(),
            sealing: Cell::new(false),
            condemned: RefCell::default(),
            marks: RefCell::default(),
            shared,
        });
        shard.refresh(&Compacted { added: start.manifest.segments.clone(), ..Compacted::default() }).await;
        let recovered = shard.take_recovered(start.recovered).await;
        if let Some(stream) = start.stream {
            let log = LogWriter::new(
                runtime.clone(),
                stream,
                shard.shared.options.log_file_bytes,
                start.next_seq.saturating_sub(1),
                shard.shared.reserve.clone(),
            );
            shard.sealing.set(true);
            let (seals, jobs) = async_channel::unbounded();
            let own = queues.writes.0.clone();
            runtime.spawn(Box::pin(seal::run(shard.clone(), Inbox::new(jobs), own)));
            let writer = write::Writer::new(shard.clone(), log, start.next_seq, seals);
            runtime.spawn(Box::pin(writer.run(queues.writes.1, recovered)));
        }
        // Nobody to hear it means that opening was given up; the queues close then, too.
        drop(started.send(()));
        shard.read_loop(queues.reads).await;
    }

    async fn read_loop(self: Rc<Self>, reads: Inbox<ReadOp>) {
        while let Ok(op) = reads.recv().await {
            if let ReadOp::Close(reply) = op {
                while self.in_flight.get() > 0 {
                    self.runtime.yield_now().await;
                }
                drop(reply.send(()));
                return;
            }
            self.stats.borrow_mut().queued = reads.len() as u64;
            if self.in_flight.get() >= MAX_IN_FLIGHT {
                self.answer(op).await;
                continue;
            }
            self.in_flight.set(self.in_flight.get() + 1);
            let shard = self.clone();
            self.runtime.spawn(Box::pin(async move {
                shard.answer(op).await;
                shard.in_flight.set(shard.in_flight.get().saturating_sub(1));
            }));
        }
    }

    /// Is this hash ours?
    fn owns(&self, hash: u64) -> bool {
        self.range.0 <= hash && hash <= self.range.1
    }

    /// Opens segments that are new and in our range, and drops those that are gone.
    async fn refresh(&self, change: &Compacted) {
        self.removed.borrow_mut().extend(&change.removed);
        let mine = |s: &&SegmentEntry| s.low <= self.range.1 && s.high >= self.range.0;
        let mut opened = Vec::new();
        for entry in change.added.iter().filter(mine) {
            opened.push(Segment::open(&self.runtime, entry.clone(), self.cache.clone()).await);
        }
        self.take_in(opened);
        for entry in change.addons.iter().filter(mine) {
            if !self.set_addons(entry.id, &entry.addons).await && !self.removed.borrow().contains(&entry.id) {
                self.early_addons.borrow_mut().insert(entry.id, entry.addons.clone());
            }
        }
        self.early_addons.borrow_mut().retain(|segment, _| !change.removed.contains(segment));
        if change.purged {
            // Nothing of what was taken out may be shown from memory.
            self.lately.clear();
        }
        self.segments.borrow_mut().retain(|s| !change.removed.contains(&s.entry.id));
        self.moved();
    }

    /// False where no such segment is open.
    async fn set_addons(&self, segment: u64, addons: &[Addon]) -> bool {
        let known = self.segments.borrow().iter().find(|known| known.entry.id == segment).cloned();
        match known {
            Some(known) => {
                known.set_addons(addons).await;
                true
            }
            None => false,
        }
    }

    /// Gives segments that were just taken in the add-ons that came before that.
    async fn take_early_addons(&self, segments: &[u64]) {
        for segment in segments {
            let early = self.early_addons.borrow_mut().remove(segment);
            if let Some(addons) = early {
                self.set_addons(*segment, &addons).await;
            }
        }
    }

    /// Makes open segments visible, except those that were merged away meanwhile.
    fn take_in(&self, opened: Vec<Rc<Segment<R>>>) {
        let (mut segments, removed) = (self.segments.borrow_mut(), self.removed.borrow());
        for segment in opened {
            let id = segment.entry.id;
            if !removed.contains(&id) && !segments.iter().any(|s| s.entry.id == id) {
                segments.push(segment);
            }
        }
    }

    /// Puts recovered rows that are in no segment into a frozen memtable.
    async fn take_recovered(&self, rows: Vec<(u64, Row)>) -> bool {
        let mut memtable = Memtable::new(self.shared.next_memtable());
        let mut emails: HashSet<Bytes> = HashSet::new();
        for (seq, row) in rows {
            // A crash between sealing and the end of recovery leaves rows both in segments and in old logs. A body
            // goes where its email goes.
            let new = match row.kind {
                RowKind::Body => emails.contains(&row.key),
                kind => self.sealed_seq(kind, &row.key).await.is_none_or(|sealed| sealed < seq),
            };
            if !new {
                continue;
            }
            if row.kind == RowKind::Email {
                emails.insert(row.key.clone());
            }
            if let Err(error) = memtable.insert(seq, &row) {
                // It passed its checksum, so we wrote it so; it can be neither indexed nor shown.
                tracing::error!("a recovered row of kind {:?} cannot be used: {error}", row.kind);
            }
        }
        if memtable.is_empty() {
            return false;
        }
        self.frozen.borrow_mut().push(Frozen::new(memtable));
        true
    }

    async fn sealed_seq(&self, kind: RowKind, key: &[u8]) -> Option<u64> {
        let mut newest = None;
        for segment in self.segments_for(kind, key) {
            if let Ok(Some(at)) = segment.location(kind, key).await {
                newest = newest.max(Some(at.seq));
            }
        }
        newest
    }

    /// Something is somewhere else from now on.
    fn moved(&self) {
        self.shared.layout.fetch_add(1, Ordering::Release);
    }

    fn bump(&self) {
        self.shared.generation.fetch_add(1, Ordering::Release);
    }
}
