//! Merging: the smaller graphs are joined to the largest, and what each of them knows is kept.
//!
//! The links inside each graph stay. For each node of a smaller graph the nearest in the larger one are looked for, from
//! where those of its own neighbours were found, so that most walks are short (the idea of Lucene's join set: Veasey,
//! "Speeding up merging of HNSW graphs", 2025). Its row is then thinned out over both.
//!
//! What always holds: the nodes of a level are the first of all, in the merged graph too; the base has node 0.

use super::build::{Building, Link, Row, degree, diverse, spread};
use super::search::{Candidate, Scratch, walk};
use super::{Graph, GraphOptions, NONE, level_sizes};
use crate::code::Codes;
use crate::error::VectorError;
use crate::threads::Parallel;

/// A part in a hundred of the base that may be gone; beyond it a graph is built anew.
const MOST_GONE: usize = 20;
/// Nodes in sight of a walk that begins where a neighbour's ended.
const SHORT_WALK: usize = 80;
/// Nearest nodes of the larger graph that a node offers for links, and for its neighbours to begin from.
const OFFERED: usize = 48;
const BEGIN: usize = 3;

/// A graph that is to be merged.
#[derive(Clone, Copy)]
pub struct Part<'p> {
    /// The graph; none where there were too few vectors for one.
    pub graph: Option<&'p Graph>,
    /// Its nodes.
    pub nodes: u32,
    /// Which of them stay.
    pub stays: &'p dyn Fn(u32) -> bool,
}

/// Which node gets which number.
pub struct Plan {
    /// For each part the new number of each node, or [`NONE`].
    numbers: Vec<Vec<u32>>,
    /// Nodes of each level, the bottom first.
    sizes: Vec<u32>,
}

/// The nearest that were found in the larger graph, for each node of a smaller one.
type Found = Vec<Vec<Candidate>>;

impl Plan {
    /// Numbers the nodes that stay, level by level from the top, those of the first part first. `None` where there is
    /// nothing to keep of the first part's graph, or too little: then a new graph is to be built.
    #[must_use]
    pub fn of(parts: &[Part<'_>], options: GraphOptions) -> Option<Self> {
        let base = parts.first()?;
        let sizes_of = |part: &Part<'_>| match part.graph {
            Some(graph) => graph.sizes(),
            None => level_sizes(part.nodes, options.m),
        };
        let kept = (0..base.nodes).filter(|node| (base.stays)(*node)).count();
        let gone = (base.nodes as usize).saturating_sub(kept);
        if base.graph.is_none()
            || kept == 0
            || gone.saturating_mul(100) > (base.nodes as usize).saturating_mul(MOST_GONE)
        {
            return None;
        }
        // Levels of which the base keeps a node: node 0 is to be one of its own.
        let levels =
            sizes_of(base).iter().take_while(|size| (0..**size).any(|node| (base.stays)(node))).count();
        let all_sizes: Vec<Vec<u32>> = parts.iter().map(sizes_of).collect();
        let mut numbers: Vec<Vec<u32>> = parts.iter().map(|part| vec![NONE; part.nodes as usize]).collect();
        let (mut next, mut sizes) = (0u32, vec![0; levels]);
        for level in (0..levels).rev() {
            for ((part, sizes), numbers) in parts.iter().zip(&all_sizes).zip(&mut numbers) {
                let size = sizes.get(level).copied().unwrap_or(0);
                for (node, number) in (0..size).zip(numbers.iter_mut()) {
                    if *number == NONE && (part.stays)(node) {
                        *number = next;
                        next = next.checked_add(1)?;
                    }
                }
            }
            if let Some(size) = sizes.get_mut(level) {
                *size = next;
            }
        }
        Some(Self { numbers, sizes })
    }

    /// For each part the new number of each node, or [`NONE`].
    #[must_use]
    pub fn numbers(&self) -> &[Vec<u32>] {
        &self.numbers
    }

