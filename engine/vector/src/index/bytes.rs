//! An index as bytes: what a segment keeps of it, and what is read back without building anything.
//!
//! Five parts, so that each can be read when it is needed and kept where it belongs: codes, links and rows in memory, exact
//! values on the disk. Numbers are little-endian. The head:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | the version of this layout: 1, or 2 where codes are of a kind that version 1 did not have; 3 where the graph is one of half-turned vectors (`whitening.rs`), whatever codes there are |
//! | 4 | 4 | values of a vector |
//! | 8 | 4 | nodes |
//! | 12 | 4 | rows that belong to a node |
//! | 16 | 4 | codes: 0 none (exact values are compared), 1 SQ8, 2 half bytes, 3 PQ |
//! | 20 | 4 | the step of SQ8, a float; 0 where there are other codes or none |
//! | 24 | 4 | levels of the graph, *l*; 0 where there is none |
//! | 28 | 4 | strays, *s* |
//! | 32 | 8 x *l* | of each level, the bottom first: nodes, links of a row |
//! | | 4 x *s* | strays |
//!
//! Exact values: a half each, nodes one after another. Codes, SQ8: a byte a value, rows filled up with zeros to a multiple of
//! 64. Half bytes: rows of a multiple of 64 bytes, of each 64 of which the low halves are 64 values and the high ones the 64
//! behind them, each 0 to 15 for the odd numbers from -15 to 15; then for each row a float, by which its products are
//! multiplied; vectors are rotated before (`code/rotation.rs`). PQ: the codebook (is there a rotation, u32 0 or 1; then that, a
//! float each, by rows; then 256 centroids of eight floats for each eight values), then a byte for each eight values.
//! Links: four bytes each, `0xffffffff` for none, levels one after another. Rows: where those of each node begin (four bytes
//! each, one more than there are nodes), then the rows.
//!
//! What always holds: bytes that were read are an index, whatever they are: every number is checked before it is used. Whether
//! they are the bytes that were written, the checksums of the segment's blocks tell.

use super::values::{FarValues, Values};
use super::walked::Walked;
use super::{Index, Rows};
use crate::code::{B4, Halves, MOST_DIMENSIONS, Pq, Sq8, Step};
use crate::error::VectorError;
use crate::graph::{Graph, MOST_NODES};
use std::sync::Arc;

const VERSION: u32 = 2;
/// That of graphs of half-turned vectors.
const TURNED: u32 = 3;
/// Codes of version 1 are below.
const OLD_KINDS: u32 = 2;
const HEAD: usize = 32;
/// Levels of a graph: each has at most half of the nodes of the one below.
const MOST_LEVELS: usize = 32;
/// Links of a row.
const MOST_LINKS: u32 = 512;

/// The parts of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexBytes {
    /// What the others are.
    pub head: Vec<u8>,
    /// Exact values.
    pub values: Vec<u8>,
    /// Codes; nothing where exact values are compared.
    pub codes: Vec<u8>,
    /// Links; nothing where there is no graph.
    pub links: Vec<u8>,
    /// Whose the nodes are.
    pub rows: Vec<u8>,
}

fn damaged<T>(what: impl Into<String>) -> Result<T, VectorError> {
    Err(VectorError::Damaged(what.into()))
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}

impl Index {
    /// All of it as bytes.
    ///
    /// # Errors
    /// Where the exact values are not in memory.
    pub fn to_bytes(&self) -> Result<IndexBytes, VectorError> {
        let levels = self.graph.as_ref().map(Graph::shape).unwrap_or_default();
        let strays = self.graph.as_ref().map_or(&[][..], Graph::strays);
        let step = self.codes.as_ref().and_then(Walked::step).map_or(0.0, Step::get);
        let (kind, codes) = match &self.codes {
            None => (0, Vec::new()),
            Some(Walked::Sq8(codes)) => (1, bytemuck::cast_slice(codes.all()).to_vec()),
            Some(Walked::B4(codes)) => (2, codes.to_bytes()),
            Some(Walked::Pq(codes)) => (3, codes.to_bytes()),
        };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut head: Vec<u8> = Vec::new();
        let fixed = [
            match kind {
                _ if self.turned => TURNED,
                kind if kind < OLD_KINDS => 1,
                _ => VERSION,
            },
            count(self.dimensions),
            self.rows.nodes(),
            self.rows.rows(),
            kind,
            step.to_bits(),
            count(levels.len()),
            count(strays.len()),
        ];
        let shape = levels.iter().flat_map(|(nodes, width)| [*nodes, *width]);
        head.extend(fixed.into_iter().chain(shape).chain(strays.iter().copied()).flat_map(u32::to_le_bytes));
        Ok(IndexBytes {
            head,
            values: self.values.near()?.all().iter().flat_map(|bits| bits.to_le_bytes()).collect(),
            codes,
            links: self.graph.as_ref().map(Graph::all_links).unwrap_or_default(),
            rows: self.rows.words().flat_map(u32::to_le_bytes).collect(),
        })
    }

