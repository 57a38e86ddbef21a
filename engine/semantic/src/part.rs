//! Vectors that are searched together: those of a sealed segment, or of a batch of a memtable.

use crate::error::SemanticError;
use crate::sections::Sections;
use postlode_embed::Model;
use postlode_format::index::Position;
use postlode_store::{Missing, Only, SegmentText, sought};
use postlode_vector::{Filter, Hit, Index, Search, Searcher};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// An email and how near it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Its place in every order.
    pub position: Position,
    /// The cosine of its nearest passage and what was asked for.
    pub score: f32,
    /// Number of that passage.
    pub passage: u32,
}

/// An index, and whose vectors it has.
pub struct Part {
    /// The index; a row is the number of a vector.
    pub index: Index,
    /// The number of the email of each vector, ascending.
    pub emails: Vec<u32>,
    /// Numbers of emails in languages, or of words, that the model does not know, ascending.
    pub foreign: Vec<u32>,
    /// The position of each email; of a segment ascending.
    pub positions: Arc<[Position]>,
    /// Where it comes from: `None` for a memtable.
    pub segment: Option<u64>,
}

impl Part {
    /// Opens a segment's.
    ///
    /// # Errors
    /// See [`SemanticError`].
    pub fn open(segment: &SegmentText, model: &Model) -> Result<Self, SemanticError> {
        let Sections { emails, foreign, index, .. } =
            Sections::open(&segment.vectors, segment.emails, model)?;
        let positions = segment.ordinals.positions().map_err(SemanticError::Missing)?;
        let fits = |last: Option<&u32>| last.is_none_or(|last| (*last as usize) < positions.len());
        if !fits(emails.last()) || !fits(foreign.last()) || !positions.is_sorted() {
            return Err(SemanticError::Sections("its emails are not those of its segment"));
        }
        Ok(Self { index, emails, foreign, positions, segment: Some(segment.id) })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let (walked, exact) = self.index.bytes();
        let numbers = (self.emails.len() + self.foreign.len()) * size_of::<u32>();
        walked + exact + numbers + self.positions.len() * size_of::<Position>()
    }

    /// The vectors that are nearest, the best first, with scores as codes tell them: of as many emails as were asked for, or as
    /// there are. `ef`: nodes that a walk keeps in sight, at the least.
    ///
    /// # Errors
    /// A query that is no vector of the model.
    pub fn nearest(
        &self,
        query: &[f32],
        (k, ef): (usize, usize),
        wanted: &Wanted,
        searcher: &mut Searcher,
    ) -> Result<Vec<Hit>, SemanticError> {
        // Some emails have several vectors, of which the nearest counts.
        let mut rows = k.saturating_add(k / 2).saturating_add(8);
        loop {
            let search = Search { k: rows, ef: ef.max(rows), only: wanted.rows.as_ref() };
            let hits = self.index.search_roughly(query, search, searcher)?;
            if hits.len() < rows {
                return Ok(hits);
            }
            let emails: HashSet<u32> =
                hits.iter().filter_map(|hit| self.emails.get(hit.row as usize)).copied().collect();
            if emails.len() >= k {
                return Ok(hits);
            }
            rows = rows.saturating_mul(2);
        }
    }

    /// The exact scores of some vectors, in their order.
    ///
    /// # Errors
    /// A query that is no vector of the model; values that cannot be read.
    pub fn exact(&self, query: &[f32], rows: &[u32]) -> Result<Vec<f32>, SemanticError> {
        Ok(self.index.scores(query, rows)?)
    }

