//! Whether a path leads to each node, and what is done where none does.

use super::search::{Scratch, nearest, walk};
use super::visited::Visited;
use super::{Graph, Level};
use crate::code::Codes;

/// Times that links are added for nodes without a path. A link that makes room for another may be the only one to its node.
const ROUNDS: usize = 4;
/// Nodes near a stray that are asked for a link.
const NEAR: usize = 32;

/// What paths from node 0 lead to at the bottom.
struct Reached {
    seen: Visited,
}

impl Reached {
    fn of(bottom: &Level) -> Self {
        let mut own = Self { seen: Visited::default() };
        own.seen.clear(bottom.nodes);
        if bottom.nodes > 0 {
            own.add(bottom, 0);
        }
        own
    }

    /// A node, and all that it leads to.
    fn add(&mut self, bottom: &Level, node: u32) {
        let mut to_do = vec![node];
        self.seen.insert(node);
        while let Some(node) = to_do.pop() {
            to_do.extend(bottom.links(node).filter(|link| self.seen.insert(*link)));
        }
    }
}

/// Nodes of the bottom that no path from node 0 leads to.
pub fn unreached(graph: &Graph) -> Vec<u32> {
    let Some(bottom) = graph.levels.first() else { return Vec::new() };
    let reached = Reached::of(bottom);
    (0..bottom.nodes).filter(|node| !reached.seen.has(*node)).collect()
}

/// Gives nodes without a path a link from a node near them that has one. What still has none is a stray.
pub fn repair<C: Codes>(graph: &mut Graph, codes: &C) {
    let mut scratch = Scratch::default();
    graph.strays.clear();
    for _ in 0..ROUNDS {
        let strays = unreached(graph);
        let Some(bottom) = graph.levels.first().filter(|_| !strays.is_empty()) else { return };
        let mut reached = Reached::of(bottom);
        for stray in strays {
            // One before it may lead to it.
            if !reached.seen.has(stray) {
                link_to(graph, codes, stray, &mut reached, &mut scratch);
            }
        }
    }
    graph.strays = unreached(graph);
}

/// The nearest node with a path and with room links to it; where none has room, the nearest gives up its last link.
fn link_to<C: Codes>(graph: &mut Graph, codes: &C, stray: u32, reached: &mut Reached, scratch: &mut Scratch) {
    let query = codes.query_of(stray);
    nearest(graph, codes, &query, NEAR, scratch);
    let Some(bottom) = graph.levels.first() else { return };
    if !scratch.found().iter().any(|candidate| reached.seen.has(candidate.node)) {
        // The walk began where no path leads to, and stayed there.
        scratch.begin(codes, &query, vec![0], NEAR);
        walk(bottom, codes, &query, NEAR, scratch);
    }
    let near =
        || scratch.found().iter().map(|candidate| candidate.node).filter(|node| reached.seen.has(*node));
    let room = near().find(|node| bottom.links(*node).count() < bottom.width);
    let Some(node) = room.or_else(|| near().next()) else { return };
    let Some(bottom) = graph.levels.first_mut() else { return };
    if let Some(row) = bottom.row_mut(node) {
        let free = row.iter().position(|link| *link == super::NONE).unwrap_or(row.len().saturating_sub(1));
        if let Some(slot) = row.get_mut(free) {
            *slot = stray;
        }
    }
    reached.add(bottom, stray);
}
