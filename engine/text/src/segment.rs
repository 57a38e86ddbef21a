//! One open index: a sealed segment's, or a batch of a memtable.

use crate::directory::{BundleDirectory, Damage};
use crate::error::TextError;
use crate::schema::equip;
use postlode_format::index::Position;
use postlode_store::{Missing, SegmentText};
use std::sync::Arc;
use tantivy::{Index, SegmentReader};

/// An index that can be searched, with the place of each of its documents.
pub struct Part {
    /// The readers, one or (for an index without documents) none.
    pub readers: Vec<SegmentReader>,
    /// Position of each document, by its number.
    pub positions: Arc<[Position]>,
    /// Where it comes from: `None` for a memtable.
    pub segment: Option<u64>,
    /// Damage met while reading it.
    pub damage: Damage,
}

impl Part {
    /// The searchable part of an index in memory.
    pub fn of_batch(index: &Index, positions: Vec<Position>) -> Result<Self, TextError> {
        let part = Self {
            readers: readers(index)?,
            positions: positions.into(),
            segment: None,
            damage: Damage::default(),
        };
        part.check()
    }

    /// Opens a segment's.
    pub fn open(segment: &SegmentText) -> Result<Self, Missing> {
        let damage = Damage::default();
        let open = || -> Result<Vec<SegmentReader>, TextError> {
            let directory = BundleDirectory::open(Arc::clone(&segment.text), damage.clone())?;
            let mut index = Index::open(directory)?;
            equip(&mut index);
            readers(&index)
        };
        let readers = open().map_err(|e| missing(segment.id, &damage, &e))?;
        let positions = segment.ordinals.positions()?;
        let part = Self { readers, positions, segment: Some(segment.id), damage: damage.clone() };
        part.check().map_err(|e| missing(segment.id, &damage, &e))
    }

    fn check(self) -> Result<Self, TextError> {
        let documents: usize = self.readers.iter().map(|r| r.max_doc() as usize).sum();
        if self.readers.len() > 1 || documents != self.positions.len() {
            return Err(TextError::Bundle("it does not hold as many mails as its segment"));
        }
        Ok(self)
    }

    /// What an error met in it means for the answer.
    pub fn missing(&self, error: &dyn std::fmt::Display) -> Missing {
        self.damage.met().unwrap_or_else(|| Missing {
            segment: self.segment,
            section: "text".to_owned(),
            reason: error.to_string(),
        })
    }
}

fn missing(segment: u64, damage: &Damage, error: &TextError) -> Missing {
    let text = || Missing { segment: Some(segment), section: "text".to_owned(), reason: error.to_string() };
    damage.met().unwrap_or_else(text)
}

fn readers(index: &Index) -> Result<Vec<SegmentReader>, TextError> {
    let segments = index.searchable_segments()?;
    Ok(segments.iter().map(SegmentReader::open).collect::<Result<_, _>>()?)
}
