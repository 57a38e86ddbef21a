//! How long the reading of an item and of an archive may take.

use crate::child::Death;
use std::time::Duration;

/// Time limits of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one item: without a word for so long, its parser is replaced.
    pub item: Duration,
    /// For an archive, and `per_mebibyte` more for each MiB of it. What is not read by then has failed.
    pub archive: Duration,
    /// See `archive`.
    pub per_mebibyte: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            item: Duration::from_secs(30),
            archive: Duration::from_secs(90),
            per_mebibyte: Duration::from_secs(6),
        }
    }
}

impl Limits {
    /// The limit of an archive of so many bytes.
    #[must_use]
    pub fn of_archive(&self, bytes: u64) -> Duration {
        let mebibytes = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
        self.archive.saturating_add(self.per_mebibyte.saturating_mul(mebibytes))
    }

    /// An archive went past its limit.
    pub(crate) fn archive_timeout(&self, bytes: u64, doing: &str) -> Death {
        let seconds = self.of_archive(bytes).as_secs();
        let reason =
            format!("{doing} took longer than the {seconds} s that an archive of this size may take");
        Death::new("timeout", reason)
    }

    /// An item went past its limit.
    pub(crate) fn item_timeout(&self) -> Death {
        let seconds = self.item.as_secs();
        Death::new("timeout", format!("reading it took longer than {seconds} s"))
    }
}
