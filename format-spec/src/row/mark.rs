//! What people say about an email, kept apart from it so that saying it never rewrites the email.

use rkyv::{Archive, Deserialize, Serialize};

/// Tags, note, holds and deletion of one email: the whole state, the newest row counts.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Mark {
    /// Tags, sorted, without doubles.
    pub tags: Vec<String>,
    /// A note, or empty.
    pub note: String,
    /// Names of the holds it is under, sorted.
    pub holds: Vec<String>,
    /// Deleted: not shown, and not stored again when its archive is loaded again.
    pub deleted: bool,
    /// Counts up with each change; what `If-Match` compares.
    pub revision: u64,
    /// The email's date, repeated here so that an index by tag needs no other row.
    pub date: i64,
}
