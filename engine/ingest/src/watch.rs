//! What a running load tells its listener, and what the listener may tell it: to stop.
//!
//! What always holds: telling never waits. Progress is left out while the listener is behind; the rest is not.

use crate::model::{ArchiveReport, LoadEvent, LoadProgress};
use crate::stages::Stages;
use crate::sums::Sums;
use async_channel::Sender;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time between two reports of progress.
const PAUSE: Duration = Duration::from_millis(200);
/// Events that may wait before progress is left out.
const BEHIND: usize = 16;

/// The load's side of the conversation.
pub(crate) struct Watch {
    events: Sender<LoadEvent>,
    stop: Arc<AtomicBool>,
    begun: Instant,
    /// How long its stages were busy.
    pub(crate) stages: Arc<Stages>,
    state: Mutex<State>,
}

struct State {
    now: LoadProgress,
    /// Counts of the archives that are finished.
    before: Sums,
    told: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(events: Sender<LoadEvent>, stop: Arc<AtomicBool>) -> Self {
        let state = State { now: LoadProgress::default(), before: Sums::default(), told: None };
        Self { events, stop, begun: Instant::now(), stages: Arc::default(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody wants the load to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The flag that tells so, for threads of the load.
    pub(crate) fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Seconds since the load began.
    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// An archive's turn has come.
    pub(crate) fn archive(&self, path: &str, number: u64, archives: u64) {
        let mut state = self.state();
        path.clone_into(&mut state.now.archive);
        state.now.folder.clear();
        (state.now.number, state.now.archives) = (number, archives);
    }

    /// A stage of it begins.
    pub(crate) fn stage(&self, stage: &str) {
        stage.clone_into(&mut self.state().now.stage);
        self.tell(true);
    }

    /// It is open, and so large.
    pub(crate) fn opened(&self, items: u64, bytes: u64) {
        let mut state = self.state();
        state.now.expected = state.now.expected.saturating_add(items);
        state.now.bytes = state.now.bytes.saturating_add(bytes);
    }

    /// So much of it is done.
    pub(crate) fn counts(&self, counts: &Sums, folder: &str) {
        let mut state = self.state();
        let all = state.before.plus(counts);
        let now = &mut state.now;
        (now.found, now.stored, now.duplicate, now.failed) =
            (all.found, all.stored, all.duplicate, all.failed);
        folder.clone_into(&mut now.folder);
        drop(state);
        self.tell(false);
    }

    /// It is finished.
    pub(crate) fn finished(&self, report: &ArchiveReport, counts: &Sums) {
        let mut state = self.state();
        state.before = state.before.plus(counts);
        drop(state);
        // Fails only where nobody listens.
        drop(self.events.try_send(LoadEvent::Archive(report.clone())));
    }

    fn tell(&self, now: bool) {
        let mut state = self.state();
        let due = now || state.told.is_none_or(|told| told.elapsed() >= PAUSE);
        if due && self.events.len() < BEHIND {
            state.told = Some(Instant::now());
            state.now.seconds = self.seconds();
            drop(self.events.try_send(LoadEvent::Progress(state.now.clone())));
        }
    }
}
