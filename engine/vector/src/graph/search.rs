//! The walk: from near to nearer, with a number of nodes in sight.

use super::visited::Visited;
use super::{Graph, Level};
use crate::code::Codes;

/// A node and how near it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The inner product of what the codes stand for.
    pub score: f32,
    /// Its number.
    pub node: u32,
}

/// Set in the number of a node whose links were looked at.
const LOOKED_AT: u32 = 1 << 31;

/// What a walk needs, to be used again by the next.
#[derive(Default)]
pub struct Scratch {
    pub(super) visited: Visited,
    /// In sight, the best first.
    pub(super) pool: Vec<Candidate>,
    /// Seen for the first time, and not scored yet.
    pub(super) fresh: Vec<u32>,
    pub(super) scores: Vec<f32>,
    /// Near enough to come in sight.
    taken: Vec<Candidate>,
}

impl Scratch {
    /// What the last walk found, the best first.
    pub fn found(&self) -> &[Candidate] {
        &self.pool
    }

    /// Has some nodes in sight, and nothing else.
    pub(super) fn begin<C: Codes>(&mut self, codes: &C, query: &C::Query, nodes: Vec<u32>, ef: usize) {
        self.pool.clear();
        self.fresh = nodes;
        self.take_fresh(codes, query, ef);
    }

    /// Takes a node in sight if it is nearer than the last of `ef`; at which place.
    #[inline]
    pub(super) fn offer(&mut self, score: f32, node: u32, ef: usize) -> Option<usize> {
        if self.pool.len() >= ef && self.pool.last().is_none_or(|last| last.score >= score) {
            return None;
        }
        let at = self.pool.partition_point(|known| known.score >= score);
        self.pool.truncate(ef.saturating_sub(1));
        self.pool.insert(at, Candidate { score, node });
        Some(at)
    }

    /// Scores the fresh nodes, and takes in sight what is near; the first place that changed.
    pub(super) fn take_fresh<C: Codes>(&mut self, codes: &C, query: &C::Query, ef: usize) -> usize {
        let (fresh, mut scores) = (std::mem::take(&mut self.fresh), std::mem::take(&mut self.scores));
        scores.clear();
        codes.scores(query, &fresh, &mut scores);
        let bar =
            self.pool.last().filter(|_| self.pool.len() >= ef).map_or(f32::NEG_INFINITY, |last| last.score);
        let is_full = self.pool.len() >= ef;
        self.taken.clear();
        let scored = fresh.iter().zip(&scores).filter(|(_, score)| !is_full || **score > bar);
        self.taken.extend(scored.map(|(node, score)| Candidate { score: *score, node: *node }));
        (self.fresh, self.scores) = (fresh, scores);
        self.take_in(ef)
    }

    /// Puts what is near enough in its places, as if one after the other had been offered; the first of these. What is in sight
    /// is moved once, and not for each.
    fn take_in(&mut self, ef: usize) -> usize {
        // The best first, of equal ones who came first.
        self.taken.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut end = self.pool.len();
        let mut first = usize::MAX;
        let nothing = Candidate { score: f32::NEG_INFINITY, node: 0 };
        self.pool.resize(end.saturating_add(self.taken.len()), nothing);
        for (behind, taken) in self.taken.iter().enumerate().rev() {
            let known = self.pool.get(..end).unwrap_or(&[]);
            let at = known.partition_point(|known| known.score >= taken.score);
            let to = at.saturating_add(behind);
            self.pool.copy_within(at..end, to.saturating_add(1));
            if let Some(place) = self.pool.get_mut(to) {
                *place = *taken;
            }
            (end, first) = (at, to);
        }
        self.pool.truncate(ef);
        if first < ef { first } else { usize::MAX }
    }
}

/// Walks one level from what is in sight until nothing in sight has links that were not looked at.
pub(super) fn walk<C: Codes>(level: &Level, codes: &C, query: &C::Query, ef: usize, scratch: &mut Scratch) {
    let ef = ef.max(1);
    scratch.visited.clear(level.nodes);
    for candidate in &mut scratch.pool {
        candidate.node &= !LOOKED_AT;
        scratch.visited.insert(candidate.node);
    }
    scratch.pool.truncate(ef);
    let mut at = 0;
    while let Some(candidate) = scratch.pool.get_mut(at) {
        if candidate.node & LOOKED_AT != 0 {
            at += 1;
            continue;
        }
        let node = candidate.node;
        candidate.node |= LOOKED_AT;
        if let Some(next) = scratch.pool.get(at + 1) {
            level.fetch(next.node & !LOOKED_AT);
        }
        scratch.fresh.clear();
        for link in level.links(node) {
            if scratch.visited.insert(link) {
                scratch.fresh.push(link);
            }
        }
        let first = scratch.take_fresh(codes, query, ef);
        at = first.min(at + 1);
    }
    scratch.pool.iter_mut().for_each(|candidate| candidate.node &= !LOOKED_AT);
}

/// Comes down to `bottom` from the top, with the nearest of each level: leaves what it found there in sight.
pub(super) fn descend<C: Codes>(
    levels: &[Level],
    codes: &C,
    query: &C::Query,
    bottom: usize,
    scratch: &mut Scratch,
) {
    scratch.pool.clear();
    scratch.fresh.clear();
    scratch.fresh.push(0);
    scratch.take_fresh(codes, query, 1);
    for level in levels.iter().skip(bottom.saturating_add(1)).rev() {
        walk(level, codes, query, 1, scratch);
    }
}

pub(super) fn nearest<C: Codes>(
    graph: &Graph,
    codes: &C,
    query: &C::Query,
    ef: usize,
    scratch: &mut Scratch,
) {
    let Some(bottom) = graph.levels.first().filter(|level| level.nodes > 0) else {
        scratch.pool.clear();
        return;
    };
    descend(&graph.levels, codes, query, 0, scratch);
    // What paths lead to was found out from node 0.
    if scratch.pool.iter().all(|candidate| candidate.node != 0) {
        scratch.fresh.clear();
        scratch.fresh.push(0);
        scratch.take_fresh(codes, query, 2);
    }
    walk(bottom, codes, query, ef, scratch);
    if !graph.strays.is_empty() {
        scratch.fresh.clear();
        for stray in &graph.strays {
            // A walk may have begun at one.
            if scratch.visited.insert(*stray) {
                scratch.fresh.push(*stray);
            }
        }
        scratch.take_fresh(codes, query, ef.max(1));
    }
}
