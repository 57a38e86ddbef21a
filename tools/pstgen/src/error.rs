//! Why an archive could not be made.

use std::path::{Path, PathBuf};

/// Why an archive could not be made. Each says what, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is a file where one was to be written.
    #[error("{} is there already; give another name, or --force to replace it", .0.display())]
    Exists(PathBuf),
    /// Archive and truth were to be the same file.
    #[error("{} cannot be both the archive and its truth; give the truth another name", .0.display())]
    SameFile(PathBuf),
    /// A file could not be written.
    #[error("cannot write {}: {source}; check that its folder exists, is writable and has room", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The archive could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The writer's reason.
        source: postlode_pst_writer::Error,
    },
    /// The mail to write could not be read.
    #[error("cannot read {}: {source}; give a readable JSONL file, or that compressed by zstd", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A line of the mail to write is not what it should be.
    #[error("{} line {line}: {reason}; correct or remove that line", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// The writer's `source` about the archive at `path`.
    pub(crate) fn archive(path: &Path, source: postlode_pst_writer::Error) -> Self {
        match source {
            postlode_pst_writer::Error::Io(source) => Self::Write { path: path.into(), source },
            source => Self::Archive { path: path.into(), source },
        }
    }
}
