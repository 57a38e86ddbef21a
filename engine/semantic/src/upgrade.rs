//! Makes the vectors of a better model, segment by segment, while the store is used, and has them answer when all is covered.
//!
//! What always holds: what was made is durable after each part, so that it goes on where it was; an endpoint that is down
//! costs nothing but time; an email that cannot be read holds up no other, and is counted in every answer; the model
//! answers only when it has vectors of all that can be read.

mod part;

use crate::engine::SemanticEngine;
use crate::error::SemanticError;
use crate::models::Models;
use futures_lite::future::block_on;
use part::{LeftOut, broken};
use postlode_embed::{Embed, EmbedError, Model};
use postlode_store::{Coverage, Covered, Store, StoreError};
use postlode_vector::CodeKind;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Mails of memtables that are embedded in one go.
const FRESH: usize = 256;
/// Between two looks whether there is anything to do.
const PAUSE: Duration = Duration::from_millis(500);
/// After a failure; twice as long after each further one, up to the longest.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// After so many failures in a row the model is asked anew what it is: another may be served by now.
const ANOTHER: u32 = 3;
/// What could not be read, and what was deleted, is looked at again after so long.
const FORGET: Duration = Duration::from_secs(600);
/// Between two looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Finds the model: asks an endpoint what it is, reads a folder.
pub type Find = Box<dyn Fn() -> Result<Arc<dyn Embed>, EmbedError> + Send>;

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The model; none as long as it is not known.
    pub model: Option<Model>,
    /// Emails in segments.
    pub emails: u64,
    /// Those of them without vectors of the model.
    pub pending: u64,
    /// Those of them that cannot be read.
    pub unreadable: u64,
    /// Those of them that were deleted, and are in segments until the next compaction: they are not embedded.
    pub deleted: u64,
    /// Pending ones that are embedded, and not durable yet.
    pub unsaved: u64,
    /// The model answers.
    pub active: bool,
    /// Emails embedded since the start, and seconds that took.
    pub embedded: (u64, f64),
    /// Why it does not get on.
    pub error: Option<String>,
}

impl Progress {
    /// All that can be embedded is, and the model answers.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let left = self.pending.saturating_sub(self.unreadable).saturating_sub(self.deleted);
        self.active && self.model.is_some() && left == 0
    }
}

/// What is to be done, and how far it is. Cheap to clone.
#[derive(Clone)]
pub struct Upgrade {
    store: Store,
    models: Models,
    /// Of the indexes of the better model.
    budget: usize,
    codes: CodeKind,
    /// Another process embeds; here mails are embedded only until they are sealed.
    follows: bool,
    stop: Arc<AtomicBool>,
    progress: Arc<Mutex<Progress>>,
    /// What [`Upgrade::find_once`] found, for [`Upgrade::run`].
    found: Arc<Mutex<Option<SemanticEngine>>>,
    /// Emails that are embedded at a time.
    at_once: Arc<AtomicUsize>,
}

/// What is left out, by segment.
type Left = BTreeMap<u64, LeftOut>;

/// What one step came to.
enum Step {
    /// Something was done.
    On,
    /// There is nothing to do just now.
    Idle,
}

impl Upgrade {
    /// Nothing is done yet. `stop`: set by who wants it to end.
    #[must_use]
    pub fn new(store: Store, models: Models, budget: usize, codes: CodeKind, stop: Arc<AtomicBool>) -> Self {
        let (progress, found) = Default::default();
        let at_once = Arc::new(AtomicUsize::new(part::FEWEST));
        Self { store, models, budget, codes, follows: false, stop, progress, found, at_once }
    }

    /// The same beside a store that another process writes.
    #[must_use]
    pub fn following(self) -> Self {
        Self { follows: true, ..self }
    }

    /// Asks what the model is, once.
    ///
    /// # Errors
    /// What keeps it from being used.
    pub fn find_once(&self, find: &Find) -> Result<(), String> {
        match self.find(find) {
            Ok(engine) => {
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine);
                Ok(())
            }
            Err(Stuck::Closed) => Err(EmbedError::Stopped.to_string()),
            Err(Stuck::Waits(why)) => Err(why),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.told().clone()
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until it is stopped, or the store is closed. Blocks its thread.
    pub fn run(&self, find: &Find) {
        // Who asked for the model before need not ask again: it may have taken long, and much memory.
        let mut engine = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (mut left, mut looked) = (Left::new(), Instant::now());
        let mut failures = 0u32;
        while !self.stop.load(Ordering::Relaxed) {
            if looked.elapsed() > FORGET {
                left.clear();
                looked = Instant::now();
            }
            // Unwind safety: what a step leaves half done is looked at anew by the next.
            let done = catch_unwind(AssertUnwindSafe(|| match &engine {
                None => self.find(find).map(Some),
                Some(engine) => self.step(engine, &mut left).map(|step| match step {
                    Step::On => None,
                    Step::Idle => {
                        self.wait(PAUSE);
                        None
                    }
                }),
            }));
            match done.unwrap_or_else(|_| Err(Stuck::Waits("embedding was broken off".to_owned()))) {
                Ok(found) => {
                    engine = found.or(engine);
                    failures = 0;
                    self.told().error = None;
                }
                Err(Stuck::Closed) => return,
                Err(Stuck::Waits(why)) => {
                    if failures == 0 {
                        tracing::warn!("embedding waits: {why}");
                    }
                    self.told().error = Some(why);
                    failures = failures.saturating_add(1);
                    if failures.is_multiple_of(ANOTHER) {
                        engine = None;
                    }
                    self.wait(AGAIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST));
                }
            }
        }
    }

