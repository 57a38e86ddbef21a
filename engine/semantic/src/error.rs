//! What can be wrong with vectors and their sections.

use postlode_embed::EmbedError;
use postlode_store::Missing;
use postlode_vector::VectorError;

/// Why vectors could not be made, read or searched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SemanticError {
    /// The model.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The index.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// Bytes that cannot be read.
    #[error("{0}")]
    Missing(Missing),
    /// Sections that contradict themselves, or each other.
    #[error("not the vectors of a segment: {0}")]
    Sections(&'static str),
    /// Vectors of another model.
    #[error("they are of the model {0}")]
    OtherModel(String),
}
