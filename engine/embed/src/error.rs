//! What can be wrong with a model.

/// Why a model cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// Its vocabulary is none.
    #[error("not a vocabulary of word pieces: {0}")]
    Vocabulary(String),
    /// An endpoint does not do what it is asked.
    #[error("the endpoint {url}: {reason}")]
    Endpoint {
        /// Its address, without a password.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody wants vectors any more.
    #[error("embedding was stopped")]
    Stopped,
    /// Its table is none.
    #[error("not a table of vectors: {0}")]
    Table(String),
}
