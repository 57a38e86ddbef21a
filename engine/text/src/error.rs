//! What can go wrong with a text index.

/// Why a text index could not be built or read.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The bundle's bytes are not one.
    #[error("the text section is malformed: {0}")]
    Bundle(&'static str),
    /// Made by a newer Postlode.
    #[error("the text section has version {found}, this program reads up to {known}: use a newer Postlode")]
    Newer {
        /// The version found.
        found: u16,
        /// The newest version known here.
        known: u16,
    },
    /// A row is not a record of its kind.
    #[error(transparent)]
    Row(#[from] postlode_format::FormatError),
    /// The search library's own words.
    #[error("{0}")]
    Index(#[from] tantivy::TantivyError),
    /// A file of the index could not be opened.
    #[error("{0}")]
    Open(#[from] tantivy::directory::error::OpenReadError),
    /// Bytes could not be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
