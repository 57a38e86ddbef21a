//! What can go wrong with a store as a whole.

use crate::api::Missing;
use postlode_format::FormatError;
use postlode_runtime::{DiskError, DiskErrorKind};

/// A failed call. Each says what, where, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk said no.
    #[error(transparent)]
    Disk(DiskError),
    /// The medium is full: writes are refused, reads go on.
    #[error("the disk is full: {0}; free some space and try again, nothing acknowledged is lost")]
    Full(DiskError),
    /// Another process writes this store.
    #[error("another process holds the store's lock ({0}): stop it, or go through its socket")]
    Locked(DiskError),
    /// Bytes that cannot be used.
    #[error("{what}: {source}")]
    Format {
        /// The file, and what of it.
        what: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// The store as a whole cannot be used.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
    /// Another process has taken over the store.
    #[error(
        "manifest {0} was written by another process: this writer has been replaced, open the store again"
    )]
    Replaced(u64),
    /// A row that was asked for lies in damaged bytes.
    #[error("{0}")]
    Missing(Missing),
    /// A write failed, so nothing more is written until all that was acknowledged is in segments. The store tries that by
    /// itself; what it cannot get over is got over by opening it again.
    #[error(
        "writing has stopped after a failed write ({0}); try again in a moment, and if it stays so, check the disk and start again"
    )]
    Poisoned(String),
    /// A shard's queue is full: come back.
    #[error("the store is busy: try again in a moment")]
    Busy,
    /// The store is closing or closed.
    #[error("the store is closed")]
    Closed,
    /// A read-only snapshot was asked to write.
    #[error("the store was opened for reading only")]
    ReadOnly,
    /// A request that breaks a limit of the format.
    #[error("refused: {0}")]
    Refused(FormatError),
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        match error.kind {
            DiskErrorKind::Full => Self::Full(error),
            DiskErrorKind::Locked => Self::Locked(error),
            _ => Self::Disk(error),
        }
    }
}
