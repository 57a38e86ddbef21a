//! Why an archive could not be written.

/// What went wrong while writing an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be written.
    #[error("cannot write the archive: {0}")]
    Io(#[from] std::io::Error),
    /// The content of an attachment could not be read while it was being written.
    #[error("cannot read the content of attachment {name:?}: {source}")]
    Payload {
        /// The attachment's name.
        name: String,
        /// What its reader reported.
        source: std::io::Error,
    },
    /// An earlier call failed half-way, so the file is not whole and can only be thrown away.
    #[error("the archive is not whole because an earlier write failed")]
    Poisoned,
    /// A folder id that this writer did not give out.
    #[error("no folder with node id {0:#x} in this archive")]
    UnknownFolder(u32),
    /// A folder name that is empty or holds a NUL.
    #[error("{0:?} cannot be a folder's name")]
    FolderName(String),
    /// A stream of more bytes than the format's 32-bit length can say.
    #[error("{bytes} bytes are more than one property of a PST can hold (4 GiB)")]
    TooLong {
        /// Bytes seen up to the point of refusal.
        bytes: u64,
    },
    /// A file longer than the offsets of an ANSI archive reach.
    #[error("an ANSI archive cannot have more than {limit} bytes; write a Unicode archive or fewer items")]
    TooLarge {
        /// The most bytes there can be.
        limit: u64,
    },
    /// A structure of the format has no room for more entries.
    #[error("more {what} than the format has room for ({limit})")]
    TooMany {
        /// What there were too many of.
        what: &'static str,
        /// The most there can be.
        limit: u64,
    },
    /// Messages embedded in messages beyond [`crate::Message::MAX_DEPTH`].
    #[error("messages embedded more than {0} deep")]
    TooDeep(usize),
}

/// A limit as [`Error::TooMany`].
pub(crate) fn too_many(what: &'static str, limit: u64) -> Error {
    Error::TooMany { what, limit }
}
