//! The committing side of one worker: takes what it says, in order, and makes it durable.
//!
//! What always holds: an attachment's chunks are durable before the email that holds it, and its last chunk is the
//! last to be; the progress of a batch is committed with the last of its rows.

use crate::error::LoadError;
use crate::losses::{Copy, Losses};
use crate::model::FailureReport;
use crate::output::{Chunk, Loss, Output, Parsed, ParsedEmail, Piece};
use crate::plan::Done;
use crate::stages::Stage;
use crate::sums::Sums;
use crate::watch::Watch;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::row::{Grade, Row, RowKind, blob_key};
use postlode_mail::thread::join::Edge;
use postlode_store::{LoadBatch, Loading, NewEmail, Outcome, Progress, Store, StoreError};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Attachments that are remembered to be in the store, so that it is not asked again.
const REMEMBERED: usize = 16_384;
/// Bytes of rows after which a piece is committed in parts, well below the largest frame of a log.
const COMMIT_BYTES: usize = 16 << 20;
/// Shortest and longest wait when the store is busy, and how often it is asked before that is an error.
const BUSY_PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(250)];
const BUSY_TRIES: usize = 400;

/// What one archive's load has done so far, shared by its committers; they all run on one thread.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Counts of this run: what earlier ones stored is duplicate.
    pub(crate) run: Sums,
    /// Counts of all runs, range by range: what the archive's row will say.
    pub(crate) ranges: Vec<Done>,
    /// What could not be read.
    pub(crate) failures: Vec<FailureReport>,
    /// The first worker that could not go on, and why.
    pub(crate) broken: Option<(String, String)>,
}

impl Tally {
    /// Of a pass of so many ranges that begins anew.
    pub(crate) fn new(ranges: usize) -> Self {
        Self { ranges: vec![Done::default(); ranges], ..Self::default() }
    }

    /// Adds what another pass did.
    pub(crate) fn add(&mut self, other: Self) {
        self.run = self.run.plus(&other.run);
        self.ranges.extend(other.ranges);
        self.failures.extend(other.failures);
        self.broken = self.broken.take().or(other.broken);
    }

    /// Counts of all ranges together.
    pub(crate) fn all(&self) -> Sums {
        self.ranges.iter().fold(Sums::default(), |sum, done| sum.plus(&done.counts))
    }
}

/// What all committers of one archive's load have in common.
pub(crate) struct Commit<'l> {
    pub(crate) store: &'l Store,
    pub(crate) copy: &'l Copy,
    /// The load's identity, under which its progress is kept; `None` where it is not.
    pub(crate) load: Option<Id>,
    /// What earlier loads of this copy could not read.
    pub(crate) known: &'l Losses,
    /// Counts of what was done before, for people to look at.
    pub(crate) before: Sums,
    pub(crate) tally: RefCell<Tally>,
    pub(crate) watch: &'l Watch,
    pub(crate) edges: RefCell<Edges>,
    /// Committers that share the work.
    pub(crate) workers: usize,
}

