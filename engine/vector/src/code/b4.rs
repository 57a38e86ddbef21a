//! Four bits a value: rotated, each vector in steps of its own (extended RaBitQ: Gao et al., "Practical and asymptotically
//! optimal quantization of high-dimensional vectors", 2024).
//!
//! After the rotation all values of a vector are of about one size, so sixteen steps do. A code stands for a direction near
//! that of its vector; the product of a query with it, divided by the product of the vector with it, is an estimate of that
//! with the vector that errs to both sides alike. What always holds: a code is the better of many for its vector, by the
//! angle between them; the correction belongs to the code.

use super::rotation::Rotation;
use super::{Codes, MOST_DIMENSIONS};
use crate::error::VectorError;
use crate::kernel::{Kernels, NIBBLES, best, row};
use crate::memory::Array;

/// Steps of a code are the odd numbers up to this, with both signs.
const MOST: f32 = 15.0;
/// Scales that are tried for a vector, as parts of the one at which its largest value has the largest step.
const TRIES: u16 = 24;
/// Largest byte of a query.
const MOST_QUERY: f32 = 127.0;

/// Codes of four bits a value.
pub struct B4 {
    dimensions: usize,
    /// Bytes of a row: two values in each, filled up with zeros.
    width: usize,
    nodes: u32,
    rotation: Rotation,
    codes: Array<u8>,
    /// What the product with a code is to be multiplied by.
    corrections: Array<f32>,
    kernels: &'static dyn Kernels,
}

/// A vector, rotated, in bytes.
pub struct B4Query {
    /// As many values as two for each byte of a row.
    values: Vec<i8>,
    /// The sum of them all.
    sum: f32,
    scale: f32,
}

impl B4 {
    /// Room for so many codes.
    ///
    /// # Errors
    /// [`VectorError::Memory`], [`VectorError::TooManyDimensions`].
    pub fn zeroed(nodes: u32, dimensions: usize) -> Result<Self, VectorError> {
        if dimensions == 0 || dimensions > MOST_DIMENSIONS {
            return Err(VectorError::TooManyDimensions(dimensions));
        }
        let width = dimensions.next_multiple_of(NIBBLES) / 2;
        let codes = Array::zeroed((nodes as usize).saturating_mul(width))?;
        let corrections = Array::zeroed(nodes as usize)?;
        let rotation = Rotation::new(dimensions);
        Ok(Self { dimensions, width, nodes, rotation, codes, corrections, kernels: best() })
    }

    /// Writes the code of one vector, which has length one. One that is not there is not written.
    pub fn set(&mut self, node: u32, vector: &[f32]) {
        let mut turned = vector.to_vec();
        turned.resize(self.dimensions, 0.0);
        self.rotation.turn(&mut turned);
        let (steps, correction) = coded(&turned);
        let mut row = vec![0u8; self.width];
        for (at, step) in steps.into_iter().enumerate() {
            let (byte, high) = place(at);
            if let Some(byte) = row.get_mut(byte) {
                *byte |= if high { step << 4 } else { step };
            }
        }
        self.write(node, &row, correction);
    }

    /// Takes over the code of one vector from codes of the same dimension.
    pub fn copy(&mut self, node: u32, from: &Self, other: u32) {
        let correction = from.corrections.as_slice().get(other as usize);
        if let (Some(code), Some(correction)) = (row(from.codes.as_slice(), from.width, other), correction) {
            self.write(node, code, *correction);
        }
    }

    fn write(&mut self, node: u32, code: &[u8], correction: f32) {
        let from = (node as usize).saturating_mul(self.width);
        let row = self.codes.as_mut_slice().get_mut(from..from.saturating_add(self.width));
        let slot = self.corrections.as_mut_slice().get_mut(node as usize);
        if let (Some(row), Some(slot)) = (row.filter(|row| row.len() == code.len()), slot) {
            row.copy_from_slice(code);
            *slot = correction;
        }
    }

