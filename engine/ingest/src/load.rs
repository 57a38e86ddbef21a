//! The loader: takes requests, one at a time, and tells how they go.

use crate::archive::{Loading, Outcome};
use crate::child::Parsers;
use crate::discover::{FileKind, Refusal};
use crate::error::LoadError;
use crate::limits::Limits;
use crate::losses::Losses;
use crate::model::{ArchiveReport, LoadEvent, LoadReport, LoadRequest};
use crate::resume::read_marks;
use crate::targets::{Target, targets, without_mail};
use crate::watch::Watch;
use crate::wire::Trouble;
use async_channel::{Receiver, Sender, unbounded};
use futures_lite::future::block_on;
use postlode_mail::rfc::Kind;
use postlode_store::Store;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Most worker threads of a load.
pub const MAX_JOBS: usize = 256;

/// Files of one message each that are loaded at a time, for each worker: most of the time they wait for the disk.
const FILES_A_JOB: usize = 4;

/// Loads archives into a store. Cheap to clone; clones share one queue, so that loads run one after the other.
#[derive(Clone)]
pub struct Loader {
    store: Store,
    how: How,
    turn: Arc<Mutex<()>>,
}

/// How archives are read.
#[derive(Debug, Clone)]
pub(crate) struct How {
    pub(crate) parsers: Parsers,
    pub(crate) limits: Limits,
    /// It was said that parsers are not confined; once is enough.
    pub(crate) warned: Arc<AtomicBool>,
}

impl How {
    pub(crate) fn new(parsers: Parsers) -> Self {
        Self { parsers, limits: Limits::default(), warned: Arc::default() }
    }
}

/// A load that was started. Dropping it stops it at the end of the batches it is at.
pub struct Load {
    events: Receiver<LoadEvent>,
    stop: Stop,
    result: Receiver<Result<LoadReport, LoadError>>,
}

/// Stops a load.
#[derive(Debug, Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the load to end after the batches it is at. Its report then says that it was interrupted.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

impl Loader {
    /// A loader into `store`, which must be open for writing.
    #[must_use]
    pub fn new(store: Store, parsers: Parsers) -> Self {
        Self { store, how: How::new(parsers), turn: Arc::default() }
    }

    /// With other time limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.how.limits = limits;
        self
    }

    /// Starts a load on a thread of its own. Where another one runs, it waits for its turn.
    ///
    /// # Errors
    /// [`LoadError::Threads`] where the system gives no thread.
    pub fn start(&self, request: LoadRequest) -> Result<Load, LoadError> {
        let (event, events) = unbounded();
        let (tell, result) = unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let watch_stop = Arc::clone(&stop);
        let loader = self.clone();
        let thread = std::thread::Builder::new().name("load".to_owned());
        let run = move || loader.run(&request, &event, watch_stop, &tell);
        thread.spawn(run).map_err(|error| LoadError::Threads(error.to_string()))?;
        Ok(Load { events, stop: Stop(stop), result })
    }

    fn run(
        &self,
        request: &LoadRequest,
        events: &Sender<LoadEvent>,
        stop: Arc<AtomicBool>,
        result: &Sender<Result<LoadReport, LoadError>>,
    ) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = Watch::new(events.clone(), stop);
        let loaded = load(&self.store, &self.how, request, &watch);
        let last = match &loaded {
            Ok(report) => LoadEvent::Done(report.clone()),
            Err(error) => LoadEvent::Failed { error: error.to_string() },
        };
        // Nobody may be listening any more; what was loaded is stored all the same.
        drop(events.try_send(last));
        drop(result.try_send(loaded));
    }
}

impl Load {
    /// The next event; `None` after the last.
    pub async fn next(&self) -> Option<LoadEvent> {
        self.events.recv().await.ok()
    }

    /// A handle that stops it.
    #[must_use]
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits for its end. Events that were not taken are dropped.
    ///
    /// # Errors
    /// Where the store could not take more.
    pub async fn finish(self) -> Result<LoadReport, LoadError> {
        self.events.close();
        self.result.recv().await.unwrap_or(Err(LoadError::Internal("the load's thread")))
    }
}

