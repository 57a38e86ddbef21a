//! What a vector is kept as while a graph is walked.
//!
//! What always holds: a score is the inner product of what the codes stand for, so that larger is nearer and scores of
//! one kind of code compare; a node that is not there has the smallest score there is.

mod b4;
mod float;
mod pq;
mod rotation;
mod sq8;

pub use b4::B4;
pub use float::{Floats, Halves};
pub use pq::{Codebook, Pq};
pub use rotation::Rotation;
pub(crate) use sq8::SAMPLE;
pub use sq8::{Sq8, Step};

use crate::error::VectorError;

/// Dimensions that a vector may have.
pub const MOST_DIMENSIONS: usize = 4096;

/// Vectors as codes.
pub trait Codes: Sync {
    /// A vector made ready to be compared with many.
    type Query: Send + Sync;

    /// How many there are.
    fn nodes(&self) -> u32;
    /// Makes a vector ready.
    fn query(&self, vector: &[f32]) -> Self::Query;
    /// Makes one of the vectors ready.
    fn query_of(&self, node: u32) -> Self::Query;
    /// Appends the score of each of `nodes`, in order.
    fn scores(&self, query: &Self::Query, nodes: &[u32], out: &mut Vec<f32>);
    /// The score of two of the vectors.
    fn between(&self, a: u32, b: u32) -> f32;
    /// Bytes of memory.
    fn bytes(&self) -> usize;
}

/// Gives a vector length one.
///
/// # Errors
/// [`VectorError::NoDirection`], with `number`, which is the vector's among others.
pub fn normalise(vector: &mut [f32], number: u64) -> Result<(), VectorError> {
    // Squares of large numbers have no room in a float.
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if !length.is_finite() || length <= 0.0 {
        return Err(VectorError::NoDirection(number));
    }
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    Ok(())
}
