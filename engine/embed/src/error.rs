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
    /// A folder is not that of a model that runs here.
    #[error("the model in {folder}: {reason}")]
    Folder {
        /// Where it is.
        folder: String,
        /// What is wrong, and in which file.
        reason: String,
    },
    /// What runs a model does not.
    #[error("running the model: {0}")]
    Runtime(String),
    /// Nobody wants vectors any more.
    #[error("embedding was stopped")]
    Stopped,
    /// Its table is none.
    #[error("not a table of vectors: {0}")]
    Table(String),
}
