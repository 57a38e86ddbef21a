//! Floats and halves: no code at all, and the exact values for rescoring.

use super::{Codes, SAMPLE};
use crate::error::VectorError;
use crate::kernel::{Kernels, best, row, to_half};
use crate::memory::{Array, prefetch};
use bytemuck::Pod;

/// Values of a cache line.
const fn per_line<T>() -> usize {
    64 / size_of::<T>()
}

/// Rows of numbers.
struct Rows<T> {
    dimensions: usize,
    nodes: u32,
    values: Array<T>,
    kernels: &'static dyn Kernels,
}

impl<T: Pod> Rows<T> {
    fn zeroed(nodes: u32, dimensions: usize) -> Result<Self, VectorError> {
        let values = Array::zeroed((nodes as usize).saturating_mul(dimensions))?;
        Ok(Self { dimensions, nodes, values, kernels: best() })
    }

    fn row(&self, node: u32) -> Option<&[T]> {
        row(self.values.as_slice(), self.dimensions, node)
    }

    fn row_mut(&mut self, node: u32) -> Option<&mut [T]> {
        let from = (node as usize).checked_mul(self.dimensions)?;
        self.values.as_mut_slice().get_mut(from..from.checked_add(self.dimensions)?)
    }

    /// Scores of many, each row asked for while another is worked on.
    fn scores(&self, nodes: &[u32], out: &mut Vec<f32>, score: impl Fn(&[T]) -> f32) {
        const AHEAD: usize = 2;
        let fetch = |node: u32| {
            let first = (node as usize).saturating_mul(self.dimensions);
            for line in 0..self.dimensions.div_ceil(per_line::<T>()) {
                prefetch(self.values.as_slice(), first.saturating_add(line * per_line::<T>()));
            }
        };
        nodes.iter().take(AHEAD).for_each(|node| fetch(*node));
        let mut ahead = nodes.iter().skip(AHEAD);
        for node in nodes {
            ahead.next().into_iter().for_each(|node| fetch(*node));
            out.push(self.row(*node).map_or(f32::NEG_INFINITY, &score));
        }
    }
}

/// Vectors as they came.
pub struct Floats(Rows<f32>);

impl Floats {
    /// Room for so many vectors.
    ///
    /// # Errors
    /// [`VectorError::Memory`].
    pub fn zeroed(nodes: u32, dimensions: usize) -> Result<Self, VectorError> {
        Rows::zeroed(nodes, dimensions).map(Self)
    }

    /// Writes one vector. One that is not there is not written.
    pub fn set(&mut self, node: u32, vector: &[f32]) {
        if let Some(row) = self.0.row_mut(node) {
            row.iter_mut().zip(vector).for_each(|(to, from)| *to = *from);
        }
    }
}

impl Codes for Floats {
    type Query = Vec<f32>;

    fn nodes(&self) -> u32 {
        self.0.nodes
    }

    fn query(&self, vector: &[f32]) -> Vec<f32> {
        vector.to_vec()
    }

    fn query_of(&self, node: u32) -> Vec<f32> {
        self.0.row(node).map(<[f32]>::to_vec).unwrap_or_default()
    }

    fn scores(&self, query: &Vec<f32>, nodes: &[u32], out: &mut Vec<f32>) {
        self.0.scores(nodes, out, |row| self.0.kernels.dot_f32(query, row));
    }

    fn between(&self, a: u32, b: u32) -> f32 {
        match (self.0.row(a), self.0.row(b)) {
            (Some(a), Some(b)) => self.0.kernels.dot_f32(a, b),
            _ => f32::NEG_INFINITY,
        }
    }

    fn bytes(&self) -> usize {
        self.0.values.bytes()
    }
}

/// Vectors as halves: what scores are in the end, in whatever segment a vector lies.
pub struct Halves(Rows<u16>);

impl Halves {
    /// Room for so many vectors.
    ///
    /// # Errors
    /// [`VectorError::Memory`].
    pub fn zeroed(nodes: u32, dimensions: usize) -> Result<Self, VectorError> {
        Rows::zeroed(nodes, dimensions).map(Self)
    }

    /// Writes one vector. One that is not there is not written.
    pub fn set(&mut self, node: u32, vector: &[f32]) {
        if let Some(row) = self.0.row_mut(node) {
            // Two zeros would make two nodes of equal vectors.
            let half = |value: f32| Some(to_half(value)).filter(|bits| *bits != 0x8000).unwrap_or(0);
            row.iter_mut().zip(vector).for_each(|(to, from)| *to = half(*from));
        }
    }

    /// Takes over one vector from others of the same dimension.
    pub fn copy(&mut self, node: u32, from: &Self, other: u32) {
        if let (Some(to), Some(row)) = (self.0.row_mut(node), from.0.row(other))
            && to.len() == row.len()
        {
            to.copy_from_slice(row);
        }
    }

    /// All values, one vector after another.
    pub(crate) fn all(&self) -> &[u16] {
        self.0.values.as_slice()
    }

    /// Has so many vectors, of these values.
    pub(crate) fn fill(&mut self, nodes: u32, values: impl Iterator<Item = u16>) -> Result<(), VectorError> {
        *self = Self::zeroed(nodes, self.0.dimensions)?;
        self.0.values.as_mut_slice().iter_mut().zip(values).for_each(|(to, value)| *to = value);
        Ok(())
    }

    /// Values of some vectors, evenly over all: enough to fit a step to.
    #[must_use]
    pub fn sample(&self) -> Vec<f32> {
        let rows = (SAMPLE / self.0.dimensions.max(1)).clamp(1, self.0.nodes.max(1) as usize);
        let step = (self.0.nodes as usize).div_ceil(rows).max(1);
        (0..self.0.nodes).step_by(step).flat_map(|node| self.query_of(node)).collect()
    }

    /// Some of the vectors, evenly over all, one after another: at most so many.
    #[must_use]
    pub fn some(&self, rows: usize) -> Vec<f32> {
        let step = (self.0.nodes as usize).div_ceil(rows.max(1)).max(1);
        (0..self.0.nodes).step_by(step).flat_map(|node| self.query_of(node)).collect()
    }

    /// Values of a vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.0.dimensions
    }

    /// The bits of one vector.
    #[must_use]
    pub fn bits(&self, node: u32) -> Option<&[u16]> {
        self.0.row(node)
    }
}

impl Codes for Halves {
    type Query = Vec<f32>;

    fn nodes(&self) -> u32 {
        self.0.nodes
    }

    fn query(&self, vector: &[f32]) -> Vec<f32> {
        vector.to_vec()
    }

    fn query_of(&self, node: u32) -> Vec<f32> {
        let row = self.0.row(node).unwrap_or(&[]);
        row.iter().map(|bits| crate::kernel::from_half(*bits)).collect()
    }

    fn scores(&self, query: &Vec<f32>, nodes: &[u32], out: &mut Vec<f32>) {
        self.0.scores(nodes, out, |row| self.0.kernels.dot_half(query, row));
    }

    fn between(&self, a: u32, b: u32) -> f32 {
        let query = self.query_of(a);
        self.0.row(b).map_or(f32::NEG_INFINITY, |row| self.0.kernels.dot_half(&query, row))
    }

    fn bytes(&self) -> usize {
        self.0.values.bytes()
    }
}
