//! One shard: a part of the hash space with its log, memtable and segments, on one executor.
//!
//! Three tasks work here: the reader loop answers [`ReadOp`]s, the writer commits groups of [`WriteOp`]s, the
//! sealer turns frozen memtables into segments. What always holds: a row is visible after it is durable, and
//! never before; between two awaits the set of memtables and segments is consistent, so a row that moves from one
//! to the other is in at least one of them; rows outside the shard's hash range are never answered.

mod read;
mod seal;
mod write;

use crate::api::{
    Found, KeyRange, LoadBatch, MemtableText, Missing, Outcome, Scan, ScanPage, SegmentText, StoreOptions,
};
use crate::cache::BlockCache;
use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::keeper::KeeperHandle;
use crate::log::LogWriter;
use crate::memtable::Memtable;
use crate::segment::reader::Segment;
use async_channel::Sender;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::index::IndexId;
use postlode_format::manifest::Manifest;
use postlode_format::row::{Row, RowKind};
use postlode_runtime::Runtime;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use crate::api::ShardStats;
pub use seal::write_segment;

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
    /// Number of keys in a range.
    Count(IndexId, KeyRange, Reply<Result<u64, Missing>>),
    /// What text search reads.
    Text(HashMap<u64, usize>, Reply<(Vec<SegmentText>, Vec<MemtableText>, Vec<Missing>)>),
    /// Counts and sizes.
    Stats(Reply<ShardStats>),
    /// The manifest has changed.
    Refresh(Arc<Manifest>, Reply<()>),
    /// Wait for what runs, then end.
    Close(Reply<()>),
}

/// What a shard writes for a caller.
pub enum WriteOp {
    /// This shard's part of a batch: rows beside emails are in `rows`, a watermark among them.
    Load(LoadBatch, Reply<Result<Vec<Outcome>, StoreError>>),
    /// Rows as they are.
    Put(Vec<Row>, Reply<Result<(), StoreError>>),
    /// Log files before this one are not needed any more.
    Release(u32),
    /// Make all that is in memory a segment.
    Seal(Reply<Result<(), StoreError>>),
    /// Seal, end the log, and end the writer.
    Close(Reply<Result<(), StoreError>>),
}

/// Both ends of a shard's queues.
pub struct Queues {
    /// For the reader loop.
    pub reads: Inbox<ReadOp>,
    /// For the writer; it also sends to itself.
    pub writes: (Sender<WriteOp>, Inbox<WriteOp>),
}

/// What all shards of a store share.
pub struct Shared {
    /// How the store was opened.
    pub options: StoreOptions,
    /// Moves with every change.
    pub generation: AtomicU64,
    /// Numbers memtables.
    pub memtables: AtomicU64,
    /// The next segment's id.
    pub next_segment: AtomicU64,
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
    active: RefCell<Memtable>,
    /// Oldest first.
    frozen: RefCell<Vec<Rc<Frozen>>>,
    segments: RefCell<Vec<Rc<Segment<R>>>>,
    keeper: KeeperHandle,
    /// Why sealing does not get on at the moment.
    stuck: RefCell<Option<StoreError>>,
    stats: RefCell<ShardStats>,
    in_flight: Cell<usize>,
}

/// A memtable that takes no more rows. The CPU pool shares it while it is sealed.
pub struct Frozen {
    rows: Arc<Memtable>,
}

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
        let cache = BlockCache::new(shared.options.cache_bytes / shared.options.shards.max(1));
        let active = Memtable::new(shared.next_memtable());
        let shard = Rc::new(Self {
            runtime: runtime.clone(),
            index: start.index,
            range: start.range,
            cache,
            active: RefCell::new(active),
            frozen: RefCell::new(Vec::new()),
            segments: RefCell::new(Vec::new()),
            keeper,
            stuck: RefCell::new(None),
            stats: RefCell::new(ShardStats { range: start.range, ..ShardStats::default() }),
            in_flight: Cell::new(0),
            shared,
        });
        shard.refresh(&start.manifest).await;
        let recovered = shard.take_recovered(start.recovered).await;
        if let Some(stream) = start.stream {
            let log = LogWriter::new(
                runtime.clone(),
                stream,
                shard.shared.options.log_file_bytes,
                start.next_seq.saturating_sub(1),
            );
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

    /// Opens segments that the manifest names and we lack, and drops those it names no more.
    async fn refresh(&self, manifest: &Manifest) {
        let mine = |low: u64, high: u64| low <= self.range.1 && high >= self.range.0;
        let wanted: Vec<_> = manifest.segments.iter().filter(|s| mine(s.low, s.high)).collect();
        let have: Vec<u64> = self.segments.borrow().iter().map(|s| s.entry.id).collect();
        let mut opened = Vec::new();
        for entry in wanted.iter().filter(|s| !have.contains(&s.id)) {
            opened.push(Segment::open(&self.runtime, (*entry).clone(), self.cache.clone()).await);
        }
        let mut segments = self.segments.borrow_mut();
        for segment in opened {
            if !segments.iter().any(|s| s.entry.id == segment.entry.id) {
                segments.push(segment);
            }
        }
        segments.retain(|s| wanted.iter().any(|w| w.id == s.entry.id));
    }

    /// Puts recovered rows that are in no segment into a frozen memtable.
    async fn take_recovered(&self, rows: Vec<(u64, Row)>) -> bool {
        let mut memtable = Memtable::new(self.shared.next_memtable());
        for (seq, row) in rows {
            // A crash between sealing and the end of recovery leaves rows both in segments and in old logs.
            // A body has no entry of its own: it comes right after its email.
            let (kind, own) = if row.kind == RowKind::Body {
                (RowKind::Email, seq.saturating_sub(1))
            } else {
                (row.kind, seq)
            };
            if self.sealed_seq(kind, &row.key).await.is_some_and(|sealed| sealed >= own) {
                continue;
            }
            if let Err(error) = memtable.insert(seq, &row) {
                // It passed its checksum, so we wrote it so; it can be neither indexed nor shown.
                tracing::error!("a recovered row of kind {:?} cannot be used: {error}", row.kind);
            }
        }
        if memtable.is_empty() {
            return false;
        }
        self.frozen.borrow_mut().push(Rc::new(Frozen { rows: Arc::new(memtable) }));
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

    fn bump(&self) {
        self.shared.generation.fetch_add(1, Ordering::Release);
    }
}
