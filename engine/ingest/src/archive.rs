//! One archive, from its path to its report.

use crate::commit::{Commit, failure_row, put, report_of, retry};
use crate::discover;
use crate::error::LoadError;
use crate::hash::{hex, sha256};
use crate::model::{ArchiveReport, FailureReport};
use crate::output::ItemFailure;
use crate::plan::Plan;
use crate::resume::{self, Marks};
use crate::watch::{Watch, add};
use crate::worker::{Job, WAITING, work};
use async_executor::LocalExecutor;
use futures_lite::future::block_on;
use postlode_format::id::Id;
use postlode_format::row::{ArchiveVersion, Counts, Row, RowKind, archive_key, to_bytes};
use postlode_mail::pst::{Archive, ArchiveInfo, Listing, PstError, Reader};
use postlode_store::Store;
use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What is the same for all archives of a load.
pub(crate) struct Loading<'l> {
    pub(crate) store: &'l Store,
    pub(crate) custodian: &'l str,
    pub(crate) jobs: usize,
    pub(crate) marks: &'l Marks,
    pub(crate) watch: &'l Watch,
}

/// What became of an archive.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) report: ArchiveReport,
    pub(crate) failures: Vec<FailureReport>,
    pub(crate) counts: Counts,
    /// It was stopped before its end.
    pub(crate) interrupted: bool,
}

impl Outcome {
    /// Names something that could not be read, beside the items.
    fn beside(&mut self, code: &str, stage: &str, reason: String) {
        let (code, stage) = (code.to_owned(), stage.to_owned());
        let failure = ItemFailure { folder: String::new(), node: 0, code, stage, reason };
        self.failures.push(report_of(&self.report.path, failure));
    }
}

/// An archive that is open, and what is known of it.
struct Source {
    file: File,
    info: ArchiveInfo,
    sha256: [u8; 32],
    archive: Id,
    version: Id,
}

