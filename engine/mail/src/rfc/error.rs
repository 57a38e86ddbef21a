//! What can go wrong while mail is read, and the failure code each thing is reported under.

use std::io;

/// Why a message or an mbox file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RfcError {
    /// The system refused to read the file, or it became shorter meanwhile.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// Something is larger or more numerous than any real one.
    #[error("{what} is {have}, at most {limit} are read")]
    Limit {
        /// The part.
        what: &'static str,
        /// How large it is.
        have: u64,
        /// The limit.
        limit: u64,
    },
}

impl RfcError {
    /// The failure code it is reported under.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::Limit { .. } => "memory",
        }
    }
}
