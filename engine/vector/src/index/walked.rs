//! The codes that an index keeps, of one kind or another.
//!
//! What always holds: graphs are built over bytes or exact values, whatever a walk compares later: what a code leaves out must
//! not decide which links there are.

use super::CodeKind;
use crate::code::{B4, Codebook, Codes, Halves, Pq, Sq8, Step};
use crate::error::VectorError;
use crate::threads::Parallel;
use std::sync::Arc;

/// Vectors that a codebook is learnt of, at most.
const TRAINED: usize = 16_384;

/// The codebook of the part that has most of the nodes, where that is at least half of all: one that was learnt of a few vectors
/// must not be that of many.
fn known_book<'k>(
    rotated: bool,
    nodes: u32,
    known: &impl Fn(u32) -> Option<(&'k Walked, u32)>,
) -> Option<Arc<Codebook>> {
    let mut counts: Vec<(&Arc<Codebook>, u32)> = Vec::new();
    for book in (0..nodes).filter_map(|node| known(node)?.0.book()) {
        match counts.iter_mut().find(|(own, _)| Arc::ptr_eq(own, book)) {
            Some((_, count)) => *count += 1,
            None => counts.push((book, 1)),
        }
    }
    let most =
        counts.into_iter().filter(|(book, _)| book.is_rotated() == rotated).max_by_key(|(_, count)| *count);
    most.filter(|(_, count)| count.saturating_mul(2) >= nodes).map(|(book, _)| Arc::clone(book))
}

/// Codes of some kind, beside exact values.
pub enum Walked {
    /// A byte a value.
    Sq8(Sq8),
    /// Half a byte a value.
    B4(B4),
    /// A byte for eight values.
    Pq(Pq),
}

impl Walked {
    /// Which kind.
    pub fn kind(&self) -> CodeKind {
        match self {
            Self::Sq8(_) => CodeKind::Sq8,
            Self::B4(_) => CodeKind::B4,
            Self::Pq(codes) if codes.book().is_rotated() => CodeKind::Opq,
            Self::Pq(_) => CodeKind::Pq,
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Sq8(codes) => codes.bytes(),
            Self::B4(codes) => codes.bytes(),
            Self::Pq(codes) => codes.bytes(),
        }
    }

    /// The step of bytes, where it is these.
    pub fn step(&self) -> Option<Step> {
        match self {
            Self::Sq8(codes) => Some(codes.step()),
            Self::B4(_) | Self::Pq(_) => None,
        }
    }

    /// Codes of all of these vectors; none where exact values are compared. `known` gives, for a node, codes that have it and
    /// its number there.
    ///
    /// # Errors
    /// No memory.
    pub fn of<'k>(
        kind: CodeKind,
        halves: &Halves,
        step: Option<Step>,
        known: impl Fn(u32) -> Option<(&'k Walked, u32)>,
        parallel: &dyn Parallel,
    ) -> Result<Option<Self>, VectorError> {
        let dimensions = halves.dimensions();
        let nodes = 0..halves.nodes();
        match kind {
            CodeKind::F16 => Ok(None),
            CodeKind::Sq8 => {
                let step = step.unwrap_or_else(|| Step::fit(&halves.sample()));
                let mut codes = Sq8::zeroed(halves.nodes(), dimensions, step)?;
                for node in nodes {
                    match known(node) {
                        Some((Self::Sq8(own), old)) if own.step() == step => codes.copy(node, own, old),
                        _ => codes.set(node, &halves.query_of(node)),
                    }
                }
                Ok(Some(Self::Sq8(codes)))
            }
            CodeKind::B4 => {
                let mut codes = B4::zeroed(halves.nodes(), dimensions)?;
                for node in nodes {
                    match known(node) {
                        Some((Self::B4(own), old)) => codes.copy(node, own, old),
                        _ => codes.set(node, &halves.query_of(node)),
                    }
                }
                Ok(Some(Self::B4(codes)))
            }
            CodeKind::Pq | CodeKind::Opq => {
                let rotated = kind == CodeKind::Opq;
                let book = match known_book(rotated, halves.nodes(), &known) {
                    Some(book) => book,
                    None => Arc::new(Codebook::fit(&halves.some(TRAINED), dimensions, rotated, parallel)?),
                };
                let mut codes = Pq::zeroed(halves.nodes(), Arc::clone(&book))?;
                for node in nodes {
                    match known(node) {
                        Some((Self::Pq(own), old)) if Arc::ptr_eq(own.book(), &book) => {
                            codes.copy(node, own, old)
                        }
                        _ => codes.set(node, &halves.query_of(node)),
                    }
                }
                Ok(Some(Self::Pq(codes)))
            }
        }
    }

    fn book(&self) -> Option<&Arc<Codebook>> {
        match self {
            Self::Pq(codes) => Some(codes.book()),
            _ => None,
        }
    }

    /// What a graph is built over, where it is not these codes.
    ///
    /// # Errors
    /// No memory.
    pub fn bytes_of(halves: &Halves) -> Result<Sq8, VectorError> {
        let mut codes = Sq8::zeroed(halves.nodes(), halves.dimensions(), Step::fit(&halves.sample()))?;
        (0..halves.nodes()).for_each(|node| codes.set(node, &halves.query_of(node)));
        Ok(codes)
    }
}
