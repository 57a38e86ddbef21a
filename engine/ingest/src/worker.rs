//! One worker: takes ranges of an archive's items, has a parser of its own read them, and hands over what it says.
//!
//! What always holds: something is said of every item of a range that was taken, unless the load was stopped. A
//! parser that dies or hangs is replaced: what is left of the batch is then read item by item, so that it is known
//! where the next one dies; that item is tried once more alone, and has failed if that one dies too. A parser that was
//! killed from outside says little of its item: that is tried a few times more, with pauses.
//! What a parser says is checked: rows are valid, an attachment has the hash it is stored under.

use crate::child::{Child, Death, Parsers};
use crate::contents::{self, Unopened, folder};
use crate::limits::Limits;
use crate::output::{Chunk, Loss, Output, Parsed, Piece};
use crate::plan::{Entry, Plan};
use crate::reply::{self, Said, Streamed};
use crate::stages::{Stage, Stages};
use crate::wire::{Opening, Request};
use async_channel::Sender;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::row::Grade;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pieces that may wait for the committer.
pub(crate) const WAITING: usize = 2;
/// Pauses before an item is tried alone again whose parser was killed from outside each time, and before another
/// parser is given an archive that one has taken already and the last one did not.
pub(crate) const PAUSES: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(1000),
    Duration::from_millis(3000),
];

/// What all workers of one archive share.
pub(crate) struct Job {
    pub(crate) file: File,
    pub(crate) bytes: u64,
    pub(crate) opening: Opening,
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
    pub(crate) parsers: Parsers,
    pub(crate) limits: Limits,
    /// When the archive's time is up.
    pub(crate) until: Instant,
    /// A parser that has the archive open and nothing to do: at first the one that listed it.
    pub(crate) spare: Mutex<Option<Child>>,
    /// Workers that share it.
    pub(crate) workers: usize,
    /// Of these, those that have not met something that keeps them from reading on.
    pub(crate) able: AtomicUsize,
    pub(crate) stages: Arc<Stages>,
}

