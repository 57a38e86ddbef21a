//! One segment's vectors: codes, graph, exact values, and whose they are.

mod bytes;
mod filter;
mod merge;
mod rows;
mod values;
mod walked;

use crate::code::{Codes, Halves, MOST_DIMENSIONS, Sq8, Step, normalise};
use crate::error::VectorError;
use crate::graph::{Candidate, Graph, GraphOptions, Limits, MOST_NODES, Scratch};
use crate::threads::Parallel;
use crate::whitening::HalfTurn;
pub use bytes::IndexBytes;
pub use filter::Filter;
pub use merge::MergePart;
use rows::Rows;
use std::cmp::Ordering;
pub use values::FarValues;
use values::Values;
use walked::Walked;

/// Fewer vectors than this are compared one by one.
pub const EXACT: u32 = 5_000;
/// The best by codes of which the exact score is asked for, where a walk keeps as many: by bytes, by half bytes, by
/// products.
const RESCORED: usize = 24;
const RESCORED_B4: usize = 40;
const RESCORED_PQ: usize = 100;
/// Nodes compared at a time by an exact scan.
const SCAN: usize = 1024;

/// What a walk compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CodeKind {
    /// A byte a value.
    #[default]
    Sq8,
    /// Half a byte a value.
    B4,
    /// A byte for eight values.
    Pq,
    /// The same, of vectors that are turned as is best for them.
    Opq,
    /// The exact values, as halves.
    F16,
}

impl CodeKind {
    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sq8 => "sq8",
            Self::B4 => "b4",
            Self::Pq => "pq",
            Self::Opq => "opq",
            Self::F16 => "f16",
        }
    }
}

/// How an index is built.
#[derive(Debug, Clone, Copy, Default)]
pub struct IndexOptions {
    /// What a walk compares.
    pub codes: CodeKind,
    /// The graph.
    pub graph: GraphOptions,
    /// The step of the codes of the model; fitted to these vectors where there is none yet.
    pub step: Option<Step>,
    /// A graph is built where there are at least so many vectors; [`EXACT`] if there is no reason for another number.
    pub graph_from: Option<u32>,
    /// Queries are turned ([`crate::Whitening`]): the graph is one of vectors that are half turned, in which what is near to such
    /// queries lies together. What is compared stays as it is.
    pub turned: bool,
}

