//! Vectors that are searched together: those of a sealed segment, or of a batch of a memtable.

use crate::error::SemanticError;
use crate::only::Only;
use crate::sections::Sections;
use postlode_embed::Model;
use postlode_format::index::Position;
use postlode_store::{Missing, SegmentText};
use postlode_vector::{Filter, Index, Search, Searcher};
use std::collections::HashSet;
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

    /// The nearest emails, the best first: as many as were asked for, or as there are. `ef`: nodes that a walk keeps in sight, at
    /// the least.
    ///
    /// # Errors
    /// A query that is no vector of the model.
    pub fn nearest(
        &self,
        query: &[f32],
        (k, ef): (usize, usize),
        only: &Only,
        searcher: &mut Searcher,
    ) -> Result<Vec<Near>, SemanticError> {
        let filter = self.filter(only);
        // Some emails have several vectors, of which the nearest counts.
        let mut rows = k.saturating_add(k / 2).saturating_add(8);
        loop {
            let search = Search { k: rows, ef: ef.max(rows), only: filter.as_ref() };
            let hits = self.index.search(query, search, searcher)?;
            let mut seen = HashSet::new();
            let first = |hit: &postlode_vector::Hit| {
                seen.insert(*self.emails.get(hit.row as usize)?).then_some(())?;
                self.near(hit.row, hit.score)
            };
            let near: Vec<Near> = hits.iter().filter_map(first).take(k).collect();
            if near.len() >= k || hits.len() < rows {
                return Ok(near);
            }
            rows = rows.saturating_mul(2);
        }
    }

    /// How near certain emails are, as far as they are here and have vectors.
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
        for (row, score) in rows.iter().zip(self.index.scores(query, &rows)?) {
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
    fn near(&self, row: u32, score: f32) -> Option<Near> {
        let email = *self.emails.get(row as usize)?;
        let position = *self.positions.get(email as usize)?;
        let first = self.emails.partition_point(|other| *other < email);
        let passage = row.saturating_sub(u32::try_from(first).unwrap_or(u32::MAX));
        Some(Near { position, score, passage })
    }

    /// The vectors of the emails that are wanted; `None`: all.
    fn filter(&self, only: &Only) -> Option<Filter> {
        if only.is_all() {
            return None;
        }
        let mut filter = Filter::none(u32::try_from(self.emails.len()).unwrap_or(u32::MAX));
        let mut from = 0;
        for email in self.wanted(only) {
            let rest = self.emails.get(from..).unwrap_or(&[]);
            from += rest.partition_point(|other| *other < email);
            while self.emails.get(from) == Some(&email) {
                filter.add(u32::try_from(from).unwrap_or(u32::MAX));
                from += 1;
            }
        }
        Some(filter)
    }

    fn wanted(&self, only: &Only) -> Vec<u32> {
        match self.segment {
            Some(_) => only.among(&self.positions),
            // Emails of a memtable are in the order in which they came.
            None => {
                let numbered = (0u32..).zip(self.positions.iter());
                numbered.filter(|(_, position)| only.has(**position)).map(|(number, _)| number).collect()
            }
        }
    }

    /// How many of the emails that are wanted the model does not know.
    pub fn foreign(&self, only: &Only) -> u64 {
        let position = |email: &&u32| self.positions.get(**email as usize).is_some_and(|at| only.has(*at));
        match only.is_all() {
            true => self.foreign.len() as u64,
            false => self.foreign.iter().filter(position).count() as u64,
        }
    }
}

/// What an error met in a segment means for the answer.
pub fn missing(segment: Option<u64>, error: SemanticError) -> Missing {
    match error {
        SemanticError::Missing(missing) => missing,
        other => Missing { segment, section: "vectors".to_owned(), reason: other.to_string() },
    }
}
