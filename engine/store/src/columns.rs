//! What counting and sorting read: columns of segments, and rows of memtables.
//!
//! What always holds: what one shard gives is of one moment, so that nothing is counted twice in it; a segment that spans
//! shards is given once, with the parts of it that shards have at their moments.

use crate::api::{Missing, SectionRead};
use crate::ordinals::Ordinals;
use bytes::Bytes;
use postlode_format::id::{Id, hash_of};
use postlode_format::row::key_id;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Columns of one segment.
#[derive(Clone)]
pub struct SegmentColumns {
    /// The segment.
    pub id: u64,
    /// Emails in it.
    pub emails: u64,
    /// First and last hash of its rows.
    pub range: (u64, u64),
    /// First and last hashes of the rows that count, where not all do.
    pub only: Option<Vec<(u64, u64)>>,
    /// Its emails; `None` where it has places and marks alone.
    pub ordinals: Option<Ordinals>,
    /// Sections by the number of the column, that of strangers among them. None in segments from before version 5.
    pub columns: BTreeMap<u16, Arc<dyn SectionRead>>,
}

impl SegmentColumns {
    /// Does the row of an email count?
    #[must_use]
    pub fn counts(&self, id: &Id) -> bool {
        let hash = hash_of(id);
        self.only.as_ref().is_none_or(|parts| parts.iter().any(|(low, high)| (*low..=*high).contains(&hash)))
    }

    /// Takes in the part that another shard has of the same segment.
    pub(crate) fn and(&mut self, other: Self) {
        let (first, last) = self.range;
        let (Some(own), Some(more)) = (&mut self.only, other.only) else {
            self.only = None;
            return;
        };
        own.extend(more);
        own.sort_unstable();
        let mut next = Some(first);
        for (low, high) in own.iter() {
            // A gap, or the end of all.
            let Some(from) = next.filter(|from| low <= from) else { return };
            next = high.checked_add(1).map(|end| end.max(from));
        }
        if next.is_none_or(|next| next > last) {
            self.only = None;
        }
    }
}

/// An email, or places of one, in a memtable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshRow {
    /// Its key, which begins with the email's id.
    pub key: Bytes,
    /// An rkyv [`postlode_format::row::Email`], of it or else a [`postlode_format::row::Place`].
    pub value: Bytes,
}

impl FreshRow {
    /// The email that it is about.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        key_id(&self.key)
    }
}

/// Everything that counting and sorting read.
#[derive(Clone, Default)]
pub struct ColumnSources {
    /// Segments with emails or places.
    pub segments: Vec<SegmentColumns>,
    /// Emails that are not sealed yet.
    pub emails: Vec<FreshRow>,
    /// Places that are not sealed yet; of several rows of one place the newest comes first.
    pub places: Vec<FreshRow>,
    /// Segments that cannot be read.
    pub missing: Vec<Missing>,
}
