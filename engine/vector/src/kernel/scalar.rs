//! The reference.

use super::{Kernels, from_half};

pub struct Scalar;

impl Kernels for Scalar {
    fn name(&self) -> &'static str {
        "scalar"
    }

    fn dot_f32(&self, a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn dot_half(&self, query: &[f32], halves: &[u16]) -> f32 {
        query.iter().zip(halves).map(|(a, b)| a * from_half(*b)).sum()
    }

    fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32 {
        a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
    }
}
