//! What counting and sorting read: columns of segments, and rows of memtables.
//!
//! What always holds: what one shard gives is of one moment, so that nothing is counted twice in it; a segment that spans
//! shards is given by each, with the part that is that shard's.

use crate::api::{Missing, SectionRead};
use crate::ordinals::Ordinals;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::row::key_id;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Columns of one segment, as one shard sees them.
#[derive(Clone)]
pub struct SegmentColumns {
    /// The segment.
    pub id: u64,
    /// Emails in it.
    pub emails: u64,
    /// First and last hash of the rows that count here, where those of others are in it too.
    pub only: Option<(u64, u64)>,
    /// Its emails; `None` where it has places and marks alone.
    pub ordinals: Option<Ordinals>,
    /// Sections by the number of the column, that of strangers among them. None in segments from before version 5.
    pub columns: BTreeMap<u16, Arc<dyn SectionRead>>,
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
