//! Mails that are not sealed yet: small indexes in memory, one batch after the other.
//!
//! What always holds: the batches of a memtable cover its mails from the first on without gap or overlap; their
//! number grows with the logarithm of the mails, because neighbours of similar size are made one.

use crate::build::Embedded;
use crate::error::SemanticError;
use crate::part::Part;
use postlode_embed::Embed;
use postlode_format::id::Id;
use postlode_format::index::Position;
use postlode_store::MemtableText;
use postlode_vector::{CodeKind, Index, IndexOptions, Sequential};
use std::collections::HashSet;
use std::sync::Arc;

/// A batch: its index, and what it was made of, to make it one with the next.
pub struct Batch {
    pub part: Part,
    values: Vec<f32>,
}

impl Batch {
    fn of(embedded: Embedded, positions: Vec<Position>, dimensions: usize) -> Result<Self, SemanticError> {
        let Embedded { emails, foreign, values } = embedded;
        // Few, and soon sealed: they are compared one by one, as they will be then.
        let options =
            IndexOptions { codes: CodeKind::F16, graph_from: Some(u32::MAX), ..IndexOptions::default() };
        let index = Index::build(dimensions, &values, options, &Sequential)?;
        Ok(Self { part: Part { index, emails, foreign, positions: positions.into(), segment: None }, values })
    }

    fn len(&self) -> usize {
        self.part.positions.len()
    }
}

/// What is embedded of one memtable.
#[derive(Clone, Default)]
pub struct Batches {
    /// Mails covered.
    pub known: usize,
    /// In order.
    pub batches: Vec<Arc<Batch>>,
}

impl Batches {
    /// Takes in those mails of `text` that are new here, `without` some, which are not embedded. Without effect where they do
    /// not follow on.
    ///
    /// # Errors
    /// What the model says.
    pub fn extend(
        &mut self,
        text: &MemtableText,
        model: &dyn Embed,
        without: &HashSet<Id>,
    ) -> Result<(), SemanticError> {
        let Some(skip) = self.known.checked_sub(text.first) else { return Ok(()) };
        let Some(fresh) = text.docs.get(skip..).filter(|docs| !docs.is_empty()) else { return Ok(()) };
        let known = self.known.saturating_add(fresh.len());
        let wanted = (0..).zip(fresh).filter(|(_, doc)| !without.contains(&doc.position.id));
        let mut embedded = Embedded::of(model, wanted.map(|(number, doc)| (number, doc.doc.clone())))?;
        let mut positions: Vec<Position> = fresh.iter().map(|doc| doc.position).collect();
        while let Some(last) =
            self.batches.last().filter(|batch| batch.len() <= positions.len().saturating_mul(2))
        {
            let shift = u32::try_from(last.len()).unwrap_or(u32::MAX);
            let joined = |before: &[u32], after: &[u32]| {
                let moved = after.iter().map(|email| email.saturating_add(shift));
                before.iter().copied().chain(moved).collect::<Vec<_>>()
            };
            embedded = Embedded {
                emails: joined(&last.part.emails, &embedded.emails),
                foreign: joined(&last.part.foreign, &embedded.foreign),
                values: [last.values.as_slice(), &embedded.values].concat(),
            };
            positions = [&last.part.positions[..], &positions].concat();
            self.batches.pop();
        }
        let dimensions = model.model().dimensions as usize;
        self.batches.push(Arc::new(Batch::of(embedded, positions, dimensions)?));
        self.known = known;
        Ok(())
    }
}