    /// Joins the graphs over codes in the order of the new numbers.
    ///
    /// # Errors
    /// [`VectorError::Memory`].
    pub fn join<C: Codes>(
        &self,
        codes: &C,
        parts: &[Part<'_>],
        options: GraphOptions,
        parallel: &dyn Parallel,
    ) -> Result<Graph, VectorError> {
        let mut building = Building::empty(codes, options, &self.sizes)?;
        for (number, (part, numbers)) in parts.iter().zip(&self.numbers).enumerate() {
            match part.graph {
                Some(graph) => {
                    let own = Own { graph, numbers };
                    keep(&own, &mut building, parallel);
                    if number > 0 {
                        self.join_part(&mut building, &own, parallel);
                    }
                }
                None => {
                    let mut nodes: Vec<u32> = numbers.iter().copied().filter(|node| *node != NONE).collect();
                    nodes.sort_unstable();
                    // Few at a time at first: they do not see the others of their batch, which may be all that is like them.
                    building.insert_all(1, &nodes, parallel);
                }
            }
        }
        building.finish(parallel)
    }

    /// Joins a part whose own links are there already.
    fn join_part<C: Codes>(&self, building: &mut Building<'_, C>, part: &Own<'_>, parallel: &dyn Parallel) {
        let mut found: Found = vec![Vec::new(); part.numbers.len()];
        let mut rows: Vec<Row> = Vec::new();
        // Those of the upper levels come down from the top. (All, where there is but one level.)
        let upper = part.graph.sizes().get(1).copied().unwrap_or(u32::MAX);
        let mut todo: Vec<u32> = part.nodes().take_while(|node| *node < upper).collect();
        if todo.is_empty() {
            // All of those are gone.
            todo = part.nodes().collect();
        }
        while !todo.is_empty() {
            let (own, known) = (&*building, &found);
            let looked = spread(parallel, todo.len(), |range| {
                let mut scratch = Scratch::default();
                let nodes = todo.get(range).unwrap_or(&[]).iter();
                nodes.filter_map(|node| own.look(part, *node, known, &mut scratch)).collect()
            });
            let mut next = Vec::new();
            for (node, upper, near) in looked {
                rows.extend(upper);
                if let Some(slot) = found.get_mut(node as usize) {
                    *slot = near;
                }
                next.extend(part.neighbours(node));
            }
            // Then those that they link to, and so on; at last those that nothing links to.
            let is_new = |node: &u32| {
                part.number(*node).is_some() && found.get(*node as usize).is_some_and(Vec::is_empty)
            };
            next.retain(is_new);
            next.sort_unstable();
            next.dedup();
            todo = if next.is_empty() { part.nodes().filter(is_new).collect() } else { next };
        }
        let own = &*building;
        rows.extend(spread(parallel, found.len(), |range| {
            let row = |(node, near): (u32, &Vec<Candidate>)| -> Option<Row> {
                Some((0, part.number(node)?, diverse(own.codes, near, own.options.m)))
            };
            let first = u32::try_from(range.start).unwrap_or(NONE);
            (first..).zip(found.get(range).unwrap_or(&[])).filter_map(row).collect()
        }));
        // Both get the link, beside those that they have.
        let pairs = rows.iter().flat_map(|(level, a, links)| links.iter().map(|b| (*level, *a, *b)));
        let links: Vec<Link> = pairs.flat_map(|(level, a, b)| [(level, a, b), (level, b, a)]).collect();
        building.link(links, parallel);
    }
}

/// The links inside of a part, in new numbers. What a node that is gone linked to stands in for it.
fn keep<C: Codes>(part: &Own<'_>, building: &mut Building<'_, C>, parallel: &dyn Parallel) {
    for (number, level) in part.graph.levels.iter().enumerate().take(building.levels.len()) {
        let own = &*building;
        let row = |old: u32| -> Option<Row> {
            let new = part.number(old)?;
            let (mut links, mut gone) = (Vec::new(), false);
            for link in level.links(old) {
                match part.number(link) {
                    Some(link) => links.push(link),
                    None => {
                        gone = true;
                        links.extend(level.links(link).filter_map(|link| part.number(link)));
                    }
                }
            }
            if gone {
                links.sort_unstable();
                links.dedup();
                links.retain(|link| *link != new);
            }
            if links.len() > degree(own.options, number) {
                links = own.thin(number, new, &links);
            }
            Some((number, new, links))
        };
        let rows = spread(parallel, level.nodes as usize, |nodes| {
            nodes.filter_map(|node| row(u32::try_from(node).ok()?)).collect()
        });
        building.set(rows);
    }
}

/// A smaller graph and the new numbers of its nodes.
struct Own<'p> {
    graph: &'p Graph,
    numbers: &'p [u32],
}

impl Own<'_> {
    fn number(&self, node: u32) -> Option<u32> {
        self.numbers.get(node as usize).copied().filter(|number| *number != NONE)
    }

    /// Those that stay.
    fn nodes(&self) -> impl Iterator<Item = u32> {
        (0..).zip(self.numbers).filter(|(_, number)| **number != NONE).map(|(node, _)| node)
    }

    /// What a node links to at the bottom.
    fn neighbours(&self, node: u32) -> impl Iterator<Item = u32> {
        self.graph.levels.first().into_iter().flat_map(move |bottom| bottom.links(node))
    }

    /// Where the walk of a node begins: where those of its neighbours ended.
    fn begins(&self, node: u32, found: &Found) -> Vec<u32> {
        let ends = self.neighbours(node).filter_map(|link| found.get(link as usize));
        let mut begins: Vec<u32> = ends.flat_map(|near| near.iter().take(BEGIN).map(|c| c.node)).collect();
        begins.sort_unstable();
        begins.dedup();
        begins
    }
}

/// A node, its rows in the upper levels, and what is near it at the bottom.
type Looked = (u32, Vec<Row>, Vec<Candidate>);

impl<C: Codes> Building<'_, C> {
    /// Looks for the nearest of a node of a part among those that can be reached from node 0.
    fn look(&self, part: &Own<'_>, node: u32, found: &Found, scratch: &mut Scratch) -> Option<Looked> {
        let new = part.number(node)?;
        let begins = part.begins(node, found);
        let mut upper = Vec::new();
        match self.levels.first() {
            // A node of the upper levels is to be found in each of them.
            Some(bottom)
                if !begins.is_empty() && self.levels.get(1).is_none_or(|level| new >= level.nodes) =>
            {
                let query = self.codes.query_of(new);
                scratch.begin(self.codes, &query, begins, SHORT_WALK);
                walk(bottom, self.codes, &query, SHORT_WALK, scratch);
            }
            _ => {
                upper = self.find_links(new, scratch);
                upper.retain(|(level, ..)| *level > 0);
            }
        }
        Some((node, upper, scratch.found().iter().take(OFFERED).copied().collect()))
    }
}
