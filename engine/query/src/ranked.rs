//! Ranked lists: what a search by relevance goes through page by page.
//!
//! What always holds: a list is in its final order and is never changed; all lists together stay within a budget,
//! and the oldest unused go first. Whoever comes with a cursor for one that is gone is told so.

use postlode_format::index::Position;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::cmp::Ordering;
use std::sync::Arc;

/// Bytes of all lists together.
const BUDGET: u64 = 64 << 20;
/// About how many lists that is.
const LISTS: usize = 256;

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
    /// All of them match, deleted ones apart.
    pub covered: bool,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<(u64, u64), List> for Bytes {
    fn weight(&self, _: &(u64, u64), list: &List) -> u64 {
        (list.hits.len().saturating_mul(size_of::<Ranked>()) as u64).saturating_add(128)
    }
}

/// Keeps lists by the hash of the query and the generation of the store.
pub struct RankedCache {
    lists: Cache<(u64, u64), List, Bytes>,
}

impl RankedCache {
    pub fn new() -> Self {
        Self { lists: Cache::with_weighter(LISTS, BUDGET, Bytes) }
    }

    pub fn get(&self, query: u64, generation: u64) -> Option<List> {
        self.lists.get(&(query, generation))
    }

    pub fn keep(&self, query: u64, generation: u64, list: List) {
        self.lists.insert((query, generation), list);
    }
}