impl IndexOptions {
    /// What an index of so many nodes has. Where all are compared one by one anyway, a codebook is not worth its room.
    fn kind_of(&self, nodes: u32) -> CodeKind {
        match self.codes {
            CodeKind::Pq | CodeKind::Opq if nodes < self.graph_from.unwrap_or(EXACT) => CodeKind::Sq8,
            kind => kind,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'f> {
    /// Rows.
    pub k: usize,
    /// Nodes that a walk keeps in sight: more find more, and cost more.
    pub ef: usize,
    /// Of these rows alone.
    pub only: Option<&'f Filter>,
}

/// A row and how near it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The row, as numbered when the index was built.
    pub row: u32,
    /// The cosine, from exact values: it compares with that of other indexes of the model.
    pub score: f32,
}

/// What a search needs, to be used again by the next.
#[derive(Default)]
pub struct Searcher {
    scratch: Scratch,
    nodes: Vec<u32>,
    scores: Vec<f32>,
    best: Vec<Candidate>,
}

/// The vectors of one segment.
pub struct Index {
    /// None where the exact values are what a walk compares.
    codes: Option<Walked>,
    values: Values,
    dimensions: usize,
    graph: Option<Graph>,
    /// The graph is of half-turned vectors.
    turned: bool,
    rows: Rows,
}

/// Vectors that a half turn is learnt of, at most: evenly over all.
const LEARNT: usize = 8_192;
/// Values of a vector that is turned: to learn by what takes time with the third power of their number.
const MOST_TURNED: usize = 1_024;

/// Bytes of half-turned vectors, for a graph; `None` where nothing can be learnt of them.
///
/// # Errors
/// No memory.
fn half_turned(own: &Halves) -> Result<Option<Sq8>, VectorError> {
    let (nodes, dimensions) = (own.nodes(), own.dimensions());
    if dimensions > MOST_TURNED {
        return Ok(None);
    }
    let each = (nodes as usize).div_ceil(LEARNT).max(1);
    let some = || (0..nodes).step_by(each).map(|node| own.query_of(node));
    let values: Vec<f32> = some().flatten().collect();
    let Some(half) = HalfTurn::learn(dimensions, &values) else { return Ok(None) };
    drop(values);
    let values: Vec<f32> = some().flat_map(|vector| half.turn(&vector)).collect();
    let step = Step::fit(&values);
    drop(values);
    let mut bytes = Sq8::zeroed(nodes, dimensions, step)?;
    (0..nodes).for_each(|node| bytes.set(node, &half.turn(&own.query_of(node))));
    Ok(Some(bytes))
}

impl Index {
    /// Builds it of rows of `dimensions` values each, which lie one after another.
    ///
    /// # Errors
    /// A row without direction, a number or dimension that no index has, no memory.
    pub fn build(
        dimensions: usize,
        values: &[f32],
        options: IndexOptions,
        parallel: &dyn Parallel,
    ) -> Result<Self, VectorError> {
        if dimensions == 0 || dimensions > MOST_DIMENSIONS {
            return Err(VectorError::TooManyDimensions(dimensions));
        }
        let rest = values.len() % dimensions;
        if rest != 0 {
            return Err(VectorError::Dimension { expected: dimensions, found: rest });
        }
        let count = (values.len() / dimensions) as u64;
        if count > MOST_NODES {
            return Err(VectorError::TooMany(count));
        }
        let halves = |row: &[f32], number| {
            let mut row = row.to_vec();
            normalise(&mut row, number).map(|()| row)
        };
        // Halves are what a vector is from here on: equal halves are one node.
        let mut all = Halves::zeroed(count as u32, dimensions)?;
        for (number, row) in (0u32..).zip(values.chunks_exact(dimensions)) {
            all.set(number, &halves(row, number.into())?);
        }
        let rows = Rows::group(&all);
        let nodes = rows.nodes();
        let mut own = Halves::zeroed(nodes, dimensions)?;
        (0..nodes).for_each(|node| own.copy(node, &all, rows.first(node)));
        drop(all);
        let codes = Walked::of(options.kind_of(nodes), &own, options.step, |_| None, parallel)?;
        let wants_graph = nodes >= options.graph_from.unwrap_or(EXACT);
        let half = if wants_graph && options.turned { half_turned(&own)? } else { None };
        let graph = match (&codes, &half) {
            _ if !wants_graph => None,
            (_, Some(half)) => Some(Graph::build(half, options.graph, parallel)?),
            (Some(Walked::Sq8(codes)), None) => Some(Graph::build(codes, options.graph, parallel)?),
            (Some(_), None) => Some(Graph::build(&Walked::bytes_of(&own)?, options.graph, parallel)?),
            (None, None) => Some(Graph::build(&own, options.graph, parallel)?),
        };
        let turned = half.is_some();
        Ok(Self { codes, values: Values::Near(own), dimensions, graph, turned, rows })
    }

    /// The nearest rows, the best first: as many as were asked for, or as there are.
    ///
    /// # Errors
    /// A query of another dimension, or without direction; exact values that cannot be read.
    pub fn search(
        &self,
        query: &[f32],
        search: Search,
        searcher: &mut Searcher,
    ) -> Result<Vec<Hit>, VectorError> {
        self.found(query, search, true, searcher)
    }

    /// The same, with scores as bytes tell them where bytes are compared: a little beside the exact ones, which are not read.
    /// Of codes that tell less, scores are exact.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn search_roughly(
        &self,
        query: &[f32],
        search: Search,
        searcher: &mut Searcher,
    ) -> Result<Vec<Hit>, VectorError> {
        self.found(query, search, false, searcher)
    }