impl Job {
    pub(crate) fn folder(&self, item: &Entry) -> &str {
        folder(&self.folders, item.folder)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Why a worker ended early.
enum Ended {
    /// Nobody listens any more, or the load was stopped.
    Gone,
    /// The archive can be read no more.
    Broken(Death),
}

/// Why reading did not get to its end.
enum Cut {
    Ended(Ended),
    Died(Death),
}

impl From<Ended> for Cut {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Death> for Cut {
    fn from(death: Death) -> Self {
        Self::Died(death)
    }
}

/// Reads ranges until there are none, it is stopped, or nobody listens.
pub(crate) fn work(job: &Job, to: &Sender<Output>) {
    let mut worker = Worker { job, to, child: None };
    loop {
        let range = job.next.fetch_add(1, Ordering::Relaxed);
        if range >= job.plan.ranges() {
            if let Some(child) = worker.child {
                job.spare.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(child);
            }
            return;
        }
        match worker.range(range) {
            Ok(()) => {}
            Err(Ended::Gone) => return,
            Err(Ended::Broken(death)) => {
                let (code, reason) = (death.code.to_owned(), death.reason.clone());
                // If nobody listens, nobody needs to know.
                drop(to.send_blocking(Output::Broken { code, reason }));
                // Others may still be able to read the rest; the last one names it.
                if job.able.fetch_sub(1, Ordering::AcqRel) == 1 {
                    drop(worker.give_up_all(&death));
                }
                return;
            }
        }
    }
}

/// Where a worker is in a range.
struct Position {
    range: usize,
    batch: u32,
    /// The next item, in the plan.
    at: usize,
}

struct Worker<'j> {
    job: &'j Job,
    to: &'j Sender<Output>,
    child: Option<Child>,
}

impl Worker<'_> {
    /// Where a range begins that earlier loads have read a part of, and where it ends.
    fn begin(&self, range: usize) -> (Position, usize) {
        let plan = &self.job.plan;
        let batch = self.job.done.get(range).copied().unwrap_or(0);
        let position = Position { range, batch, at: plan.batch(range, batch).start };
        (position, plan.range(range).end)
    }

    /// Names all that nobody has taken as failed.
    fn give_up_all(&self, death: &Death) -> Result<(), Ended> {
        loop {
            let range = self.job.next.fetch_add(1, Ordering::Relaxed);
            if range >= self.job.plan.ranges() || self.job.stopped() {
                return Ok(());
            }
            let (mut position, end) = self.begin(range);
            self.give_up(&mut position, end, death, true)?;
        }
    }

    /// Reads a range. Where it cannot be read on, what is left of it is named.
    fn range(&mut self, range: usize) -> Result<(), Ended> {
        let (mut position, end) = self.begin(range);
        let read = self.read_range(&mut position, end);
        if let Err(Ended::Broken(death)) = &read {
            self.give_up(&mut position, end, death, true)?;
        }
        read
    }

    fn read_range(&mut self, position: &mut Position, end: usize) -> Result<(), Ended> {
        let plan = &self.job.plan;
        let range = position.range;
        // Up to here each item is read by itself; the item that is being tried alone.
        let (mut careful, mut alone) = (position.at, None);
        let mut pauses = PAUSES.iter();
        while position.at < end {
            if self.job.stopped() && position.at == plan.batch(range, position.batch).start {
                return Err(Ended::Gone);
            }
            let here = position.at;
            let upto = if alone == Some(here) {
                here.saturating_add(1)
            } else if here < careful {
                careful
            } else {
                end
            };
            // What ends its parser again and again may be an attachment: the mail is worth having without its text.
            let texts = alone != Some(here);
            match self.read(position, upto, here < careful, texts) {
                Ok(()) => {}
                Err(Cut::Ended(ended)) => return Err(ended),
                Err(Cut::Died(death)) => {
                    self.child = None;
                    let at = position.at;
                    let late = Instant::now() >= self.job.until;
                    if late {
                        let death = self.job.limits.archive_timeout(self.job.bytes, "reading the archive");
                        self.give_up(position, end, &death, false)?;
                    } else if alone == Some(at)
                        && death.killed
                        && let Some(pause) = pauses.next()
                    {
                        std::thread::sleep(*pause);
                    } else if alone == Some(at) {
                        self.give_up(position, at.saturating_add(1), &death, false)?;
                    } else if at < careful {
                        (alone, pauses) = (Some(at), PAUSES.iter());
                    } else {
                        careful = plan.batch(range, position.batch).end;
                    }
                }
            }
        }
        Ok(())
    }

    /// A parser that has the archive open.
    fn child(&mut self) -> Result<Child, Ended> {
        if let Some(child) = self.child.take() {
            return Ok(child);
        }
        if let Some(spare) = self.job.spare.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(spare);
        }
        let mut last = None;
        for pause in PAUSES {
            let opened = Child::start(&self.job.parsers, self.job.limits.item).and_then(|(mut child, _)| {
                let until = Instant::now().checked_add(self.job.limits.item).unwrap_or(self.job.until);
                let until = until.min(self.job.until);
                contents::open(&mut child, &self.job.file, &self.job.opening, until)
                    .map(|opened| (child, opened))
                    .map_err(|why| match why {
                        Unopened::Died(death) => death,
                        Unopened::Refused(why) => Death::new("crashed", why.reason),
                    })
            });
            match opened {
                Ok((child, opened)) if opened.archive == self.job.archive => return Ok(child),
                Ok(_) => {
                    let death = Death::new("io", "the file changed while it was being read");
                    return Err(Ended::Broken(death));
                }
                Err(death) => last = Some(death),
            }
            std::thread::sleep(pause);
        }
        let none = || Death::new("crashed", "no parser could open it");
        Err(Ended::Broken(last.unwrap_or_else(none)))
    }

