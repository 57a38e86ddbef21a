//! AVX-512 VNNI: four products of bytes for each of sixteen sums in one instruction.
//!
//! The instruction multiplies unsigned by signed bytes. So 128 is added to one side by turning its sign bits, and 128
//! times the sum of the other side is taken from the result.

use super::simd::Simd;
use super::{Kernels, LANES, NIBBLES, row, scalar, scaled};
use std::arch::x86_64::{
    _MM_HINT_T0, _mm_prefetch, _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_loadu_si512,
    _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_srli_epi16, _mm512_xor_si512,
};

/// Exists only where [`detect`] found the instructions.
pub struct Vnni(());

/// The kernels, where the machine has the instructions.
pub fn detect() -> Option<&'static dyn Kernels> {
    let all = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni");
    all.then_some(&Vnni(()))
}

/// Rows that are worked on at once.
const AT_ONCE: usize = 4;
/// Rows ahead that are asked for.
const AHEAD: usize = 8;

/// The inner product of as many whole registers as both have.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    let turn = _mm512_set1_epi8(i8::MIN);
    let (mut sum, mut excess) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        // SAFETY: each chunk has the 64 bytes that are read; the loads need no alignment.
        let (a, b) =
            unsafe { (_mm512_loadu_si512(a.as_ptr().cast()), _mm512_loadu_si512(b.as_ptr().cast())) };
        sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(b, turn), a);
        excess = _mm512_dpbusd_epi32(excess, turn, a);
    }
    _mm512_reduce_add_epi32(sum).wrapping_sub(_mm512_reduce_add_epi32(excess))
}

/// 128 times the sum of a row.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn excess(query: &[i8]) -> i32 {
    let turn = _mm512_set1_epi8(i8::MIN);
    let mut sum = _mm512_setzero_si512();
    for chunk in query.chunks_exact(LANES) {
        // SAFETY: as in `dot`.
        let chunk = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
        sum = _mm512_dpbusd_epi32(sum, turn, chunk);
    }
    _mm512_reduce_add_epi32(sum)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn fetch(code: &[i8]) {
    for line in code.chunks(LANES) {
        _mm_prefetch::<_MM_HINT_T0>(line.as_ptr());
    }
}

/// Four rows beside each other, so that four chains of sums are under way.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn four(query: &[i8], rows: [&[i8]; AT_ONCE]) -> [i32; AT_ONCE] {
    let turn = _mm512_set1_epi8(i8::MIN);
    let [a, b, c, d] = rows.map(|row| row.chunks_exact(LANES));
    let mut sums = [_mm512_setzero_si512(); AT_ONCE];
    for ((((query, a), b), c), d) in query.chunks_exact(LANES).zip(a).zip(b).zip(c).zip(d) {
        // SAFETY: as in `dot`.
        let query = unsafe { _mm512_loadu_si512(query.as_ptr().cast()) };
        for (sum, chunk) in sums.iter_mut().zip([a, b, c, d]) {
            // SAFETY: as in `dot`.
            let chunk = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
            *sum = _mm512_dpbusd_epi32(*sum, _mm512_xor_si512(chunk, turn), query);
        }
    }
    let [a, b, c, d] = sums;
    [
        _mm512_reduce_add_epi32(a),
        _mm512_reduce_add_epi32(b),
        _mm512_reduce_add_epi32(c),
        _mm512_reduce_add_epi32(d),
    ]
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dots(query: &[i8], codes: &[i8], nodes: &[u32], scale: f32, out: &mut Vec<f32>) {
    let width = query.len();
    let code = |node: &u32| row(codes, width, *node);
    let excess = excess(query);
    let one = |node: &u32| code(node).map_or(f32::NEG_INFINITY, |code| scaled(dot(query, code), scale));
    nodes.iter().take(AHEAD).filter_map(code).for_each(|code| fetch(code));
    let mut ahead = nodes.iter().skip(AHEAD).filter_map(code);
    let mut groups = nodes.chunks_exact(AT_ONCE);
    for group in &mut groups {
        ahead.by_ref().take(AT_ONCE).for_each(|code| fetch(code));
        if let [a, b, c, d] = group
            && let (Some(a), Some(b), Some(c), Some(d)) = (code(a), code(b), code(c), code(d))
        {
            out.extend(four(query, [a, b, c, d]).map(|sum| scaled(sum.wrapping_sub(excess), scale)));
        } else {
            out.extend(group.iter().map(one));
        }
    }
    out.extend(groups.remainder().iter().map(one));
}

