//! Ranked lists: what a search by relevance goes through page by page.
//!
//! What always holds: a list is in its final order and is never changed; all lists together stay within a budget,
//! and the oldest unused go first. Whoever comes with a cursor for one that is gone is told so.

use postlode_format::index::Position;
use postlode_store::{Missing, in_parts};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

/// Bytes of all lists together.
const BUDGET: u64 = 64 << 20;
/// About how many lists that is.
const LISTS: usize = 256;
/// Hits that tell one list from another.
const BEGINNING: usize = 64;

/// One email of a ranked list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its score.
    pub score: f32,
    /// Its place among those of the same score.
    pub position: Position,
    /// The passage of it that is nearest in meaning; [`NO_PASSAGE`] where none was looked for or found.
    pub passage: u32,
}

/// No passage.
pub const NO_PASSAGE: u32 = u32::MAX;

impl Ranked {
    /// Best first, newest first among equals.
    pub fn order(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(other.position.cmp(&self.position))
    }
}

/// A ranked list.
pub type List = Arc<Ranking>;

/// Hits in their order.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    /// The hits.
    pub hits: Vec<Ranked>,
    /// There may be more, where more are looked for.
    pub more: bool,
    /// How many there are, where that is known and not all are here.
    pub total: Option<u64>,
    /// What hits by meaning are compared with.
    pub vector: Option<Arc<[f32]>>,
    /// What the search lacked that it is of: each page lacks it too.
    pub reasons: Vec<String>,
    /// What it could not read.
    pub missing: Vec<Missing>,
}

impl Ranking {
    /// What tells it from others.
    #[must_use]
    pub fn beginning(&self) -> &[Ranked] {
        self.hits.get(..BEGINNING).unwrap_or(&self.hits)
    }

    /// What tells it from other lists of the same query: a hash of its beginning. Scores are of all mail together, so two
    /// lists of which one was made before a deletion was swept away differ from the first hit on.
    #[must_use]
    pub fn identity(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"postlode list 1\0");
        for hit in self.beginning() {
            hasher.update(&hit.score.to_bits().to_le_bytes());
            hasher.update(&hit.position.to_bytes());
        }
        hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// The same list, and behind it what a deeper search found more. Approximate searches of two depths may disagree about
    /// what is near: what has its place keeps it, and what comes late has no better score than what is there.
    #[must_use]
    pub fn and_then(&self, deeper: &Self) -> Self {
        let known: HashSet<Position> = self.hits.iter().map(|hit| hit.position).collect();
        let mut most = self.hits.last().map_or(f32::INFINITY, |last| last.score.next_down());
        let mut more: Vec<Ranked> =
            deeper.hits.iter().filter(|hit| !known.contains(&hit.position)).copied().collect();
        // In their own order first: what is too good for its place would be in none otherwise.
        more.sort_unstable_by(Ranked::order);
        for hit in &mut more {
            if hit.score > most {
                hit.score = most;
                most = most.next_down();
            }
        }
        more.sort_unstable_by(Ranked::order);
        let hits = self.hits.iter().copied().chain(more).collect();
        Self { hits, ..deeper.clone() }
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<(u64, u64), List> for Bytes {
    fn weight(&self, _: &(u64, u64), list: &List) -> u64 {
        let values = list.vector.as_ref().map_or(0, |vector| vector.len());
        let bytes = list.hits.len().saturating_mul(size_of::<Ranked>());
        bytes.saturating_add(values.saturating_mul(4)).saturating_add(128) as u64
    }
}

/// Keeps lists by the hash of the query, and of what else they are of: see [`Ranking::identity`].
pub struct RankedCache {
    lists: Cache<(u64, u64), List, Bytes>,
}

impl RankedCache {
    pub fn new() -> Self {
        Self { lists: in_parts(LISTS, BUDGET, 2, Bytes) }
    }

    pub fn get(&self, query: u64, of: u64) -> Option<List> {
        self.lists.get(&(query, of))
    }

    /// Keeps a list, unless a longer one is there, or all of it: that one has the same beginning.
    pub fn keep(&self, query: u64, of: u64, list: List) {
        let is_more = |kept: List| match kept.more == list.more {
            true => kept.hits.len() < list.hits.len(),
            false => kept.more,
        };
        if self.get(query, of).is_none_or(is_more) {
            self.lists.insert((query, of), list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(score: f32, n: u8) -> Ranked {
        Ranked { score, position: Position { date: 0, id: [n; 16] }, passage: 0 }
    }

    fn list(hits: &[(f32, u8)]) -> Ranking {
        Ranking { hits: hits.iter().map(|(score, n)| hit(*score, *n)).collect(), ..Ranking::default() }
    }

    /// A deeper walk may find what a shallow one passed by. Pages were cut by score alone once: an email that came to light
    /// above the last one shown was on no page.
    #[test]
    fn what_a_deeper_search_finds_comes_behind_what_was_shown() {
        let shown = list(&[(0.9, 1), (0.7, 2), (0.5, 3)]);
        let both = shown.and_then(&list(&[(0.9, 1), (0.8, 4), (0.6, 2), (0.5, 3), (0.4, 5)]));
        let order: Vec<u8> = both.hits.iter().map(|hit| hit.position.id[0]).collect();
        assert_eq!(order, [1, 2, 3, 4, 5]);
        assert!(both.hits.is_sorted_by(|a, b| a.order(b) == Ordering::Less), "{:?}", both.hits);
        // Several that are better than where they come keep their order, the oldest first here.
        let both = shown.and_then(&list(&[(0.9, 1), (0.86, 6), (0.85, 7), (0.84, 8), (0.4, 9)]));
        let order: Vec<u8> = both.hits.iter().map(|hit| hit.position.id[0]).collect();
        assert_eq!(order, [1, 2, 3, 6, 7, 8, 9]);
        // Equal scores: behind the last, whichever is newer.
        let both = list(&[(0.5, 1)]).and_then(&list(&[(0.5, 9), (0.5, 1)]));
        assert_eq!(both.hits[0], hit(0.5, 1));
        assert!(both.hits[1].score < 0.5);
    }

    #[test]
    fn a_longer_list_is_kept() {
        let cache = RankedCache::new();
        cache.keep(1, 1, Arc::new(list(&[(0.9, 1), (0.7, 2)])));
        cache.keep(1, 1, Arc::new(list(&[(0.9, 1)])));
        assert_eq!(cache.get(1, 1).map(|list| list.hits.len()), Some(2));
        cache.keep(1, 1, Arc::new(Ranking { more: true, ..list(&[(0.9, 1), (0.7, 2), (0.5, 3)]) }));
        assert_eq!(cache.get(1, 1).map(|list| list.hits.len()), Some(2), "all of it is there");
    }
}
