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
const BATCH_PART: usize = 16;
const LARGEST_BATCH: usize = 4096;
/// Nodes, or rows to be thinned out, that a thread takes at a time.
const GRAIN: usize = 32;

/// A link that a node of a level gets: level, node, to which node.
pub type Link = (usize, u32, u32);
/// The links of a node of a level.
pub type Row = (usize, u32, Vec<u32>);

/// A graph that grows.
pub struct Building<'c, C> {
    pub codes: &'c C,
    pub options: GraphOptions,
    /// Rows with room for half as many links again as there will be.
    pub levels: Vec<Level>,
}

/// Links in the end of a node of a level.
pub fn degree(options: GraphOptions, level: usize) -> usize {
    if level == 0 { options.m.saturating_mul(2) } else { options.m }
}

pub fn build<C: Codes>(
    codes: &C,
    options: GraphOptions,
    parallel: &dyn Parallel,
) -> Result<Graph, VectorError> {
    let nodes: Vec<u32> = (1..codes.nodes()).collect();
    let mut building = Building::empty(codes, options, &level_sizes(codes.nodes(), options.m))?;
    building.insert_all(1, &nodes, parallel);
    building.finish(parallel)
}

/// Does parts of a list beside each other; what came of them, in the order of the list.
pub fn spread<T: Send>(
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

impl<'c, C: Codes> Building<'c, C> {
    /// A graph of such levels without a link: node 0 is all that a walk finds.
    pub fn empty(codes: &'c C, options: GraphOptions, sizes: &[u32]) -> Result<Self, VectorError> {
        let m = options.m.clamp(2, 256);
        let options = GraphOptions { m, ef_construction: options.ef_construction.clamp(m, 4096) };
        if u64::from(codes.nodes()) > MOST_NODES {
            return Err(VectorError::TooMany(codes.nodes().into()));
        }
        let levels = sizes.iter().enumerate().map(|(number, nodes)| {
            let degree = degree(options, number);
            Level::empty(*nodes, degree + degree / 2)
        });
        Ok(Self { codes, options, levels: levels.collect::<Result<_, _>>()? })
    }

    /// Inserts nodes into a graph that has `done` already.
    pub fn insert_all(&mut self, mut done: usize, mut nodes: &[u32], parallel: &dyn Parallel) {
        while !nodes.is_empty() {
            let batch = (done / BATCH_PART).clamp(1, LARGEST_BATCH).min(nodes.len());
            let (now, later) = nodes.split_at(batch);
            self.insert(now, parallel);
            (nodes, done) = (later, done + batch);
        }
    }

    fn insert(&mut self, nodes: &[u32], parallel: &dyn Parallel) {
        let own = &*self;
        let rows: Vec<Row> = spread(parallel, nodes.len(), |part| {
            let mut scratch = Scratch::default();
            let nodes = nodes.get(part).unwrap_or(&[]);
            nodes.iter().flat_map(|node| own.find_links(*node, &mut scratch)).collect()
        });
        let back = rows.iter().flat_map(|(level, new, links)| links.iter().map(|old| (*level, *old, *new)));
        let back = back.collect();
        self.set(rows);
        self.link(back, parallel);
    }

    /// Replaces rows.
    pub fn set(&mut self, rows: Vec<Row>) {
        for (number, node, links) in rows {
            if let Some(level) = self.levels.get_mut(number) {
                level.set(node, links);
            }
        }
    }

    /// The links of a new node in each of its levels; what a walk found at the bottom stays in sight.
    pub fn find_links(&self, node: u32, scratch: &mut Scratch) -> Vec<Row> {
        let query = self.codes.query_of(node);
        // The highest level that it is in.
        let top = self.levels.iter().rposition(|level| level.nodes > node).unwrap_or(0);
        descend(&self.levels, self.codes, &query, top, scratch);
        let mut rows = Vec::with_capacity(top + 1);
        for (number, level) in self.levels.iter().enumerate().take(top + 1).rev() {
            walk(level, self.codes, &query, self.options.ef_construction, scratch);
            rows.push((number, node, diverse(self.codes, scratch.found(), self.options.m)));
        }
        rows
    }

    /// Adds links to nodes that have some. Rows that have no room left are thinned out.
    pub fn link(&mut self, mut links: Vec<Link>, parallel: &dyn Parallel) {
        links.sort_unstable();
        let mut full: Vec<Row> = Vec::new();
        for group in links.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let Some((number, node, _)) = group.first().copied() else { continue };
            let Some(level) = self.levels.get_mut(number) else { continue };
            let mut row: Vec<u32> = level.links(node).collect();
            row.extend(group.iter().map(|(_, _, to)| *to));
            if row.len() <= level.width {
                level.set(node, row);
            } else {
                full.push((number, node, row));
            }
        }
        let own = &*self;
        let thinned: Vec<Row> = spread(parallel, full.len(), |part| {
            let rows = full.get(part).unwrap_or(&[]);
            rows.iter().map(|(number, node, row)| (*number, *node, own.thin(*number, *node, row))).collect()
        });
        self.set(thinned);
    }

    /// The links of a node that are worth it.
    pub fn thin(&self, level: usize, node: u32, links: &[u32]) -> Vec<u32> {
        let mut scores = Vec::with_capacity(links.len());
        self.codes.scores(&self.codes.query_of(node), links, &mut scores);
        let mut near: Vec<Candidate> =
            links.iter().zip(scores).map(|(node, score)| Candidate { score, node: *node }).collect();
        near.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.node.cmp(&b.node)));
        diverse(self.codes, &near, degree(self.options, level))
    }

    /// Thins out the rows that have more than they may in the end, and finds what no path leads to.
    pub fn finish(self, parallel: &dyn Parallel) -> Result<Graph, VectorError> {
        let mut levels = Vec::with_capacity(self.levels.len());
        for (number, level) in self.levels.iter().enumerate() {
            let degree = degree(self.options, number);
            let rows: Vec<Vec<u32>> = spread(parallel, level.nodes as usize, |part| {
                let nodes = part.map(|at| u32::try_from(at).unwrap_or(NONE));
                let row = |node| {
                    let links: Vec<u32> = level.links(node).collect();
                    if links.len() <= degree { links } else { self.thin(number, node, &links) }
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
pub fn diverse<C: Codes>(codes: &C, near: &[Candidate], most: usize) -> Vec<u32> {
    let mut taken: Vec<u32> = Vec::with_capacity(most);
    for candidate in near {
        if taken.len() >= most {
            break;
        }
        if taken.iter().all(|other| codes.between(candidate.node, *other) < candidate.score) {
            taken.push(candidate.node);
        }
    }
    taken
}
