//! What was spent of the limits, and how reading ends before the end.
//!
//! What always holds: what is counted here is what came out of a decompressor or went by on the clock, never what a
//! file says of itself.

use crate::Limits;
use std::cell::Cell;
use std::time::Instant;

/// Why something is not read, or not further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fail {
    /// It is over a limit.
    Refused(String),
    /// It is not what it claims to be, or damaged.
    Corrupt(String),
    /// It is encrypted.
    Encrypted(String),
    /// A limit that all of the attachment shares is reached.
    Spent(String),
    /// The time is up.
    Timeout,
    /// Reading it would take more memory than there is.
    Memory(String),
    /// It is known, but not read.
    Unsupported(String),
    /// A library panicked.
    Crashed(String),
    /// There is enough text.
    Full,
}

impl Fail {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) | Self::Spent(_) | Self::Full => "refused",
            Self::Corrupt(_) => "corrupt",
            Self::Encrypted(_) => "encrypted",
            Self::Timeout => "timeout",
            Self::Memory(_) => "memory",
            Self::Unsupported(_) => "unsupported",
            Self::Crashed(_) => "crashed",
        }
    }

    /// The whole attachment is done with, not just the part this happened in.
    pub(crate) const fn ends_all(&self) -> bool {
        matches!(self, Self::Spent(_) | Self::Timeout | Self::Full)
    }
}

pub(crate) fn corrupt(reason: impl Into<String>) -> Fail {
    Fail::Corrupt(reason.into())
}

/// The account of one attachment.
pub(crate) struct Meter<'l> {
    pub(crate) limits: &'l Limits,
    start: Instant,
    unpacked: Cell<u64>,
    entries: Cell<u32>,
}

impl<'l> Meter<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self { limits, start: Instant::now(), unpacked: Cell::new(0), entries: Cell::new(0) }
    }

    /// Asks the clock. To be called between pieces of work, each of them short.
    pub(crate) fn time(&self) -> Result<(), Fail> {
        if self.start.elapsed() >= self.limits.time { Err(Fail::Timeout) } else { Ok(()) }
    }

    /// Moment after which nothing more is to be done.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.start.checked_add(self.limits.time)
    }

    /// Counts bytes that were unpacked.
    pub(crate) fn unpacked(&self, bytes: usize) -> Result<(), Fail> {
        let all = self.unpacked.get().saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.unpacked.set(all);
        if all > self.limits.unpacked {
            return Err(Fail::Spent(format!("it unpacks to more than {} bytes", self.limits.unpacked)));
        }
        self.time()
    }

    /// Counts a file in an archive.
    pub(crate) fn entry(&self) -> Result<(), Fail> {
        let all = self.entries.get().saturating_add(1);
        self.entries.set(all);
        if all > self.limits.entries {
            return Err(Fail::Spent(format!("its archives hold more than {} files", self.limits.entries)));
        }
        self.time()
    }

    /// Nothing more is to be done: something that all share is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.unpacked.get() > self.limits.unpacked
            || self.entries.get() > self.limits.entries
            || self.time().is_err()
    }
}
