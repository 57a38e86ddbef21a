//! Makes the vectors of a segment: from its emails, or from the segments that are merged into it.

use crate::document::{Texts, texts};
use crate::error::SemanticError;
use crate::sections::Sections;
use postlode_embed::{Embed, Model};
use postlode_store::{MergedVectors, NOWHERE, NewVectors, TextDoc, VectorBuilder, VectorParts};
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
    /// These, and behind them those of emails of higher numbers.
    pub fn extend(&mut self, more: Self) {
        self.emails.extend(more.emails);
        self.foreign.extend(more.foreign);
        self.values.extend(more.values);
    }

    /// Embeds mails, each with its number, ascending.
    ///
    /// # Errors
    /// What the model says.
    pub fn of(model: &dyn Embed, docs: impl Iterator<Item = (u32, TextDoc)>) -> Result<Self, SemanticError> {
        let mut own = Self::default();
        let (mut waiting, mut whose) = (Vec::new(), Vec::new());
        for (number, doc) in docs {
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
        IndexOptions { codes: self.codes, turned: !self.model.is_even(), ..IndexOptions::default() }
    }

    fn built(&self, next: &mut dyn FnMut() -> Option<TextDoc>) -> Result<NewVectors, SemanticError> {
        let model = self.model.model();
        let Embedded { emails, foreign, values } =
            Embedded::of(&*self.model, (0..).zip(std::iter::from_fn(next)))?;
        let index = Index::build(model.dimensions as usize, &values, self.options(), &Sequential)?;
        Sections { model, emails, foreign, pending: Vec::new(), index }.write()
    }

    fn merged(&self, sources: &[MergedVectors]) -> Result<NewVectors, SemanticError> {
        let model = self.model.model();
        let mut read = Vec::with_capacity(sources.len());
        for MergedVectors { parts, to } in sources {
            read.push((Some(Sections::read(parts, to.len() as u64, &model)?), to.as_slice()));
        }
        join(model, self.options(), &read)?.write()
    }

    fn merged_addons(&self, sources: &[MergedVectors]) -> Result<(NewVectors, u64), SemanticError> {
        let mut model = None;
        let mut read = Vec::with_capacity(sources.len());
        for MergedVectors { parts, to } in sources {
            let own = (!parts.is_empty()).then(|| Sections::read_any(parts, to.len() as u64));
            let own = match own {
                Some(Ok(own)) if model.as_ref().is_none_or(|model| *model == own.model) => Some(own),
                Some(Ok(own)) => return Err(SemanticError::OtherModel(own.model.key())),
                Some(Err(error)) => {
                    // The others are as good as they were.
                    tracing::error!("vectors of {} emails are to be made again: {error}", to.len());
                    None
                }
                None => None,
            };
            if let Some(own) = &own {
                model.get_or_insert_with(|| own.model.clone());
            }
            read.push((own, to.as_slice()));
        }
        let model = model.ok_or(SemanticError::Sections("there are none that can be read"))?;
        // Queries of such models are compared as they are.
        let options = IndexOptions { turned: false, ..self.options() };
        let joined = join(model, options, &read)?;
        Ok((joined.write()?, joined.pending.len() as u64))
    }
}

/// One of what is to be one: its vectors, if it has any, and the number that each of its emails gets.
type Joined<'t> = (Option<Sections>, &'t [u32]);