    fn found(
        &self,
        query: &[f32],
        search: Search,
        exact: bool,
        searcher: &mut Searcher,
    ) -> Result<Vec<Hit>, VectorError> {
        let query = self.checked(query)?;
        match &self.codes {
            Some(Walked::Sq8(codes)) => {
                let most = if exact { search.k.max(RESCORED) } else { search.k };
                self.candidates(codes, &codes.query(&query), (most, search), searcher);
                if exact {
                    self.rescore(&query, searcher)?;
                }
            }
            Some(Walked::B4(codes)) => {
                self.candidates(
                    codes,
                    &codes.query(&query),
                    (RESCORED_B4.max(search.k.saturating_mul(2)), search),
                    searcher,
                );
                self.rescore(&query, searcher)?;
            }
            Some(Walked::Pq(codes)) => {
                // Their scores are so rough that what is wanted must be looked for farther away than it lies.
                let most = RESCORED_PQ.max(search.k.saturating_mul(4));
                let search = Search { ef: search.ef.max(most), ..search };
                self.candidates(codes, &codes.query(&query), (most, search), searcher);
                self.rescore(&query, searcher)?;
            }
            None => self.candidates(self.values.near()?, &query, (search.k, search), searcher),
        }
        keep_best(&mut searcher.best, search.k);
        let wanted = |row: &u32| search.only.is_none_or(|only| only.has(*row));
        let hits = searcher.best.iter().flat_map(|candidate| {
            self.rows.of(candidate.node).filter(wanted).map(|row| Hit { row, score: candidate.score })
        });
        Ok(hits.take(search.k).collect())
    }

    /// The exact scores of certain rows, in their order; of one that is not there, less than any score.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn scores(&self, query: &[f32], rows: &[u32]) -> Result<Vec<f32>, VectorError> {
        let query = self.checked(query)?;
        // One that is not there is a node that is not there.
        let nodes: Vec<u32> = rows.iter().map(|row| self.rows.node(*row).unwrap_or(u32::MAX)).collect();
        let mut out = Vec::with_capacity(nodes.len());
        self.values.scores(&query, &nodes, &mut out)?;
        Ok(out)
    }

    /// Are scores of [`Index::search_roughly`] others than exact ones?
    #[must_use]
    pub fn is_rough(&self) -> bool {
        matches!(self.codes, Some(Walked::Sq8(_)))
    }

    /// The same, as [`Index::search_roughly`] scores.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn scores_roughly(&self, query: &[f32], rows: &[u32]) -> Result<Vec<f32>, VectorError> {
        let Some(Walked::Sq8(codes)) = &self.codes else { return self.scores(query, rows) };
        let query = codes.query(&self.checked(query)?);
        let nodes: Vec<u32> = rows.iter().map(|row| self.rows.node(*row).unwrap_or(u32::MAX)).collect();
        let mut out = Vec::with_capacity(nodes.len());
        codes.scores(&query, &nodes, &mut out);
        Ok(out)
    }

    /// Appends the values of each `step`th distinct vector, as far as bytes tell them, where these are the codes, exactly
    /// otherwise.
    ///
    /// # Errors
    /// Exact values that cannot be read.
    pub fn sample(&self, step: usize, out: &mut Vec<f32>) -> Result<(), VectorError> {
        for node in (0..self.rows.nodes()).step_by(step.max(1)) {
            match &self.codes {
                Some(Walked::Sq8(codes)) => out.extend(codes.meant(node)),
                _ => self.values.append(node, self.dimensions, out)?,
            }
        }
        Ok(())
    }

    /// The best by codes, in `searcher.best`.
    fn candidates<C: Codes>(
        &self,
        codes: &C,
        query: &C::Query,
        (most, search): (usize, Search),
        searcher: &mut Searcher,
    ) {
        let ef = search.ef.max(search.k);
        let matches = |only: &Filter| usize::try_from(only.len()).unwrap_or(usize::MAX);
        let limits = |only: &Filter| Limits { ef, scored: matches(only) };
        searcher.best.clear();
        match (&self.graph, search.only) {
            // To keep very many in order costs more than to score all.
            (Some(graph), None) if (Limits { ef, scored: self.rows.nodes() as usize }).allow(1, 1) => {
                let found = graph.search(codes, query, ef, &mut searcher.scratch);
                searcher.best.extend(found.iter().take(most));
            }
            (Some(graph), Some(only)) if limits(only).allow(matches(only), self.rows.rows() as usize) => {
                let wanted = |node| self.rows.of(node).any(|row| only.has(row));
                let limits = limits(only);
                let found = graph.search_wanted(codes, query, limits, &wanted, &mut searcher.scratch);
                match found {
                    // Several rows may be one node, so fewer may be all there are; then there is little to scan.
                    Some(found) if found.len() >= search.k => searcher.best.extend(found.iter().take(most)),
                    _ => self.scan_wanted(codes, query, (most, only), searcher),
                }
            }
            (_, Some(only)) => self.scan_wanted(codes, query, (most, only), searcher),
            (_, None) => {
                searcher.nodes.clear();
                searcher.nodes.extend(0..codes.nodes());
                scan(codes, query, most, searcher);
            }
        }
    }

    /// All codes that a filter leaves, one by one.
    fn scan_wanted<C: Codes>(
        &self,
        codes: &C,
        query: &C::Query,
        (most, only): (usize, &Filter),
        searcher: &mut Searcher,
    ) {
        // Each once, although several rows may be one node, and in the order in which they lie in memory.
        let mut nodes = Filter::none(self.rows.nodes());
        only.iter().filter_map(|row| self.rows.node(row)).for_each(|node| nodes.add(node));
        searcher.nodes.clear();
        nodes.append_to(&mut searcher.nodes);
        scan(codes, query, most, searcher);
    }

    /// The exact scores of what codes say is near.
    fn rescore(&self, query: &Vec<f32>, searcher: &mut Searcher) -> Result<(), VectorError> {
        searcher.nodes.clear();
        searcher.nodes.extend(searcher.best.iter().map(|candidate| candidate.node));
        searcher.scores.clear();
        self.values.scores(query, &searcher.nodes, &mut searcher.scores)?;
        for (candidate, score) in searcher.best.iter_mut().zip(&searcher.scores) {
            candidate.score = *score;
        }
        Ok(())
    }

    fn checked(&self, query: &[f32]) -> Result<Vec<f32>, VectorError> {
        if query.len() != self.dimensions {
            return Err(VectorError::Dimension { expected: self.dimensions, found: query.len() });
        }
        let mut query = query.to_vec();
        normalise(&mut query, 0)?;
        Ok(query)
    }

    /// Rows, distinct vectors among them, and values of each.
    #[must_use]
    pub fn size(&self) -> (u32, u32, usize) {
        (self.rows.rows(), self.rows.nodes(), self.dimensions)
    }

    /// What a walk compares.
    #[must_use]
    pub fn codes(&self) -> CodeKind {
        self.codes.as_ref().map_or(CodeKind::F16, Walked::kind)
    }

    /// The graph is one for queries that are turned.
    #[must_use]
    pub fn is_turned(&self) -> bool {
        self.turned
    }

    /// The graph, where there are enough vectors for one.
    #[must_use]
    pub fn graph(&self) -> Option<&Graph> {
        self.graph.as_ref()
    }

    /// Bytes of memory: codes, links, rows; and those of the exact values.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        let graph = self.graph.as_ref().map_or(0, Graph::bytes);
        (self.codes.as_ref().map_or(0, Walked::bytes) + graph + self.rows.bytes(), self.values.bytes())
    }
}

