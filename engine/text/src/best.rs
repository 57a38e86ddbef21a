//! The best of all that match, without a list of all.
//!
//! What always holds: these are the first of the list of all matches, best first and the newest first among equals; the count
//! is of all that are wanted, each email once.

use crate::docs::Docs;
use crate::engine::{Match, TextView, rounded};
use crate::query::TextQuery;
use crate::segment::Part;
use postlode_format::index::Position;
use postlode_store::Missing;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

/// Which matches are wanted.
pub struct Wanted<'w> {
    /// The first and last place in the order of dates.
    pub between: (Position, Position),
    /// Those that are gone, where there are any.
    pub gone: Option<&'w (dyn Fn(&Position) -> bool + Sync)>,
    /// How many.
    pub most: usize,
}

/// The best matches.
#[derive(Debug, Clone, Default)]
pub struct Best {
    /// As many as were wanted, the best first.
    pub best: Vec<Match>,
    /// How many match.
    pub total: u64,
    /// What could not be searched.
    pub missing: Vec<Missing>,
}

/// The best first, the newest first among equals.
fn order(a: &Match, b: &Match) -> Ordering {
    b.score.total_cmp(&a.score).then(b.position.cmp(&a.position))
}

/// Keeps the best of what it is offered.
struct Top {
    best: Vec<Match>,
    most: usize,
    /// What is not better than this is not among them.
    floor: f32,
}

impl Top {
    fn offer(&mut self, one: Match) {
        if one.score < self.floor {
            return;
        }
        self.best.push(one);
        if self.best.len() >= self.most.saturating_mul(2).max(64) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.best.len() > self.most {
            self.best.select_nth_unstable_by(self.most, order);
            self.best.truncate(self.most);
            self.floor = self.best.iter().map(|one| one.score).fold(f32::INFINITY, f32::min);
        }
    }
}

impl TextView {
    /// The best of all emails that match.
    #[must_use]
    pub fn best(&self, query: &TextQuery, wanted: &Wanted<'_>) -> Best {
        let mut top = Top { best: Vec::new(), most: wanted.most, floor: f32::NEG_INFINITY };
        let mut total = 0u64;
        // Emails that may come again: those of memtables, and those that several segments have.
        let mut seen: HashSet<Position> = HashSet::new();
        let mut doubles: Option<&[Position]> = None;
        let (low, high) = wanted.between;
        let missing = self.find(query, true, |part: &Part, docs: Arc<Docs>| {
            let is_sealed = part.segment.is_some();
            let (from, to) = match is_sealed {
                true => (
                    part.positions.partition_point(|position| *position < low),
                    part.positions.partition_point(|position| *position <= high),
                ),
                false => (0, part.positions.len()),
            };
            let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            for (doc, score) in docs.between(number(from), number(to)) {
                let Some(position) = part.positions.get(doc as usize).copied() else { continue };
                let again = match is_sealed {
                    true => {
                        let doubles = *doubles.get_or_insert_with(|| self.doubles());
                        let double = !doubles.is_empty() && doubles.binary_search(&position).is_ok();
                        if double { !seen.insert(position) } else { seen.contains(&position) }
                    }
                    false => !seen.insert(position),
                };
                let outside = position < low || high < position;
                if again || outside || wanted.gone.is_some_and(|gone| gone(&position)) {
                    continue;
                }
                total = total.saturating_add(1);
                top.offer(Match { position, score: rounded(score) });
            }
        });
        top.cut();
        let mut best = top.best;
        best.sort_unstable_by(order);
        Best { best, total, missing }
    }
}
