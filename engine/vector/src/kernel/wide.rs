//! Floats with halves: eight at a time by AVX2 and F16C, sixteen by AVX-512.

use super::scalar;
use std::arch::x86_64::{
    _mm_loadu_si128, _mm256_add_ps, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_setzero_ps, _mm256_storeu_ps, _mm512_add_ps, _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_reduce_add_ps, _mm512_setzero_ps,
};

/// The inner product; `None` where the machine has neither. Both rows have one length.
pub fn dot_half(query: &[f32], halves: &[u16]) -> Option<f32> {
    let (whole, dot) = if is_x86_feature_detected!("avx512f") {
        let whole = query.len() / 32 * 32;
        // SAFETY: the instructions were just found.
        (whole, unsafe { sixteen(query, halves) })
    } else if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
    {
        let whole = query.len() / 16 * 16;
        // SAFETY: the instructions were just found.
        (whole, unsafe { eight(query, halves) })
    } else {
        return None;
    };
    let rest = query.get(whole..).zip(halves.get(whole..));
    Some(dot + rest.map_or(0.0, |(query, halves)| scalar().dot_half(query, halves)))
}

/// As many chunks of 32 as both have.
#[target_feature(enable = "avx512f")]
fn sixteen(query: &[f32], halves: &[u16]) -> f32 {
    let (mut even, mut odd) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for (q, h) in query.chunks_exact(32).zip(halves.chunks_exact(32)) {
        let (q, h) = (q.as_ptr(), h.as_ptr());
        // SAFETY: each chunk has 32 numbers, and the loads read the first and the second 16; they need no alignment.
        unsafe {
            even = _mm512_fmadd_ps(_mm512_loadu_ps(q), _mm512_cvtph_ps(_mm256_loadu_si256(h.cast())), even);
            let (q, h) = (q.add(16), h.add(16));
            odd = _mm512_fmadd_ps(_mm512_loadu_ps(q), _mm512_cvtph_ps(_mm256_loadu_si256(h.cast())), odd);
        }
    }
    _mm512_reduce_add_ps(_mm512_add_ps(even, odd))
}

/// As many chunks of 16 as both have.
#[target_feature(enable = "avx2,fma,f16c")]
fn eight(query: &[f32], halves: &[u16]) -> f32 {
    let (mut even, mut odd) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    for (q, h) in query.chunks_exact(16).zip(halves.chunks_exact(16)) {
        let (q, h) = (q.as_ptr(), h.as_ptr());
        // SAFETY: each chunk has 16 numbers, and the loads read the first and the second 8; they need no alignment.
        unsafe {
            even = _mm256_fmadd_ps(_mm256_loadu_ps(q), _mm256_cvtph_ps(_mm_loadu_si128(h.cast())), even);
            let (q, h) = (q.add(8), h.add(8));
            odd = _mm256_fmadd_ps(_mm256_loadu_ps(q), _mm256_cvtph_ps(_mm_loadu_si128(h.cast())), odd);
        }
    }
    let mut sums = [0.0; 8];
    // SAFETY: there is room for eight numbers.
    unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), _mm256_add_ps(even, odd)) };
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::to_half;

    /// A machine with the wider registers takes these alone, so the narrower are asked for here.
    #[test]
    fn eight_at_a_time_give_what_the_reference_gives() {
        if !(is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c"))
        {
            return;
        }
        let query: Vec<f32> = (0..64).map(|n| 1.0 / (n as f32 + 1.5)).collect();
        let halves: Vec<u16> = (0..64).map(|n| to_half(0.5 - n as f32 / 77.0)).collect();
        // SAFETY: the instructions were just found.
        let got = unsafe { eight(&query, &halves) };
        assert!((got - scalar().dot_half(&query, &halves)).abs() < 1e-5);
    }
}