    fn wait(&self, time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time && !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK.min(time));
        }
    }

    fn find(&self, find: &Find) -> Result<SemanticEngine, Stuck> {
        let model = match find() {
            Ok(model) => model,
            Err(error) => {
                self.tell_without_model()?;
                return Err(error.into());
            }
        };
        let of = model.model();
        if of == self.models.base().model().model() {
            return Err(Stuck::Waits(format!("{} is the built-in model", of.name)));
        }
        // One that is there already has its indexes open.
        let known = self.models.better().filter(|better| better.model().model() == of);
        let engine = known.unwrap_or_else(|| SemanticEngine::of_addons(model, self.budget));
        self.models.install(engine.clone());
        self.told().model = Some(of);
        Ok(engine)
    }

    /// As long as nobody knows the model: what the one that answers covers, if there is one.
    fn tell_without_model(&self) -> Result<(), Stuck> {
        if self.told().model.is_none() {
            let active = block_on(self.store.active())?;
            let (emails, pending) = block_on(self.store.coverage(&active))?.sums();
            let mut told = self.told();
            (told.emails, told.pending) = (emails, pending);
        }
        Ok(())
    }

    fn step(&self, engine: &SemanticEngine, left: &mut Left) -> Result<Step, Stuck> {
        let model = engine.model().model();
        let key = model.key();
        let coverage = block_on(self.store.coverage(&key))?;
        left.retain(|segment, _| coverage.segments.iter().any(|one| one.segment == *segment));
        self.tell(&coverage, left);
        if self.follows {
            return if coverage.active { self.catch_up(engine) } else { Ok(Step::Idle) };
        }
        let out = |one: &Covered| left.get(&one.segment).map_or(0, LeftOut::len);
        // The largest first: the small ones may be merged before their turn comes.
        let due = coverage.segments.iter().filter(|one| one.pending > out(one)).max_by_key(|one| one.emails);
        let due = due.copied().or_else(|| broken(engine, &coverage, &self.store, &key));
        if let Some(due) = due {
            let since = Instant::now();
            let done = self.part(engine, &model, due, left.entry(due.segment).or_default());
            let mut told = self.told();
            told.embedded.1 += since.elapsed().as_secs_f64();
            told.unsaved = 0;
            return done;
        }
        if !coverage.active || coverage.others {
            block_on(self.store.activate(&key))?;
            self.told().active = true;
            return Ok(Step::On);
        }
        self.catch_up(engine)
    }

    fn tell(&self, coverage: &Coverage, left: &Left) {
        let (emails, pending) = coverage.sums();
        let mut told = self.told();
        (told.emails, told.pending, told.active) = (emails, pending, coverage.active);
        told.unreadable = left.values().map(|out| out.unreadable.len() as u64).sum();
        told.deleted = left.values().map(|out| out.deleted.len() as u64).sum();
    }

    /// Mails that are not sealed yet.
    fn catch_up(&self, engine: &SemanticEngine) -> Result<Step, Stuck> {
        let sources = block_on(self.store.text_sources(engine.known().counts()))?;
        let fresh = sources.memtables.iter().flat_map(|text| text.docs.iter().take(FRESH));
        let deleted = self.deleted(&fresh.map(|doc| doc.position.id).collect::<Vec<_>>())?;
        match engine.catch_up(&sources, FRESH, &deleted)? {
            0 => Ok(Step::Idle),
            _ => {
                self.store.touch();
                Ok(Step::On)
            }
        }
    }
}

/// Why it does not get on.
enum Stuck {
    /// The store is closed, or nobody wants it to get on.
    Closed,
    /// For a reason that may pass.
    Waits(String),
}

impl From<StoreError> for Stuck {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            other => Self::Waits(other.to_string()),
        }
    }
}

impl From<EmbedError> for Stuck {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Stopped => Self::Closed,
            other => Self::Waits(other.to_string()),
        }
    }
}

impl From<SemanticError> for Stuck {
    fn from(error: SemanticError) -> Self {
        match error {
            SemanticError::Embed(error) => error.into(),
            other => Self::Waits(other.to_string()),
        }
    }
}
