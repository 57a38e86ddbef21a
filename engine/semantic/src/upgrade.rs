//! Makes the vectors of a better model, segment by segment, while the store is used, and has them answer when all is covered.
//!
//! What always holds: what was made is durable after each part, so that it goes on where it was; an endpoint that is down
//! costs nothing but time; an email that cannot be read holds up no other, and is counted in every answer; the model
//! answers only when it has vectors of all that can be read.

use crate::build::{Embedded, fill};
use crate::engine::SemanticEngine;
use crate::error::SemanticError;
use crate::models::Models;
use crate::sections;
use futures_lite::future::block_on;
use postlode_embed::{Embed, EmbedError, Model};
use postlode_store::{AddVectors, Covered, Missing, Store, StoreError, TextDoc, VectorParts};
use postlode_vector::CodeKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Emails of one part: at least so many, at most so many, and in between as many as half of what is there, so that a segment
/// is not written anew for each few.
const LEAST: usize = 1_024;
const MOST: usize = 8_192;
/// Mails of memtables that are embedded in one go.
const FRESH: usize = 256;
/// Between two looks whether there is anything to do.
const PAUSE: Duration = Duration::from_millis(500);
/// After a failure; twice as long after each further one, up to the longest.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// What could not be read is tried again after so long.
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
        self.active && self.model.is_some() && self.pending <= self.unreadable
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
}

/// Emails that cannot be read, by segment.
type Unreadable = BTreeMap<u64, BTreeSet<u32>>;

/// What one step came to.
enum Step {
    /// Something was done.
    On,
    /// There is nothing to do.
    Idle,
}

