//! Building: nodes are inserted in batches, each against the graph as it was before the batch.
//!
//! What a batch finds does not depend on who looks for it first, so the graph is the same on any number of threads, and
//! nobody waits for a lock (ParlayANN, Manohar and others, 2024). A row of links may grow by half beyond its room while
//! the graph is built, so that it is thinned out once for many links that come in.

use super::reach;
use super::search::{Candidate, Scratch, descend, walk};
use super::{Graph, GraphOptions, Level, MOST_NODES, NONE, level_sizes};
use crate::code::Codes;
use crate::error::VectorError;
use crate::threads::Parallel;
use std::sync::{Mutex, PoisonError};

/// Nodes inserted at once: a part of those there are, and at most so many.
const BATCH_PART: u32 = 16;
const LARGEST_BATCH: u32 = 4096;
/// Nodes, or rows to be thinned out, that a thread takes at a time.
const GRAIN: usize = 32;

/// A link from a new node to an old one: level, old node, new node.
type Reverse = (u32, u32, u32);
/// The links of a new node in one level.
type Row = (u32, u32, Vec<u32>);

struct Building<'c, C> {
    codes: &'c C,
    options: GraphOptions,
    levels: Vec<Level>,
}

/// Links in the end of a node of a level.
fn degree(options: GraphOptions, level: usize) -> usize {
    if level == 0 { options.m.saturating_mul(2) } else { options.m }
}

pub fn build<C: Codes>(
    codes: &C,
    options: GraphOptions,
    parallel: &dyn Parallel,
) -> Result<Graph, VectorError> {
    let options = GraphOptions {
        m: options.m.clamp(2, 256),
        ef_construction: options.ef_construction.clamp(options.m.clamp(2, 256), 4096),
    };
    let nodes = codes.nodes();
    if u64::from(nodes) > MOST_NODES {
        return Err(VectorError::TooMany(nodes.into()));
    }
    let levels = level_sizes(nodes, options.m).into_iter().enumerate().map(|(number, nodes)| {
        let degree = degree(options, number);
        Level::empty(nodes, degree + degree / 2)
    });
    let mut building = Building { codes, options, levels: levels.collect::<Result<_, _>>()? };
    let mut done = 1;
    while done < nodes {
        let batch = (done / BATCH_PART).clamp(1, LARGEST_BATCH).min(nodes - done);
        building.insert(done, batch, parallel);
        done += batch;
    }
    building.finish(parallel)
}

/// Does parts of a list beside each other; what came of them, in the order of the list.
fn spread<T: Send>(
    parallel: &dyn Parallel,
    len: usize,
    work: impl Fn(std::ops::Range<usize>) -> Vec<T> + Sync,
) -> Vec<T> {
    let parts = len.div_ceil(GRAIN);
    let results: Vec<Mutex<Vec<T>>> = (0..parts).map(|_| Mutex::default()).collect();
    parallel.each(parts, &|part| {
        let from = part * GRAIN;
        let done = work(from..len.min(from + GRAIN));
        if let Some(slot) = results.get(part) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = done;
        }
    });
    results.into_iter().flat_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