/// Makes several one. The emails of what has no vectors are pending.
fn join(model: Model, options: IndexOptions, sources: &[Joined<'_>]) -> Result<Sections, SemanticError> {
    let new_number = |to: &[u32], email: u32| to.get(email as usize).copied().filter(|to| *to != NOWHERE);
    // The vectors that stay, in the order of the emails that they are then of, and of passages.
    let mut stay: Vec<(u32, usize, u32)> = Vec::new();
    let (mut foreign, mut pending): (Vec<u32>, Vec<u32>) = Default::default();
    for (number, (own, to)) in sources.iter().enumerate() {
        let Some(own) = own else {
            pending.extend(to.iter().filter(|to| **to != NOWHERE));
            continue;
        };
        let new = |(vector, email): (u32, &u32)| Some((new_number(to, *email)?, number, vector));
        stay.extend((0u32..).zip(&own.emails).filter_map(new));
        foreign.extend(own.foreign.iter().filter_map(|email| new_number(to, *email)));
        pending.extend(own.pending.iter().filter_map(|email| new_number(to, *email)));
    }
    stay.sort_unstable();
    foreign.sort_unstable();
    pending.sort_unstable();
    let vectors = |(own, _): &Joined<'_>| own.as_ref().map_or(0, |own| own.emails.len());
    let mut rows: Vec<Vec<Option<u32>>> = sources.iter().map(|one| vec![None; vectors(one)]).collect();
    for (new, (_, number, vector)) in (0u32..).zip(&stay) {
        if let Some(row) = rows.get_mut(*number).and_then(|own| own.get_mut(*vector as usize)) {
            *row = Some(new);
        }
    }
    let numbers: Vec<_> =
        rows.iter().map(|own| move |row: u32| own.get(row as usize).copied().flatten()).collect();
    let mut parts: Vec<MergePart<'_>> = Vec::with_capacity(sources.len());
    for ((own, _), row) in sources.iter().zip(&numbers) {
        parts.extend(own.as_ref().map(|own| MergePart { index: &own.index, row }));
    }
    let index = Index::merge(&parts, options, &Sequential)?;
    let emails = stay.into_iter().map(|(email, _, _)| email).collect();
    Ok(Sections { model, emails, foreign, pending, index })
}

/// Tries to read what is there before it is given up: a fault that passes must not cost vectors.
const TRIES: usize = 3;

/// Reads all of an add-on.
///
/// # Errors
/// Damage, which is there each time.
pub fn readable(parts: &VectorParts, emails: u64, model: &Model) -> Result<Sections, SemanticError> {
    let mut tried = 0;
    loop {
        tried += 1;
        match Sections::read(parts, emails, model) {
            Err(SemanticError::Missing(_)) if tried < TRIES => {}
            read => return read,
        }
    }
}

/// Puts what was embedded of some emails of a segment to what its add-on had before: nothing, where that cannot be read.
/// `done`: which emails these are, ascending, of `emails` in all. Tells how many are pending then.
///
/// # Errors
/// Vectors that are none of the model's.
pub fn fill(
    model: Model,
    codes: CodeKind,
    before: &VectorParts,
    emails: u64,
    done: &[u32],
    fresh: Embedded,
) -> Result<(NewVectors, u64), SemanticError> {
    let options = IndexOptions { codes, ..IndexOptions::default() };
    let before = match before.is_empty() {
        true => None,
        false => readable(before, emails, &model)
            .inspect_err(|error| tracing::error!("vectors of {emails} emails are to be made again: {error}"))
            .ok(),
    };
    let all: Vec<u32> = (0..u32::try_from(emails).unwrap_or(u32::MAX)).collect();
    let waiting = before.as_ref().map_or_else(|| all.clone(), |before| before.pending.clone());
    // What was there is not to be there twice.
    let new = |email: &u32| waiting.binary_search(email).is_ok() && done.binary_search(email).is_ok();
    let Embedded { emails: whose, foreign, values } = fresh;
    let vectors = whose.iter().zip(values.chunks(model.dimensions as usize)).filter(|(email, _)| new(email));
    let (whose, values): (Vec<u32>, Vec<&[f32]>) = vectors.map(|(email, vector)| (*email, vector)).unzip();
    let index = Index::build(model.dimensions as usize, &values.concat(), options, &Sequential)?;
    let foreign = foreign.into_iter().filter(|email| new(email)).collect();
    let pending: Vec<u32> =
        waiting.iter().filter(|email| done.binary_search(email).is_err()).copied().collect();
    let fresh = Sections { model: model.clone(), emails: whose, foreign, pending, index };
    let filled = match before {
        None => fresh,
        Some(before) => {
            let left = fresh.pending.clone();
            let before = Sections { pending: Vec::new(), ..before };
            let fresh = Sections { pending: Vec::new(), ..fresh };
            let joined = join(model, options, &[(Some(before), &all), (Some(fresh), &all)])?;
            Sections { pending: left, ..joined }
        }
    };
    Ok((filled.write()?, filled.pending.len() as u64))
}

/// Runs what reads bytes that may be any; a panic ends it alone.
fn contained<T>(work: impl FnOnce() -> Result<T, SemanticError>) -> Result<T, String> {
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

    fn merge_addons(&self, sources: &[MergedVectors]) -> Result<(NewVectors, u64), String> {
        contained(|| self.merged_addons(sources))
    }
}