/// Codes of `searcher.nodes` one by one.
fn scan<C: Codes>(codes: &C, query: &C::Query, most: usize, searcher: &mut Searcher) {
    let Searcher { nodes, scores, best, .. } = searcher;
    best.clear();
    // What the last of the best had when there were enough of them.
    let mut bar = f32::NEG_INFINITY;
    for nodes in nodes.chunks(SCAN) {
        scores.clear();
        codes.scores(query, nodes, scores);
        let scored = nodes.iter().zip(&*scores).filter(|(_, score)| **score > bar);
        best.extend(scored.map(|(node, score)| Candidate { score: *score, node: *node }));
        // Sifted once in a while, not for each that is better.
        if best.len() >= most.saturating_mul(2) {
            bar = sift(best, most);
        }
    }
    keep_best(best, most);
}

fn better(a: &Candidate, b: &Candidate) -> Ordering {
    b.score.total_cmp(&a.score).then(a.node.cmp(&b.node))
}

/// Leaves the best, in no order; the score of the last of them, where there were more.
fn sift(candidates: &mut Vec<Candidate>, most: usize) -> f32 {
    let Some(last) = most.checked_sub(1).filter(|last| *last < candidates.len()) else {
        return f32::NEG_INFINITY;
    };
    let score = candidates.select_nth_unstable_by(last, better).1.score;
    candidates.truncate(most);
    score
}

/// Leaves the best, in order.
fn keep_best(candidates: &mut Vec<Candidate>, most: usize) {
    sift(candidates, most);
    candidates.sort_unstable_by(better);
    candidates.truncate(most);
}

#[cfg(test)]
mod tests;
