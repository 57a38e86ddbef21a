//! What can be wrong with a model.

/// Why a model cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// Its vocabulary is none.
    #[error("not a vocabulary of word pieces: {0}")]
    Vocabulary(String),
    /// Its table is none.
    #[error("not a table of vectors: {0}")]
    Table(String),
}
