//! Makes the vectors of a better model, segment by segment, while the store is used, and has them answer when all is covered.
//!
//! What always holds: what was made is durable after each part, so that it goes on where it was; an endpoint that is down
//! costs nothing but time; an email that cannot be read holds up no other, and is counted in every answer; the model
//! answers only when it has vectors of all that can be read.

use crate::build::{Embedded, fill, readable};
use crate::engine::SemanticEngine;
use crate::error::SemanticError;
use crate::models::Models;
use crate::sections;
use futures_lite::future::block_on;
use postlode_embed::{Embed, EmbedError, Model};
use postlode_format::id::Id;
use postlode_format::row::{ArchivedEmail, ArchivedMark, access};
use postlode_store::{AddVectors, Coverage, Covered, Store, StoreError, TextDoc, VectorParts};
use postlode_vector::CodeKind;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Emails of one part: at least so many, at most so many, and in between as many as half of what is there, so that a segment
/// is not written anew for each few.
const LEAST: usize = 1_024;
const MOST: usize = 8_192;
/// A part ends when it took so long, or has so many values, whatever the number of its emails.
const LONG: Duration = Duration::from_secs(30);
const VALUES: usize = 16 << 20;
/// Emails that are read at a time, and their bytes.
const AT_ONCE: usize = 256;
const BYTES: usize = 16 << 20;
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
}

/// Emails of a segment that are left out for now.
#[derive(Default)]
struct LeftOut {
    unreadable: BTreeSet<u32>,
    deleted: BTreeSet<u32>,
}

impl LeftOut {
    fn len(&self) -> u64 {
        (self.unreadable.len() + self.deleted.len()) as u64
    }

