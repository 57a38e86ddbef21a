//! What can go wrong while an archive is read, and the failure code each thing is reported under.

use std::io;

/// libpff's own account of a failure: what it was doing, and the first thing that went wrong inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PffError {
    /// The outermost message.
    pub message: String,
    /// The innermost message, where it is another one.
    pub cause: Option<String>,
}

impl std::fmt::Display for PffError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PffError {}

/// Why an archive, an item or a part of one could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PstError {
    /// The system refused to open or read the file.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// It is not a PST, OST or PAB at all.
    #[error("not a PST or OST file: {0}")]
    NotPst(&'static str),
    /// It is one, but of a kind that cannot be read.
    #[error("unsupported archive: {0}")]
    Unsupported(String),
    /// It is one, but its content is encrypted by something other than Outlook's own ciphers.
    #[error("the archive is encrypted: {0}")]
    Encrypted(String),
    /// It is one, but it is damaged so much that it cannot be opened.
    #[error("the archive is damaged and cannot be opened: {why}{}", shortfall(*.expected, *.actual))]
    Damaged {
        /// libpff's account, or which part is missing.
        why: String,
        /// Bytes the archive says it has; 0 where it does not say.
        expected: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// A part of an archive could not be read.
    #[error("{what}: {error}")]
    Corrupt {
        /// The part.
        what: &'static str,
        /// libpff's account.
        error: PffError,
    },
    /// The archive names something that is not in it.
    #[error("{what} is missing")]
    Missing {
        /// The thing.
        what: &'static str,
    },
    /// Less, or more, is there than the archive says.
    #[error("{what}: {have} bytes where there should be {claimed}")]
    Length {
        /// The part.
        what: &'static str,
        /// Bytes that could be read, or one more than there should be.
        have: u64,
        /// Bytes that there should be.
        claimed: u64,
    },
    /// A part of an archive is larger, deeper or more numerous than any real one.
    #[error("{what} is {have}, at most {limit} are read")]
    Limit {
        /// The part.
        what: &'static str,
        /// How large it says it is.
        have: u64,
        /// The limit.
        limit: u64,
    },
}

fn shortfall(expected: u64, actual: u64) -> String {
    if expected > actual {
        format!("; it has {actual} bytes and says it should have {expected}: it was cut short")
    } else {
        String::new()
    }
}

impl PstError {
    /// The failure code it is reported under.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::NotPst(_) | Self::Damaged { .. } => "refused",
            Self::Unsupported(_) => "unsupported",
            Self::Encrypted(_) => "encrypted",
            Self::Corrupt { .. } | Self::Missing { .. } | Self::Length { .. } => "corrupt",
            Self::Limit { .. } => "memory",
        }
    }
}