/// The products of a row of bytes with one of half bytes: these are not negative, as the instruction wants it.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn halves(query: &[i8], code: &[u8]) -> i32 {
    let low = _mm512_set1_epi8(15);
    let mut sums = [_mm512_setzero_si512(); 2];
    for (query, code) in query.chunks_exact(NIBBLES).zip(code.chunks_exact(LANES)) {
        let (first, second) = query.split_at(LANES);
        // SAFETY: each has the 64 bytes that are read; the loads need no alignment.
        let (code, first, second) = unsafe {
            (
                _mm512_loadu_si512(code.as_ptr().cast()),
                _mm512_loadu_si512(first.as_ptr().cast()),
                _mm512_loadu_si512(second.as_ptr().cast()),
            )
        };
        // Shifted as words: what comes from the neighbour is masked.
        let high = _mm512_and_si512(_mm512_srli_epi16::<4>(code), low);
        let [a, b] = &mut sums;
        *a = _mm512_dpbusd_epi32(*a, _mm512_and_si512(code, low), first);
        *b = _mm512_dpbusd_epi32(*b, high, second);
    }
    let [a, b] = sums;
    _mm512_reduce_add_epi32(_mm512_add_epi32(a, b))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dots_b4(query: &[i8], codes: &[u8], nodes: &[u32], out: &mut Vec<f32>) {
    let code = |node: &u32| row(codes, query.len() / 2, *node);
    let fetch = |code: &[u8]| {
        for line in code.chunks(LANES) {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    };
    nodes.iter().take(AHEAD).filter_map(code).for_each(fetch);
    for (at, node) in nodes.iter().enumerate() {
        nodes.get(at.saturating_add(AHEAD)).and_then(code).into_iter().for_each(fetch);
        out.push(code(node).map_or(f32::NEG_INFINITY, |code| halves(query, code) as f32));
    }
}

impl Kernels for Vnni {
    fn name(&self) -> &'static str {
        "avx512-vnni"
    }

    fn dot_f32(&self, a: &[f32], b: &[f32]) -> f32 {
        Simd.dot_f32(a, b)
    }

    fn dot_half(&self, query: &[f32], halves: &[u16]) -> f32 {
        Simd.dot_half(query, halves)
    }

    fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32 {
        let whole = a.len().min(b.len()) / LANES * LANES;
        let ((a, rest_a), (b, rest_b)) = (a.split_at(whole), b.split_at(whole));
        // SAFETY: this type exists only where the instructions are.
        let sum = unsafe { dot(a, b) };
        sum.wrapping_add(scalar().dot_i8(rest_a, rest_b))
    }

    fn dots_i8(&self, query: &[i8], codes: &[i8], nodes: &[u32], scale: f32, out: &mut Vec<f32>) {
        if query.len().is_multiple_of(LANES) {
            // SAFETY: this type exists only where the instructions are.
            unsafe { dots(query, codes, nodes, scale, out) }
        } else {
            Simd.dots_i8(query, codes, nodes, scale, out);
        }
    }

    fn dots_b4(&self, query: &[i8], codes: &[u8], nodes: &[u32], out: &mut Vec<f32>) {
        if query.len().is_multiple_of(NIBBLES) {
            // SAFETY: this type exists only where the instructions are.
            unsafe { dots_b4(query, codes, nodes, out) }
        } else {
            Simd.dots_b4(query, codes, nodes, out);
        }
    }
}
