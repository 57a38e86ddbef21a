//! Threads: which thread keys are one thread.
//!
//! A message's thread key never changes; edges between keys, which later messages may add, say which keys are one
//! (SPEC.md, "Threads"). What always holds: whichever key of a thread is asked for, the answer is the same, unless the
//! thread is larger than [`MOST_KEYS`], which is said.

use crate::error::QueryError;
use postlode_format::id::Id;
use postlode_format::index::{IndexId, id_prefix};
use postlode_format::row::RowKind;
use postlode_store::{KeyRange, Missing, Store};
use std::collections::{BTreeSet, VecDeque};

/// Keys of one thread that are looked at. Each message that was answered has one, whether it is here or not.
const MOST_KEYS: usize = 4096;
/// Edges read at a time.
const PAGE: usize = 1024;

/// The keys of one thread.
#[derive(Debug, Default)]
pub struct Thread {
    /// Those that emails have.
    pub keys: Vec<Id>,
    /// It is larger than was looked at.
    pub more: bool,
    /// What could not be read on the way.
    pub missing: Vec<Missing>,
}

/// Everything that is one thread with a key.
pub async fn thread(store: &Store, key: Id) -> Result<Thread, QueryError> {
    let mut thread = Thread::default();
    let mut seen = BTreeSet::from([key]);
    let mut queue = VecDeque::from([key]);
    while let Some(from) = queue.pop_front() {
        let mut after: Option<bytes::Bytes> = None;
        loop {
            let (rows, missing) = store.rows(RowKind::ThreadEdge, &from, after.as_deref(), PAGE).await?;
            thread.missing.extend(missing);
            for row in &rows {
                let Some(to) = row.key.get(from.len()..).and_then(|to| Id::try_from(to).ok()) else {
                    continue;
                };
                if seen.len() >= MOST_KEYS {
                    thread.more = true;
                } else if seen.insert(to) {
                    queue.push_back(to);
                }
            }
            match rows.last() {
                Some(last) if rows.len() >= PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
    }
    for key in seen {
        let range = KeyRange::prefix(&id_prefix(&key));
        match store.count(IndexId::Thread, range).await {
            Ok(0) => {}
            // An index that cannot be read may know of some.
            Ok(_) | Err(postlode_store::StoreError::Missing(_)) => thread.keys.push(key),
            Err(other) => return Err(other.into()),
        }
    }
    Ok(thread)
}
