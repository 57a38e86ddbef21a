//! Why a command failed, and the exit code that says so.

use postlode_ingest::LoadError;
use postlode_server::ClientError;
use postlode_store::StoreError;

/// Done, but something was refused or lost and is named.
pub const LOST: u8 = 1;
/// Wrong usage.
pub const USAGE: u8 = 2;
/// The store cannot be used.
pub const UNUSABLE: u8 = 3;

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It could not do all it was asked to.
    #[error("{0}")]
    Done(String),
    /// It was asked for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// The store cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// Nobody reads what it writes: no reason to complain.
    #[error("the output was closed")]
    Closed,
}

impl Failure {
    /// Its exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Done(_) => LOST,
            Self::Usage(_) => USAGE,
            Self::Unusable(_) => UNUSABLE,
        }
    }
}

impl From<Failure> for std::process::ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(failure.exit_code())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Closed => Self::Done(error.to_string()),
            other => Self::Unusable(other.to_string()),
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store(error) => error.into(),
            other => Self::Done(other.to_string()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error.problem() {
            Some("bad-query" | "bad-parameter" | "bad-cursor" | "bad-request") => Self::Usage(text),
            Some("damaged" | "unavailable" | "full" | "conflict" | "internal") => Self::Unusable(text),
            Some(_) => Self::Done(text),
            None => match error {
                ClientError::Unreachable { .. } | ClientError::Malformed(_) => Self::Unusable(text),
                _ => Self::Done(text),
            },
        }
    }
}
