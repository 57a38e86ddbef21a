//! Inner products, each in several ways of which the machine decides.
//!
//! What always holds: all ways give the same number for whole numbers, and the same but for rounding for others
//! (property tests hold each to [`scalar`]); slices of different lengths are compared as far as the shorter goes.

mod scalar;
mod simd;
#[cfg(target_arch = "x86_64")]
mod vnni;
#[cfg(target_arch = "x86_64")]
mod wide;

use std::sync::OnceLock;

/// Values of a code are a multiple of so many, padded by zeros: the widest register.
pub const LANES: usize = 64;
/// Values of a row of half bytes are a multiple of so many: a register of bytes has two of each.
pub const NIBBLES: usize = 2 * LANES;

/// The inner products.
pub trait Kernels: Send + Sync {
    /// What the way is called.
    fn name(&self) -> &'static str;
    /// Of floats.
    fn dot_f32(&self, a: &[f32], b: &[f32]) -> f32;
    /// Of floats with halves (IEEE 754 binary16, as their bits). Sums are floats: where a machine adds in halves, as it
    /// does for two rows of halves, the third digit is wrong.
    fn dot_half(&self, query: &[f32], halves: &[u16]) -> f32;
    /// Of bytes.
    fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32;
    /// Of one row of bytes with many: `nodes` are rows of `codes`, each as long as `query`, which has a multiple of
    /// [`LANES`]. Appends `scale` times the product of each node, in order; for a node that is not there the smallest
    /// number there is.
    fn dots_i8(&self, query: &[i8], codes: &[i8], nodes: &[u32], scale: f32, out: &mut Vec<f32>) {
        out.extend(nodes.iter().map(|node| match row(codes, query.len(), *node) {
            Some(code) => scaled(self.dot_i8(query, code), scale),
            None => f32::NEG_INFINITY,
        }));
    }
    /// Of one row of bytes with many of half bytes, which are not negative: `nodes` are rows of `codes`, half as long as
    /// `query`, which has a multiple of [`NIBBLES`]; of each 128 values the first 64 are in the low halves, the others in the
    /// high ones. Appends the product of each node, in order; for a node that is not there the smallest number there is.
    fn dots_b4(&self, query: &[i8], codes: &[u8], nodes: &[u32], out: &mut Vec<f32>) {
        out.extend(nodes.iter().map(|node| match row(codes, query.len() / 2, *node) {
            Some(code) => halves(query, code) as f32,
            None => f32::NEG_INFINITY,
        }));
    }
}

/// The reference for rows of half bytes.
fn halves(query: &[i8], code: &[u8]) -> i32 {
    let of = |(values, bytes): (&[i8], &[u8])| {
        let (low, high) = values.split_at(values.len().min(LANES));
        let product = |values: &[i8], half: fn(u8) -> u8| -> i32 {
            values.iter().zip(bytes).map(|(a, b)| i32::from(*a) * i32::from(half(*b))).sum()
        };
        product(low, |byte| byte & 15).wrapping_add(product(high, |byte| byte >> 4))
    };
    query.chunks(NIBBLES).zip(code.chunks(LANES)).map(of).fold(0, i32::wrapping_add)
}

/// A sum of products of bytes, which is exact in a float for as many as fit in the cache.
#[inline]
fn scaled(sum: i32, scale: f32) -> f32 {
    sum as f32 * scale
}

/// A row of a flat array.
#[inline]
pub fn row<T>(all: &[T], width: usize, number: u32) -> Option<&[T]> {
    let from = (number as usize).checked_mul(width)?;
    all.get(from..from.checked_add(width)?)
}

/// The reference: no instruction that a machine could lack.
#[must_use]
pub fn scalar() -> &'static dyn Kernels {
    &scalar::Scalar
}

/// All ways that this machine has, the best last.
#[must_use]
pub fn all() -> Vec<&'static dyn Kernels> {
    let mut ways = vec![scalar(), &simd::Simd as &dyn Kernels];
    #[cfg(target_arch = "x86_64")]
    if let Some(vnni) = vnni::detect() {
        ways.push(vnni);
    }
    ways
}

/// The best way of this machine.
#[must_use]
pub fn best() -> &'static dyn Kernels {
    static BEST: OnceLock<&'static dyn Kernels> = OnceLock::new();
    *BEST.get_or_init(|| all().pop().unwrap_or_else(scalar))
}

/// A number as a half: rounded to the nearest, ties to even.
#[must_use]
pub fn to_half(value: f32) -> u16 {
    half::f16::from_f32(value).to_bits()
}

/// A half as a number.
#[must_use]
pub fn from_half(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

#[cfg(test)]
mod tests;