impl Upgrade {
    /// Nothing is done yet. `stop`: set by who wants it to end.
    #[must_use]
    pub fn new(store: Store, models: Models, budget: usize, codes: CodeKind, stop: Arc<AtomicBool>) -> Self {
        Self { store, models, budget, codes, follows: false, stop, progress: Arc::default() }
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
            Ok(_) => Ok(()),
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
        let mut engine = None;
        let mut unreadable = Unreadable::new();
        let mut looked = Instant::now();
        let mut failures = 0u32;
        while !self.stop.load(Ordering::Relaxed) {
            if looked.elapsed() > FORGET {
                unreadable.clear();
                looked = Instant::now();
            }
            let done = match &engine {
                None => self.find(find).map(|found| {
                    engine = Some(found);
                    Step::On
                }),
                Some(engine) => self.step(engine, &mut unreadable),
            };
            let pause = match done {
                Ok(step) => {
                    failures = 0;
                    self.told().error = None;
                    match step {
                        Step::On => Duration::ZERO,
                        Step::Idle => PAUSE,
                    }
                }
                Err(Stuck::Closed) => return,
                Err(Stuck::Waits(why)) => {
                    if failures == 0 {
                        tracing::warn!("embedding waits: {why}");
                    }
                    self.told().error = Some(why);
                    failures = failures.saturating_add(1);
                    AGAIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST)
                }
            };
            self.wait(pause);
        }
    }

    fn wait(&self, time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time && !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK.min(time));
        }
    }

    fn find(&self, find: &Find) -> Result<SemanticEngine, Stuck> {
        let model = find()?;
        let of = model.model();
        if of == self.models.base().model().model() {
            return Err(Stuck::Waits(format!("{} is the built-in model", of.name)));
        }
        let engine = SemanticEngine::of_addons(model, self.budget);
        self.models.install(engine.clone());
        self.told().model = Some(of);
        Ok(engine)
    }

    fn step(&self, engine: &SemanticEngine, unreadable: &mut Unreadable) -> Result<Step, Stuck> {
        let model = engine.model().model();
        let key = model.key();
        let coverage = block_on(self.store.coverage(&key))?;
        unreadable.retain(|segment, _| coverage.segments.iter().any(|one| one.segment == *segment));
        let lost = |one: &Covered| unreadable.get(&one.segment).map_or(0, |lost| lost.len() as u64);
        let (emails, pending) = coverage.sums();
        {
            let mut told = self.told();
            (told.emails, told.pending, told.active) = (emails, pending, coverage.active);
            told.unreadable = coverage.segments.iter().map(lost).sum();
        }
        if self.follows && !coverage.active {
            return Ok(Step::Idle);
        }
        // The largest first: the small ones may be merged before their turn comes.
        let due = coverage.segments.iter().filter(|one| !self.follows && one.pending > lost(one));
        if let Some(due) = due.max_by_key(|one| one.emails).copied() {
            let since = Instant::now();
            let lost = unreadable.entry(due.segment).or_default();
            let embedded = self.part(engine, &model, due, lost)?;
            let mut told = self.told();
            told.embedded.0 = told.embedded.0.saturating_add(embedded);
            told.embedded.1 += since.elapsed().as_secs_f64();
            return Ok(Step::On);
        }
        if !self.follows && (!coverage.active || coverage.others) {
            block_on(self.store.activate(&key))?;
            self.told().active = true;
            return Ok(Step::On);
        }
        let sources = block_on(self.store.text_sources(engine.known().counts()))?;
        match engine.catch_up(&sources, FRESH)? {
            0 => Ok(Step::Idle),
            _ => Ok(Step::On),
        }
    }

    /// Embeds a part of a segment, and tells how many emails that were.
    fn part(
        &self,
        engine: &SemanticEngine,
        model: &Model,
        due: Covered,
        lost: &mut BTreeSet<u32>,
    ) -> Result<u64, Stuck> {
        let Covered { segment, emails, pending } = due;
        let sources = block_on(self.store.text_sources(engine.known().counts()))?;
        let Some(own) = sources.segments.iter().find(|own| own.id == segment) else {
            // Merged away, or it cannot be opened.
            lost.extend(0..u32::try_from(emails).unwrap_or(u32::MAX));
            return Ok(0);
        };
        let key = model.key();
        let parts = own.addons.iter().find(|addon| addon.model == key);
        let parts = parts.and_then(|addon| addon.vectors.as_ref().ok());
        let waiting = parts.map_or_else(
            || (0..u32::try_from(emails).unwrap_or(u32::MAX)).collect(),
            |parts| sections::pending(parts, emails, model),
        );
        let there = usize::try_from(emails.saturating_sub(pending)).unwrap_or(usize::MAX);
        let most = (there / 2).clamp(LEAST, MOST);
        let these: Vec<u32> = waiting.into_iter().filter(|email| !lost.contains(email)).take(most).collect();
        let docs = self.documents(segment, &these, lost)?.unwrap_or_default();
        if docs.is_empty() {
            return Ok(0);
        }
        let done: Vec<u32> = docs.iter().map(|(email, _)| *email).collect();
        let fresh = Embedded::of(&**engine.model(), docs.into_iter())?;
        let (model, codes, covered) = (model.clone(), self.codes, done.len() as u64);
        let make = move |before: &VectorParts| {
            fill(model, codes, before, emails, &done, fresh).map_err(|error| error.to_string())
        };
        let add = AddVectors { segment, model: key, make: Box::new(make) };
        Ok(if block_on(self.store.add_vectors(add))? { covered } else { 0 })
    }

    /// Emails of a segment with their numbers. Those that cannot be read are noted in `lost`. `None`: it is gone.
    fn documents(
        &self,
        segment: u64,
        these: &[u32],
        lost: &mut BTreeSet<u32>,
    ) -> Result<Option<Vec<(u32, TextDoc)>>, Stuck> {
        let read = |these: Vec<u32>| block_on(self.store.documents(segment, these));
        match read(these.to_vec()) {
            Ok(docs) => return Ok(docs.map(|docs| these.iter().copied().zip(docs).collect())),
            Err(StoreError::Missing(missing)) => told(&missing),
            Err(error) => return Err(error.into()),
        }
        let mut out = Vec::new();
        for email in these {
            match read(vec![*email]) {
                Ok(Some(docs)) => out.extend(docs.into_iter().map(|doc| (*email, doc))),
                Ok(None) => return Ok(None),
                Err(StoreError::Missing(_)) => drop(lost.insert(*email)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(out))
    }
}

fn told(missing: &Missing) {
    tracing::error!("some mail is not embedded, it cannot be read: {missing}");
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