impl Loading<'_> {
    /// Loads one archive. An archive that cannot be read is no error but a refusal in its report.
    pub(crate) fn archive(&self, path: &Path) -> Result<Outcome, LoadError> {
        let begun = Instant::now();
        let mut outcome = Outcome::default();
        outcome.report.path = path.display().to_string();
        match self.open(path, &mut outcome) {
            Ok(Some((source, listing))) => self.load(&source, listing, &mut outcome)?,
            Ok(None) => outcome.interrupted = true,
            Err(error) => outcome.report.refused = Some(error.to_string()),
        }
        outcome.report.seconds = begun.elapsed().as_secs_f64();
        self.watch.finished(&outcome.report, &outcome.counts);
        Ok(outcome)
    }

    /// Opens, hashes and lists it; `None` where the load was stopped meanwhile.
    fn open(&self, path: &Path, outcome: &mut Outcome) -> Result<Option<(Source, Listing)>, PstError> {
        let file = discover::open(path)?;
        // Opened before it is hashed: what is refused should be refused at once.
        let archive = Archive::from_file(&file)?;
        self.watch.stage("hashing");
        let Some((sha256, bytes)) = sha256(&file, |_| !self.watch.stopped())? else { return Ok(None) };
        self.watch.stage("listing");
        let listing = archive.list()?;
        let info = archive.info().clone();
        let report = &mut outcome.report;
        report.sha256 = hex(&sha256);
        report.bytes = bytes;
        report.folders = listing.folders.len() as u64;
        info.kind.clone_into(&mut report.kind);
        let archive = *Reader::new(archive, &sha256).id();
        let version = sha256.first_chunk::<16>().copied().unwrap_or_default();
        Ok(Some((Source { file, info, sha256, archive, version }, listing)))
    }

    fn load(&self, source: &Source, listing: Listing, outcome: &mut Outcome) -> Result<(), LoadError> {
        let plan = Plan::of(&listing);
        let load = plan.load_id(&source.archive, &source.version, self.custodian);
        let known = block_on(resume::known_failures(self.store, &source.archive, &source.version))?;
        let mut tally = resume::tally(&outcome.report.path, &plan, &load, self.marks, &known, &listing);
        self.watch.opened(listing.found(), source.info.size);
        let row_key = archive_key(&source.archive, &source.version);
        let row = block_on(retry(|| self.store.get(RowKind::Archive, &row_key)))?;
        let was_complete = resume::was_complete(row.as_deref());
        let mut row = self.row(source, outcome);
        if !was_complete {
            self.put_row(&row_key, &row)?;
        }
        self.whole_file(source, outcome);
        let lost = self.listing_failures(source, &listing, outcome)?;
        tally.run = add(&tally.run, &lost);
        let found = listing.found();
        let parsing = tally.run.found < found;
        self.watch.stage("loading");
        self.watch.counts(&tally.run, "");
        let job = Job {
            sha256: source.sha256,
            archive: source.archive,
            version: source.version,
            custodian: self.custodian.to_owned(),
            folders: listing.folders.into_iter().map(|folder| folder.path).collect(),
            done: tally.ranges.iter().map(|done| done.batches).collect(),
            plan,
            next: AtomicUsize::new(0),
            stop: self.watch.stop_flag(),
        };
        let commit = Commit {
            store: self.store,
            path: outcome.report.path.clone(),
            load,
            archive: source.archive,
            version: source.version,
            known,
            tally: RefCell::new(tally),
            watch: self.watch,
        };
        if parsing {
            self.workers(&source.file, &job, &commit)?;
            self.unchanged(source, outcome);
        }
        let tally = commit.tally.into_inner();
        if let Some((code, reason)) = &tally.broken {
            outcome.beside(code, "opening the archive for a worker", reason.clone());
        }
        let whole = tally.run.found == found;
        outcome.interrupted = !whole && self.watch.stopped();
        if whole && !was_complete {
            row.counts = tally.ranges.iter().fold(lost, |sum, done| add(&sum, &done.counts));
            row.complete = true;
            self.put_row(&row_key, &row)?;
        }
        outcome.failures.extend(tally.failures);
        outcome.counts = tally.run;
        let (report, counts) = (&mut outcome.report, &outcome.counts);
        (report.found, report.stored, report.duplicate) = (counts.found, counts.stored, counts.duplicate);
        (report.failed, report.partial, report.attachments) =
            (counts.failed, counts.partial, counts.attachments);
        Ok(())
    }

    /// Reads all that is not done, on so many threads, and commits it on this one.
    fn workers(&self, file: &File, job: &Job, commit: &Commit<'_>) -> Result<(), LoadError> {
        std::thread::scope(|scope| {
            // Dropped before the threads are waited for: a worker whose committer is gone ends.
            let committers = LocalExecutor::new();
            let mut tasks = Vec::new();
            for number in 0..self.jobs.clamp(1, job.plan.ranges().max(1)) {
                let (to, from) = async_channel::bounded(WAITING);
                let thread = std::thread::Builder::new().name(format!("load-{number}"));
                match thread.spawn_scoped(scope, move || work(file, job, &to)) {
                    Ok(_) => tasks.push(committers.spawn(commit.run(from))),
                    // Those that were started will do it.
                    Err(error) if number > 0 => tracing::warn!(%error, "fewer workers than asked for"),
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

    fn row(&self, source: &Source, outcome: &Outcome) -> ArchiveVersion {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ArchiveVersion {
            extra: Vec::new(),
            path: outcome.report.path.clone(),
            kind: source.info.kind.to_owned(),
            sha256: source.sha256,
            bytes: outcome.report.bytes,
            folders: outcome.report.folders,
            custodian: self.custodian.to_owned(),
            loaded_at: i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            complete: false,
            counts: Counts::default(),
            password: source.info.password,
        }
    }

    fn put_row(&self, key: &[u8], row: &ArchiveVersion) -> Result<(), LoadError> {
        let value = to_bytes(row).map_err(LoadError::record("the archive's row"))?;
        let row = Row { kind: RowKind::Archive, key: key.to_vec().into(), value };
        block_on(put(self.store, vec![row]))
    }

    /// Says what is wrong with the archive as a whole, though it could be opened.
    fn whole_file(&self, source: &Source, outcome: &mut Outcome) {
        let info = &source.info;
        if info.claimed_size > info.size {
            let reason = format!(
                "the file has {} bytes and says it should have {}: it was cut short, items may be missing",
                info.size, info.claimed_size
            );
            outcome.beside("corrupt", "archive", reason);
        }
        for note in &info.notes {
            outcome.beside(note.code, &note.stage, note.reason.clone());
        }
    }

    /// Reports and stores what could not be listed, and counts the items among it.
    fn listing_failures(
        &self,
        source: &Source,
        listing: &Listing,
        outcome: &mut Outcome,
    ) -> Result<Counts, LoadError> {
        let mut counts = Counts::default();
        let mut rows = Vec::new();
        for failure in &listing.failures {
            let folder = usize::try_from(failure.folder).ok().and_then(|n| listing.folders.get(n));
            let lost = ItemFailure {
                folder: folder.map_or_else(|| "/".to_owned(), |folder| folder.path.clone()),
                node: failure.node(listing),
                code: failure.error.code().to_owned(),
                stage: if failure.row.is_some() { "folder table" } else { "folder" }.to_owned(),
                reason: failure.error.to_string(),
            };
            rows.push(failure_row(&source.archive, &source.version, &lost)?);
            outcome.failures.push(report_of(&outcome.report.path, lost));
            let items = u64::from(failure.row.is_some());
            counts.found = counts.found.saturating_add(items);
            counts.failed = counts.failed.saturating_add(items);
        }
        if !rows.is_empty() {
            block_on(put(self.store, rows))?;
        }
        Ok(counts)
    }

    /// Says so if the file is not what it was before.
    fn unchanged(&self, source: &Source, outcome: &mut Outcome) {
        self.watch.stage("checking");
        match sha256(&source.file, |_| !self.watch.stopped()) {
            Ok(Some((now, _))) if now != source.sha256 => {
                let reason =
                    "the file changed while it was being loaded: load it again when nothing writes to it";
                outcome.beside("io", "checking the file's hash", reason.to_owned());
            }
            // Unchanged, or stopped: then the next load will see.
            Ok(_) => {}
            Err(error) => outcome.beside("io", "checking the file's hash", error.to_string()),
        }
    }
}
