//! SQ8: a byte for each value, all in the same steps.

use super::{Codes, MOST_DIMENSIONS};
use crate::error::VectorError;
use crate::kernel::{Kernels, LANES, best, row};
use crate::memory::Array;

/// What one step of a byte is worth. One for all values of a model's vectors, so that segments compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step(f32);

/// Values above so many steps have none.
const MOST: f32 = 127.0;
/// Clips that are tried, as parts of the largest value.
const TRIES: usize = 48;
/// Values of a sample that are looked at.
pub(crate) const SAMPLE: usize = 1_048_573;

impl Step {
    /// A step that somebody fitted before.
    ///
    /// # Errors
    /// [`VectorError::Damaged`] where it is none.
    pub fn new(step: f32) -> Result<Self, VectorError> {
        if step.is_finite() && step > 0.0 {
            Ok(Self(step))
        } else {
            Err(VectorError::Damaged(format!("a step of codes is {step}")))
        }
    }

    /// What a step is worth.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }

    /// The step with the smallest squared error over a sample. Few values are large, and to clip them costs less than
    /// wide steps cost all others.
    #[must_use]
    pub fn fit(values: &[f32]) -> Self {
        // So many are a prime, so that no dimension is left out.
        let taken = values.len().min(SAMPLE);
        let places = (0..taken).map(|at| (at as u64 * values.len() as u64 / taken as u64) as usize);
        let mut sample: Vec<f32> = places.filter_map(|at| values.get(at)).map(|x| x.abs()).collect();
        sample.sort_unstable_by(f32::total_cmp);
        let Some(largest) = sample.last().copied().filter(|x| x.is_finite() && *x > 0.0) else {
            return Self(1.0 / MOST);
        };
        // What lies between the values of a histogram is close enough.
        let thin: Vec<f32> = sample.iter().copied().step_by((sample.len() / 65_536).max(1)).collect();
        let error = |step: f32| -> f64 {
            let of = |x: &f32| f64::from(x - (x / step).round().min(MOST) * step).powi(2);
            thin.iter().map(of).sum()
        };
        let steps = (1..=TRIES).map(|part| largest * part as f32 / TRIES as f32 / MOST);
        let best = steps.map(|step| (error(step), step)).min_by(|a, b| a.0.total_cmp(&b.0));
        Self(best.map_or(largest / MOST, |(_, step)| step).max(f32::MIN_POSITIVE))
    }

    fn code(self, value: f32) -> i8 {
        // A cast of a float saturates, and what is no number becomes 0.
        (value / self.0).round().clamp(-MOST, MOST) as i8
    }
}

/// Codes of a byte a value.
pub struct Sq8 {
    dimensions: usize,
    /// Bytes of a row: the dimensions, and zeros up to a whole register.
    width: usize,
    nodes: u32,
    step: Step,
    codes: Array<i8>,
    kernels: &'static dyn Kernels,
}

/// A vector in steps of its own.
pub struct Sq8Query {
    codes: Vec<i8>,
    scale: f32,
}

impl Sq8 {
    /// Room for so many codes.
    ///
    /// # Errors
    /// [`VectorError::Memory`], [`VectorError::TooManyDimensions`].
    pub fn zeroed(nodes: u32, dimensions: usize, step: Step) -> Result<Self, VectorError> {
        if dimensions == 0 || dimensions > MOST_DIMENSIONS {
            return Err(VectorError::TooManyDimensions(dimensions));
        }
        let width = dimensions.next_multiple_of(LANES);
        let codes = Array::zeroed((nodes as usize).saturating_mul(width))?;
        Ok(Self { dimensions, width, nodes, step, codes, kernels: best() })
    }

    /// The same codes compared in another way.
    #[must_use]
    pub fn with_kernels(mut self, kernels: &'static dyn Kernels) -> Self {
        self.kernels = kernels;
        self
    }

    /// Writes the code of one vector. One that is not there is not written.
    pub fn set(&mut self, node: u32, vector: &[f32]) {
        let (step, width) = (self.step, self.width);
        if let Some(row) = self.row_mut(node, width) {
            row.iter_mut().zip(vector).for_each(|(code, value)| *code = step.code(*value));
        }
    }

    /// Takes over the code of one vector from codes of the same steps and dimension.
    pub fn copy(&mut self, node: u32, from: &Self, other: u32) {
        let width = self.width;
        if let (Some(to), Some(code)) =
            (self.row_mut(node, width), row(from.codes.as_slice(), from.width, other))
            && to.len() == code.len()
        {
            to.copy_from_slice(code);
        }
    }

    fn row_mut(&mut self, node: u32, width: usize) -> Option<&mut [i8]> {
        let from = (node as usize).checked_mul(width)?;
        self.codes.as_mut_slice().get_mut(from..from.checked_add(width)?)
    }

    /// Bytes of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// All codes, one row after another.
    pub(crate) fn all(&self) -> &[i8] {
        self.codes.as_slice()
    }

    /// Has so many codes, which are these.
    pub(crate) fn fill(&mut self, nodes: u32, codes: &[i8]) -> Result<(), VectorError> {
        *self = Self::zeroed(nodes, self.dimensions, self.step)?;
        self.codes.as_mut_slice().iter_mut().zip(codes).for_each(|(to, code)| *to = *code);
        Ok(())
    }

    /// What the code of a node stands for.
    pub(crate) fn meant(&self, node: u32) -> impl Iterator<Item = f32> {
        let code = row(self.codes.as_slice(), self.width, node).unwrap_or(&[]);
        code.iter().take(self.dimensions).map(|code| f32::from(*code) * self.step.0)
    }

    /// The step of its values.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// Values of a vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }
}

impl Codes for Sq8 {
    type Query = Sq8Query;

    fn nodes(&self) -> u32 {
        self.nodes
    }

    fn query(&self, vector: &[f32]) -> Sq8Query {
        // Its own largest value has the largest byte: its steps are as small as can be, and nothing is clipped.
        let largest = vector.iter().take(self.dimensions).fold(0.0f32, |most, x| most.max(x.abs()));
        let own = Step(if largest > 0.0 { largest / MOST } else { 1.0 });
        let mut codes: Vec<i8> = vector.iter().take(self.dimensions).map(|x| own.code(*x)).collect();
        codes.resize(self.width, 0);
        Sq8Query { codes, scale: own.0 * self.step.0 }
    }

    fn query_of(&self, node: u32) -> Sq8Query {
        let code = row(self.codes.as_slice(), self.width, node);
        let codes = code.map_or_else(|| vec![0; self.width], <[i8]>::to_vec);
        Sq8Query { codes, scale: self.step.0 * self.step.0 }
    }

    fn scores(&self, query: &Sq8Query, nodes: &[u32], out: &mut Vec<f32>) {
        self.kernels.dots_i8(&query.codes, self.codes.as_slice(), nodes, query.scale, out);
    }

    fn between(&self, a: u32, b: u32) -> f32 {
        let row = |node| row(self.codes.as_slice(), self.width, node);
        match (row(a), row(b)) {
            (Some(a), Some(b)) => self.kernels.dot_i8(a, b) as f32 * (self.step.0 * self.step.0),
            _ => f32::NEG_INFINITY,
        }
    }

    fn bytes(&self) -> usize {
        self.codes.bytes()
    }
}