impl<C: Codes> Building<'_, C> {
    fn insert(&mut self, first: u32, count: u32, parallel: &dyn Parallel) {
        let own = &*self;
        let rows: Vec<Row> = spread(parallel, count as usize, |part| {
            let mut scratch = Scratch::default();
            let nodes = part.map(|at| first.saturating_add(u32::try_from(at).unwrap_or(u32::MAX)));
            nodes.flat_map(|node| own.find_links(node, first, &mut scratch)).collect()
        });
        let mut reverse: Vec<Reverse> = Vec::new();
        for (level, node, links) in rows {
            reverse.extend(links.iter().map(|old| (level, *old, node)));
            if let Some(level) = self.levels.get_mut(level as usize) {
                level.set(node, links);
            }
        }
        self.link_back(reverse, parallel);
    }

    /// The links of a new node in each of its levels, of which the nodes below `done` are in the graph.
    fn find_links(&self, node: u32, done: u32, scratch: &mut Scratch) -> Vec<Row> {
        let query = self.codes.query_of(node);
        // The highest level that it is in, or that anything is in.
        let top = self.levels.iter().rposition(|level| level.nodes > node).unwrap_or(0);
        descend(&self.levels, self.codes, &query, top, scratch);
        let mut rows = Vec::with_capacity(top + 1);
        for (number, level) in self.levels.iter().enumerate().take(top + 1).rev() {
            walk(level, self.codes, &query, self.options.ef_construction, scratch);
            let near = scratch.found();
            debug_assert!(
                near.iter().all(|c| c.node < done),
                "a walk met a node that is not in the graph yet"
            );
            let links = diverse(self.codes, near, self.options.m);
            rows.push((u32::try_from(number).unwrap_or(u32::MAX), node, links));
        }
        rows
    }

    /// Links old nodes to the new ones that chose them. Rows that have no room left are thinned out.
    fn link_back(&mut self, mut reverse: Vec<Reverse>, parallel: &dyn Parallel) {
        reverse.sort_unstable();
        let mut full: Vec<Row> = Vec::new();
        for group in reverse.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let Some((number, old, _)) = group.first().copied() else { continue };
            let Some(level) = self.levels.get_mut(number as usize) else { continue };
            let mut links: Vec<u32> = level.links(old).collect();
            links.extend(group.iter().map(|(_, _, new)| *new));
            if links.len() <= level.width {
                level.set(old, links);
            } else {
                full.push((number, old, links));
            }
        }
        let own = &*self;
        let thinned: Vec<Row> = spread(parallel, full.len(), |part| {
            let rows = full.get(part).unwrap_or(&[]);
            rows.iter().map(|(number, old, links)| (*number, *old, own.thin(*number, *old, links))).collect()
        });
        for (number, old, links) in thinned {
            if let Some(level) = self.levels.get_mut(number as usize) {
                level.set(old, links);
            }
        }
    }

    /// The links of a node that are worth it.
    fn thin(&self, level: u32, node: u32, links: &[u32]) -> Vec<u32> {
        let mut scores = Vec::with_capacity(links.len());
        self.codes.scores(&self.codes.query_of(node), links, &mut scores);
        let mut near: Vec<Candidate> =
            links.iter().zip(scores).map(|(node, score)| Candidate { score, node: *node }).collect();
        near.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.node.cmp(&b.node)));
        diverse(self.codes, &near, degree(self.options, level as usize))
    }

    /// Thins out the rows that have more than they may in the end, and finds what no path leads to.
    fn finish(self, parallel: &dyn Parallel) -> Result<Graph, VectorError> {
        let mut levels = Vec::with_capacity(self.levels.len());
        for (number, level) in self.levels.iter().enumerate() {
            let degree = degree(self.options, number);
            let rows: Vec<Vec<u32>> = spread(parallel, level.nodes as usize, |part| {
                let nodes = part.map(|at| u32::try_from(at).unwrap_or(NONE));
                let row = |node| {
                    let links: Vec<u32> = level.links(node).collect();
                    if links.len() <= degree { links } else { self.thin(number as u32, node, &links) }
                };
                nodes.map(row).collect()
            });
            let mut exact = Level::empty(level.nodes, degree)?;
            for (node, links) in (0..).zip(rows) {
                exact.set(node, links);
            }
            levels.push(exact);
        }
        let mut graph = Graph { levels, strays: Vec::new() };
        reach::repair(&mut graph, self.codes);
        Ok(graph)
    }
}

/// Of near nodes, the best first, those that are nearer to the new node than to any that was taken before: links into all
/// directions instead of many into one.
fn diverse<C: Codes>(codes: &C, near: &[Candidate], most: usize) -> Vec<u32> {
    let mut taken: Vec<u32> = Vec::with_capacity(most);
    for candidate in near {
        if taken.len() >= most {
            break;
        }
        if taken.iter().all(|other| codes.between(candidate.node, *other) <= candidate.score) {
            taken.push(candidate.node);
        }
    }
    taken
}
