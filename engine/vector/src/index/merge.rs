//! Merging the indexes of several segments.

use super::{
    EXACT, Index, IndexOptions, MOST_TURNED, half_turned, rows::Rows, rows::mixed, values::Values,
    walked::Walked,
};
use crate::code::{Codes, Halves};
use crate::error::VectorError;
use crate::graph::{Graph, GraphOptions, MOST_NODES, NONE, Part, Plan};
use crate::threads::Parallel;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// An index that is to be merged.
#[derive(Clone, Copy)]
pub struct MergePart<'p> {
    /// The index.
    pub index: &'p Index,
    /// The new number of each of its rows; `None` for one that is gone.
    pub row: &'p dyn Fn(u32) -> Option<u32>,
}

/// What becomes of the nodes of a part.
struct Fate {
    /// Those that stay.
    stays: Vec<bool>,
    /// Those whose vector a node of this part or of one before it has already.
    twins: Vec<(u32, (usize, u32))>,
}

impl Index {
    /// Merges indexes of one model into one. Where they have graphs, these are joined to the largest; where too much of
    /// that is gone, a new one is built.
    ///
    /// # Errors
    /// Parts of several dimensions, more vectors than one index can have, no memory.
    pub fn merge(
        parts: &[MergePart<'_>],
        options: IndexOptions,
        parallel: &dyn Parallel,
    ) -> Result<Self, VectorError> {
        let mut parts = parts.to_vec();
        parts.sort_by_key(|part| Reverse(part.index.rows.nodes()));
        let Some(first) = parts.first().map(|part| part.index) else {
            return Err(VectorError::TooManyDimensions(0));
        };
        let dimensions = first.dimensions;
        if let Some(other) = parts.iter().find(|part| part.index.dimensions != dimensions) {
            return Err(VectorError::Dimension { expected: dimensions, found: other.index.dimensions });
        }
        // Nothing is read while graphs are joined.
        parts.iter().try_for_each(|part| part.index.values.near().map(drop))?;
        let fates = fates(&parts);
        let kept: usize = fates.iter().map(|fate| fate.stays.iter().filter(|stays| **stays).count()).sum();
        let nodes = u32::try_from(kept).ok().filter(|nodes| u64::from(*nodes) <= MOST_NODES);
        let nodes = nodes.ok_or(VectorError::TooMany(kept as u64))?;
        let stays: Vec<_> = fates
            .iter()
            .map(|fate| |node: u32| fate.stays.get(node as usize).copied().unwrap_or(false))
            .collect();
        let turned = options.turned && dimensions <= MOST_TURNED;
        let graphs: Vec<Part<'_>> = parts
            .iter()
            .zip(&stays)
            .map(|(part, stays)| Part {
                // Links of another kind of graph lead elsewhere.
                graph: part.index.graph.as_ref().filter(|_| part.index.turned == turned),
                nodes: part.index.rows.nodes(),
                stays,
            })
            .collect();
        let wants_graph = nodes >= options.graph_from.unwrap_or(EXACT);
        let plan = if wants_graph { Plan::of(&graphs, options.graph) } else { None };
        let numbers = match &plan {
            Some(plan) => plan.numbers().to_vec(),
            None => shuffled(&parts, &fates),
        };
        let mut own = Self::moved(&parts, &numbers, (nodes, dimensions), options, parallel)?;
        own.rows = merged_rows(&parts, &fates, &numbers, nodes);
        if !wants_graph {
            return Ok(own);
        }
        let near = own.values.near()?;
        let half = if turned { half_turned(near)? } else { None };
        own.turned = half.is_some();
        // Where nothing was learnt of these vectors, links of graphs for turned queries are of no use.
        let plan = plan.filter(|_| own.turned == turned);
        let all = (plan.as_ref(), graphs.as_slice(), options.graph);
        own.graph = Some(match (&half, &own.codes) {
            (Some(half), _) => joined(half, all, parallel),
            (None, Some(Walked::Sq8(codes))) => joined(codes, all, parallel),
            (None, Some(_)) => joined(&Walked::bytes_of(near)?, all, parallel),
            (None, None) => joined(near, all, parallel),
        }?);
        Ok(own)
    }

    /// Values and codes at their new numbers; no rows and no graph yet.
    fn moved(
        parts: &[MergePart<'_>],
        numbers: &[Vec<u32>],
        (nodes, dimensions): (u32, usize),
        options: IndexOptions,
        parallel: &dyn Parallel,
    ) -> Result<Self, VectorError> {
        let moves = || {
            let of = |(part, numbers): (usize, &'_ Vec<u32>)| {
                (0u32..)
                    .zip(numbers.clone())
                    .filter(|(_, new)| *new != NONE)
                    .map(move |(old, new)| (part, old, new))
            };
            numbers.iter().enumerate().flat_map(of)
        };
        let index = |part: usize| parts.get(part).map(|part| part.index);
        let mut halves = Halves::zeroed(nodes, dimensions)?;
        for (part, old, new) in moves() {
            let own = index(part).and_then(|own| own.values.near().ok());
            own.into_iter().for_each(|own| halves.copy(new, own, old));
        }
        // Of bytes there may be several steps, of which one is kept.
        let own = parts.iter().filter(|part| part.index.rows.nodes() > 0);
        let known = own.filter_map(|part| part.index.codes.as_ref()?.step()).next();
        let mut from = vec![(u32::MAX, 0u32); nodes as usize];
        for (part, old, new) in moves() {
            if let Some(slot) = from.get_mut(new as usize) {
                *slot = (u32::try_from(part).unwrap_or(u32::MAX), old);
            }
        }
        let codes = Walked::of(
            options.kind_of(nodes),
            &halves,
            options.step.or(known),
            |node| {
                let (part, old) = from.get(node as usize).copied()?;
                Some((index(part as usize)?.codes.as_ref()?, old))
            },
            parallel,
        )?;
        Ok(Self {
            codes,
            values: Values::Near(halves),
            dimensions,
            graph: None,
            turned: false,
            rows: Rows::default(),
        })
    }
}

/// The graphs of the parts joined as planned, or a new one.
fn joined<C: Codes>(
    codes: &C,
    (plan, graphs, options): (Option<&Plan>, &[Part<'_>], GraphOptions),
    parallel: &dyn Parallel,
) -> Result<Graph, VectorError> {
    match plan {
        Some(plan) => plan.join(codes, graphs, options, parallel),
        None => Graph::build(codes, options, parallel),
    }
}

/// A node stays if one of its rows does, and no node before it has the same vector.
fn fates(parts: &[MergePart<'_>]) -> Vec<Fate> {
    let mut known: HashMap<&[u16], (usize, u32)> = HashMap::new();
    let mut fates = Vec::with_capacity(parts.len());
    for (number, part) in parts.iter().enumerate() {
        let own = part.index;
        let mut fate = Fate { stays: vec![false; own.rows.nodes() as usize], twins: Vec::new() };
        for (node, stays) in (0u32..).zip(&mut fate.stays) {
            let Some(values) = own.values.near().ok().and_then(|halves| halves.bits(node)) else { continue };
            if own.rows.of(node).all(|row| (part.row)(row).is_none()) {
                continue;
            }
            match known.entry(values) {
                Entry::Vacant(entry) => {
                    entry.insert((number, node));
                    *stays = true;
                }
                Entry::Occupied(entry) => fate.twins.push((node, *entry.get())),
            }
        }
        fates.push(fate);
    }
    fates
}

/// New numbers in an order that has nothing to do with that of the rows.
fn shuffled(parts: &[MergePart<'_>], fates: &[Fate]) -> Vec<Vec<u32>> {
    let mut order: Vec<(u64, usize, u32)> = Vec::new();
    for (number, (part, fate)) in parts.iter().zip(fates).enumerate() {
        for (node, _) in (0u32..).zip(&fate.stays).filter(|(_, stays)| **stays) {
            let row = part.index.rows.of(node).find_map(part.row).unwrap_or(0);
            order.push((mixed(row.into()), number, node));
        }
    }
    order.sort_unstable();
    let mut numbers: Vec<Vec<u32>> = fates.iter().map(|fate| vec![NONE; fate.stays.len()]).collect();
    for (new, (_, number, node)) in (0u32..).zip(order) {
        if let Some(slot) = numbers.get_mut(number).and_then(|own| own.get_mut(node as usize)) {
            *slot = new;
        }
    }
    numbers
}

/// Whose the nodes are then.
fn merged_rows(parts: &[MergePart<'_>], fates: &[Fate], numbers: &[Vec<u32>], nodes: u32) -> Rows {
    let new = |part: usize, node: u32| {
        numbers.get(part).and_then(|own| own.get(node as usize)).copied().filter(|number| *number != NONE)
    };
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for (number, (part, fate)) in parts.iter().zip(fates).enumerate() {
        let own =
            (0u32..).zip(&fate.stays).filter(|(_, stays)| **stays).map(|(node, _)| (node, (number, node)));
        for (node, (of, kept)) in own.chain(fate.twins.iter().copied()) {
            let Some(new) = new(of, kept) else { continue };
            pairs.extend(part.index.rows.of(node).filter_map(part.row).map(|row| (new, row)));
        }
    }
    Rows::of_pairs(pairs, nodes)
}
