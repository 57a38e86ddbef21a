//! One archive, from its path to its report.

use crate::child::{Child, Death};
use crate::commit::{Commit, Tally, put, retry};
use crate::contents::{self, Contents, Unopened, folder};
use crate::discover::{self, FileKind, Found};
use crate::error::LoadError;
use crate::hash::{hex, sha256};
use crate::load::How;
use crate::losses::{Copy, Losses, superseded};
use crate::model::{ArchiveReport, FailureReport, LoadRequest};
use crate::output::Loss;
use crate::pass::{Pass, Passes, mended};
use crate::plan::Plan;
use crate::resume::{self, Marks};
use crate::stages::Stage;
use crate::sums::Sums;
use crate::watch::Watch;
use crate::wire::{Format, Opening, Trouble, Unlisted, Way};
use crate::worker::{Job, PAUSES, WAITING, work};
use async_executor::LocalExecutor;
use futures_lite::future::block_on;
use postlode_format::id::Id;
use postlode_format::row::{
    ArchiveVersion, Counts, Extra, Grade, Row, RowKind, archive_key, extra, to_bytes,
};
use postlode_mail::rfc::Kind;
use postlode_store::Store;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How often an archive is tried whose parser dies before it has named the items.
const LISTINGS: u32 = 3;

/// What is the same for all archives of a load.
pub(crate) struct Loading<'l> {
    pub(crate) store: &'l Store,
    pub(crate) how: &'l How,
    pub(crate) request: &'l LoadRequest,
    pub(crate) jobs: usize,
    pub(crate) marks: &'l Marks,
    /// Files that could not be opened by earlier loads.
    pub(crate) refused: &'l HashMap<Id, Losses>,
    pub(crate) watch: &'l Watch,
    /// Parsers that have nothing to do and have met nothing but mail in files, which is read without libpff: another
    /// such file may go to them. A parser that met a PST meets no other archive, whatever that PST made of it.
    pub(crate) idle: &'l Mutex<Vec<Child>>,
}

/// What became of an archive.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) report: ArchiveReport,
    pub(crate) failures: Vec<FailureReport>,
    pub(crate) counts: Sums,
    /// What could not be read beside items.
    beside: Vec<Loss>,
    /// It was stopped before its end.
    pub(crate) interrupted: bool,
}

impl Outcome {
    /// Names something that could not be read, beside the items.
    fn beside(&mut self, code: &str, stage: &str, reason: String) {
        let (code, stage) = (code.to_owned(), stage.to_owned());
        let folder = String::new();
        self.beside.push(Loss { grade: Grade::Archive, folder, node: 0, code, stage, reason });
    }
}

/// An archive that is open, and what is known of it.
struct Source {
    file: File,
    bytes: u64,
    version: Id,
    opening: Opening,
    contents: Contents,
    child: Child,
    /// When its time is up.
    until: Instant,
}

