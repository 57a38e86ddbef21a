//! Changes of what is said about emails: tags, a note, holds, deletion; of one email, or of all that a query finds.
//!
//! What always holds: a change is applied to what is said at that moment, so of two at the same time none is lost; what is
//! done of a long one is durable before it is told; an email under a hold is not deleted; what could not be changed is named.

use crate::engine::{Engine, Inner};
use crate::error::QueryError;
use crate::holds;
use crate::model::Partial;
use crate::search::Run;
use crate::stream::Stream;
use postlode_format::id::{Id, to_hex};
use postlode_format::row::{ArchivedEmail, ArchivedMark, Mark, access};
use postlode_store::{Found, MAX_HOLDS, MAX_NAME, MAX_NOTE, MAX_TAGS, MarkChange, Marked, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// Candidates looked at together.
const CANDIDATES: usize = 512;
/// Emails that could not be changed which are named one by one.
const NAMED: usize = 100;

/// Names that are added and taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// To be there afterwards.
    pub add: Vec<String>,
    /// Not to be there.
    pub remove: Vec<String>,
}

impl Names {
    fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// What is to be said of an email from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Update {
    /// Tags. They are compared without case, and stay as they were written first.
    pub tags: Names,
    /// The note; empty takes it away, and without it stays as it is.
    pub note: Option<String>,
    /// Holds that it comes under, with all that is embedded in it, and which have to be there; and those that it alone is
    /// released from.
    pub holds: Names,
}

/// What is said of an email.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The email.
    pub id: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its note, or empty.
    pub note: String,
    /// Holds it is under.
    pub holds: Vec<String>,
    /// Counts up with each change; for `If-Match`.
    pub revision: u64,
}

impl Said {
    fn of(id: &Id, mark: Mark) -> Self {
        let Mark { tags, note, holds, revision, .. } = mark;
        Self { id: to_hex(id), tags, note, holds, revision }
    }
}

/// An email that was found and could not be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUpdated {
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// How far a change of many emails is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updated {
    /// Emails found so far.
    pub found: u64,
    /// Of these were changed.
    pub changed: u64,
    /// Were so already.
    pub unchanged: u64,
    /// Could not be changed.
    pub failed: u64,
    /// The first of those.
    pub failures: Vec<NotUpdated>,
}

/// A name as it is kept.
///
/// # Errors
/// One that is empty, too long, or could not be asked for.
pub fn name(parameter: &'static str, text: &str) -> Result<String, QueryError> {
    let refused = |why: String| Err(QueryError::Parameter { parameter, why });
    let name = text.trim();
    if name.is_empty() {
        return refused("a name must not be empty".to_owned());
    }
    if name.len() > MAX_NAME {
        return refused(format!("a name of {} bytes; at most {MAX_NAME}", name.len()));
    }
    // A query could not ask for it, and a terminal or a page would show something else.
    let steers =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match name.chars().find(|c| c.is_control() || *c == '"' || steers(*c)) {
        Some(sign) => refused(format!("a name cannot have {sign:?} in it")),
        None => Ok(name.to_owned()),
    }
}

impl Update {
    /// Nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.note.is_none() && self.holds.is_empty()
    }

    /// As the store takes it.
    fn change(&self) -> Result<MarkChange, QueryError> {
        if self.is_empty() {
            let why = "nothing is to be changed: give tags, a note or holds".to_owned();
            return Err(QueryError::Parameter { parameter: "tags", why });
        }
        let names = |parameter, list: &[String], most: usize| -> Result<Vec<String>, QueryError> {
            if list.len() > most {
                let why = format!("{} at once; at most {most}", list.len());
                return Err(QueryError::Parameter { parameter, why });
            }
            list.iter().map(|text| name(parameter, text)).collect()
        };
        if let Some(note) = self.note.as_ref().filter(|note| note.len() > MAX_NOTE) {
            let why = format!("{} bytes; at most {MAX_NOTE}", note.len());
            return Err(QueryError::Parameter { parameter: "note", why });
        }
        Ok(MarkChange {
            add_tags: names("tags", &self.tags.add, MAX_TAGS)?,
            remove_tags: names("tags", &self.tags.remove, MAX_TAGS)?,
            note: self.note.clone(),
            add_holds: names("holds", &self.holds.add, MAX_HOLDS)?,
            remove_holds: names("holds", &self.holds.remove, MAX_HOLDS)?,
            ..MarkChange::default()
        })
    }

    /// As the store takes it; the holds are there.
    async fn checked(&self, engine: &Inner) -> Result<MarkChange, QueryError> {
        let change = self.change()?;
        for hold in &change.add_holds {
            if holds::find(engine, hold).await?.is_none() {
                let why = format!("there is no hold {hold:?}: make it first");
                return Err(QueryError::Parameter { parameter: "holds", why });
            }
        }
        Ok(change)
    }
}

