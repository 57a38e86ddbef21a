//! The walk for wanted nodes: through all nodes, but only wanted ones are kept.
//!
//! What is not wanted is scored, because it leads to what is, but is never returned and takes no place among the `ef`
//! that are kept. Where few nodes around the query are wanted, a walk would see more nodes than are wanted at all; that
//! shows after its first steps, and then it is given up. (Expanding what is not wanted instead of scoring it, as ACORN
//! does, was measured to be slower for the same recall: 230 us against 92 us where half are wanted, 764 us against 579 us
//! where a tenth in one place are; 200,000 vectors of 384 values.)

use super::search::{Scratch, descend};
use super::{Graph, Level};
use crate::code::Codes;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Scores of a scan, which comes upon them in the order of memory, that cost as much as what a walk does for each node
/// that it keeps.
const SCORED_PER_KEPT: f64 = 40.0;
/// Nodes scored before a walk is judged for the first time; then at each doubling.
const FIRST_LOOK: usize = 256;

/// How far a walk may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Wanted nodes that are kept.
    pub ef: usize,
    /// Nodes that may be scored: as many as are wanted, since to score all of those would do.
    pub scored: usize,
}

impl Limits {
    /// Is a walk worth it, when such a part of the nodes that it scores is wanted?
    #[must_use]
    pub fn allow(self, wanted: usize, of: usize) -> bool {
        SCORED_PER_KEPT * self.ef as f64 * of as f64 <= self.scored as f64 * wanted as f64
    }
}

/// A node to be looked at, the nearest first.
struct Ahead {
    score: f32,
    node: u32,
}

impl Ord for Ahead {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.node.cmp(&self.node))
    }
}

impl PartialOrd for Ahead {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ahead {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ahead {}

/// Leaves the nearest wanted nodes in sight; false where it was given up.
pub(super) fn nearest<C: Codes>(
    graph: &Graph,
    codes: &C,
    query: &C::Query,
    limits: Limits,
    wanted: &dyn Fn(u32) -> bool,
    scratch: &mut Scratch,
) -> bool {
    let limits = Limits { ef: limits.ef.max(1), ..limits };
    let Some(bottom) = graph.levels.first().filter(|level| level.nodes > 0) else {
        scratch.pool.clear();
        return true;
    };
    descend(&graph.levels, codes, query, 0, scratch);
    let entries: Vec<u32> = scratch.pool.drain(..).map(|candidate| candidate.node).collect();
    scratch.visited.clear(bottom.nodes);
    scratch.fresh.clear();
    for entry in entries.iter().chain(&[0]).chain(&graph.strays) {
        if scratch.visited.insert(*entry) {
            scratch.fresh.push(*entry);
        }
    }
    let mut ahead = BinaryHeap::new();
    let (mut scored, mut met, mut look) = (0, 0, FIRST_LOOK);
    loop {
        scored += scratch.fresh.len();
        met += take_fresh(codes, query, limits.ef, wanted, &mut ahead, scratch);
        if scored >= look {
            if !limits.allow(met, scored) {
                return false;
            }
            look = look.saturating_mul(2);
        }
        let Some(Ahead { score, node }) = ahead.pop() else { return true };
        if score < bar(limits.ef, scratch) {
            return true;
        }
        ahead.peek().into_iter().for_each(|next: &Ahead| bottom.fetch(next.node));
        step(bottom, node, scratch);
    }
}

/// What a node must have to be of use.
fn bar(ef: usize, scratch: &Scratch) -> f32 {
    let last = scratch.pool.last().filter(|_| scratch.pool.len() >= ef);
    last.map_or(f32::NEG_INFINITY, |last| last.score)
}

/// The fresh nodes are those that a node links to.
fn step(level: &Level, node: u32, scratch: &mut Scratch) {
    scratch.fresh.clear();
    for link in level.links(node) {
        if scratch.visited.insert(link) {
            scratch.fresh.push(link);
        }
    }
}

/// Scores the fresh nodes; those near enough will be looked at, and are kept if they are wanted. How many of all are.
fn take_fresh<C: Codes>(
    codes: &C,
    query: &C::Query,
    ef: usize,
    wanted: &dyn Fn(u32) -> bool,
    ahead: &mut BinaryHeap<Ahead>,
    scratch: &mut Scratch,
) -> usize {
    let (fresh, mut scores) = (std::mem::take(&mut scratch.fresh), std::mem::take(&mut scratch.scores));
    scores.clear();
    codes.scores(query, &fresh, &mut scores);
    let mut met = 0;
    for (node, score) in fresh.iter().zip(&scores) {
        let is_wanted = wanted(*node);
        met += usize::from(is_wanted);
        if *score >= bar(ef, scratch) {
            ahead.push(Ahead { score: *score, node: *node });
            if is_wanted {
                scratch.offer(*score, *node, ef);
            }
        }
    }
    (scratch.fresh, scratch.scores) = (fresh, scores);
    met
}
