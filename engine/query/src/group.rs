//! Hits that are shown as one: the mails of a thread, the copies of a message.
//!
//! What always holds: of a group the first in the order is shown, and says which others match; whether a hit is the first of
//! its group is told from what matches and from nothing else, so pages of any length come to the same, and nothing has to be
//! remembered between them.

use crate::error::QueryError;
use crate::search::{Matched, Run};
use crate::threads;
use postlode_format::id::{Id, bare_message_id};
use postlode_format::index::{IndexId, Position, id_prefix, part_prefix};
use postlode_format::row::{ArchivedEmail, access};
use postlode_store::{KeyRange, Scan};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
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
}

/// Emails of one group that are looked at.
const MOST: usize = 1_024;

/// What is known of groups so far: of one page, or of one list of several.
#[derive(Default)]
pub struct Groups {
    known: HashMap<Vec<u8>, Arc<[Position]>>,
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
    fn before(&self, one: &Position, other: &Position) -> Option<bool> {
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
            let all = self.of_group(&one, group, groups).await?;
            let in_order = |at: &&Position| **at != one.position && order.before(at, &one.position).is_some();
            let others: Vec<Position> = all.iter().filter(in_order).copied().collect();
            let others = self.check(&others, covered).await?;
            if others.iter().any(|other| order.before(&other.position, &one.position) == Some(true)) {
                continue;
            }
            let group = others.iter().map(|other| other.position.id).collect();
            out.push(Matched { group, ..one });
        }
        Ok(out)
    }

    /// All emails that are of one group with one, that one among them or not.
    async fn of_group(
        &mut self,
        one: &Matched,
        group: Group,
        groups: &mut Groups,
    ) -> Result<Arc<[Position]>, QueryError> {
        let email = access::<ArchivedEmail>(&one.found.email)?;
        let (index, key): (IndexId, Vec<u8>) = match group {
            Group::None => return Ok(Arc::default()),
            Group::Thread => (IndexId::Thread, id_prefix(&email.thread)),
            // Without one it is a copy of nothing.
            Group::Message if bare_message_id(&email.message_id).is_empty() => return Ok(Arc::default()),
            Group::Message => (IndexId::MessageId, part_prefix(bare_message_id(&email.message_id))),
        };
        if let Some(known) = groups.known.get(&key) {
            return Ok(Arc::clone(known));
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
                all.extend(list.iter().rev().take(MOST));
                continue;
            }
            let range = KeyRange::prefix(key);
            let page =
                self.engine.store.positions(Scan { index, range, descending: true, limit: MOST }).await?;
            self.missing.extend(page.missing);
            all.extend(page.keys);
        }
        if all.len() >= MOST {
            self.reason(format!("a group has more emails than are looked at: the newest {MOST} were"));
        }
        let all: Arc<[Position]> = all.into_iter().rev().take(MOST).collect::<Vec<_>>().into();
        for key in keys {
            groups.known.insert(key, Arc::clone(&all));
        }
        Ok(all)
    }
}

/// The places of a list's emails in it.
pub fn places(list: impl Iterator<Item = Position>) -> HashMap<Position, usize> {
    list.enumerate().map(|(place, position)| (position, place)).collect()
}
