//! Makes the vectors of a segment: from its emails, or from the segments that are merged into it.

use crate::document::{Texts, texts};
use crate::error::SemanticError;
use crate::sections::Sections;
use postlode_embed::Embed;
use postlode_store::{MergedVectors, NewVectors, TextDoc, VectorBuilder};
use postlode_vector::{CodeKind, Index, IndexOptions, MergePart, Sequential};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Texts that are embedded at once.
const BATCH: usize = 256;

/// Makes vectors with a model.
#[derive(Clone)]
pub struct VectorIndex {
    model: Arc<dyn Embed>,
    codes: CodeKind,
}

/// Vectors of mails under construction.
#[derive(Default)]
pub struct Embedded {
    /// The number of the mail of each vector.
    pub emails: Vec<u32>,
    /// Numbers of mails of whose text the model knows nothing.
    pub foreign: Vec<u32>,
    /// The vectors, one after another.
    pub values: Vec<f32>,
}

impl Embedded {
    /// Embeds mails, which have numbers from `first` on.
    ///
    /// # Errors
    /// What the model says.
    pub fn of(
        model: &dyn Embed,
        first: u32,
        docs: impl Iterator<Item = TextDoc>,
    ) -> Result<Self, SemanticError> {
        let mut own = Self::default();
        let (mut waiting, mut whose) = (Vec::new(), Vec::new());
        for (number, doc) in (first..).zip(docs) {
            match texts(&doc, model) {
                Texts::Foreign => own.foreign.push(number),
                Texts::Nothing => {}
                Texts::Some(texts) => {
                    whose.extend(std::iter::repeat_n(number, texts.len()));
                    waiting.extend(texts.into_iter().map(|text| text.embedded));
                }
            }
            if waiting.len() >= BATCH {
                own.embed(model, &mut waiting, &mut whose)?;
            }
        }
        own.embed(model, &mut waiting, &mut whose)?;
        own.foreign.sort_unstable();
        Ok(own)
    }

    fn embed(
        &mut self,
        model: &dyn Embed,
        waiting: &mut Vec<String>,
        whose: &mut Vec<u32>,
    ) -> Result<(), SemanticError> {
        let vectors = model.embed(waiting)?;
        for (vector, email) in vectors.into_iter().zip(whose.iter()) {
            // A text may have words of which the model knows none.
            if let Some(vector) = vector {
                self.values.extend(vector);
                self.emails.push(*email);
            }
        }
        whose.dedup();
        // All passages of an email are embedded at once.
        self.foreign.extend(whose.drain(..).filter(|email| self.emails.binary_search(email).is_err()));
        waiting.clear();
        Ok(())
    }
}

impl VectorIndex {
    /// A builder that embeds with this model.
    #[must_use]
    pub fn new(model: Arc<dyn Embed>) -> Self {
        Self { model, codes: CodeKind::default() }
    }

    /// The same, with other codes in the segments that are built from now on. Those that are there keep theirs until they are
    /// merged: exact values decide, so that all can be searched together.
    #[must_use]
    pub fn with_codes(self, codes: CodeKind) -> Self {
        Self { codes, ..self }
    }

    fn options(&self) -> IndexOptions {
        IndexOptions { codes: self.codes, ..IndexOptions::default() }
    }

    fn built(&self, next: &mut dyn FnMut() -> Option<TextDoc>) -> Result<NewVectors, SemanticError> {
        let model = self.model.model();
        let Embedded { emails, foreign, values } = Embedded::of(&*self.model, 0, std::iter::from_fn(next))?;
        let index = Index::build(model.dimensions as usize, &values, self.options(), &Sequential)?;
        Sections { model, emails, foreign, index }.write()
    }

    fn merged(&self, sources: &[MergedVectors]) -> Result<NewVectors, SemanticError> {
        let model = self.model.model();
        let mut read = Vec::with_capacity(sources.len());
        for source in sources {
            read.push(Sections::read(&source.parts, source.to.len() as u64, &model)?);
        }
        // The vectors that stay, in the order of the emails that they are then of, and of passages.
        let mut stay: Vec<(u32, usize, u32)> = Vec::new();
        let mut foreign: Vec<u32> = Vec::new();
        for (number, (source, own)) in sources.iter().zip(&read).enumerate() {
            let new = |(vector, email): (u32, &u32)| Some((source.new_number(*email)?, number, vector));
            stay.extend((0u32..).zip(&own.emails).filter_map(new));
            foreign.extend(own.foreign.iter().filter_map(|email| source.new_number(*email)));
        }
        stay.sort_unstable();
        foreign.sort_unstable();
        let mut rows: Vec<Vec<Option<u32>>> = read.iter().map(|own| vec![None; own.emails.len()]).collect();
        for (new, (_, number, vector)) in (0u32..).zip(&stay) {
            if let Some(row) = rows.get_mut(*number).and_then(|own| own.get_mut(*vector as usize)) {
                *row = Some(new);
            }
        }
        let numbers: Vec<_> =
            rows.iter().map(|own| move |row: u32| own.get(row as usize).copied().flatten()).collect();
        let parts: Vec<MergePart<'_>> =
            read.iter().zip(&numbers).map(|(own, row)| MergePart { index: &own.index, row }).collect();
        let index = Index::merge(&parts, self.options(), &Sequential)?;
        let emails = stay.into_iter().map(|(email, _, _)| email).collect();
        Sections { model, emails, foreign, index }.write()
    }
}

/// Runs what reads bytes that may be any; a panic ends it alone.
fn contained(work: impl FnOnce() -> Result<NewVectors, SemanticError>) -> Result<NewVectors, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("it was broken off".to_owned()),
    }
}

impl VectorBuilder for VectorIndex {
    fn build(&self, next: &mut dyn FnMut() -> Option<TextDoc>) -> Result<NewVectors, String> {
        contained(|| self.built(next))
    }

    fn merge(&self, sources: &[MergedVectors]) -> Result<NewVectors, String> {
        contained(|| self.merged(sources))
    }
}
