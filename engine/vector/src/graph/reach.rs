//! Whether a path leads to each node, and what is done where none does.

use super::Graph;
use super::search::{Scratch, nearest};
use super::visited::Visited;
use crate::code::Codes;

/// Times that links are added for nodes without a path. A link that makes room for another may be the only one to its node.
const ROUNDS: usize = 4;
/// Nodes near a stray that are asked for a link.
const NEAR: usize = 32;

/// Nodes of the bottom that no path from node 0 leads to.
pub fn unreached(graph: &Graph) -> Vec<u32> {
    let Some(bottom) = graph.levels.first() else { return Vec::new() };
    let mut seen = Visited::default();
    seen.clear(bottom.nodes);
    let mut to_do = Vec::new();
    if bottom.nodes > 0 {
        seen.insert(0);
        to_do.push(0);
    }
    while let Some(node) = to_do.pop() {
        to_do.extend(bottom.links(node).filter(|link| seen.insert(*link)));
    }
    (0..bottom.nodes).filter(|node| seen.insert(*node)).collect()
}

/// Gives nodes without a path a link from a node near them. What still has none is a stray.
pub fn repair<C: Codes>(graph: &mut Graph, codes: &C) {
    let mut scratch = Scratch::default();
    graph.strays = unreached(graph);
    for _ in 0..ROUNDS {
        if graph.strays.is_empty() {
            return;
        }
        for stray in std::mem::take(&mut graph.strays) {
            nearest(graph, codes, &codes.query_of(stray), NEAR, &mut scratch);
            link_to(graph, stray, &scratch);
        }
        graph.strays = unreached(graph);
    }
}

/// The nearest node with room links to it; where none has room, the nearest gives up its last link, which is to the one
/// farthest from it.
fn link_to(graph: &mut Graph, stray: u32, scratch: &Scratch) {
    let Some(bottom) = graph.levels.first_mut() else { return };
    let leads = |node: u32| bottom.links(node).any(|link| link == stray);
    let near = || scratch.found().iter().map(|c| c.node).filter(|node| *node != stray && !leads(*node));
    let room = near().find(|node| bottom.links(*node).count() < bottom.width);
    let Some(node) = room.or_else(|| near().next()) else { return };
    if let Some(row) = bottom.row_mut(node) {
        let free = row.iter().position(|link| *link == super::NONE).unwrap_or(row.len().saturating_sub(1));
        if let Some(slot) = row.get_mut(free) {
            *slot = stray;
        }
    }
}
