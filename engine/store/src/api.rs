//! What callers of the store hand in and get back. Plain values: they cross threads, later machines.

use crate::ordinals::Ordinals;
use crate::vectors::{VectorBuilder, VectorParts};
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::index::{IndexId, Position};
use postlode_format::manifest::{Addon, SegmentEntry, SegmentKind};
use postlode_format::row::{Counts, Holdings, Row};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// Executors, each owning an even part of the hash space. At least 1.
    pub shards: usize,
    /// Write, or read only, which changes nothing and repairs nothing.
    pub access: Access,
    /// Bytes of rows in one shard's memtable before it is sealed.
    pub memtable_bytes: usize,
    /// Bytes of all block caches together.
    pub cache_bytes: usize,
    /// Bytes of one log file. Each memtable begins a new one, so more than a memtable's is wasted.
    pub log_file_bytes: u64,
    /// Bytes on the disk that are kept for deletions, for when it is full.
    pub reserve_bytes: u64,
    /// So many segments of about one size are merged into one, in the background; 0: only when asked for.
    pub fan_in: usize,
    /// Requests that may wait at one shard before callers are told to come back.
    pub queue: usize,
    /// Builds the text index of a segment.
    pub text: Arc<dyn TextBuilder>,
    /// Makes the vectors of a segment; without it there are none.
    pub vectors: Option<Arc<dyn VectorBuilder>>,
}

impl StoreOptions {
    /// The defaults: one shard a core up to what the caller says, 32 MiB memtables, 256 MiB of cache.
    #[must_use]
    pub fn new(shards: usize, access: Access, text: Arc<dyn TextBuilder>) -> Self {
        Self {
            shards: shards.clamp(1, 1024),
            access,
            memtable_bytes: 32 << 20,
            cache_bytes: 256 << 20,
            log_file_bytes: 32 << 20,
            reserve_bytes: 4 << 20,
            fan_in: 16,
            queue: 1024,
            text,
            vectors: None,
        }
    }
}

/// Who opens a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The one writer: takes the lock, recovers, may change anything.
    Write,
    /// A reader: opens what is there now and changes nothing.
    Snapshot,
    /// A reader that keeps up with the writer, at most a second behind, and changes nothing either.
    Follow,
}

/// One email of a text index under construction, as the rows that hold it.
#[derive(Debug, Clone)]
pub struct TextDoc {
    /// An rkyv [`postlode_format::row::Email`].
    pub email: Bytes,
    /// An rkyv [`postlode_format::row::Body`].
    pub body: Bytes,
}

/// Builds the text section of a segment. The store knows no search library; this is where one plugs in.
pub trait TextBuilder: Send + Sync {
    /// Indexes the documents in the order in which `next` gives them (their number is the ordinal in the
    /// segment), and writes the section's bytes. Runs on the CPU pool.
    ///
    /// # Errors
    /// One line that says why it could not be built, or written.
    fn build(&self, next: &mut dyn FnMut() -> Option<TextDoc>, out: &mut dyn Write) -> Result<(), String>;

    /// Writes the section of `docs` documents that these sections merge into, without the documents themselves. Runs on a
    /// thread of its own.
    ///
    /// # Errors
    /// One line that says why these cannot be merged: then the documents are indexed anew.
    fn merge(&self, sources: &[MergedText], docs: u32, out: &mut dyn Write) -> Result<(), String>;
}

/// A text section that is merged with others.
pub struct MergedText {
    /// The section.
    pub text: Arc<dyn SectionRead>,
    /// The number that each of its documents gets, ascending; [`NOWHERE`] for one that is left out.
    pub to: Vec<u32>,
}

/// The number of a document that is left out.
pub const NOWHERE: u32 = u32::MAX;

/// Verified random access to one section, from any thread. Blocks its caller; for the CPU pool.
pub trait SectionRead: Send + Sync {
    /// Bytes of content.
    fn len(&self) -> u64;
    /// No content.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Exactly `len` bytes at `offset`, from checked blocks.
    ///
    /// # Errors
    /// The damaged block, or what the disk said.
    fn read(&self, offset: u64, len: usize) -> Result<Bytes, Missing>;
}

/// Something that could not be read while answering: the answer is right without it, but partial.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// The segment, if it is one; `None` for a log.
    pub segment: Option<u64>,
    /// Its section (`bodies`, `index:sender` …), or the log file.
    pub section: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.segment {
            Some(segment) => write!(f, "segment {segment:016x}, section {}: {}", self.section, self.reason),
            None => write!(f, "log {}: {}", self.section, self.reason),
        }
    }
}

/// An email to be stored, with the place it was found at.
#[derive(Debug, Clone)]
pub struct NewEmail {
    /// Its id.
    pub id: Id,
    /// An rkyv [`postlode_format::row::Email`].
    pub email: Bytes,
    /// An rkyv [`postlode_format::row::Body`].
    pub body: Bytes,
    /// The [`postlode_format::row::Place`] row it was found at, with its key.
    pub place: Row,
}