impl Commit<'_> {
    /// Takes what a worker says until it has ended.
    pub(crate) async fn run(&self, from: async_channel::Receiver<Output>) -> Result<(), LoadError> {
        let (loading, mut whole) = (self.store.loading(), true);
        let mut blobs = Blobs { store: self.store, loading, present: HashSet::new() };
        while let Ok(output) = from.recv().await {
            let since = Instant::now();
            match output {
                Output::Wanted { sha256, last, answer } => {
                    let wanted = !blobs.has(&sha256, last).await?;
                    // A worker that has ended meanwhile needs no answer.
                    let _ = answer.send(wanted).await;
                }
                Output::Chunk(chunk) => put(self.store, vec![row_of(chunk)]).await?,
                Output::Piece(mut piece) => {
                    // Of an item that is given up there may be attachments.
                    whole &= !piece.given_up;
                    blobs.add(std::mem::take(&mut piece.blobs)).await?;
                    self.piece(piece).await?;
                }
                Output::Broken { code, reason } => {
                    whole = false;
                    self.tally.borrow_mut().broken.get_or_insert((code, reason));
                }
            }
            self.watch.stages.busy(Stage::Commit, since, self.workers);
        }
        if whole && !self.watch.stop_flag().load(Ordering::Relaxed) {
            blobs.loading.done();
        }
        Ok(())
    }

    async fn piece(&self, piece: Piece) -> Result<(), LoadError> {
        let Piece { range, batch, folder, items, ends, given_up, .. } = piece;
        let ends = ends && !given_up;
        let mut emails = Vec::new();
        let (mut rows, mut taken_back) = (Vec::new(), Vec::new());
        let mut settled = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Parsed::Item { node, emails: family, holds, losses, joins } => {
                    joins.iter().for_each(|edge| self.edges.borrow_mut().add(edge, &mut rows));
                    let lost = self.copy.rows(&losses)?;
                    taken_back.extend(self.known.settled(node, &lost)?);
                    rows.extend(lost);
                    emails.extend(family.into_iter().map(new_email));
                    // The item itself is the last of its family.
                    let email = emails.len().checked_sub(1);
                    settled.push(Settled { email, failed: false, holds, losses });
                }
                Parsed::Failed(loss) => {
                    let losses = vec![loss];
                    rows.extend(self.copy.rows(&losses)?);
                    settled.push(Settled { email: None, failed: true, holds: Sums::default(), losses });
                }
            }
        }
        let number = usize::try_from(range).unwrap_or(usize::MAX);
        let before = self.tally.borrow().ranges.get(number).copied().unwrap_or_default();
        // What this piece counts is not known before its outcomes are; progress tells that of all before it and, of
        // this one, all that needs no outcome. Whether an item was new or a duplicate is settled below.
        let mut now = before.counts;
        for item in &settled {
            item.count(&mut now, None);
        }
        let batches = if ends { batch.saturating_add(1) } else { before.batches };
        let (counts, holdings) = (now.counts(), now.holdings());
        let progress = self.load.filter(|_| ends);
        let progress = progress.map(|load| Progress { load, range, batches, counts, holdings });
        let outcomes = load(self.store, emails, rows, progress).await?;
        // Only now: rows of several shards become durable one by one, and an item must not be lost in between.
        if !taken_back.is_empty() {
            put(self.store, taken_back).await?;
        }
        let mut tally = self.tally.borrow_mut();
        let mut counts = before.counts;
        for item in settled {
            let outcome = item.outcome(&outcomes);
            item.count(&mut counts, outcome);
            item.count(&mut tally.run, outcome);
            // Texts are in the store, where they are looked up: there may be one an item.
            let told = item.losses.into_iter().filter(|loss| loss.grade != Grade::Text);
            tally.failures.extend(told.map(|loss| self.copy.report(loss)));
        }
        if let Some(done) = tally.ranges.get_mut(number) {
            *done = Done { batches, counts };
        }
        self.watch.counts(&self.before.plus(&tally.run), &folder);
        Ok(())
    }
}

/// An item on its way into the store.
struct Settled {
    /// Which of the emails it is.
    email: Option<usize>,
    /// Nothing of it could be read.
    failed: bool,
    holds: Sums,
    losses: Vec<Loss>,
}

impl Settled {
    fn outcome(&self, outcomes: &[Outcome]) -> Option<Outcome> {
        self.email.and_then(|n| outcomes.get(n).copied())
    }

    /// Counts it; without an outcome as new.
    fn count(&self, sums: &mut Sums, outcome: Option<Outcome>) {
        let mut one = Sums { found: 1, ..self.holds };
        match outcome {
            _ if self.failed => one.failed = 1,
            Some(Outcome::Stored) | None => one.stored = 1,
            Some(_) => one.duplicate = 1,
        }
        *sums = sums.plus(&one);
    }
}

fn new_email(parsed: ParsedEmail) -> NewEmail {
    let ParsedEmail { id, email, body, place_key, place } = parsed;
    NewEmail { id, email, body, place: Row { kind: RowKind::Place, key: place_key, value: place } }
}

fn row_of(chunk: Chunk) -> Row {
    let key = blob_key(&chunk.sha256, chunk.number).into();
    Row { kind: RowKind::BlobChunk, key, value: chunk.bytes }
}

/// Edges between threads that were written lately: most are told by many messages.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    written: HashSet<Edge>,
}

impl Edges {
    fn add(&mut self, edge: &Edge, rows: &mut Vec<Row>) {
        if self.written.len() >= REMEMBERED {
            self.written.clear();
        }
        if self.written.insert(*edge) {
            let row = |key: [u8; 32]| Row {
                kind: RowKind::ThreadEdge,
                key: Bytes::copy_from_slice(&key),
                value: Bytes::new(),
            };
            rows.extend(edge.rows().map(row));
        }
    }
}

