//! simsimd: the instructions of nearly every machine, found out by it at run time.

use super::{Kernels, scalar};
use simsimd::SpatialSimilarity;

pub struct Simd;

/// Both as far as the shorter goes.
fn even<'a, A, B>(a: &'a [A], b: &'a [B]) -> (&'a [A], &'a [B]) {
    let len = a.len().min(b.len());
    (a.get(..len).unwrap_or(a), b.get(..len).unwrap_or(b))
}

impl Kernels for Simd {
    fn name(&self) -> &'static str {
        "simsimd"
    }

    fn dot_f32(&self, a: &[f32], b: &[f32]) -> f32 {
        let (a, b) = even(a, b);
        f32::dot(a, b).map_or_else(|| scalar().dot_f32(a, b), |dot| dot as f32)
    }

    fn dot_half(&self, query: &[f32], halves: &[u16]) -> f32 {
        let (query, halves) = even(query, halves);
        #[cfg(target_arch = "x86_64")]
        if let Some(dot) = super::wide::dot_half(query, halves) {
            return dot;
        }
        scalar().dot_half(query, halves)
    }

    fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32 {
        let (a, b) = even(a, b);
        // Sums of products of bytes are whole, and far below 2^53.
        i8::dot(a, b).map_or_else(|| scalar().dot_i8(a, b), |dot| dot as i32)
    }
}
