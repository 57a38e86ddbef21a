//! Mails that are not sealed yet: small indexes in memory, one batch after the other.
//!
//! What always holds: the batches of a memtable cover its mails from the first on without gap or overlap; their
//! number grows with the logarithm of the mails, because neighbours of similar size are made one.

use crate::build::batch;
use crate::error::TextError;
use crate::segment::Part;
use postlode_store::{MemDoc, MemtableText};
use std::sync::Arc;

/// A batch: its index, and the mails to make it one with the next.
pub struct Batch {
    pub part: Part,
    docs: Vec<MemDoc>,
}

impl Batch {
    fn of(docs: Vec<MemDoc>) -> Result<Self, TextError> {
        let index = batch(docs.iter().map(|d| d.doc.clone()))?;
        let positions = docs.iter().map(|d| d.position).collect();
        Ok(Self { part: Part::of_batch(&index, positions)?, docs })
    }
}

/// What is indexed of one memtable.
#[derive(Clone, Default)]
pub struct Batches {
    /// Mails covered.
    pub known: usize,
    /// In order.
    pub batches: Vec<Arc<Batch>>,
}

impl Batches {
    /// Takes in those mails of `text` that are new here. Without effect where they do not follow on.
    pub fn extend(&mut self, text: &MemtableText) -> Result<(), TextError> {
        let Some(skip) = self.known.checked_sub(text.first) else { return Ok(()) };
        let Some(fresh) = text.docs.get(skip..).filter(|d| !d.is_empty()) else { return Ok(()) };
        let mut docs = fresh.to_vec();
        while let Some(last) = self.batches.last().filter(|b| b.docs.len() <= docs.len().saturating_mul(2)) {
            docs.splice(0..0, last.docs.iter().cloned());
            self.batches.pop();
        }
        let known = self.known.saturating_add(fresh.len());
        self.batches.push(Arc::new(Batch::of(docs)?));
        self.known = known;
        Ok(())
    }
}