/// Loads everything that a request names.
pub(crate) fn load(
    store: &Store,
    how: &How,
    request: &LoadRequest,
    watch: &Watch,
) -> Result<LoadReport, LoadError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = request.jobs.unwrap_or(cores).clamp(1, MAX_JOBS);
    let targets = block_on(targets(store, request))?;
    let marks = block_on(read_marks(store))?;
    let refused = block_on(Losses::refused(store))?;
    let idle = Mutex::new(Vec::new());
    let loading = Loading { store, how, request, jobs, marks: &marks, refused: &refused, watch, idle: &idle };
    let without_mail = if request.retry_failed { Vec::new() } else { without_mail(request, &targets) };
    let mut report = LoadReport { custodians_without_mail: without_mail, ..LoadReport::default() };
    let archives = targets.len() as u64;
    let mut number = 0u64;
    let mut rest = targets.as_slice();
    while let Some(first) = rest.first() {
        let (now, later) = rest.split_at(files_of_one_message(rest).max(1));
        rest = later;
        if watch.stopped() {
            report.interrupted = true;
            break;
        }
        let before = number;
        number = number.saturating_add(now.len() as u64);
        match first {
            Target::Refused(refusal) => {
                let path = refusal.path.display().to_string();
                tracing::info!(path, code = refusal.code, reason = refusal.reason, "not loaded");
                keep_refusal(&loading, refusal)?;
                let refused = Some(refusal.reason.clone());
                report.add(ArchiveReport { path, refused, ..ArchiveReport::default() });
            }
            Target::Archive { found, custodian } if now.len() == 1 => {
                watch.archive(&found.path.display().to_string(), number, archives);
                take(&mut report, loading.archive(found, custodian)?);
            }
            Target::Archive { .. } => {
                let (outcomes, stopped) = side_by_side(&loading, now, before, archives)?;
                outcomes.into_iter().for_each(|outcome| take(&mut report, outcome));
                report.interrupted |= stopped;
            }
        }
    }
    report.seconds = watch.seconds();
    report.stages = watch.stages.told();
    Ok(report)
}

/// Keeps why a file that may be mail is not loaded. What is not there, or of a kind that is not loaded, is said and not
/// kept: another load would not change it.
fn keep_refusal(loading: &Loading<'_>, refusal: &Refusal) -> Result<(), LoadError> {
    if refusal.code == "unsupported" || !refusal.path.is_file() {
        return Ok(());
    }
    let (code, stage, reason) = (refusal.code.to_owned(), "archive".to_owned(), refusal.reason.clone());
    let path = refusal.path.display().to_string();
    loading.keep_refusal(&path, &loading.request.custodian, "", &Trouble { code, stage, reason })
}

fn take(report: &mut LoadReport, outcome: Outcome) {
    report.interrupted |= outcome.interrupted;
    report.failures.extend(outcome.failures);
    report.add(outcome.report);
}

/// How many files of one message each the targets begin with.
fn files_of_one_message(targets: &[Target]) -> usize {
    let message =
        |t: &&Target| matches!(t, Target::Archive { found, .. } if found.kind == FileKind::Mail(Kind::Eml));
    targets.iter().take_while(message).count()
}

/// Loads files of one message each, several at a time: alone, each would wait for the disk. Tells also whether it was
/// stopped before it came to all.
fn side_by_side(
    loading: &Loading<'_>,
    files: &[Target],
    before: u64,
    archives: u64,
) -> Result<(Vec<Outcome>, bool), LoadError> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::with_capacity(files.len()));
    let stopped = AtomicBool::new(false);
    let run = || loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(Target::Archive { found, custodian }) = files.get(at) else { return Ok(()) };
        if loading.watch.stopped() {
            stopped.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let number = before.saturating_add(at as u64).saturating_add(1);
        loading.watch.archive(&found.path.display().to_string(), number, archives);
        match loading.archive(found, custodian) {
            Ok(outcome) => outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((at, outcome)),
            Err(error) => {
                // The others end too: the store takes no more.
                next.store(files.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = loading.jobs.saturating_mul(FILES_A_JOB).min(files.len());
        let mut running = Vec::new();
        for number in 1..threads {
            // Where the system gives fewer, those that are there do it.
            let thread = std::thread::Builder::new().name(format!("load-file-{number}"));
            running.extend(thread.spawn_scoped(scope, run).ok());
        }
        let mut done = run();
        for thread in running {
            done = done.and(thread.join().unwrap_or(Err(LoadError::Internal("a load's thread"))));
        }
        done
    })?;
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(at, _)| *at);
    Ok((outcomes.into_iter().map(|(_, outcome)| outcome).collect(), stopped.into_inner()))
}
