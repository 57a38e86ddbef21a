//! The memtable: rows that are in the log and not in a segment yet.
//!
//! What always holds: every row in it is durable in the log; for one key only the newest row is here; the indexes
//! hold exactly the entries of the rows that ever were here (a superseded row's entries stay: readers check
//! candidates against current rows anyway).

use crate::api::{KeyRange, MemDoc, TextDoc};
use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::id::Id;
use postlode_format::index::{self, IndexId, Position};
use postlode_format::row::{ArchivedEmail, Row, RowKind, access, key_id};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A value with its sequence number.
#[derive(Debug, Clone)]
pub struct MemRow {
    /// Sequence number.
    pub seq: u64,
    /// The record.
    pub value: Bytes,
}

/// Rows in memory.
pub struct Memtable {
    /// Identity in this process.
    pub number: u64,
    rows: BTreeMap<Vec<u8>, MemRow>,
    indexes: BTreeMap<IndexId, BTreeSet<Bytes>>,
    emails: Vec<(Position, Id)>,
    bytes: usize,
}

/// Kind and key in one: the order of the primary tree.
pub fn full_key(kind: RowKind, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 1);
    out.push(kind as u8);
    out.extend_from_slice(key);
    out
}

/// Bytes that a row costs in a memtable beside its own: map nodes, index entries.
const ROW_OVERHEAD: usize = 160;

impl Memtable {
    /// An empty one.
    pub fn new(number: u64) -> Self {
        Self { number, rows: BTreeMap::new(), indexes: BTreeMap::new(), emails: Vec::new(), bytes: 0 }
    }

    /// Puts a row in. An older row than the one here changes nothing.
    ///
    /// # Errors
    /// Where the value is not a record of its kind; the memtable is unchanged then.
    pub fn insert(&mut self, seq: u64, row: &Row) -> Result<(), FormatError> {
        let key = full_key(row.kind, &row.key);
        if self.rows.get(&key).is_some_and(|old| old.seq >= seq) {
            return Ok(());
        }
        let entries = index::entries(row.kind, &row.key, &row.value)?;
        let mut cost = key.len() + row.value.len() + ROW_OVERHEAD;
        for (index, entry) in entries {
            cost += entry.len() + 64;
            self.indexes.entry(index).or_default().insert(entry.into());
        }
        let new = MemRow { seq, value: row.value.clone() };
        if self.rows.insert(key, new).is_none() && row.kind == RowKind::Email {
            let email = access::<ArchivedEmail>(&row.value)?;
            let position = Position { date: email.date.to_native(), id: email.id };
            self.emails.push((position, email.id));
        }
        self.bytes += cost;
        Ok(())
    }

    /// Cost in bytes of all rows.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of emails.
    pub fn email_count(&self) -> usize {
        self.emails.len()
    }

    /// The row of a key.
    pub fn get(&self, kind: RowKind, key: &[u8]) -> Option<&MemRow> {
        self.rows.get(&full_key(kind, key))
    }

    /// Rows of a kind whose keys begin with `prefix`, in key order: key, row.
    pub fn prefix<'a>(
        &'a self,
        kind: RowKind,
        prefix: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a MemRow)> + use<'a> {
        let full = full_key(kind, prefix);
        self.rows
            .range(full.clone()..)
            .take_while(move |(key, _)| key.starts_with(&full))
            .filter_map(|(key, row)| Some((key.get(1..)?, row)))
    }

    /// All rows: kind, key, row, in the order of the primary tree.
    pub fn rows(&self) -> impl Iterator<Item = (RowKind, &[u8], &MemRow)> {
        self.rows.iter().filter_map(|(key, row)| {
            let (kind, key) = key.split_first()?;
            Some((RowKind::from_number(*kind).ok()?, key, row))
        })
    }

    /// Keys of an index in a range, at most `limit`.
    pub fn scan(
        &self,
        index: IndexId,
        range: &KeyRange,
        descending: bool,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) {
        let mut found = self.keys(index, range);
        if descending {
            found.rev().all(|key| each(key));
        } else {
            found.all(|key| each(key));
        }
    }

    /// Keys of an index in a range, in order.
    fn keys(&self, index: IndexId, range: &KeyRange) -> impl DoubleEndedIterator<Item = &Bytes> {
        // A range that ends before it begins holds nothing; the map would not take it.
        let holds_any = range.high.is_empty() || range.low < range.high;
        let keys = self.indexes.get(&index).filter(|_| holds_any);
        let high =
            if range.high.is_empty() { Bound::Unbounded } else { Bound::Excluded(range.high.as_slice()) };
        let bounds = (Bound::Included(range.low.as_slice()), high);
        keys.into_iter().flat_map(move |keys| keys.range::<[u8], _>(bounds))
    }

    /// Number of keys of an index in a range.
    pub fn count(&self, index: IndexId, range: &KeyRange) -> u64 {
        self.keys(index, range).count() as u64
    }

    /// All entries of all indexes.
    pub fn indexes(&self) -> &BTreeMap<IndexId, BTreeSet<Bytes>> {
        &self.indexes
    }

    /// Emails in the order in which they came, from number `from` on, for text search.
    pub fn docs(&self, from: usize) -> Vec<MemDoc> {
        let new = self.emails.get(from..).unwrap_or_default();
        new.iter()
            .filter_map(|(position, id)| Some(MemDoc { position: *position, doc: self.doc(id)? }))
            .collect()
    }

    /// Both rows of an email.
    pub fn doc(&self, id: &Id) -> Option<TextDoc> {
        let email = self.get(RowKind::Email, id)?.value.clone();
        let body = self.get(RowKind::Body, id)?.value.clone();
        Some(TextDoc { email, body })
    }

    /// Ids of emails in (date, id) order: the order of ordinals.
    pub fn ordered_emails(&self) -> Vec<(Position, Id)> {
        let mut out = self.emails.clone();
        out.sort_unstable();
        out
    }

    /// Ids that any row here is about: emails, places, marks.
    pub fn ids(&self) -> BTreeSet<Id> {
        let about = |kind| matches!(kind, RowKind::Email | RowKind::Place | RowKind::Mark);
        self.rows().filter(|(kind, ..)| about(*kind)).filter_map(|(_, key, _)| key_id(key)).collect()
    }
}