impl Loading<'_> {
    /// Loads one archive. An archive that cannot be read is no error but a refusal in its report.
    pub(crate) fn archive(&self, found: &Found, custodian: &str) -> Result<Outcome, LoadError> {
        let begun = Instant::now();
        let mut outcome = Outcome::default();
        outcome.report.path = found.path.display().to_string();
        match self.open(found, &mut outcome) {
            Ok(Some(source)) => {
                self.no_longer_refused(&outcome.report.path, custodian)?;
                self.load(source, custodian, &mut outcome)?;
            }
            Ok(None) => outcome.interrupted = true,
            Err(why) => {
                self.keep_refusal(&outcome.report.path, custodian, &found.folder, &why)?;
                outcome.report.refused = Some(why.reason);
            }
        }
        outcome.report.seconds = begun.elapsed().as_secs_f64();
        self.watch.finished(&outcome.report, &outcome.counts);
        Ok(outcome)
    }

    /// Keeps why a file could not be opened, where it will be looked for.
    pub(crate) fn keep_refusal(
        &self,
        path: &str,
        custodian: &str,
        folder: &str,
        why: &Trouble,
    ) -> Result<(), LoadError> {
        let Trouble { code, stage, reason } = why.clone();
        let loss = Loss { grade: Grade::Archive, folder: folder.to_owned(), node: 0, code, stage, reason };
        block_on(put(self.store, Copy::refused(path, custodian).rows(&[loss])?))
    }

    /// Takes back that a file could not be opened.
    fn no_longer_refused(&self, path: &str, custodian: &str) -> Result<(), LoadError> {
        let version = Copy::refused(path, custodian).version;
        match self.refused.get(&version) {
            Some(known) => block_on(put(self.store, known.settled(0, &[])?)),
            None => Ok(()),
        }
    }

    /// Opens, hashes and lists it; `None` where the load was stopped meanwhile.
    fn open(&self, found: &Found, outcome: &mut Outcome) -> Result<Option<Source>, Trouble> {
        let io = |error: std::io::Error| Trouble {
            code: "io".to_owned(),
            stage: "archive".to_owned(),
            reason: format!("cannot read it: {error}"),
        };
        let file = discover::open(&found.path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        self.watch.stage("hashing");
        let stages = &self.watch.stages;
        let since = Instant::now();
        let Some((sha256, bytes)) = sha256(&file, |_| !self.watch.stopped()).map_err(io)? else {
            return Ok(None);
        };
        stages.busy(Stage::Hash, since, 1);
        let since = Instant::now();
        let report = &mut outcome.report;
        report.sha256 = hex(&sha256);
        report.bytes = bytes;
        self.watch.stage("listing");
        let limits = &self.how.limits;
        let until =
            Instant::now().checked_add(limits.of_archive(metadata.len())).unwrap_or_else(Instant::now);
        let opening = opening(found, sha256, self.request.recover);
        let (mut tries, mut pauses) = (LISTINGS, PAUSES.iter());
        let mut ways = ways(&opening).into_iter();
        let mut way = ways.next().unwrap_or(Way::Whole);
        let mut given_up = Vec::new();
        let (child, mut contents) = loop {
            tries = tries.saturating_sub(1);
            let listed = self.child(opening.format).and_then(|mut child| {
                let opened = contents::open(&mut child, &file, &opening, until)?;
                let contents = contents::list(&mut child, opened, bytes, limits, until, way)?;
                Ok((child, contents))
            });
            match listed {
                // A parser may have died of something else than this archive: surely so where it was killed.
                Err(Unopened::Died(death))
                    if death.killed
                        && let Some(pause) = pauses.next() =>
                {
                    std::thread::sleep(*pause);
                }
                Err(Unopened::Died(death)) if death.code == "crashed" && tries > 0 => {}
                Err(Unopened::Died(death)) if death.code != "timeout" => {
                    // What is the end of every parser is not asked for any more.
                    let Some(next) = ways.next() else { return Err(Unopened::Died(death).into()) };
                    given_up.push(not_asked(way, opening.recover, death));
                    (way, tries) = (next, LISTINGS);
                }
                other => break other?,
            }
        };
        contents.lost.extend(given_up);
        stages.busy(Stage::List, since, 1);
        report.folders = contents.folders.len() as u64;
        contents.opened.kind.clone_into(&mut report.kind);
        report.password = contents.opened.password;
        let version = sha256.first_chunk::<16>().copied().unwrap_or_default();
        Ok(Some(Source { file, bytes, version, opening, contents, child, until }))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Child>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn child(&self, format: Format) -> Result<Child, Unopened> {
        if format != Format::Pst
            && let Some(child) = self.idle().pop()
        {
            return Ok(child);
        }
        let (child, unconfined) = Child::start(&self.how.parsers, self.how.limits.item)?;
        if !unconfined.is_empty() && !self.how.warned.swap(true, Ordering::Relaxed) {
            let unconfined = unconfined.join("; ");
            tracing::warn!(unconfined, "archives are read with less protection than there could be");
        }
        tracing::debug!(pid = child.pid(), "parser started");
        Ok(child)
    }

    fn load(&self, source: Source, custodian: &str, outcome: &mut Outcome) -> Result<(), LoadError> {
        let Source { file, bytes, version, opening, mut contents, child, until } = source;
        let (format, archive, found) = (opening.format, contents.opened.archive, contents.found());
        self.watch.opened(found, bytes);
        let copy =
            Copy { archive, version, custodian: custodian.to_owned(), path: outcome.report.path.clone() };
        let row_key = archive_key(&archive, &version);
        let row = block_on(retry(|| self.store.get(RowKind::Archive, &row_key)))?;
        // A file of one message is read whole or not at all: its row says enough, and no watermark is kept.
        let resumable = format != Format::Eml;
        let complete = resume::complete(row.as_deref(), (!resumable).then_some(custodian));
        let mut row = self.row(&contents, &opening, custodian, outcome);
        if complete.is_none() {
            self.put_row(&row_key, &row)?;
        }
        whole_file(&contents, bytes, outcome);
        let lost = listing_losses(&contents, outcome);
        let known = block_on(Losses::read(self.store, &copy))?;
        let passes = Passes {
            copy: &copy,
            folders: &contents.folders,
            marks: self.marks,
            known: &known,
            retry: self.request.retry_failed,
            resumable,
            finished: !resumable && complete.is_some(),
            jobs: self.jobs,
        };
        let (items, recovered) =
            (std::mem::take(&mut contents.items), std::mem::take(&mut contents.recovered));
        // Where nothing is known to have been lost, nobody asks which items there are.
        let nodes = match known.is_empty() {
            true => HashSet::new(),
            false => items.iter().chain(&recovered).map(|item| item.node).collect(),
        };
        let passes = passes.plan(items, recovered);
        let parsing = passes.iter().any(|pass| pass.left() > 0);
        self.watch.stage("loading");
        let mut job = Job {
            file,
            bytes,
            opening,
            archive,
            version,
            custodian: custodian.to_owned(),
            folders: contents.folders,
            done: Vec::new(),
            plan: Plan::of(Vec::new()),
            next: AtomicUsize::new(0),
            stop: self.watch.stop_flag(),
            parsers: self.how.parsers.clone(),
            limits: self.how.limits,
            until,
            spare: Mutex::new(Some(child)),
            stages: Arc::clone(&self.watch.stages),
            workers: self.jobs,
            able: AtomicUsize::new(0),
        };
        let mut all = Tally { run: lost, ..Tally::default() };
        let (mut first, mut again): (Sums, Option<Sums>) = (lost, None);
        for pass in passes {
            let left = pass.left();
            let Pass { plan, load, again: tried_again, tally, jobs, .. } = pass;
            job.done = tally.ranges.iter().map(|done| done.batches).collect();
            (job.plan, job.next) = (plan, AtomicUsize::new(0));
            job.workers = jobs.clamp(1, job.plan.ranges().max(1));
            job.able = AtomicUsize::new(job.workers);
            self.watch.counts(&all.run.plus(&tally.run), "");
            let commit = Commit {
                store: self.store,
                copy: &copy,
                load,
                known: &known,
                before: all.run,
                tally: RefCell::new(tally),
                watch: self.watch,
                workers: job.workers,
                edges: RefCell::default(),
            };
            if left > 0 {
                self.workers(&job, &commit)?;
            }
            let done = commit.tally.into_inner();
            match tried_again {
                false => first = first.plus(&done.all()),
                true => again = Some(done.run),
            }
            all.add(done);
        }
        if parsing {
            self.unchanged(&job, outcome);
        }
        if format != Format::Pst {
            self.idle().extend(job.spare.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        if let Some((code, reason)) = &all.broken {
            outcome.beside(code, "opening the archive for a worker", reason.clone());
        }
        let whole = all.run.found == found;
        outcome.interrupted = !whole && self.watch.stopped();
        if whole && all.broken.is_none() && (complete.is_none() || again.is_some()) {
            let sums = mended(&complete.unwrap_or(first), &again.unwrap_or_default());
            row.counts = sums.counts();
            row.extra.push(sums.holdings().extra());
            row.complete = true;
            self.put_row(&row_key, &row)?;
            let old = block_on(superseded(self.store, &copy))?;
            if !old.is_empty() {
                block_on(put(self.store, old))?;
            }
        } else if let Some(complete) = complete.filter(|_| !parsing) {
            // What was read at a second try is in no watermark.
            all.run = all.run.holding_nothing().holding(&complete);
        }
        self.settle_beside(&copy, &known, &nodes, outcome)?;
        outcome.failures.extend(all.failures);
        outcome.counts = all.run;
        outcome.report.count(&all.run);
        Ok(())
    }

    /// Keeps what could not be read beside items, and takes back what an earlier load kept and this one did not meet.
    fn settle_beside(
        &self,
        copy: &Copy,
        known: &Losses,
        nodes: &HashSet<u64>,
        outcome: &mut Outcome,
    ) -> Result<(), LoadError> {
        let mut rows = copy.rows(&outcome.beside)?;
        if !known.is_empty() {
            rows.extend(known.settled_beside(&rows, |node| nodes.contains(&node))?);
        }
        if !rows.is_empty() {
            block_on(put(self.store, rows))?;
        }
        let told = std::mem::take(&mut outcome.beside);
        outcome.failures.extend(told.into_iter().map(|loss| copy.report(loss)));
        Ok(())
    }

    /// Reads all that is not done, on so many threads, and commits it on this one.
    fn workers(&self, job: &Job, commit: &Commit<'_>) -> Result<(), LoadError> {
        std::thread::scope(|scope| {
            // Dropped before the threads are waited for: a worker whose committer is gone ends.
            let committers = LocalExecutor::new();
            let mut tasks = Vec::new();
            for number in 0..job.workers {
                let (to, from) = async_channel::bounded(WAITING);
                let thread = std::thread::Builder::new().name(format!("load-{number}"));
                match thread.spawn_scoped(scope, move || work(job, &to)) {
                    Ok(_) => tasks.push(committers.spawn(commit.run(from))),
                    // Those that were started will do it.
                    Err(error) if number > 0 => {
                        job.able.fetch_sub(1, Ordering::AcqRel);
                        tracing::warn!(%error, "fewer workers than asked for");
                    }
                    Err(error) => return Err(LoadError::Threads(error.to_string())),
                }
            }
            block_on(committers.run(async {
                for task in tasks {
                    task.await?;
                }
                Ok(())
            }))
        })
    }

    fn row(
        &self,
        contents: &Contents,
        opening: &Opening,
        custodian: &str,
        outcome: &Outcome,
    ) -> ArchiveVersion {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let folder = || Extra { number: extra::FOLDER, bytes: opening.folder.clone().into_bytes() };
        let folder = (opening.format != Format::Pst).then(folder);
        ArchiveVersion {
            extra: folder.into_iter().collect(),
            path: outcome.report.path.clone(),
            kind: contents.opened.kind.clone(),
            sha256: opening.version,
            bytes: outcome.report.bytes,
            folders: outcome.report.folders,
            custodian: custodian.to_owned(),
            loaded_at: i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            complete: false,
            counts: Counts::default(),
            password: contents.opened.password,
        }
    }

    fn put_row(&self, key: &[u8], row: &ArchiveVersion) -> Result<(), LoadError> {
        let value = to_bytes(row).map_err(LoadError::record("the archive's row"))?;
        let row = Row { kind: RowKind::Archive, key: key.to_vec().into(), value };
        block_on(put(self.store, vec![row]))
    }

    /// Says so if the file is not what it was before.
    fn unchanged(&self, job: &Job, outcome: &mut Outcome) {
        self.watch.stage("checking");
        let since = Instant::now();
        match sha256(&job.file, |_| !self.watch.stopped()) {
            Ok(Some((now, _))) if now != job.opening.version => {
                let reason =
                    "the file changed while it was being loaded: load it again when nothing writes to it";
                outcome.beside("io", "checking the file's hash", reason.to_owned());
            }
            // Unchanged, or stopped: then the next load will see.
            Ok(_) => {}
            Err(error) => outcome.beside("io", "checking the file's hash", error.to_string()),
        }
        self.watch.stages.busy(Stage::Check, since, 1);
    }
}

/// What a parser is told of an archive.
fn opening(found: &Found, version: [u8; 32], recover: bool) -> Opening {
    let format = match found.kind {
        FileKind::Pst => Format::Pst,
        FileKind::Mail(Kind::Eml) => Format::Eml,
        FileKind::Mail(Kind::Mbox) => Format::Mbox,
    };
    let name = found.path.file_name().filter(|_| format == Format::Eml);
    let name = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Opening { version, format, folder: found.folder.clone(), name, recover }
}

/// Names what could not be listed, and counts the items among it.
/// Ways to name the items of an archive, from the one that finds most.
fn ways(opening: &Opening) -> Vec<Way> {
    match (opening.format, opening.recover) {
        (Format::Pst, true) => vec![Way::Whole, Way::Shown, Way::Nodes],
        (Format::Pst, false) => vec![Way::Whole, Way::Nodes],
        (Format::Eml | Format::Mbox, _) => vec![Way::Whole],
    }
}

/// What is not known of an archive because a way of naming its items was the end of its parsers.
fn not_asked(way: Way, recover: bool, death: Death) -> Unlisted {
    let what = if recover && way == Way::Whole {
        "its deleted and orphaned items cannot be looked for"
    } else {
        "its folders cannot be listed; items were found by the tree of nodes, those of no folder among them"
    };
    let trouble = Trouble {
        code: death.code.to_owned(),
        stage: "folders".to_owned(),
        reason: format!("{what}: {}", death.reason),
    };
    Unlisted { folder: 0, node: 0, item: false, trouble }
}

fn listing_losses(contents: &Contents, outcome: &mut Outcome) -> Sums {
    let mut sums = Sums::default();
    for lost in &contents.lost {
        let Trouble { code, stage, reason } = lost.trouble.clone();
        let folder = folder(&contents.folders, lost.folder).to_owned();
        let grade = if lost.item { Grade::Item } else { Grade::Archive };
        outcome.beside.push(Loss { grade, folder, node: lost.node, code, stage, reason });
        let items = u64::from(lost.item);
        sums = sums.plus(&Sums { found: items, failed: items, ..Sums::default() });
    }
    sums
}

/// Says what is wrong with the archive as a whole, though it could be opened.
fn whole_file(contents: &Contents, bytes: u64, outcome: &mut Outcome) {
    let claimed = contents.opened.claimed_size;
    if claimed > bytes {
        let reason = format!(
            "the file has {bytes} bytes and says it should have {claimed}: it was cut short, items may be missing"
        );
        outcome.beside("corrupt", "archive", reason);
    }
    for note in &contents.opened.notes {
        outcome.beside(&note.code, &note.stage, note.reason.clone());
    }
}