    /// All of them as bytes: the codes, then a float each for the corrections.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let corrections = self.corrections.as_slice().iter().flat_map(|float| float.to_le_bytes());
        self.codes.as_slice().iter().copied().chain(corrections).collect()
    }

    /// So many codes, which these bytes are.
    ///
    /// # Errors
    /// [`VectorError::Damaged`] where they are not; as [`B4::zeroed`].
    pub(crate) fn from_bytes(bytes: &[u8], nodes: u32, dimensions: usize) -> Result<Self, VectorError> {
        let mut out = Self::zeroed(0, dimensions)?;
        let codes = (nodes as usize).saturating_mul(out.width);
        let parts = bytes.split_at_checked(codes).filter(|(_, rest)| rest.len() == nodes as usize * 4);
        let Some((codes, corrections)) = parts else {
            return Err(VectorError::Damaged("there are not as many codes as it says".to_owned()));
        };
        out = Self::zeroed(nodes, dimensions)?;
        out.codes.as_mut_slice().copy_from_slice(codes);
        let corrections = corrections.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        for (slot, correction) in out.corrections.as_mut_slice().iter_mut().zip(corrections) {
            if !(correction.is_finite() && correction >= 0.0) {
                return Err(VectorError::Damaged(format!("the correction of a code is {correction}")));
            }
            *slot = correction;
        }
        Ok(out)
    }

    fn ready(&self, values: Vec<i8>, scale: f32) -> B4Query {
        let sum = values.iter().map(|value| i32::from(*value)).sum::<i32>() as f32;
        let mut values = values;
        values.resize(self.width * 2, 0);
        B4Query { values, sum, scale }
    }

    /// The steps of a code, as odd numbers.
    fn steps(&self, node: u32) -> Vec<i8> {
        let code = row(self.codes.as_slice(), self.width, node).unwrap_or(&[]);
        let step = |at: usize| {
            let (byte, high) = place(at);
            let byte = code.get(byte).copied().unwrap_or(0);
            let step = if high { byte >> 4 } else { byte & 15 };
            step as i8 * 2 - 15
        };
        (0..self.dimensions).map(step).collect()
    }

    fn correction(&self, node: u32) -> Option<f32> {
        self.corrections.as_slice().get(node as usize).copied()
    }
}

/// Where a value lies: which byte, and in its high half? Sixty-four values lie in the low halves of as many bytes, the next in
/// the high ones, so that a register of bytes is two of values.
fn place(at: usize) -> (usize, bool) {
    let half = NIBBLES / 2;
    (at / NIBBLES * half + at % half, at % NIBBLES >= half)
}

/// Steps from 0 to 15 for the odd numbers from -15 to 15, and the correction.
fn coded(vector: &[f32]) -> (Vec<u8>, f32) {
    let largest = vector.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    if largest <= 0.0 || !largest.is_finite() {
        return (vec![8; vector.len()], 0.0);
    }
    let odd = |value: f32, scale: f32| ((value * scale / 2.0).floor() * 2.0 + 1.0).clamp(-MOST, MOST);
    let mut best = (f32::NEG_INFINITY, 0.0);
    for part in 0..TRIES {
        // Few values are large, and to clip them costs less than wide steps cost all others.
        let scale = MOST / largest * (1.0 + f32::from(part) / 8.0);
        let (mut product, mut length) = (0.0f32, 0.0f32);
        for value in vector {
            let step = odd(*value, scale);
            product += step * value;
            length += step * step;
        }
        let cosine = product / length.sqrt();
        if cosine > best.0 {
            best = (cosine, scale);
        }
    }
    let steps: Vec<f32> = vector.iter().map(|value| odd(*value, best.1)).collect();
    let product: f32 = steps.iter().zip(vector).map(|(step, value)| step * value).sum();
    let correction = if product > 0.0 { 1.0 / product } else { 0.0 };
    (steps.into_iter().map(|step| ((step + MOST) / 2.0) as u8).collect(), correction)
}

impl Codes for B4 {
    type Query = B4Query;

    fn nodes(&self) -> u32 {
        self.nodes
    }

    fn query(&self, vector: &[f32]) -> B4Query {
        let mut turned = vector.to_vec();
        turned.resize(self.dimensions, 0.0);
        self.rotation.turn(&mut turned);
        let largest = turned.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let step = if largest > 0.0 { largest / MOST_QUERY } else { 1.0 };
        // A cast of a float saturates, and what is no number becomes 0.
        let values = turned.iter().map(|x| (x / step).round() as i8).collect();
        self.ready(values, step)
    }

    fn query_of(&self, node: u32) -> B4Query {
        self.ready(self.steps(node), self.correction(node).unwrap_or(0.0))
    }

