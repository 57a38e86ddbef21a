//! HNSW: a graph of near vectors in levels, each a sixteenth of the one below (Malkov and Yashunin, 2016).
//!
//! What always holds: the nodes of a level are the first of all, so that a node has one number in all levels, and node 0
//! is in each; a link leads to a node of its level and never to itself; a row of links has no link twice, and ends at the
//! first [`NONE`]; what no path from node 0 leads to is among the strays.

mod build;
mod filtered;
mod merge;
mod reach;
mod search;
mod visited;

pub use filtered::Limits;
pub use merge::{Part, Plan};
pub use search::{Candidate, Scratch};

use crate::code::Codes;
use crate::error::VectorError;
use crate::memory::{Array, prefetch};
use crate::threads::Parallel;

/// Nodes of one graph: a bit of their number is for the search.
pub const MOST_NODES: u64 = (1 << 31) - 1;
/// No link.
pub const NONE: u32 = u32::MAX;

/// How a graph is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphOptions {
    /// Links of a node in the upper levels; twice as many at the bottom.
    pub m: usize,
    /// Nodes that are kept in sight while the nearest of a new node are looked for.
    pub ef_construction: usize,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self { m: 16, ef_construction: 128 }
    }
}

/// One level: a row of links for each of the first `nodes` nodes.
struct Level {
    nodes: u32,
    /// Links for which there is room in a row.
    width: usize,
    links: Array<u32>,
}

impl Level {
    fn empty(nodes: u32, width: usize) -> Result<Self, VectorError> {
        let mut links = Array::zeroed((nodes as usize).saturating_mul(width))?;
        links.as_mut_slice().fill(NONE);
        Ok(Self { nodes, width, links })
    }

    /// The links of a node.
    #[inline]
    fn links(&self, node: u32) -> impl Iterator<Item = u32> {
        let row = crate::kernel::row(self.links.as_slice(), self.width, node).unwrap_or(&[]);
        row.iter().copied().take_while(|link| *link != NONE)
    }

    fn row_mut(&mut self, node: u32) -> Option<&mut [u32]> {
        let from = (node as usize).checked_mul(self.width)?;
        self.links.as_mut_slice().get_mut(from..from.checked_add(self.width)?)
    }

    /// Replaces the links of a node by the first for which there is room.
    fn set(&mut self, node: u32, links: impl IntoIterator<Item = u32>) {
        if let Some(row) = self.row_mut(node) {
            let mut links = links.into_iter();
            row.iter_mut().for_each(|slot| *slot = links.next().unwrap_or(NONE));
        }
    }

    /// Asks for the links of a node.
    #[inline]
    fn fetch(&self, node: u32) {
        let first = (node as usize).saturating_mul(self.width);
        prefetch(self.links.as_slice(), first);
        prefetch(self.links.as_slice(), first.saturating_add(16));
    }
}

/// A graph over codes that lie elsewhere, in the order of its nodes.
pub struct Graph {
    /// The bottom first.
    levels: Vec<Level>,
    /// What no path leads to; a search looks at all of them.
    strays: Vec<u32>,
}

impl Graph {
    /// Builds the graph of all codes.
    ///
    /// # Errors
    /// [`VectorError::Memory`], [`VectorError::TooMany`].
    pub fn build<C: Codes>(
        codes: &C,
        options: GraphOptions,
        parallel: &dyn Parallel,
    ) -> Result<Self, VectorError> {
        build::build(codes, options, parallel)
    }

