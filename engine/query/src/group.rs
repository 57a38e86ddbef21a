//! Hits that are shown as one: the mails of a thread, the copies of a message, near-duplicates (`duplicates.rs`).
//!
//! What always holds: of a group the first in the order is shown, and says which others match; whether a hit is the first of
//! its group is told from what matches and from nothing else, so pages of any length come to the same, and nothing has to be
//! remembered between them. The mails of a group are looked at once a page, and a page looks at so many and no more.

use crate::duplicates::Signatures;
use crate::error::QueryError;
use crate::search::{BATCH, Matched, Run};
use crate::threads;
use postlode_format::id::{Id, bare_message_id};
use postlode_format::index::{IndexId, Position, id_prefix, part_prefix};
use postlode_format::row::{ArchivedEmail, access};
use postlode_store::{KeyRange, Scan};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What hits are shown as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Each by itself.
    #[default]
    None,
    /// The mails of one thread.
    Thread,
    /// Copies of one message: those with the same Message-ID.
    Message,
    /// Near-duplicates: those whose new text is nearly the same.
    Near,
}

/// Emails of one group that are looked at.
pub const MOST: usize = 1_024;
/// Emails that are looked at for one page.
pub const LOOKED: usize = 20_000;

impl Group {
    /// How many hits of a page are looked at together.
    pub fn batch(self) -> usize {
        match self {
            // For each of these many others may be looked at.
            Self::Near => 16,
            _ => BATCH,
        }
    }
}

/// What is known of groups so far, on one page.
#[derive(Default)]
pub struct Groups {
    known: HashMap<Vec<u8>, Arc<Members>>,
    /// Emails that match and are not the first of their group.
    behind: HashSet<Position>,
    /// What near-duplicates are told by.
    pub signatures: Signatures,
}

impl Groups {
    /// Is it known that another one of its group is shown for it?
    pub fn is_behind(&self, position: &Position) -> bool {
        self.behind.contains(position)
    }

    /// Emails that were looked at, so many of the list itself.
    pub fn looked(&self, listed: usize) -> usize {
        listed.saturating_add(self.signatures.looked())
    }

    /// The group of a key, where it was looked at.
    pub fn known(&self, key: &[u8]) -> Option<Arc<Members>> {
        self.known.get(key).map(Arc::clone)
    }

    /// Remembers those that are of one group, under all its keys.
    pub fn settle(&mut self, keys: Vec<Vec<u8>>, all: Vec<Position>, order: &Order<'_>) -> Arc<Members> {
        let mut members = Members::default();
        for at in all {
            members.all.push(at);
            if members.first.is_none_or(|first| order.before(&at, &first) == Some(true)) {
                members.first = Some(at);
            }
        }
        self.behind.extend(members.all.iter().filter(|at| members.first != Some(**at)));
        let members = Arc::new(members);
        self.known.extend(keys.into_iter().map(|key| (key, Arc::clone(&members))));
        members
    }
}

/// The emails of one group that match, as far as they are looked at: the first, and all.
#[derive(Default)]
pub struct Members {
    first: Option<Position>,
    all: Vec<Position>,
}

impl Members {
    /// All of them.
    pub fn all(&self) -> &[Position] {
        &self.all
    }
}

/// The order that hits are in.
pub enum Order<'l> {
    /// The newest first.
    Date,
    /// That of a list, by the place of each in it.
    Listed(&'l HashMap<Position, usize>),
}

impl Order<'_> {
    /// Is it before another one, if it is in the order at all?
    pub fn before(&self, one: &Position, other: &Position) -> Option<bool> {
        match self {
            Self::Date => Some(one > other),
            Self::Listed(places) => Some(places.get(one)? < places.get(other).unwrap_or(&usize::MAX)),
        }
    }
}

impl Run {
    /// Those of some matched emails that are the first of their groups, with the others that match. `covered`: whatever is
    /// in the order matches, deleted ones apart.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn firsts(
        &mut self,
        matched: Vec<Matched>,
        (order, covered): (&Order<'_>, bool),
        group: Group,
        groups: &mut Groups,
    ) -> Result<Vec<Matched>, QueryError> {
        if group == Group::None {
            return Ok(matched);
        }
        let mut out = Vec::with_capacity(matched.len());
        for one in matched {
            if groups.is_behind(&one.position) {
                continue;
            }
            let members = self.members(&one, (order, covered), group, groups).await?;
            let Some(first) = members.first else {
                out.push(one);
                continue;
            };
            // One that is not among those that were looked at comes behind them, or would be one of them.
            if first == one.position {
                let others = members.all.iter().filter(|at| **at != first).map(|at| at.id);
                out.push(Matched { group: others.collect(), ..one });
            }
        }
        Ok(out)
    }

    /// The emails that are of one group with one, and match.
    async fn members(
        &mut self,
        one: &Matched,
        (order, covered): (&Order<'_>, bool),
        group: Group,
        groups: &mut Groups,
    ) -> Result<Arc<Members>, QueryError> {
        let email = access::<ArchivedEmail>(&one.found.email)?;
        let (index, key): (IndexId, Vec<u8>) = match group {
            Group::None => return Ok(Arc::default()),
            Group::Near => return self.near_duplicates(one, (order, covered), groups).await,
            Group::Thread => (IndexId::Thread, id_prefix(&email.thread)),
            // Without one it is a copy of nothing.
            Group::Message if bare_message_id(&email.message_id).is_empty() => return Ok(Arc::default()),
            Group::Message => (IndexId::MessageId, part_prefix(bare_message_id(&email.message_id))),
        };
        if let Some(known) = groups.known(&key) {
            return Ok(known);
        }
        let mut keys = vec![key];
        if group == Group::Thread {
            let thread = threads::thread(&self.engine.store, email.thread).await?;
            self.missing.extend(thread.missing);
            if thread.more {
                self.reason("a thread has more parts than are looked at: some may be missing".to_owned());
            }
            keys.extend(thread.keys.iter().map(|key: &Id| id_prefix(key)));
            keys.sort_unstable();
            keys.dedup();
        }
        let mut all = BTreeSet::new();
        for key in &keys {
            if let Some(list) = self.engine.list(index, key) {
                all.extend(list.iter().rev().take(MOST.saturating_add(1)));
                continue;
            }
            let (range, limit) = (KeyRange::prefix(key), MOST.saturating_add(1));
            let page = self.engine.store.positions(Scan { index, range, descending: true, limit }).await?;
            self.missing.extend(page.missing);
            all.extend(page.keys);
        }
        if all.len() > MOST {
            self.reason(format!("a group has more emails than are looked at: the newest {MOST} were"));
        }
        let here = |at: &Position| order.before(at, &one.position).is_some() || *at == one.position;
        let newest: Vec<Position> = all.into_iter().rev().take(MOST).filter(here).collect();
        let matching = self.check(&newest, covered).await?;
        let all = matching.iter().map(|other| other.position).collect();
        Ok(groups.settle(keys, all, order))
    }
}

/// The places of a list's emails in it.
pub fn places(list: impl Iterator<Item = Position>) -> HashMap<Position, usize> {
    list.enumerate().map(|(place, position)| (position, place)).collect()
}