/// What became of a [`NewEmail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Stored,
    /// It was there; this place of it is new.
    NewPlace,
    /// It was there, at this place too.
    Duplicate,
    /// It was deleted once; nothing was stored.
    Deleted,
}

/// Part of a load, committed as a whole in each shard.
#[derive(Debug, Clone, Default)]
pub struct LoadBatch {
    /// Emails, embedded ones before the ones that hold them.
    pub emails: Vec<NewEmail>,
    /// Other rows: failures, archive versions.
    pub rows: Vec<Row>,
    /// How far the load is after this batch.
    pub progress: Option<Progress>,
}

/// How far a range of a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Identity of the load: archive, version, custodian and options, hashed.
    pub load: Id,
    /// Number of the range.
    pub range: u32,
    /// Batches of the range that are done after this one.
    pub batches: u32,
    /// What the range counted so far.
    pub counts: Counts,
    /// And what its items hold.
    pub holdings: Holdings,
}

/// An email as it is now.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its id.
    pub id: Id,
    /// An rkyv [`postlode_format::row::Email`].
    pub email: Bytes,
    /// rkyv [`postlode_format::row::Place`]s, at least one, in key order.
    pub places: Vec<Bytes>,
    /// An rkyv [`postlode_format::row::Mark`].
    pub mark: Option<Bytes>,
}

/// A range of index keys: `low <= key < high`; an empty `high` is no bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// First key.
    pub low: Vec<u8>,
    /// First key not wanted any more.
    pub high: Vec<u8>,
}

impl KeyRange {
    /// All keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { low: prefix.to_vec(), high: successor(prefix) }
    }

    /// Keys that are `prefix` and a position from `from` to `to`, both included.
    #[must_use]
    pub fn positions(prefix: &[u8], from: Position, to: Position) -> Self {
        let low = [prefix, &from.to_bytes()].concat();
        let high = successor(&[prefix, &to.to_bytes()].concat());
        Self { low, high }
    }

    /// Is `key` in it?
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.low.as_slice() && (self.high.is_empty() || key < self.high.as_slice())
    }
}

/// The first byte string above all that begin with `prefix`; empty where there is none.
#[must_use]
pub fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut out = prefix.to_vec();
    while let Some(last) = out.pop() {
        if let Some(next) = last.checked_add(1) {
            out.push(next);
            return out;
        }
    }
    out
}

/// What to scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The index.
    pub index: IndexId,
    /// The keys.
    pub range: KeyRange,
    /// From high to low.
    pub descending: bool,
    /// At most so many keys.
    pub limit: usize,
}

/// What a scan found.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Keys, or what stands at their ends, in the order asked for, without doubles.
    pub keys: Vec<T>,
    /// The range holds no further keys.
    pub done: bool,
    /// What could not be read.
    pub missing: Vec<Missing>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { keys: Vec::new(), done: false, missing: Vec::new() }
    }
}

/// Keys of a scan.
pub type ScanPage = Page<Bytes>;
/// Positions of a scan.
pub type PositionPage = Page<Position>;

/// How far a store has got: see [`crate::Store::version`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    pub(crate) generation: u64,
    pub(crate) layout: u64,
}

/// Everything that search by words or meaning reads.
#[derive(Clone, Default)]
pub struct TextSources {
    /// Sealed segments, each once.
    pub segments: Vec<SegmentText>,
    /// What is not sealed yet.
    pub memtables: Vec<MemtableText>,
    /// Segments whose text cannot be read.
    pub missing: Vec<Missing>,
}

/// Text and vectors of one sealed segment.
#[derive(Clone)]
pub struct SegmentText {
    /// The segment.
    pub id: u64,
    /// Emails in it: ordinals are below.
    pub emails: u64,
    /// The text section.
    pub text: Arc<dyn SectionRead>,
    /// Which emails these are, by their ordinals.
    pub ordinals: Ordinals,
    /// The vectors in its own sections.
    pub vectors: VectorParts,
    /// Vectors that came later.
    pub addons: Vec<AddonText>,
}

/// Vectors of a model that a segment gained.
#[derive(Clone)]
pub struct AddonText {
    /// Identity of the file: another where more was added.
    pub id: u64,
    /// The model, by its key.
    pub model: String,
    /// Emails of the segment of which it says nothing yet.
    pub pending: u64,
    /// The vectors, or why they cannot be read.
    pub vectors: Result<VectorParts, Missing>,
}

/// Emails of one memtable, in the order in which they came.
#[derive(Debug, Clone)]
pub struct MemtableText {
    /// Identity of the memtable in this process; never used again.
    pub memtable: u64,
    /// The number of the first of `docs` in it: those before were known to the caller.
    pub first: usize,
    /// Emails.
    pub docs: Vec<MemDoc>,
}

