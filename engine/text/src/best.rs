//! The best of all that match, without a list of all.
//!
//! What always holds: these are the first of the list of all matches, best first and the newest first among equals; the count
//! is of all that are wanted, each email once.

use crate::docs::Docs;
use crate::engine::{Match, TextView, rounded};
use crate::find::{Among, Finder, Within};
use crate::query::TextQuery;
use crate::segment::Part;
use postlode_format::index::Position;
use postlode_store::{Missing, Only, sought};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Tells which are gone.
pub type Gone<'w> = &'w (dyn Fn(&Position) -> bool + Sync);

/// Which matches are wanted.
pub struct Wanted<'w> {
    /// Of these emails.
    pub only: &'w Only,
    /// Without those that are gone, where there are any.
    pub gone: Option<Gone<'w>>,
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

/// What has all of some words, or any of them.
pub struct Both<'q> {
    /// What has all: a query whose every match is a match of `any`.
    pub all: &'q TextQuery,
    /// What has any, and how all are scored.
    pub any: &'q TextQuery,
    /// How many of the best that have any are wanted.
    pub few: usize,
    /// Emails of which it is wanted whatever their score is, ascending.
    pub these: &'q [Position],
}

/// What came of [`Both`].
#[derive(Debug, Clone, Default)]
pub struct Sorted {
    /// Those that have all words.
    pub all: Best,
    /// The best that have any.
    pub any: Vec<Match>,
    /// Those of certain emails that have any; which of them have all.
    pub these: HashMap<Position, (f32, bool)>,
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
    fn new(most: usize) -> Self {
        Self { best: Vec::new(), most, floor: f32::NEG_INFINITY }
    }

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

    fn sorted(mut self) -> Vec<Match> {
        self.cut();
        self.best.sort_unstable_by(order);
        self.best
    }
}

/// Tells what is wanted of the matches of one index after the other.
struct Sieve<'v> {
    view: &'v TextView,
    wanted: &'v Wanted<'v>,
    /// Emails that may come again: those of memtables, and those that several segments have.
    seen: HashSet<Position>,
    doubles: Option<&'v [Position]>,
}

impl<'v> Sieve<'v> {
    fn new(view: &'v TextView, wanted: &'v Wanted<'v>) -> Self {
        Self { view, wanted, seen: HashSet::new(), doubles: None }
    }

    /// The place of a match, where it is wanted.
    fn place(&mut self, part: &Part, doc: u32) -> Option<Position> {
        let position = part.positions.get(doc as usize).copied()?;
        let again = if part.segment.is_some() {
            let doubles = *self.doubles.get_or_insert_with(|| self.view.doubles());
            let double = !doubles.is_empty() && doubles.binary_search(&position).is_ok();
            if double { !self.seen.insert(position) } else { self.seen.contains(&position) }
        } else {
            // Emails of memtables are in no order.
            if !self.wanted.only.has(position) {
                return None;
            }
            !self.seen.insert(position)
        };
        let gone = self.wanted.gone.is_some_and(|gone| gone(&position));
        (!again && !gone).then_some(position)
    }
}

/// What of an index is looked at.
fn inside(part: &Part, only: &Only) -> Among {
    let Some(segment) = part.segment else { return Among::All };
    match only.numbers(segment, &part.positions) {
        Some(numbers) => Among::These(Arc::new(numbers.iter().map(|doc| (*doc, 0.0)).collect())),
        None if only.is_all() => Among::All,
        None => Among::Range(only.range(&part.positions)),
    }
}

impl TextView {
    /// The best of all emails that match.
    #[must_use]
    pub fn best(&self, query: &TextQuery, wanted: &Wanted<'_>) -> Best {
        let mut top = Top::new(wanted.most);
        let mut total = 0u64;
        let mut sieve = Sieve::new(self, wanted);
        let look = |finder: &mut Finder<'_>, within: Within<'_>| {
            finder.among = inside(within.part, wanted.only);
            finder.find(within, query)
        };
        let missing = self.each(true, look, |part, docs: Arc<Docs>| {
            for (doc, score) in docs.iter() {
                if let Some(position) = sieve.place(part, doc) {
                    total = total.saturating_add(1);
                    top.offer(Match { position, score: rounded(score) });
                }
            }
        });
        Best { best: top.sorted(), total, missing }
    }

    /// The best of all that have all of some words, and of those that have any.
    #[must_use]
    pub fn both(&self, query: &Both<'_>, wanted: &Wanted<'_>) -> Sorted {
        let (mut all, mut any) = (Top::new(wanted.most), Top::new(query.few));
        let mut total = 0u64;
        let mut these = HashMap::new();
        let mut sieve = Sieve::new(self, wanted);
        let look = |finder: &mut Finder<'_>, within: Within<'_>| {
            finder.among = inside(within.part, wanted.only);
            let any = finder.find(within, query.any)?;
            Ok((finder.find(within, query.all)?, any))
        };
        let missing = self.each(true, look, |part, (of_all, of_any): (Arc<Docs>, Arc<Docs>)| {
            let mut with_all = of_all.iter().map(|(doc, _)| doc).peekable();
            for (doc, score) in of_any.iter() {
                while with_all.next_if(|other| *other < doc).is_some() {}
                let has_all = with_all.next_if_eq(&doc).is_some();
                let Some(position) = sieve.place(part, doc) else { continue };
                let one = Match { position, score: rounded(score) };
                any.offer(one);
                if has_all {
                    total = total.saturating_add(1);
                    all.offer(one);
                }
            }
            let mut note = |position: Position, doc: u32, score: f64| {
                these.entry(position).or_insert((rounded(score), of_all.score(doc).is_some()));
            };
            if part.segment.is_none() {
                for (doc, score) in of_any.iter() {
                    let position = part.positions.get(doc as usize).copied();
                    let asked = position.filter(|position| query.these.binary_search(position).is_ok());
                    asked.into_iter().for_each(|position| note(position, doc, score));
                }
                return;
            }
            let mut at = 0usize;
            for position in query.these {
                // Both are ascending.
                at = at.saturating_add(sought(part.positions.get(at..).unwrap_or(&[]), position));
                let here = part.positions.get(at) == Some(position);
                let Some(doc) = u32::try_from(at).ok().filter(|_| here) else { continue };
                of_any.score(doc).into_iter().for_each(|score| note(*position, doc, score));
            }
        });
        let all = Best { best: all.sorted(), total, missing };
        Sorted { all, any: any.sorted(), these }
    }
}
