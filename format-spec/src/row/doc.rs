//! Small documents of the server: users, tasks, sessions, saved searches, prepared statements.

use rkyv::{Archive, Deserialize, Serialize};

/// A named document; `json` is its owner's business.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Doc {
    /// Its content, a JSON text.
    pub json: String,
    /// Removed: kept as a tombstone until compaction.
    pub removed: bool,
}

/// Key of a document: its space (`users`, `tasks` …), a zero byte, its name.
#[must_use]
pub fn doc_key(space: &str, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(space.len().saturating_add(name.len()).saturating_add(1));
    key.extend_from_slice(space.as_bytes());
    key.push(0);
    key.extend_from_slice(name.as_bytes());
    key
}