impl Engine {
    /// Changes what is said of one email; `None` where there is none. `revision`: only if it was changed so often so far.
    ///
    /// # Errors
    /// [`QueryError::Changed`] where it was changed since; where the store cannot be written.
    pub async fn update(
        &self,
        id: Id,
        update: &Update,
        revision: Option<u64>,
    ) -> Result<Option<Said>, QueryError> {
        let change = update.checked(&self.inner).await?;
        if !change.add_holds.is_empty()
            && let Some(found) = self.inner.found(id).await?
        {
            let now = found.mark.as_deref().map(access::<ArchivedMark>).transpose()?;
            let now = now.map_or(0, |mark| mark.revision.to_native());
            // Nothing is changed of what is embedded where this one will not be.
            if revision.is_some_and(|revision| revision != now) {
                return Err(QueryError::Changed { revision: now });
            }
            if let Some(reason) = self.inner.hold_embedded(&found, &change).await? {
                return Err(QueryError::Parameter { parameter: "holds", why: reason });
            }
        }
        self.said(MarkChange { id, revision, ..change }).await
    }

    /// Deletes an email: it is found no more, is not stored again when its archive is loaded again, and is taken out of
    /// segments in time. `None` where there is none.
    ///
    /// # Errors
    /// [`QueryError::Held`] where it is under a hold; as [`Engine::update`].
    pub async fn delete(&self, id: Id, revision: Option<u64>) -> Result<Option<Said>, QueryError> {
        // To delete what is deleted already would be no error; but the caller is not to learn that it once was here.
        if self.inner.found(id).await?.is_none() {
            return Ok(None);
        }
        self.said(MarkChange { id, revision, delete: Some(true), ..MarkChange::default() }).await
    }

    async fn said(&self, change: MarkChange) -> Result<Option<Said>, QueryError> {
        let id = change.id;
        let marked = self.inner.store.mark(vec![change]).await?.pop();
        match marked.unwrap_or(Marked::Absent) {
            Marked::Done(mark) | Marked::Same(mark) => Ok(Some(Said::of(&id, mark))),
            Marked::Absent => Ok(None),
            Marked::Stale(mark) => Err(QueryError::Changed { revision: mark.revision }),
            Marked::Held(mark) => Err(QueryError::Held { holds: mark.holds }),
            Marked::TooMuch(what, limit) => {
                let parameter = match what {
                    "holds" => "holds",
                    "bytes of a note" => "note",
                    _ => "tags",
                };
                let why = format!("it would have more {what} than {limit}");
                Err(QueryError::Parameter { parameter, why })
            }
            Marked::Missing(missing) => Err(StoreError::Missing(missing).into()),
        }
    }

    /// Changes what is said of all emails that a query finds, oldest first, batch by batch as [`Updating::next`] is asked.
    ///
    /// # Errors
    /// Any [`QueryError`].
    pub async fn update_all(
        &self,
        q: &str,
        tz: Option<&str>,
        update: &Update,
    ) -> Result<Updating, QueryError> {
        let change = update.checked(&self.inner).await?;
        // A store that cannot be written says so now.
        self.inner.store.mark(Vec::new()).await?;
        let mut run = Run::new(&self.inner, q, tz)?;
        let (driver, stream) = run.oldest_first().await?;
        Ok(Updating { stream, covered: driver.covered, run, change, told: Updated::default() })
    }
}

impl Inner {
    /// Puts what is embedded in an email under the holds that it is about to come under: it is a part of it. Why it cannot be
    /// put there; `None` where it is.
    async fn hold_embedded(&self, found: &Found, change: &MarkChange) -> Result<Option<String>, QueryError> {
        let children = |found: &Found| -> Result<Vec<Id>, QueryError> {
            let email = access::<ArchivedEmail>(&found.email)?;
            Ok(email.attachments.iter().filter_map(|a| a.child.as_ref().copied()).collect())
        };
        let mut known = HashSet::from([found.id]);
        let mut next = children(found)?;
        while !next.is_empty() {
            next.retain(|child| known.insert(*child));
            let mut deeper = Vec::new();
            for (child, found) in next.iter().zip(self.store.emails(&next).await?) {
                match found {
                    Ok(Some(found)) => deeper.extend(children(&found)?),
                    Ok(None) => {}
                    Err(missing) => {
                        return Ok(Some(format!("{} is embedded in it: {missing}", to_hex(child))));
                    }
                }
            }
            let hold = |id: &Id| MarkChange {
                id: *id,
                add_holds: change.add_holds.clone(),
                ..MarkChange::default()
            };
            let marked = self.store.mark(next.iter().map(hold).collect()).await?;
            for (child, marked) in next.iter().zip(marked) {
                if let Some(reason) = refusal(marked) {
                    return Ok(Some(format!("{} is embedded in it: {reason}", to_hex(child))));
                }
            }
            next = deeper;
        }
        Ok(None)
    }
}