/// One email of a memtable.
#[derive(Debug, Clone)]
pub struct MemDoc {
    /// Its place in every order.
    pub position: Position,
    /// Its rows.
    pub doc: TextDoc,
}

/// Counts and sizes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoreStats {
    /// Emails, those of segments and memtables.
    pub emails: u64,
    /// Rows of segments.
    pub sealed_rows: u64,
    /// Rows of segments by the number of their kind.
    pub rows: Vec<(u8, u64)>,
    /// Segments.
    pub segments: Vec<SegmentStats>,
    /// Shards.
    pub shards: Vec<ShardStats>,
    /// Merging.
    pub compaction: CompactionStats,
    /// The key of the model whose vectors, which are in add-ons, answer; empty: those of the segments' own sections do.
    pub active: String,
    /// Number of the manifest.
    pub manifest: u64,
    /// Moves with every change.
    pub generation: u64,
    /// Bytes of all files.
    pub bytes_on_disk: u64,
    /// What cannot be read.
    pub missing: Vec<Missing>,
    /// Rows once acknowledged and lost: (stream, first, last).
    pub lost: Vec<(u64, u64, u64)>,
}

/// What became of attachments that no email has any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swept {
    /// So many were taken out.
    Done(u64),
    /// None yet, as mail was being loaded.
    Waits,
    /// Not all of them: this cannot be read, so what it names is not known.
    Damaged(Missing),
}

/// Merging since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactionStats {
    /// Segments small enough to be merged sooner or later.
    pub waiting: u64,
    /// Merges that were published.
    pub merges: u64,
    /// Bytes of segments that were merged away.
    pub bytes_read: u64,
    /// Bytes of segments that came of it.
    pub bytes_written: u64,
}

/// One segment, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentStats {
    /// Its id.
    pub id: u64,
    /// `mail` or `blobs`.
    pub kind: &'static str,
    /// Bytes of its file.
    pub bytes: u64,
    /// Emails in it.
    pub emails: u64,
    /// Rows in it.
    pub rows: u64,
    /// Its hash range.
    pub range: (u64, u64),
    /// Earliest and latest date of its emails.
    pub dates: (i64, i64),
    /// Sections: name, bytes of content, bytes on disk, entries. Empty where the directory cannot be read.
    pub sections: Vec<(String, u64, u64, u64)>,
    /// Add-ons.
    pub addons: Vec<Addon>,
}

impl SegmentStats {
    /// What the manifest says of it.
    pub(crate) fn of(entry: &SegmentEntry) -> Self {
        Self {
            id: entry.id,
            kind: match entry.kind {
                SegmentKind::Mail => "mail",
                SegmentKind::Blobs => "blobs",
                SegmentKind::Vectors => "vectors",
            },
            bytes: entry.bytes,
            emails: entry.emails,
            rows: entry.rows,
            range: (entry.low, entry.high),
            dates: (entry.min_date, entry.max_date),
            sections: Vec::new(),
            addons: entry.addons.clone(),
        }
    }
}

/// One shard, for people.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShardStats {
    /// Its hash range.
    pub range: (u64, u64),
    /// Emails not sealed yet.
    pub memtable_emails: u64,
    /// Bytes not sealed yet.
    pub memtable_bytes: u64,
    /// Log bytes that a crash would have to read again.
    pub log_bytes: u64,
    /// Bytes of all log files, their unused room among them.
    pub log_bytes_on_disk: u64,
    /// Group commits since opening.
    pub commits: u64,
    /// Rows committed since opening.
    pub committed_rows: u64,
    /// How long writes to the log took until they were durable.
    pub syncs: SyncTimes,
    /// How often writers had to wait because sealing was behind, and for how many microseconds together.
    pub stalls: (u64, u64),
    /// Block cache: hits, misses, bytes.
    pub cache: (u64, u64, u64),
    /// Requests waiting.
    pub queued: u64,
}

/// How long something took, by classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncTimes {
    /// How many took at most so many microseconds as [`SyncTimes::BOUNDS`] says, each class without those before it; the
    /// last are all that took longer.
    pub counts: [u64; SyncTimes::BOUNDS.len() + 1],
    /// Microseconds of all together.
    pub micros: u64,
}

impl SyncTimes {
    /// Upper ends of the classes, in microseconds.
    pub const BOUNDS: [u64; 11] =
        [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000];

    /// Counts one.
    pub fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = Self::BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get_mut(class) {
            *count = count.saturating_add(1);
        }
        self.micros = self.micros.saturating_add(micros);
    }
}

/// What `verify` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Blocks and pages checked.
    pub blocks: u64,
    /// Everything that is wrong.
    pub damage: Vec<Missing>,
}