    /// How near certain emails are, as codes tell it, as far as they are here and have vectors.
    ///
    /// # Errors
    /// A query that is no vector of the model.
    pub fn scores(&self, query: &[f32], these: &[Position]) -> Result<Vec<Near>, SemanticError> {
        let among = match self.segment {
            Some(_) => Only { these: Some(these.into()), ..Only::default() }.among(&self.positions),
            None => {
                let numbered = (0u32..).zip(self.positions.iter());
                let wanted = numbered.filter(|(_, position)| these.binary_search(position).is_ok());
                wanted.map(|(number, _)| number).collect()
            }
        };
        let mut rows: Vec<u32> = Vec::new();
        for email in among {
            let first = self.emails.partition_point(|other| *other < email);
            let last = self.emails.partition_point(|other| *other <= email);
            rows.extend((first..last).filter_map(|row| u32::try_from(row).ok()));
        }
        let mut near: Vec<Near> = Vec::new();
        for (row, score) in rows.iter().zip(self.index.scores_roughly(query, &rows)?) {
            let Some(one) = self.near(*row, score) else { continue };
            match near.last_mut().filter(|last| last.position == one.position) {
                Some(last) if last.score < one.score => *last = one,
                Some(_) => {}
                None => near.push(one),
            }
        }
        Ok(near)
    }

    /// The email of a vector, and which passage it is.
    pub fn near(&self, row: u32, score: f32) -> Option<Near> {
        let email = *self.emails.get(row as usize)?;
        let position = *self.positions.get(email as usize)?;
        let first = self.emails.partition_point(|other| *other < email);
        let passage = row.saturating_sub(u32::try_from(first).unwrap_or(u32::MAX));
        Some(Near { position, score, passage })
    }

    /// What of it is wanted.
    pub fn wanted(&self, only: &Only) -> Wanted {
        let foreign = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        if only.is_all() {
            return Wanted { rows: None, foreign: foreign(self.foreign.len()) };
        }
        let rows = u32::try_from(self.emails.len()).unwrap_or(u32::MAX);
        if let (Some(_), None) = (self.segment, &only.these) {
            let Range { start, end } = only.range(&self.positions);
            let inside = |numbers: &[u32]| {
                let first = numbers.partition_point(|number| *number < start);
                first..numbers.partition_point(|number| *number < end).max(first)
            };
            let Range { start: first, end: last } = inside(&self.emails);
            let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let rows = Filter::between(rows, number(first)..number(last));
            return Wanted { rows: Some(rows), foreign: foreign(inside(&self.foreign).len()) };
        }
        let named = self.segment.and_then(|segment| only.numbers(segment, &self.positions));
        // Emails of a memtable are in the order in which they came.
        let numbered = (0u32..).zip(self.positions.iter()).filter(|(_, position)| only.has(**position));
        let numbered: Vec<u32> = match &named {
            Some(_) => Vec::new(),
            None => numbered.map(|(number, _)| number).collect(),
        };
        let emails: &[u32] = named.as_deref().unwrap_or(&numbered);
        let mut filter = Filter::none(rows);
        let (mut at, mut unknown, mut without) = (0usize, 0usize, 0usize);
        // All three are ascending.
        let on = |list: &[u32], from: usize, email: u32| {
            from.saturating_add(sought(list.get(from..).unwrap_or(&[]), &email))
        };
        for email in emails {
            at = on(&self.emails, at, *email);
            while self.emails.get(at) == Some(email) {
                filter.add(u32::try_from(at).unwrap_or(u32::MAX));
                at = at.saturating_add(1);
            }
            unknown = on(&self.foreign, unknown, *email);
            without = without.saturating_add(usize::from(self.foreign.get(unknown) == Some(email)));
        }
        Wanted { rows: Some(filter), foreign: foreign(without) }
    }
}

/// What of a part is wanted.
pub struct Wanted {
    /// The vectors; `None`: all.
    rows: Option<Filter>,
    /// Emails that the model does not know.
    pub foreign: u64,
}

/// What an error met in a segment means for the answer.
pub fn missing(segment: Option<u64>, error: SemanticError) -> Missing {
    match error {
        SemanticError::Missing(missing) => missing,
        other => Missing { segment, section: "vectors".to_owned(), reason: other.to_string() },
    }
}