    /// The index that bytes are of, whose rows all have numbers below `numbers`.
    ///
    /// # Errors
    /// [`VectorError::Damaged`] where they are of none; no memory.
    pub fn from_bytes(bytes: &IndexBytes, numbers: u32) -> Result<Self, VectorError> {
        Self::read(bytes, numbers, None)
    }

    /// The same, but its exact values stay where they are: so many bytes, which `far` reads; `bytes` has none. Where exact
    /// values are what is compared, they are read nevertheless.
    ///
    /// # Errors
    /// As [`Index::from_bytes`], and what `far` says.
    pub fn from_bytes_far(
        bytes: &IndexBytes,
        numbers: u32,
        far: (Arc<dyn FarValues>, u64),
    ) -> Result<Self, VectorError> {
        Self::read(bytes, numbers, Some(far))
    }

    fn read(
        bytes: &IndexBytes,
        numbers: u32,
        far: Option<(Arc<dyn FarValues>, u64)>,
    ) -> Result<Self, VectorError> {
        let head: Vec<u32> = words(&bytes.head).collect();
        let (Some(fixed), rest) = (head.first_chunk::<{ HEAD / 4 }>(), head.get(HEAD / 4..).unwrap_or(&[]))
        else {
            return damaged("its head is cut off");
        };
        let [version, dimensions, nodes, rows, codes, step, levels, strays] = *fixed;
        let turned = version == TURNED;
        if !turned && version != if codes < OLD_KINDS { 1 } else { VERSION } {
            return damaged(format!(
                "it is of version {version} with codes {codes}, this program knows {TURNED}"
            ));
        }
        if turned && levels == 0 {
            return damaged("it has a graph of turned vectors, and no graph");
        }
        let dimensions = dimensions as usize;
        if dimensions == 0 || dimensions > MOST_DIMENSIONS || u64::from(nodes) > MOST_NODES {
            return damaged(format!("{nodes} vectors of {dimensions} values"));
        }
        let levels = levels as usize;
        let whole = levels.checked_mul(2).and_then(|shape| shape.checked_add(strays as usize));
        if levels > MOST_LEVELS || whole != Some(rest.len()) || !bytes.head.len().is_multiple_of(4) {
            return damaged("its head is not as long as it says");
        }
        let (shape, strays) = rest.split_at(levels * 2);

        let have = far.as_ref().map_or(bytes.values.len() as u64, |(_, len)| *len);
        if have != u64::from(nodes) * dimensions as u64 * 2 {
            return damaged("there are not as many exact values as it says");
        }
        let values = match far {
            Some((far, _)) if codes != 0 => Values::Far(far),
            other => Values::Near(halves(&bytes.values, other.map(|(far, _)| far), (nodes, dimensions))?),
        };

        let codes = match codes {
            0 if bytes.codes.is_empty() => None,
            1 => {
                let mut all = Sq8::zeroed(0, dimensions, Step::new(f32::from_bits(step))?)?;
                if bytes.codes.len() as u64 != u64::from(nodes) * all.width() as u64 {
                    return damaged("there are not as many codes as it says");
                }
                all.fill(nodes, bytemuck::cast_slice(&bytes.codes))?;
                Some(Walked::Sq8(all))
            }
            2 => Some(Walked::B4(B4::from_bytes(&bytes.codes, nodes, dimensions)?)),
            3 => Some(Walked::Pq(Pq::from_bytes(&bytes.codes, nodes, dimensions)?)),
            other => return damaged(format!("codes of kind {other}")),
        };
        let graph = match levels {
            0 if bytes.links.is_empty() && strays.is_empty() => None,
            0 => return damaged("it has links, and no graph"),
            _ => {
                let (shape, _) = shape.as_chunks::<2>();
                Some(Graph::from_links(nodes, shape, &bytes.links, strays, MOST_LINKS)?)
            }
        };
        if bytes.rows.len() as u64 != (u64::from(nodes) + 1 + u64::from(rows)) * 4 {
            return damaged("there are not as many rows as it says");
        }
        let rows = Rows::from_words(nodes, numbers, words(&bytes.rows).collect())?;
        Ok(Self { codes, values, dimensions, graph, turned, rows })
    }
}

/// Exact values in memory.
fn halves(
    bytes: &[u8],
    far: Option<Arc<dyn FarValues>>,
    (nodes, dimensions): (u32, usize),
) -> Result<Halves, VectorError> {
    let mut read = Vec::new();
    let bytes = match far {
        Some(far) => {
            for node in 0..nodes {
                far.read(node, &mut read).map_err(VectorError::Unreadable)?;
            }
            read.as_slice()
        }
        None => bytes,
    };
    let mut halves = Halves::zeroed(0, dimensions)?;
    halves.fill(nodes, bytes.as_chunks::<2>().0.iter().map(|half| u16::from_le_bytes(*half)))?;
    Ok(halves)
}
