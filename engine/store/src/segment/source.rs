//! What a segment is built from: a memtable, or segments that are merged.

use crate::api::{MergedText, Missing};
use crate::memtable::Memtable;
use crate::vectors::MergedVectors;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::index::{IndexId, Position};
use postlode_format::row::RowKind;
use std::sync::Arc;

/// One email on its way into a segment.
pub struct SourceEmail {
    /// Its place in every order.
    pub position: Position,
    /// Sequence number.
    pub seq: u64,
    /// The Email record.
    pub email: Bytes,
    /// The Body record.
    pub body: Bytes,
}

/// One other row on its way into a segment.
pub struct SourceRow {
    /// What it is.
    pub kind: RowKind,
    /// Its key.
    pub key: Vec<u8>,
    /// Sequence number.
    pub seq: u64,
    /// The record.
    pub value: Bytes,
}

/// What a dictionary is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// The records of emails.
    Emails,
    /// The values of other rows.
    Rows,
}

/// Rows to build a segment from. Each method may be called more than once and gives the same each time.
pub trait Source {
    /// Emails in (date, id) order.
    fn emails(&self) -> Box<dyn Iterator<Item = Result<SourceEmail, BuildError>> + '_>;
    /// All other rows, in the order of kind and key.
    fn rows(&self) -> Box<dyn Iterator<Item = Result<SourceRow, BuildError>> + '_>;
    /// Keys of an index in ascending order, without doubles.
    fn index(&self, index: IndexId) -> Box<dyn Iterator<Item = Result<Bytes, BuildError>> + '_>;
    /// Ids of all rows about emails.
    fn ids(&self) -> Vec<Id>;
    /// Evenly spread records of emails, or values of other rows, to train a dictionary on; none where what is built does
    /// not stay long enough to be worth it.
    ///
    /// # Errors
    /// Damage in a source.
    fn samples(&self, _of: Sampled) -> Result<Vec<Bytes>, BuildError> {
        Ok(Vec::new())
    }
    /// Text sections that have the words of all emails, if there are any: then none needs to be indexed again.
    fn texts(&self) -> Option<Vec<MergedText>> {
        None
    }
    /// The vectors of all emails, if there are any: then none needs to be embedded again.
    fn vectors(&self) -> Option<Vec<MergedVectors>> {
        None
    }
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn emails(&self) -> Box<dyn Iterator<Item = Result<SourceEmail, BuildError>> + '_> {
        (**self).emails()
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Result<SourceRow, BuildError>> + '_> {
        (**self).rows()
    }

    fn index(&self, index: IndexId) -> Box<dyn Iterator<Item = Result<Bytes, BuildError>> + '_> {
        (**self).index(index)
    }

    fn ids(&self) -> Vec<Id> {
        (**self).ids()
    }

    fn samples(&self, of: Sampled) -> Result<Vec<Bytes>, BuildError> {
        (**self).samples(of)
    }

    fn texts(&self) -> Option<Vec<MergedText>> {
        (**self).texts()
    }

    fn vectors(&self) -> Option<Vec<MergedVectors>> {
        (**self).vectors()
    }
}

impl Source for Memtable {
    fn emails(&self) -> Box<dyn Iterator<Item = Result<SourceEmail, BuildError>> + '_> {
        Box::new(self.ordered_emails().into_iter().map(|(position, id)| {
            let row = self.get(RowKind::Email, &id);
            let body = self.get(RowKind::Body, &id);
            let (Some(row), Some(body)) = (row, body) else {
                return Err(BuildError::Other("an email in the memtable has no body".into()));
            };
            Ok(SourceEmail { position, seq: row.seq, email: row.value.clone(), body: body.value.clone() })
        }))
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Result<SourceRow, BuildError>> + '_> {
        let other = |kind: &RowKind| !matches!(kind, RowKind::Email | RowKind::Body);
        Box::new(Memtable::rows(self).filter(move |(kind, ..)| other(kind)).map(|(kind, key, row)| {
            Ok(SourceRow { kind, key: key.to_vec(), seq: row.seq, value: row.value.clone() })
        }))
    }

    fn index(&self, index: IndexId) -> Box<dyn Iterator<Item = Result<Bytes, BuildError>> + '_> {
        Box::new(self.indexes().get(&index).into_iter().flatten().cloned().map(Ok))
    }

    fn ids(&self) -> Vec<Id> {
        Memtable::ids(self).into_iter().collect()
    }
}

/// Why a segment could not be built.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BuildError {
    /// A row breaks the format.
    #[error(transparent)]
    Format(#[from] postlode_format::FormatError),
    /// A source segment is damaged.
    #[error("{0}")]
    Missing(Missing),
    /// The new file cannot be written.
    #[error(transparent)]
    Disk(postlode_runtime::DiskError),
    /// The store is closing.
    #[error("the store is closing")]
    Stopped,
    /// The text index could not be built.
    #[error("the text index cannot be built: {0}")]
    Text(String),
    /// The compressor failed, or the source contradicts itself.
    #[error("{0}")]
    Other(String),
}