/// Why a change was not made, where it should have been.
fn refusal(marked: Marked) -> Option<String> {
    match marked {
        Marked::Done(_) | Marked::Same(_) | Marked::Absent => None,
        Marked::Stale(_) => Some("it was changed meanwhile".to_owned()),
        Marked::Held(mark) => Some(format!("it is under holds: {}", mark.holds.join(", "))),
        Marked::TooMuch(what, limit) => Some(format!("it would have more {what} than {limit}")),
        Marked::Missing(missing) => Some(missing.to_string()),
    }
}

/// A change of many emails on its way.
pub struct Updating {
    stream: Stream,
    covered: bool,
    run: Run,
    change: MarkChange,
    told: Updated,
}

impl Updating {
    /// Does the next batch, and tells how far it is; `None` at the end. Whoever stops asking has stopped it: what was told
    /// is done.
    ///
    /// # Errors
    /// Where the store fails as a whole, or cannot be written.
    pub async fn next(&mut self) -> Result<Option<&Updated>, QueryError> {
        let candidates = self.run.next(&mut self.stream, CANDIDATES).await?;
        self.run.missing.append(&mut self.stream.missing);
        if candidates.is_empty() {
            return Ok(None);
        }
        for hold in &self.change.add_holds {
            if holds::find(&self.run.engine, hold).await?.is_none() {
                let why = format!("the hold {hold:?} was released meanwhile");
                return Err(QueryError::Parameter { parameter: "holds", why });
            }
        }
        // What was deleted meanwhile is passed over when it is to be changed.
        let ids: Vec<Id> = match self.run.deleted().filter(|_| self.covered) {
            // Keys do, and no row has to be read.
            Some(deleted) => candidates.iter().map(|at| at.id).filter(|id| !deleted.has(id)).collect(),
            None => self.run.check(&candidates, self.covered).await?.iter().map(|one| one.found.id).collect(),
        };
        let engine = Arc::clone(&self.run.engine);
        let mut wanted = Vec::with_capacity(ids.len());
        if self.change.add_holds.is_empty() {
            wanted = ids;
        } else {
            for (id, found) in ids.iter().zip(engine.store.emails(&ids).await?) {
                let reason = match found {
                    Ok(Some(found)) => engine.hold_embedded(&found, &self.change).await?,
                    Ok(None) => continue,
                    Err(missing) => Some(missing.to_string()),
                };
                match reason {
                    None => wanted.push(*id),
                    Some(reason) => self.failed(id, reason),
                }
            }
        }
        let changes = wanted.iter().map(|id| MarkChange { id: *id, ..self.change.clone() }).collect();
        for (id, marked) in wanted.iter().zip(engine.store.mark(changes).await?) {
            match marked {
                // Deleted meanwhile, or a key that a deletion has left.
                Marked::Absent => continue,
                Marked::Done(_) => self.told.changed = self.told.changed.saturating_add(1),
                Marked::Same(_) => self.told.unchanged = self.told.unchanged.saturating_add(1),
                other => {
                    self.failed(id, refusal(other).unwrap_or_default());
                    continue;
                }
            }
            self.told.found = self.told.found.saturating_add(1);
        }
        Ok(Some(&self.told))
    }

    /// One was found and could not be changed.
    fn failed(&mut self, id: &Id, reason: String) {
        self.told.found = self.told.found.saturating_add(1);
        self.told.failed = self.told.failed.saturating_add(1);
        if self.told.failures.len() < NAMED {
            self.told.failures.push(NotUpdated { id: to_hex(id), reason });
        }
    }

    /// How far it is.
    #[must_use]
    pub fn told(&self) -> &Updated {
        &self.told
    }

    /// What could not be looked at so far, and was not changed therefore.
    #[must_use]
    pub fn partial(&self) -> Partial {
        self.run.partial()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_can_be_asked_for() {
        assert_eq!(name("tags", "  to be read ").unwrap(), "to be read");
        assert_eq!(name("tags", "Für Müller/2024").unwrap(), "Für Müller/2024");
        for bad in ["", "  ", "a\nb", "a\u{7f}", "say \"x\"", "a\u{202e}b", &"x".repeat(257)] {
            assert!(name("tags", bad).is_err(), "{bad:?}");
        }
        assert!(Update::default().change().is_err());
        let long = Update { note: Some("x".repeat(MAX_NOTE + 1)), ..Update::default() };
        assert!(long.change().unwrap_err().to_string().starts_with("note: "));
    }
}
