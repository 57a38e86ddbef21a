//! Threads whose messages do not agree on a root, joined.
//!
//! A message's thread key is made from its own header alone and never changes: it is that of the first message it
//! names. Many programs cut References or send In-Reply-To only, so that the first they name is not the first of the
//! thread. What puts this right are edges: a message proves that all the keys it names are one thread, and each of them
//! is joined to the message's own key. A thread is then what can be reached over edges, and its name is the smallest
//! key of it.
//!
//! What always holds: edges are a set, and the threads follow from the set alone. So it does not matter in which order
//! messages are read, how often, on which shard or by how many loaders at once: nobody reads what it changes, no edge
//! replaces another, and none is ever taken away. A message proves at most [`MAX_EDGES`] edges, and a walk visits no
//! more keys than it is told.

use super::{Evidence, key};
use postlode_format::id::{Id, ThreadRoot, thread_key};
use std::collections::{BTreeSet, VecDeque};

/// Last references that count beside the first: a header may have any number.
const LAST_REFERENCES: usize = 30;
/// Most edges that a message proves: to its references, its parent, itself, and its conversation.
pub const MAX_EDGES: usize = LAST_REFERENCES + 3;

/// Two thread keys that are one thread. The first is the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge(Id, Id);

impl Edge {
    /// The edge between two keys; `None` where they are one.
    #[must_use]
    pub fn between(a: Id, b: Id) -> Option<Self> {
        (a != b).then(|| Self(a.min(b), a.max(b)))
    }

    /// Its ends.
    #[must_use]
    pub fn ends(&self) -> (Id, Id) {
        (self.0, self.1)
    }

    /// The keys of the two rows that stand for it, one for each direction: the end it is found from, then the other.
    /// They say all there is to say, so that their values are empty and writing them again changes nothing.
    #[must_use]
    pub fn rows(&self) -> [[u8; 32]; 2] {
        [row(&self.0, &self.1), row(&self.1, &self.0)]
    }
}

fn row(from: &Id, to: &Id) -> [u8; 32] {
    let mut row = [0; 32];
    for (place, byte) in row.iter_mut().zip(from.iter().chain(to)) {
        *place = *byte;
    }
    row
}

/// The key that a row leads to, and the one that it is found from.
#[must_use]
pub fn ends_of_row(row: &[u8]) -> Option<(Id, Id)> {
    let (from, to) = row.split_at_checked(16)?;
    Some((from.try_into().ok()?, to.try_into().ok()?))
}

/// What a message tells of threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Its thread key: see [`key`].
    pub key: Id,
    /// What it joins to that key, sorted. None of a message that begins a thread, or names nothing.
    pub edges: Vec<Edge>,
}

/// The key of a message, and the edges that it proves. A subject proves nothing: it makes a key only where there is no
/// other evidence, and is never joined.
#[must_use]
pub fn proof(evidence: &Evidence<'_>, id: &Id) -> Proof {
    let key = key(evidence, id);
    // The first is the key, and so is joined already.
    let last = evidence.references().rev().take(LAST_REFERENCES);
    let named =
        last.chain(evidence.parent()).chain(evidence.own()).map(|id| thread_key(ThreadRoot::MessageId(id)));
    let conversation = evidence.conversation().map(|index| thread_key(ThreadRoot::ConversationIndex(index)));
    let edges: BTreeSet<Edge> =
        named.chain(conversation).filter_map(|other| Edge::between(key, other)).collect();
    Proof { key, edges: edges.into_iter().collect() }
}

/// The keys that are one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Sorted. Many are of messages that are not here, or that no message has as its own.
    pub keys: Vec<Id>,
    /// There are more; which ones are here depends on where the walk began.
    pub more: bool,
}

impl Component {
    /// The name of the thread.
    #[must_use]
    pub fn name(&self) -> Id {
        self.keys.first().copied().unwrap_or_default()
    }
}

/// Walks from a key to all that it is joined with, at most `limit` of them, nearest first. `neighbours` adds the other
/// ends of the edges at a key; it need not read more of them than the number it is given.
///
/// # Errors
/// Those of `neighbours`.
pub fn walk<E>(
    start: Id,
    limit: usize,
    mut neighbours: impl FnMut(&Id, usize, &mut Vec<Id>) -> Result<(), E>,
) -> Result<Component, E> {
    let mut seen = BTreeSet::from([start]);
    let mut queue = VecDeque::from([start]);
    let mut found = Vec::new();
    let mut more = false;
    while let Some(next) = queue.pop_front() {
        found.clear();
        // Of those that are read at most all but one were seen before.
        neighbours(&next, limit.saturating_add(1), &mut found)?;
        for other in &found {
            if seen.contains(other) {
                continue;
            }
            if seen.len() >= limit {
                more = true;
                break;
            }
            seen.insert(*other);
            queue.push_back(*other);
        }
        if more {
            break;
        }
    }
    Ok(Component { keys: seen.into_iter().collect(), more })
}

#[cfg(test)]
mod tests;
