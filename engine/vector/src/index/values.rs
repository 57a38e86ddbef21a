//! The exact values of an index: in memory, or where somebody else keeps them.

use crate::code::{Codes, Halves};
use crate::error::VectorError;
use crate::kernel::{Kernels, best, from_half};
use std::sync::Arc;

/// Exact values that lie on a disk and are read when scores need them.
pub trait FarValues: Send + Sync {
    /// The bytes of one vector: its halves, little-endian.
    ///
    /// # Errors
    /// One line that says why it cannot be read.
    fn read(&self, node: u32, bytes: &mut Vec<u8>) -> Result<(), String>;
}

/// What was read of one vector.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    bits: Vec<u16>,
}

impl Buffer {
    fn read(&mut self, far: &dyn FarValues, node: u32, dimensions: usize) -> Result<&[u16], VectorError> {
        self.bytes.clear();
        far.read(node, &mut self.bytes).map_err(VectorError::Unreadable)?;
        self.bits.clear();
        self.bits.extend(self.bytes.as_chunks::<2>().0.iter().map(|half| u16::from_le_bytes(*half)));
        if self.bits.len() != dimensions {
            let why = format!("vector {node} has {} values, not {dimensions}", self.bits.len());
            return Err(VectorError::Damaged(why));
        }
        Ok(&self.bits)
    }
}

/// The exact values.
pub enum Values {
    /// In memory.
    Near(Halves),
    /// Elsewhere.
    Far(Arc<dyn FarValues>),
}

impl Values {
    /// Those in memory.
    ///
    /// # Errors
    /// [`VectorError::Unreadable`] where they are not.
    pub fn near(&self) -> Result<&Halves, VectorError> {
        match self {
            Self::Near(halves) => Ok(halves),
            Self::Far(_) => Err(VectorError::Unreadable("exact values are not in memory".into())),
        }
    }

    /// The products of a query with some nodes; of one that is none, less than any.
    pub fn scores(&self, query: &Vec<f32>, nodes: &[u32], out: &mut Vec<f32>) -> Result<(), VectorError> {
        match self {
            Self::Near(halves) => halves.scores(query, nodes, out),
            Self::Far(far) => {
                let kernels: &dyn Kernels = best();
                let mut buffer = Buffer::default();
                for node in nodes {
                    if *node == u32::MAX {
                        out.push(f32::NEG_INFINITY);
                        continue;
                    }
                    out.push(kernels.dot_half(query, buffer.read(&**far, *node, query.len())?));
                }
            }
        }
        Ok(())
    }

    /// Appends the values of a node.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn append(&self, node: u32, dimensions: usize, out: &mut Vec<f32>) -> Result<(), VectorError> {
        match self {
            Self::Near(halves) => out.extend(halves.query_of(node)),
            Self::Far(far) => {
                let mut buffer = Buffer::default();
                out.extend(buffer.read(&**far, node, dimensions)?.iter().map(|bits| from_half(*bits)));
            }
        }
        Ok(())
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Near(halves) => halves.bytes(),
            Self::Far(_) => 0,
        }
    }
}