    /// The nearest nodes that a walk with `ef` nodes in sight finds, the best first. At most `ef`.
    pub fn search<'s, C: Codes>(
        &self,
        codes: &C,
        query: &C::Query,
        ef: usize,
        scratch: &'s mut Scratch,
    ) -> &'s [Candidate] {
        search::nearest(self, codes, query, ef, scratch);
        scratch.found()
    }

    /// The nearest of the nodes that are `wanted`. `None` where the limits were reached first: then to score all of
    /// them costs less. It may find fewer than there are.
    pub fn search_wanted<'s, C: Codes>(
        &self,
        codes: &C,
        query: &C::Query,
        limits: Limits,
        wanted: &dyn Fn(u32) -> bool,
        scratch: &'s mut Scratch,
    ) -> Option<&'s [Candidate]> {
        filtered::nearest(self, codes, query, limits, wanted, scratch).then(|| scratch.found())
    }

    /// Nodes of each level, the bottom first.
    #[must_use]
    pub fn sizes(&self) -> Vec<u32> {
        self.levels.iter().map(|level| level.nodes).collect()
    }

    /// The links of each node of a level.
    #[must_use]
    pub fn links(&self, level: usize) -> Vec<Vec<u32>> {
        let of = |level: &Level| (0..level.nodes).map(|node| level.links(node).collect()).collect();
        self.levels.get(level).map(of).unwrap_or_default()
    }

    /// Nodes of the bottom that no path leads to, found by walking all: the strays, if the graph is in order.
    #[must_use]
    pub fn unreached(&self) -> Vec<u32> {
        reach::unreached(self)
    }

    /// Nodes that no path leads to.
    #[must_use]
    pub fn strays(&self) -> &[u32] {
        &self.strays
    }

    /// Nodes and links of a row of each level, the bottom first.
    pub(crate) fn shape(&self) -> Vec<(u32, u32)> {
        let width = |level: &Level| u32::try_from(level.width).unwrap_or(u32::MAX);
        self.levels.iter().map(|level| (level.nodes, width(level))).collect()
    }

    /// All links, level after level, little-endian.
    pub(crate) fn all_links(&self) -> Vec<u8> {
        let all = self.levels.iter().flat_map(|level| level.links.as_slice());
        all.flat_map(|link| link.to_le_bytes()).collect()
    }

    /// A graph of such links, if what the module says of all graphs holds.
    pub(crate) fn from_links(
        nodes: u32,
        shape: &[[u32; 2]],
        links: &[u8],
        strays: &[u32],
        most_links: u32,
    ) -> Result<Self, VectorError> {
        let wrong = |what: &str| Err(VectorError::Damaged(what.to_owned()));
        let shrinks = shape.is_sorted_by(|[below, _], [above, _]| above <= below);
        let widths = shape.iter().all(|[_, width]| (1..=most_links).contains(width));
        if shape.first().is_none_or(|[bottom, _]| *bottom != nodes) || !shrinks || !widths {
            return wrong("its graph has levels that no graph has");
        }
        let slots: u64 = shape.iter().map(|[nodes, width]| u64::from(*nodes) * u64::from(*width)).sum();
        if links.len() as u64 != slots * 4 {
            return wrong("there are not as many links as it says");
        }
        let mut words = links.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        let mut levels = Vec::with_capacity(shape.len());
        for [nodes, width] in shape {
            let mut level = Level::empty(*nodes, *width as usize)?;
            for node in 0..*nodes {
                let row: Vec<u32> = words.by_ref().take(*width as usize).collect();
                let used = row.iter().take_while(|link| **link != NONE).count();
                let (used, rest) = row.split_at(used);
                let good = used.iter().all(|link| link < nodes && *link != node);
                if !good || rest.iter().any(|link| *link != NONE) {
                    return wrong("a link leads to a node that is not there, or to its own");
                }
                level.set(node, row);
            }
            levels.push(level);
        }
        if strays.iter().any(|stray| *stray >= nodes) {
            return wrong("a stray is not there");
        }
        Ok(Self { levels, strays: strays.to_vec() })
    }

    /// Bytes of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.levels.iter().map(|level| level.links.bytes()).sum::<usize>() + self.strays.len() * 4
    }
}

/// Nodes of each level over so many, the bottom first: each a part of one in `m` of the one below, as long as there
/// are enough for a walk to be worth it.
fn level_sizes(nodes: u32, m: usize) -> Vec<u32> {
    let m = u32::try_from(m).unwrap_or(u32::MAX).max(2);
    let mut sizes = vec![nodes];
    let mut next = nodes / m;
    while next >= m {
        sizes.push(next);
        next /= m;
    }
    sizes
}

#[cfg(test)]
mod tests;