/// What is known of attachments in the store.
struct Blobs<'s> {
    store: &'s Store,
    /// What is present stays so until the emails that have it are there.
    loading: Loading,
    present: HashSet<[u8; 32]>,
}

impl Blobs<'_> {
    /// Is the attachment there?
    async fn has(&mut self, sha256: &[u8; 32], last: u32) -> Result<bool, LoadError> {
        if self.present.contains(sha256) {
            return Ok(true);
        }
        let there = retry(|| self.store.has_attachment(sha256, last)).await?;
        if there {
            self.remember(*sha256);
        }
        Ok(there)
    }

    fn remember(&mut self, sha256: [u8; 32]) {
        if self.present.len() >= REMEMBERED {
            self.present.clear();
        }
        self.present.insert(sha256);
    }

    /// Stores attachments of one chunk each, those that are not there yet.
    async fn add(&mut self, chunks: Vec<Chunk>) -> Result<(), LoadError> {
        let (mut rows, mut bytes) = (Vec::new(), 0usize);
        let mut added = HashSet::new();
        for chunk in chunks {
            if !self.has(&chunk.sha256, chunk.number).await? && added.insert(chunk.sha256) {
                bytes = bytes.saturating_add(chunk.bytes.len());
                rows.push(row_of(chunk));
            }
            // One mail may hold more of them than a frame of a log.
            if bytes >= COMMIT_BYTES {
                put(self.store, std::mem::take(&mut rows)).await?;
                bytes = 0;
            }
        }
        if !rows.is_empty() {
            put(self.store, rows).await?;
        }
        for sha256 in added {
            self.remember(sha256);
        }
        Ok(())
    }
}

/// Stores rows, waiting while the store is busy.
pub(crate) async fn put(store: &Store, rows: Vec<Row>) -> Result<(), LoadError> {
    retry(|| store.put(rows.clone())).await
}

/// Commits a piece, in parts where it is larger than a commit should be: one family may be. The rest of the rows and
/// the progress go with the last part.
async fn load(
    store: &Store,
    emails: Vec<NewEmail>,
    rows: Vec<Row>,
    progress: Option<Progress>,
) -> Result<Vec<Outcome>, LoadError> {
    let mut outcomes = Vec::with_capacity(emails.len());
    let mut part = LoadBatch::default();
    let mut bytes = 0usize;
    for email in emails {
        if bytes >= COMMIT_BYTES {
            let full = std::mem::take(&mut part);
            outcomes.extend(retry(|| store.load(full.clone())).await?);
            bytes = 0;
        }
        bytes = bytes.saturating_add(email.email.len()).saturating_add(email.body.len());
        part.emails.push(email);
    }
    (part.rows, part.progress) = (rows, progress);
    outcomes.extend(retry(|| store.load(part.clone())).await?);
    Ok(outcomes)
}

/// Asks again while the store is busy. The pause blocks this thread, which belongs to the load alone.
pub(crate) async fn retry<T, F>(mut ask: impl FnMut() -> F) -> Result<T, LoadError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let [mut pause, longest] = BUSY_PAUSES;
    for _ in 0..BUSY_TRIES {
        match ask().await {
            Err(StoreError::Busy) => {
                std::thread::sleep(pause);
                pause = pause.saturating_mul(2).min(longest);
            }
            other => return Ok(other?),
        }
    }
    Err(StoreError::Busy.into())
}

/// All rows of a kind whose keys begin with `prefix`, a page at a time.
pub(crate) async fn each_row(
    store: &Store,
    kind: RowKind,
    prefix: &[u8],
    mut row: impl FnMut(&[u8], &Bytes),
) -> Result<(), LoadError> {
    const PAGE: usize = 4096;
    let mut after: Option<Bytes> = None;
    loop {
        // Rows in damaged parts are as good as none: their batches are repeated, which changes nothing.
        let (rows, _missing) = retry(|| store.rows(kind, prefix, after.as_deref(), PAGE)).await?;
        for found in &rows {
            row(&found.key, &found.value);
        }
        match rows.last() {
            Some(last) if rows.len() >= PAGE => after = Some(last.key.clone()),
            _ => return Ok(()),
        }
    }
}
