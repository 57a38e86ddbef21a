//! Why there are no figures.

/// What ended a benchmark.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file, folder or child process.
    #[error("{what}: {reason}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] postlode_store::StoreError),
    /// The loader.
    #[error(transparent)]
    Load(#[from] postlode_ingest::LoadError),
    /// The query engine.
    #[error(transparent)]
    Query(#[from] postlode_query::QueryError),
    /// The archive generator.
    #[error(transparent)]
    Generate(#[from] pstgen::Error),
    /// The archive writer.
    #[error(transparent)]
    Write(#[from] postlode_pst_writer::Error),
    /// What a child process said could not be read.
    #[error("a run's result cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl BenchError {
    /// An error of the system, with what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |reason| Self::Io { what, reason }
    }
}