    fn has(&self, email: u32) -> bool {
        self.unreadable.contains(&email) || self.deleted.contains(&email)
    }
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
        match engine.catch_up(&sources, FRESH)? {
            0 => Ok(Step::Idle),
            _ => {
                self.store.touch();
                Ok(Step::On)
            }
        }
    }

    /// Embeds a part of a segment. What was embedded before something failed is kept.
    fn part(
        &self,
        engine: &SemanticEngine,
        model: &Model,
        due: Covered,
        out: &mut LeftOut,
    ) -> Result<Step, Stuck> {
        let Covered { segment, emails, pending } = due;
        let Some(waiting) = self.waiting(engine, model, due, out)? else { return Ok(Step::Idle) };
        let there = usize::try_from(emails.saturating_sub(pending)).unwrap_or(usize::MAX);
        let most = (there / 2).clamp(LEAST, MOST);
        let mut rest: Vec<u32> = waiting.into_iter().filter(|email| !out.has(*email)).take(most).collect();
        let (mut fresh, mut done, since) = (Embedded::default(), Vec::new(), Instant::now());
        let mut failed = Ok(());
        while !rest.is_empty() && since.elapsed() < LONG && fresh.values.len() < VALUES {
            match self.some(engine, segment, &mut rest, out) {
                Ok(Some((emails, more))) => {
                    let count = emails.len() as u64;
                    done.extend(emails);
                    fresh.extend(more);
                    let mut told = self.told();
                    told.embedded.0 = told.embedded.0.saturating_add(count);
                    told.unsaved = told.unsaved.saturating_add(count);
                    told.error = None;
                }
                Ok(None) => return Ok(Step::On),
                Err(stuck) => {
                    failed = Err(stuck);
                    break;
                }
            }
        }
        if !done.is_empty() {
            let (of, codes) = (model.clone(), self.codes);
            let make = move |before: &VectorParts| {
                fill(of, codes, before, emails, &done, fresh).map_err(|error| error.to_string())
            };
            let add = AddVectors { segment, model: model.key(), make: Box::new(make) };
            let _still_there = block_on(self.store.add_vectors(add))?;
        }
        failed.map(|()| Step::On)
    }

    /// Emails of a segment that are to be embedded; `None` where it is not open yet, after it was merged.
    fn waiting(
        &self,
        engine: &SemanticEngine,
        model: &Model,
        due: Covered,
        out: &mut LeftOut,
    ) -> Result<Option<Vec<u32>>, Stuck> {
        let Covered { segment, emails, pending } = due;
        let all = || (0..u32::try_from(emails).unwrap_or(u32::MAX)).collect::<Vec<u32>>();
        let sources = block_on(self.store.text_sources(engine.known().counts()))?;
        let Some(own) = sources.segments.iter().find(|own| own.id == segment) else {
            if sources.missing.iter().any(|missing| missing.segment == Some(segment)) {
                out.unreadable.extend(all());
            }
            return Ok(None);
        };
        let key = model.key();
        let parts = own.addons.iter().find(|addon| addon.model == key);
        let Some(parts) = parts.and_then(|addon| addon.vectors.as_ref().ok()) else { return Ok(Some(all())) };
        // One that is said to be complete is here because a search could not read it.
        if pending == 0 && readable(parts, emails, model).is_err() {
            return Ok(Some(all()));
        }
        Ok(Some(sections::pending(parts, emails, model)))
    }

    /// Reads and embeds the first of `rest`, and gives which these were. Those that cannot be read, or were deleted, are left
    /// out. `None`: the segment is gone.
    fn some(
        &self,
        engine: &SemanticEngine,
        segment: u64,
        rest: &mut Vec<u32>,
        out: &mut LeftOut,
    ) -> Result<Option<(Vec<u32>, Embedded)>, Stuck> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Stuck::Closed);
        }
        let these: Vec<u32> = rest.iter().copied().take(AT_ONCE).collect();
        let read = match block_on(self.store.documents(segment, these.clone(), BYTES)) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(None),
            Err(StoreError::Missing(missing)) => {
                tracing::error!("mail is not embedded, it cannot be read: {missing}");
                out.unreadable.extend(rest.drain(..));
                return Ok(Some(Default::default()));
            }
            Err(error) => return Err(error.into()),
        };
        rest.drain(..read.len().min(rest.len()));
        let mut docs: Vec<(u32, TextDoc)> = Vec::with_capacity(read.len());
        for (email, doc) in these.into_iter().zip(read) {
            match doc {
                Ok(doc) => docs.push((email, doc)),
                Err(missing) => {
                    tracing::error!("an email is not embedded, it cannot be read: {missing}");
                    out.unreadable.insert(email);
                }
            }
        }
        let deleted = self.deleted(&docs)?;
        let is_deleted = |doc: &TextDoc| id_of(doc).is_some_and(|id| deleted.contains(&id));
        out.deleted.extend(docs.iter().filter(|(_, doc)| is_deleted(doc)).map(|(email, _)| *email));
        docs.retain(|(_, doc)| !is_deleted(doc));
        let emails = docs.iter().map(|(email, _)| *email).collect();
        Ok(Some((emails, Embedded::of(&**engine.model(), docs.into_iter())?)))
    }

    /// Which of these were deleted: they are not to leave the house.
    fn deleted(&self, docs: &[(u32, TextDoc)]) -> Result<HashSet<Id>, Stuck> {
        let ids: Vec<Id> = docs.iter().filter_map(|(_, doc)| id_of(doc)).collect();
        let found = block_on(self.store.emails(&ids))?;
        let deleted = |mark: &[u8]| access::<ArchivedMark>(mark).map_or(true, |mark| mark.deleted);
        let of = |(id, found): (Id, _)| match found {
            Ok(Some(postlode_store::Found { mark: Some(mark), .. })) => deleted(&mark).then_some(id),
            // Nobody can say whether it was deleted, or it is there no more.
            Ok(None) | Err(_) => Some(id),
            Ok(Some(_)) => None,
        };
        Ok(ids.into_iter().zip(found).filter_map(of).collect())
    }
}

fn id_of(doc: &TextDoc) -> Option<Id> {
    access::<ArchivedEmail>(&doc.email).ok().map(|email| email.id)
}

/// A segment whose add-on a search could not read, though it is said to be complete.
fn broken(engine: &SemanticEngine, coverage: &Coverage, store: &Store, key: &str) -> Option<Covered> {
    let broken = engine.take_broken();
    if broken.is_empty() {
        return None;
    }
    let sources = block_on(store.text_sources(engine.known().counts())).ok()?;
    let of = sources
        .segments
        .iter()
        .find(|own| own.addons.iter().any(|addon| addon.model == key && broken.contains(&addon.id)))?;
    coverage.segments.iter().find(|one| one.segment == of.id && one.pending == 0).copied()
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