    /// Has items read up to `upto`, and moves on with each that was.
    fn read(&mut self, position: &mut Position, upto: usize, each: bool, texts: bool) -> Result<(), Cut> {
        let job = self.job;
        let mut child = self.child()?;
        let batch = job.plan.batch(position.range, position.batch);
        let request = Request::Read {
            items: job.plan.items(position.at..upto),
            first: count(batch.end.saturating_sub(position.at)),
            batch: count(crate::plan::BATCH_ITEMS),
            each,
            texts,
        };
        child.ask(&request)?;
        let mut streamed: Option<Streamed> = None;
        while position.at < upto {
            let limit = Instant::now().checked_add(job.limits.item).unwrap_or(job.until);
            let since = Instant::now();
            let frame = child.next(Some(limit.min(job.until)));
            job.stages.busy(Stage::Parse, since, job.workers);
            let frame = frame.map_err(|death| match death.code {
                "timeout" => job.limits.item_timeout(),
                _ => death,
            })?;
            match self.said(&mut child, &frame, position, upto, &mut streamed)? {
                true => {}
                // Stopped at the end of a batch: what the parser is at is not waited for.
                false => return Err(Ended::Gone.into()),
            }
        }
        self.child = Some(child);
        Ok(())
    }

    /// Takes one thing that a parser said. `false`: the load was stopped.
    fn said(
        &self,
        child: &mut Child,
        frame: &Bytes,
        position: &mut Position,
        upto: usize,
        streamed: &mut Option<Streamed>,
    ) -> Result<bool, Cut> {
        let batch = self.job.plan.batch(position.range, position.batch);
        let ahead = position.at..upto.min(batch.end);
        let items = self.job.plan.items(ahead);
        match reply::take(self.job, frame, &items, streamed) {
            None => Err(child.misbehaved().into()),
            // It has its time anew, up to that of the archive.
            Some(Said::Busy) => Ok(true),
            Some(Said::Chunk(chunk)) => {
                self.hand_over(Output::Chunk(chunk))?;
                Ok(true)
            }
            Some(Said::Wanted { sha256, last }) => {
                let (answer, answered) = async_channel::bounded(1);
                self.hand_over(Output::Wanted { sha256, last, answer })?;
                let wanted = answered.recv_blocking().map_err(|_| Ended::Gone)?;
                *streamed = wanted.then(|| Streamed::new(sha256, last));
                child.ask(&Request::Answer { wanted })?;
                Ok(true)
            }
            Some(Said::Items { items, blobs }) => {
                *streamed = None;
                let ended = self.piece(position, items, blobs, batch, false)?;
                Ok(!(ended && self.job.stopped()))
            }
        }
    }

    /// Names all items up to `upto` as failed. `untried`: through no fault of theirs, so that another load tries them.
    fn give_up(
        &self,
        position: &mut Position,
        upto: usize,
        death: &Death,
        untried: bool,
    ) -> Result<(), Ended> {
        while position.at < upto {
            let batch = self.job.plan.batch(position.range, position.batch);
            let items = self.job.plan.items(position.at..upto.min(batch.end));
            let failed = |item: &Entry| {
                Parsed::Failed(Loss {
                    grade: Grade::Item,
                    folder: self.job.folder(item).to_owned(),
                    node: item.node,
                    code: death.code.to_owned(),
                    stage: "item".to_owned(),
                    reason: death.reason.clone(),
                })
            };
            let items: Vec<Parsed> = items.iter().map(failed).collect();
            if items.is_empty() {
                return Ok(());
            }
            self.piece(position, items, Vec::new(), batch, untried)?;
        }
        Ok(())
    }

    /// Hands over what became of items of one batch, and moves on. Says whether the batch has ended.
    fn piece(
        &self,
        position: &mut Position,
        items: Vec<Parsed>,
        blobs: Vec<Chunk>,
        batch: Range<usize>,
        given_up: bool,
    ) -> Result<bool, Ended> {
        let first = self.job.plan.items(position.at..position.at.saturating_add(1));
        let folder = first.first().map_or("/", |item| self.job.folder(item)).to_owned();
        let at = position.at.saturating_add(items.len());
        let ends = at >= batch.end;
        let range = u32::try_from(position.range).unwrap_or(u32::MAX);
        let piece = Piece { range, batch: position.batch, folder, blobs, items, ends, given_up };
        self.hand_over(Output::Piece(piece))?;
        position.at = at;
        if ends {
            position.batch = position.batch.saturating_add(1);
        }
        Ok(ends)
    }

    fn hand_over(&self, output: Output) -> Result<(), Ended> {
        self.to.send_blocking(output).map_err(|_| Ended::Gone)
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