    fn scores(&self, query: &B4Query, nodes: &[u32], out: &mut Vec<f32>) {
        let from = out.len();
        self.kernels.dots_b4(&query.values, self.codes.as_slice(), nodes, out);
        for (score, node) in out.iter_mut().skip(from).zip(nodes) {
            // A step s stands for 2 s - 15.
            let of = |correction| (*score * 2.0 - query.sum * MOST) * query.scale * correction;
            *score = self.correction(*node).map_or(f32::NEG_INFINITY, of);
        }
    }

    fn between(&self, a: u32, b: u32) -> f32 {
        let mut score = Vec::with_capacity(1);
        self.scores(&self.query_of(a), &[b], &mut score);
        let known = a < self.nodes;
        score.first().copied().filter(|_| known).unwrap_or(f32::NEG_INFINITY)
    }

    fn bytes(&self) -> usize {
        self.codes.bytes() + self.corrections.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::normalise;
    use proptest::prelude::*;

    fn random(seed: u64, dimensions: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut value = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        // A few values say most, as those of models do.
        let mut out: Vec<f32> =
            (0..dimensions).map(|n| value() * if n % 37 == 0 { 6.0 } else { 1.0 }).collect();
        normalise(&mut out, 0).unwrap();
        out
    }

    fn product(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    proptest! {
        #[test]
        fn scores_are_near(seed: u64, dimensions in prop_oneof![Just(96usize), Just(256), Just(384), Just(1000)]) {
            let vectors: Vec<Vec<f32>> = (0..6).map(|n| random(seed ^ n, dimensions)).collect();
            let mut codes = B4::zeroed(5, dimensions).unwrap();
            (0..5).for_each(|n| codes.set(n, &vectors[n as usize]));
            let mut scores = Vec::new();
            codes.scores(&codes.query(&vectors[5]), &[0, 1, 2, 3, 4, 9], &mut scores);
            // Four bits leave an error of about 0.11 / sqrt(d) in each score; no rotation makes chance of all vectors.
            let bound = 1.0 / (dimensions as f32).sqrt();
            for (n, score) in scores.iter().take(5).enumerate() {
                let exact = product(&vectors[n], &vectors[5]);
                prop_assert!((score - exact).abs() < bound, "{n}: {score} {exact}");
                let (of, own) = (codes.between(n as u32, 4), product(&vectors[n], &vectors[4]));
                prop_assert!((of - own).abs() < 2.0 * bound, "{n}: {of} {own}");
            }
            prop_assert_eq!((scores[5], codes.between(9, 0), codes.between(0, 9)), (f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY));
        }

        #[test]
        fn bytes_come_back(seed: u64) {
            let mut codes = B4::zeroed(3, 100).unwrap();
            (0..3).for_each(|n| codes.set(n, &random(seed ^ u64::from(n), 100)));
            let again = B4::from_bytes(&codes.to_bytes(), 3, 100).unwrap();
            let query = codes.query(&random(seed ^ 77, 100));
            let (mut a, mut b) = (Vec::new(), Vec::new());
            codes.scores(&query, &[0, 1, 2], &mut a);
            again.scores(&query, &[0, 1, 2], &mut b);
            prop_assert_eq!(a, b);
            prop_assert!(B4::from_bytes(&codes.to_bytes(), 2, 100).is_err());
        }
    }

    #[test]
    fn corrections_that_are_no_numbers_are_refused() {
        let mut codes = B4::zeroed(1, 64).unwrap();
        codes.set(0, &random(1, 64));
        let mut bytes = codes.to_bytes();
        let end = bytes.len();
        for bad in [f32::NAN, f32::INFINITY, -0.5] {
            bytes[end - 4..].copy_from_slice(&bad.to_le_bytes());
            assert!(B4::from_bytes(&bytes, 1, 64).is_err(), "{bad}");
        }
    }

    #[test]
    fn zeros_and_what_is_no_number_have_codes_too() {
        let mut codes = B4::zeroed(3, 64).unwrap();
        codes.set(0, &[0.0; 64]);
        codes.set(1, &[f32::NAN; 64]);
        codes.set(2, &[f32::INFINITY; 64]);
        let mut scores = Vec::new();
        codes.scores(&codes.query(&random(3, 64)), &[0, 1, 2], &mut scores);
        assert_eq!(scores, [0.0; 3]);
        // One that is not there has the smallest score, whatever is asked for.
        for query in [codes.query_of(0), codes.query(&[0.0; 64])] {
            let mut scores = Vec::new();
            codes.scores(&query, &[7], &mut scores);
            assert_eq!(scores, [f32::NEG_INFINITY]);
        }
    }
}
