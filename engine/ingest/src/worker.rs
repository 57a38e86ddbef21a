//! One worker: takes ranges of an archive's items, reads them, and hands over what it read.
//!
//! What always holds: it owns its libpff handle; it says something of every item of a range that it took, unless it
//! was stopped; what it says is bounded in memory, and it waits while nobody takes it.

use crate::output::{Chunk, Output, Parsed, Piece};
use crate::parse::{Parser, Read, failure};
use crate::plan::Plan;
use async_channel::Sender;
use postlode_format::id::Id;
use postlode_mail::pst::{Archive, ItemRef, PstError, Reader};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes of rows after which a piece is handed over, before its batch ends.
const PIECE_BYTES: usize = 4 << 20;
/// Pieces that may wait for the committer.
pub(crate) const WAITING: usize = 2;
/// Items after which the archive is opened anew: libpff's memory grows while one is open.
const ITEMS_PER_HANDLE: usize = 16_384;

/// What all workers of one archive share.
pub(crate) struct Job {
    pub(crate) sha256: [u8; 32],
    pub(crate) archive: Id,
    pub(crate) version: Id,
    pub(crate) custodian: String,
    pub(crate) plan: Plan,
    /// Paths of folders.
    pub(crate) folders: Vec<String>,
    /// Batches of each range that are done already.
    pub(crate) done: Vec<u32>,
    /// The range to be taken next.
    pub(crate) next: AtomicUsize,
    /// Stop at the end of a batch.
    pub(crate) stop: Arc<AtomicBool>,
}

impl Job {
    pub(crate) fn folder(&self, item: &ItemRef) -> &str {
        usize::try_from(item.folder).ok().and_then(|n| self.folders.get(n)).map_or("/", String::as_str)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Nobody listens any more.
pub(crate) struct Gone;

/// Reads ranges until there are none, it is stopped, or nobody listens.
pub(crate) fn work(file: &File, job: &Job, to: &Sender<Output>) {
    let mut worker = Worker { file, job, to, piece: Piece::default(), bytes: 0 };
    match worker.ranges() {
        Ok(()) | Err(Ended::Gone) => {}
        Err(Ended::Broken(error)) => {
            let broken = Output::Broken { code: error.code().to_owned(), reason: error.to_string() };
            // If nobody listens, nobody needs to know.
            drop(to.send_blocking(broken));
        }
    }
}

enum Ended {
    Gone,
    Broken(PstError),
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

struct Worker<'j> {
    file: &'j File,
    job: &'j Job,
    to: &'j Sender<Output>,
    piece: Piece,
    bytes: usize,
}

impl Worker<'_> {
    fn ranges(&mut self) -> Result<(), Ended> {
        let mut handle: Option<Reader> = None;
        let mut read = 0usize;
        loop {
            let range = self.job.next.fetch_add(1, Ordering::Relaxed);
            if range >= self.job.plan.ranges() {
                return Ok(());
            }
            let done = self.job.done.get(range).copied().unwrap_or(0);
            for batch in done..self.job.plan.batches(range) {
                if self.job.stopped() {
                    return Ok(());
                }
                let items = self.job.plan.items().get(self.job.plan.batch(range, batch)).unwrap_or_default();
                if read >= ITEMS_PER_HANDLE {
                    (handle, read) = (None, 0);
                }
                read = read.saturating_add(items.len());
                self.begin(range, batch);
                for item in items {
                    self.item(item, &mut handle)?;
                }
                self.end()?;
            }
        }
    }

    fn begin(&mut self, range: usize, batch: u32) {
        let range = u32::try_from(range).unwrap_or(u32::MAX);
        self.piece = Piece { range, batch, ..Piece::default() };
        self.bytes = 0;
    }

    fn item(&mut self, item: &ItemRef, handle: &mut Option<Reader>) -> Result<(), Ended> {
        let job = self.job;
        let reader = match handle {
            Some(reader) => reader,
            None => {
                let archive = Archive::from_file(self.file).map_err(Ended::Broken)?;
                handle.insert(Reader::new(archive, &job.sha256))
            }
        };
        let parser = Parser { reader, job, to: self.to };
        // A fault of our own costs the item it happens at, not the load.
        let Read { parsed, blobs } = match catch_unwind(AssertUnwindSafe(|| parser.item(item))) {
            Ok(read) => read?,
            Err(_) => {
                *handle = None;
                let reason = "a fault of ours ended the reading of this item".to_owned();
                let parsed = Parsed::Failed(failure(job, item, "crashed", "item", reason));
                Read { parsed, blobs: Vec::new() }
            }
        };
        let rows = match &parsed {
            Parsed::Item { emails, .. } => {
                emails.iter().map(|e| e.email.len().saturating_add(e.body.len())).sum()
            }
            Parsed::Failed(_) => 0,
        };
        let chunks: usize = blobs.iter().map(|chunk: &Chunk| chunk.bytes.len()).sum();
        self.bytes = self.bytes.saturating_add(rows).saturating_add(chunks).saturating_add(512);
        self.piece.blobs.extend(blobs);
        if self.piece.items.is_empty() {
            job.folder(item).clone_into(&mut self.piece.folder);
        }
        self.piece.items.push(parsed);
        if self.bytes >= PIECE_BYTES {
            self.hand_over()?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Gone> {
        self.piece.ends = true;
        self.hand_over()
    }

    fn hand_over(&mut self) -> Result<(), Gone> {
        let (range, batch) = (self.piece.range, self.piece.batch);
        let piece = std::mem::replace(&mut self.piece, Piece { range, batch, ..Piece::default() });
        self.bytes = 0;
        self.to.send_blocking(Output::Piece(piece)).map_err(|_| Gone)
    }
}
