//! Holds: named sets of mail that cannot be deleted, with who made them, when and why.
//!
//! What always holds: to release a hold releases all of its mail first, so that whoever is interrupted can release it again;
//! what holds mail is listed, whatever became of its record.

use crate::docs;
use crate::engine::{Engine, Inner};
use crate::error::QueryError;
use crate::update::name;
use jiff::Timestamp;
use postlode_store::{MarkChange, Marked, StoreError};
use serde::{Deserialize, Serialize};

/// Where they are in the store.
const SPACE: &str = "holds";
/// Most of them, and most bytes of a reason.
const MOST: usize = 10_000;
const MAX_REASON: usize = 4096;
/// Emails released at a time, of each shard.
const PAGE: usize = 1024;

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its name.
    pub name: String,
    /// Why it was made.
    pub reason: String,
    /// Who made it, or empty.
    #[serde(default)]
    pub by: String,
    /// When.
    pub since: String,
    /// Emails that are under it; null where they were not counted.
    #[serde(default)]
    pub emails: Option<u64>,
}

impl Hold {
    /// One that mail is under, and of which nothing else is known.
    fn without_record(name: String, emails: u64) -> Self {
        Self { name, reason: String::new(), by: String::new(), since: String::new(), emails: Some(emails) }
    }
}

/// The hold of a name.
pub async fn find(engine: &Inner, name: &str) -> Result<Option<Hold>, QueryError> {
    let json = docs::get(engine, SPACE, name).await?;
    // One that cannot be read holds its mail all the same, and can be released.
    let read = |json: String| docs::read(&json).unwrap_or_else(|_| Hold::without_record(name.to_owned(), 0));
    Ok(json.map(read))
}

impl Engine {
    /// Makes a hold, or gives one that is there another reason. Mail comes under it by [`Engine::update`].
    ///
    /// # Errors
    /// A name or reason that cannot be one; where the store cannot be written.
    pub async fn hold(&self, hold: &str, reason: &str, by: &str) -> Result<Hold, QueryError> {
        let hold = name("name", hold)?;
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > MAX_REASON {
            let why = format!("say why, in at most {MAX_REASON} bytes");
            return Err(QueryError::Parameter { parameter: "reason", why });
        }
        let known = find(&self.inner, &hold).await?;
        if known.is_none() && docs::count(&self.inner, SPACE).await? >= MOST {
            let why = format!("there are {MOST} holds already");
            return Err(QueryError::Parameter { parameter: "name", why });
        }
        let (by, since) = match known {
            // Who made it, and when, stays.
            Some(known) => (known.by, known.since),
            None => (by.to_owned(), Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        };
        let made = Hold { name: hold, reason: reason.to_owned(), by, since, emails: None };
        let json = serde_json::to_string(&made).map_err(|_| QueryError::Internal("a hold"))?;
        docs::put(&self.inner, SPACE, &made.name, Some(json)).await?;
        Ok(made)
    }

    /// All holds, with how many emails are under each.
    ///
    /// # Errors
    /// Where the store fails, or some mark cannot be read.
    pub async fn holds(&self) -> Result<Vec<Hold>, QueryError> {
        let mut counts = self.inner.store.holds().await?;
        let mut out: Vec<Hold> = Vec::new();
        for (name, json) in docs::all(&self.inner, SPACE).await? {
            let emails = counts.remove(&name).unwrap_or(0);
            // One that cannot be read does not hide the others, and what it holds is held.
            out.push(match docs::read::<Hold>(&json) {
                Ok(hold) => Hold { emails: Some(emails), ..hold },
                Err(_) => Hold::without_record(name, emails),
            });
        }
        // Mail that came under a hold while that was released keeps it; whoever looks must see it.
        out.extend(counts.into_iter().map(|(name, emails)| Hold::without_record(name, emails)));
        Ok(out)
    }

    /// The hold of a name, with how many emails are under it; `None` where there is none.
    ///
    /// # Errors
    /// As [`Engine::holds`].
    pub async fn hold_of(&self, name: &str) -> Result<Option<Hold>, QueryError> {
        let hold = find(&self.inner, name).await?;
        let count = self.inner.store.holds().await?.get(name).copied().unwrap_or(0);
        Ok(match hold {
            Some(hold) => Some(Hold { emails: Some(count), ..hold }),
            None => (count > 0).then(|| Hold::without_record(name.to_owned(), count)),
        })
    }

    /// Releases a hold and all mail that is under it; how many emails these were, `None` where there is no such hold.
    ///
    /// # Errors
    /// Where some of it cannot be released: the hold stays then, and may be released again.
    pub async fn release(&self, name: &str) -> Result<Option<u64>, QueryError> {
        let known = find(&self.inner, name).await?.is_some();
        let mut released = 0u64;
        loop {
            let under = self.inner.store.under(name, PAGE).await?;
            if under.is_empty() {
                break;
            }
            let release =
                |id| MarkChange { id, remove_holds: vec![name.to_owned()], ..MarkChange::default() };
            let mut some = false;
            for marked in self.inner.store.mark(under.into_iter().map(release).collect()).await? {
                match marked {
                    Marked::Done(_) => {
                        some = true;
                        released = released.saturating_add(1);
                    }
                    Marked::Missing(missing) => return Err(StoreError::Missing(missing).into()),
                    _ => {}
                }
            }
            if !some {
                return Err(QueryError::Busy);
            }
        }
        if !known && released == 0 {
            return Ok(None);
        }
        docs::put(&self.inner, SPACE, name, None).await?;
        Ok(Some(released))
    }
}
