//! Whose vectors the nodes of an index are.
//!
//! What always holds: each row belongs to exactly one node, rows with equal values to the same; the order of the nodes
//! depends on their values and numbers alone.

use crate::code::{Codes, Halves};
use crate::error::VectorError;
use crate::graph::NONE;
use std::collections::HashMap;

/// The rows of each node.
#[derive(Default)]
pub struct Rows {
    /// Where the rows of a node begin in `rows`; one more than there are nodes.
    begins: Vec<u32>,
    rows: Vec<u32>,
    /// The node of each row, or [`NONE`].
    nodes: Vec<u32>,
}

/// A well-mixed number for each number (splitmix64, Steele and others, 2014).
pub fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rows {
    /// Puts equal vectors together. Nodes come in an order that has nothing to do with that of the rows: the first of
    /// them are the upper levels of the graph, which are to be a fair sample.
    pub fn group(vectors: &Halves) -> Self {
        let mut by_value: HashMap<&[u16], u32> = HashMap::new();
        let mut firsts: Vec<u32> = Vec::new();
        let mut groups: Vec<u32> = Vec::with_capacity(vectors.nodes() as usize);
        for row in 0..vectors.nodes() {
            let next = u32::try_from(firsts.len()).unwrap_or(u32::MAX);
            let group = *by_value.entry(vectors.bits(row).unwrap_or(&[])).or_insert(next);
            if group == next {
                firsts.push(row);
            }
            groups.push(group);
        }
        let nodes = u32::try_from(firsts.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..nodes).collect();
        order.sort_by_cached_key(|group| mixed(firsts.get(*group as usize).copied().unwrap_or(0).into()));
        let mut node_of = vec![0; firsts.len()];
        for (node, group) in (0..).zip(order) {
            if let Some(slot) = node_of.get_mut(group as usize) {
                *slot = node;
            }
        }
        let pair = |(row, group): (u32, u32)| (node_of.get(group as usize).copied().unwrap_or(0), row);
        Self::of_pairs((0..).zip(groups).map(pair).collect(), nodes)
    }

    /// Of nodes and their rows, in any order; each row once.
    pub fn of_pairs(mut pairs: Vec<(u32, u32)>, nodes: u32) -> Self {
        pairs.sort_unstable();
        let rows = pairs.iter().map(|(_, row)| *row as usize + 1).max().unwrap_or(0);
        let mut own = Self {
            begins: Vec::with_capacity(nodes as usize + 1),
            rows: pairs.iter().map(|(_, row)| *row).collect(),
            nodes: vec![NONE; rows],
        };
        let mut at = 0;
        for node in 0..=nodes {
            own.begins.push(u32::try_from(at).unwrap_or(u32::MAX));
            for (_, row) in pairs.get(at..).unwrap_or(&[]).iter().take_while(|(of, _)| *of == node) {
                if let Some(slot) = own.nodes.get_mut(*row as usize) {
                    *slot = node;
                }
                at += 1;
            }
        }
        own
    }

    /// Where the rows of each node begin, then the rows.
    pub fn words(&self) -> impl Iterator<Item = u32> {
        // Rows of nothing begin nowhere.
        let begins = if self.begins.is_empty() { &[0][..] } else { &self.begins };
        begins.iter().chain(&self.rows).copied()
    }

    /// The rows of so many nodes, as [`Rows::words`] gave them, all below `numbers`.
    pub fn from_words(nodes: u32, numbers: u32, words: Vec<u32>) -> Result<Self, VectorError> {
        let (begins, rows) = words.split_at_checked(nodes as usize + 1).unwrap_or_default();
        let ends = begins.first() == Some(&0) && begins.last().map(|last| *last as usize) == Some(rows.len());
        if !ends || !begins.is_sorted() {
            return Err(VectorError::Damaged("rows do not begin where others end".into()));
        }
        let bound = rows.iter().max().map_or(0, |row| u64::from(*row) + 1);
        if bound > numbers.into() {
            return Err(VectorError::Damaged(format!(
                "it has row {}, of {numbers}",
                bound.saturating_sub(1)
            )));
        }
        let bound = usize::try_from(bound).unwrap_or(usize::MAX);
        let mut own = Self { begins: begins.to_vec(), rows: rows.to_vec(), nodes: vec![NONE; bound] };
        for node in 0..nodes {
            let (from, to) = (begins.get(node as usize), begins.get(node as usize + 1));
            let range = from.zip(to).map_or(0..0, |(from, to)| *from as usize..*to as usize);
            for row in rows.get(range).unwrap_or(&[]) {
                match own.nodes.get_mut(*row as usize) {
                    Some(slot) if *slot == NONE => *slot = node,
                    _ => return Err(VectorError::Damaged("a row belongs to two nodes".into())),
                }
            }
        }
        Ok(own)
    }

    pub fn nodes(&self) -> u32 {
        u32::try_from(self.begins.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub fn rows(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// The rows of a node.
    pub fn of(&self, node: u32) -> impl Iterator<Item = u32> {
        let begin = |at: usize| self.begins.get(at).map(|begin| *begin as usize);
        let range = begin(node as usize).zip(begin(node as usize + 1));
        range.and_then(|(from, to)| self.rows.get(from..to)).unwrap_or(&[]).iter().copied()
    }

    /// The node of a row.
    pub fn node(&self, row: u32) -> Option<u32> {
        self.nodes.get(row as usize).copied().filter(|node| *node != NONE)
    }

    /// One of the rows of a node.
    pub fn first(&self, node: u32) -> u32 {
        self.of(node).next().unwrap_or(u32::MAX)
    }

    pub fn bytes(&self) -> usize {
        (self.begins.len() + self.rows.len() + self.nodes.len()) * size_of::<u32>()
    }
}
