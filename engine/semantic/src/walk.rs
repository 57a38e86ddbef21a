//! The nearest of several parts together: what codes say of all of them first, exact values of the best alone.
//!
//! What always holds: scores of bytes compare with exact ones and those of other parts, as all are about the same product; the
//! exact score is asked for of more than are wanted, as what codes put last may be the first; what has none that can be read
//! keeps its place, and that is told.

use crate::engine::{EF, EF_ELSEWHERE, Nearest, contained};
use crate::part::{Near, Part};
use postlode_store::{Missing, Only};
use postlode_vector::Searcher;
use std::cmp::Ordering;
use std::collections::HashSet;

/// Exact scores are asked for of so many emails more than are wanted: a quarter of these, and so many.
const MORE: usize = 8;

/// A vector that is near.
pub struct Rough {
    pub near: Near,
    row: u32,
    /// The part that it is in, among those that are open; `None` where its score is exact.
    part: Option<usize>,
}

impl Rough {
    /// The best first, the newest first among equals.
    pub fn order(a: &Self, b: &Self) -> Ordering {
        b.near.score.total_cmp(&a.near.score).then(b.near.position.cmp(&a.near.position))
    }
}

/// A search, and what it has found so far.
pub struct Walk<'w> {
    pub query: &'w [f32],
    /// Emails that are wanted.
    pub k: usize,
    /// The query is turned.
    pub turned: bool,
    pub only: &'w Only,
    pub found: Vec<Rough>,
    pub searcher: &'w mut Searcher,
    pub out: &'w mut Nearest,
}

impl Walk<'_> {
    /// Looks in a part. `number`: its own among those that are open.
    pub fn search(&mut self, part: &Part, number: Option<usize>) {
        let wanted = part.wanted(self.only);
        self.out.foreign = self.out.foreign.saturating_add(wanted.foreign);
        let ef = if self.turned == part.index.is_turned() { EF } else { EF_ELSEWHERE };
        let depth = (self.k, ef);
        match contained(part.segment, || part.nearest(self.query, depth, &wanted, self.searcher)) {
            Ok(hits) => {
                let mut emails = HashSet::new();
                for hit in hits {
                    let Some(near) = part.near(hit.row, hit.score) else { continue };
                    emails.insert(near.position);
                    let part = number.filter(|_| part.index.is_rough());
                    self.found.push(Rough { near, row: hit.row, part });
                }
                self.out.more |= emails.len() >= self.k;
            }
            Err(missing) => {
                // What a search left behind half done is of no use for the next.
                *self.searcher = Searcher::default();
                self.out.missing.push(missing);
            }
        }
    }

    /// Asks for the exact scores of what was found from a place on, all of it in one part.
    pub fn measure(&mut self, part: &Part, from: usize) {
        if !part.index.is_rough() {
            return;
        }
        let rows: Vec<u32> = self.found.iter().skip(from).map(|rough| rough.row).collect();
        match self.exact(part, &rows) {
            Ok(scores) => {
                for (rough, score) in self.found.iter_mut().skip(from).zip(scores) {
                    rough.near.score = score;
                }
            }
            Err(missing) => self.out.missing.push(missing),
        }
    }

    /// Asks for the exact scores of the best, which come first, and leaves these alone.
    pub fn measure_best(&mut self, parts: &[&Part]) {
        let most = self.k.saturating_add(self.k / 4).saturating_add(MORE);
        let mut emails = HashSet::new();
        let enough = self.found.iter().position(|rough| {
            emails.insert(rough.near.position);
            emails.len() > most
        });
        self.found.truncate(enough.unwrap_or(self.found.len()));
        for (number, part) in parts.iter().enumerate() {
            let of_part = |rough: &&mut Rough| rough.part == Some(number);
            let rows: Vec<u32> = self.found.iter_mut().filter(of_part).map(|rough| rough.row).collect();
            if rows.is_empty() {
                continue;
            }
            match self.exact(part, &rows) {
                Ok(scores) => {
                    for (rough, score) in self.found.iter_mut().filter(of_part).zip(scores) {
                        rough.near.score = score;
                    }
                }
                Err(missing) => self.out.missing.push(missing),
            }
        }
    }

    fn exact(&self, part: &Part, rows: &[u32]) -> Result<Vec<f32>, Missing> {
        contained(part.segment, || part.exact(self.query, rows))
    }
}
