//! One part of a segment: read, embedded, and put to what is there.
//!
//! What always holds: a part is bounded in emails, bytes and time; what was embedded before something failed is kept; an email
//! that cannot be read, or was deleted, is left out and holds up no other.

use super::{Step, Stuck, Upgrade};
use crate::build::{Embedded, fill, readable};
use crate::engine::SemanticEngine;
use crate::sections;
use futures_lite::future::block_on;
use postlode_embed::Model;
use postlode_format::id::Id;
use postlode_format::row::{ArchivedEmail, ArchivedMark, access};
use postlode_store::{AddVectors, Coverage, Covered, Store, StoreError, TextDoc, VectorParts};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Emails of one part: at least so many, at most so many, and in between as many as half of what is there, so that a segment
/// is not written anew for each few.
const LEAST: usize = 1_024;
const MOST: usize = 8_192;
/// A part ends when it took so long, or has so many values, whatever the number of its emails.
const LONG: Duration = Duration::from_secs(30);
const VALUES: usize = 16 << 20;
/// Emails that are read and embedded at a time, and their bytes: as many as a model embeds in a moment, as what was embedded
/// of them is lost when it is stopped.
pub const FEWEST: usize = 16;
const AT_ONCE: usize = 256;
const MOMENT: Duration = Duration::from_secs(2);
const BYTES: usize = 16 << 20;

/// Emails of a segment that are left out until it is looked again whether they can be read, or were restored.
#[derive(Default)]
pub struct LeftOut {
    pub unreadable: BTreeSet<u32>,
    pub deleted: BTreeSet<u32>,
}

impl LeftOut {
    /// How many these are.
    pub fn len(&self) -> u64 {
        (self.unreadable.len() + self.deleted.len()) as u64
    }

    fn has(&self, email: u32) -> bool {
        self.unreadable.contains(&email) || self.deleted.contains(&email)
    }
}

impl Upgrade {
    /// Embeds a part of a segment. What was embedded before something failed is kept.
    pub(super) fn part(
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
        let (since, at_once) = (Instant::now(), self.at_once.load(Ordering::Relaxed));
        let these: Vec<u32> = rest.iter().copied().take(at_once).collect();
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
        let deleted = self.deleted(&docs.iter().filter_map(|(_, doc)| id_of(doc)).collect::<Vec<_>>())?;
        let is_deleted = |doc: &TextDoc| id_of(doc).is_some_and(|id| deleted.contains(&id));
        out.deleted.extend(docs.iter().filter(|(_, doc)| is_deleted(doc)).map(|(email, _)| *email));
        docs.retain(|(_, doc)| !is_deleted(doc));
        let emails = docs.iter().map(|(email, _)| *email).collect();
        let embedded = Embedded::of(&**engine.model(), docs.into_iter())?;
        let next = if since.elapsed() > MOMENT { at_once / 2 } else { at_once.saturating_mul(2) };
        self.at_once.store(next.clamp(FEWEST, AT_ONCE), Ordering::Relaxed);
        Ok(Some((emails, embedded)))
    }

    /// Which of these were deleted: they are not to leave the house.
    pub(super) fn deleted(&self, ids: &[Id]) -> Result<HashSet<Id>, Stuck> {
        let found = block_on(self.store.emails(ids))?;
        let deleted = |mark: &[u8]| access::<ArchivedMark>(mark).map_or(true, |mark| mark.deleted);
        let of = |(id, found): (Id, _)| match found {
            Ok(Some(postlode_store::Found { mark: Some(mark), .. })) => deleted(&mark).then_some(id),
            // Nobody can say whether it was deleted, or it is there no more.
            Ok(None) | Err(_) => Some(id),
            Ok(Some(_)) => None,
        };
        Ok(ids.iter().copied().zip(found).filter_map(of).collect())
    }
}

fn id_of(doc: &TextDoc) -> Option<Id> {
    access::<ArchivedEmail>(&doc.email).ok().map(|email| email.id)
}

/// A segment whose add-on a search could not read, though it is said to be complete.
pub fn broken(engine: &SemanticEngine, coverage: &Coverage, store: &Store, key: &str) -> Option<Covered> {
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
