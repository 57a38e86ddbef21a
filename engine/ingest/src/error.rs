//! What ends a load early. What is wrong with one archive or one item is no error but part of the report.

use postlode_format::FormatError;
use postlode_store::StoreError;

/// Why a load could not go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The store takes no more.
    #[error("the load stopped: {0}")]
    Store(#[from] StoreError),
    /// A record could not be made.
    #[error("the load stopped: {what}: {source}")]
    Record {
        /// The record.
        what: &'static str,
        /// What is wrong with it.
        source: FormatError,
    },
    /// The system gave no thread.
    #[error("the load stopped: no worker could be started ({0}); try again with fewer --jobs")]
    Threads(String),
    /// A thread of the load ended without a result: a fault of ours, contained.
    #[error(
        "the load stopped by an internal fault ({0}); what was acknowledged is stored, load again to go on"
    )]
    Internal(&'static str),
}

impl LoadError {
    /// For `map_err`: a record of this kind could not be made.
    pub(crate) fn record(what: &'static str) -> impl FnOnce(FormatError) -> Self {
        move |source| Self::Record { what, source }
    }
}
