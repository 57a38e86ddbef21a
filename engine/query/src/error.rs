//! What can go wrong with a question.

use postlode_store::StoreError;

/// A query that cannot be read: what is wrong, where, and what was perhaps meant.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{message} at character {position}{}", .suggestion.as_ref().map(|s| format!(" (did you mean {s}?)")).unwrap_or_default())]
pub struct SyntaxError {
    /// What is wrong, without the place.
    pub message: String,
    /// Number of the character it is wrong at, from 1; one past the last where something is missing at the end.
    pub position: usize,
    /// What was perhaps meant: text to put there.
    pub suggestion: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The query cannot be read.
    #[error("malformed query: {0}")]
    Syntax(#[from] SyntaxError),
    /// A parameter beside the query cannot be used.
    #[error("{parameter}: {why}")]
    Parameter {
        /// Its name, as in the request: `limit`, `tz` …
        parameter: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The cursor is not one of ours, or belongs to another query.
    #[error("the cursor cannot be used: {0}")]
    BadCursor(&'static str),
    /// The cursor was good once; what it went through is no more. Ask again from the start.
    #[error("the cursor is too old: what it went through has changed; ask again from the start")]
    StaleCursor,
    /// It was changed since the caller looked at it.
    #[error("it is not as it was when you looked at it (its revision is {revision} now): look at it again")]
    Changed {
        /// Its revision now.
        revision: u64,
    },
    /// It is under holds, and is not deleted.
    #[error("it is under holds and cannot be deleted: {}", holds.join(", "))]
    Held {
        /// Their names.
        holds: Vec<String>,
    },
    /// It would take more memory than one query may have.
    #[error(
        "it matches too much to be answered at once ({bytes} bytes of lists, and {limit} are at most kept): narrow it, by dates for example"
    )]
    TooMuch {
        /// What its lists take.
        bytes: u64,
        /// What they may.
        limit: u64,
    },
    /// Too much to do: come back.
    #[error("busy: try again in a moment")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// A row passed its checksum, but is no record of its kind.
    #[error("a row cannot be read: {0}")]
    Row(#[from] postlode_format::FormatError),
    /// A job ended without a result: a fault of ours, contained.
    #[error("an internal fault ended the query ({0})")]
    Internal(&'static str),
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            other => Self::Store(other),
        }
    }
}
