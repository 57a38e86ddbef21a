//! What a load counts, in one place while it runs; on the disk it is in two (`Counts` and `Holdings`).

use postlode_format::row::{ArchivedCounts, Counts, Holdings};

/// Counts of a load, of an archive, or of a part of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) found: u64,
    pub(crate) stored: u64,
    pub(crate) duplicate: u64,
    pub(crate) failed: u64,
    pub(crate) partial: u64,
    pub(crate) attachments: u64,
    /// Recipients of items.
    pub(crate) recipients: u64,
    /// Attachments whose bytes could not be read.
    pub(crate) unreadable: u64,
    /// Attachments of whose text something could not be had.
    pub(crate) unsearched: u64,
}

impl Sums {
    /// As they are kept.
    pub(crate) fn of(counts: &ArchivedCounts, holdings: Holdings) -> Self {
        Self::from((Counts::from(counts), holdings))
    }

    pub(crate) fn counts(&self) -> Counts {
        let Self { found, stored, duplicate, failed, partial, attachments, .. } = *self;
        Counts { found, stored, duplicate, failed, partial, attachments }
    }

    pub(crate) fn holdings(&self) -> Holdings {
        let Self { recipients, unreadable, unsearched, .. } = *self;
        Holdings { recipients, unreadable, unsearched }
    }

    /// Both together.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let both = (self.counts().plus(&other.counts()), self.holdings().plus(&other.holdings()));
        Self::from(both)
    }

    /// The items alone.
    pub(crate) fn holding_nothing(&self) -> Self {
        let Self { found, stored, duplicate, failed, .. } = *self;
        Self { found, stored, duplicate, failed, ..Self::default() }
    }

    /// With what the items of `other` hold added, and how many of them are partial, but not the items themselves.
    pub(crate) fn holding(&self, other: &Self) -> Self {
        self.plus(&Self { found: 0, stored: 0, duplicate: 0, failed: 0, ..*other })
    }
}

impl From<(Counts, Holdings)> for Sums {
    fn from((counts, holdings): (Counts, Holdings)) -> Self {
        let Counts { found, stored, duplicate, failed, partial, attachments } = counts;
        let Holdings { recipients, unreadable, unsearched } = holdings;
        Self { found, stored, duplicate, failed, partial, attachments, recipients, unreadable, unsearched }
    }
}
