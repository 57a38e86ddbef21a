//! Queries turned away from what all vectors of a collection say, towards what tells them apart.
//!
//! Vectors that are sums of words lie in a narrow cone, and a collection has matters of its own that all of its texts share:
//! most of a product with a query is about these. Whitening (Su and others, "Whitening sentence representations for better
//! semantics and faster retrieval", 2021) divides them by how much vectors vary; here half of it is done, and to the query
//! alone: a query `q` becomes `M q`, where `M` is the inverse root of the vectors' second moment. So what was indexed stays as it
//! is, and indexes of any kind are asked as before. `benches --bin retrieval` tells what it is worth.
//!
//! What always holds: the same vectors in the same order give the same matrix; a query keeps its dimension and has length one.

use crate::code::normalise;
use crate::kernel::best;

/// Steps of the iteration, and how near to the end is near enough.
const STEPS: usize = 40;
const NEAR: f32 = 1e-3;

/// A matrix that turns queries.
#[derive(Debug, Clone)]
pub struct Whitening {
    dimensions: usize,
    /// Symmetric, row by row.
    matrix: Vec<f32>,
    identity: u64,
}

impl Whitening {
    /// Learns it of vectors of length one, which lie one after another. `None` where these are none, or tell nothing.
    #[must_use]
    pub fn learn(dimensions: usize, values: &[f32]) -> Option<Self> {
        let (_, matrix) = roots(dimensions, moment(dimensions, values)?)?;
        // FNV-1a: who continues a list has to know whether it was made by the same matrix.
        let identity = matrix
            .iter()
            .flat_map(|value| value.to_bits().to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Some(Self { dimensions, matrix, identity })
    }

    /// What tells it from others.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Turns a query. One of another dimension, or without direction, stays as it is.
    #[must_use]
    pub fn turn(&self, query: &[f32]) -> Vec<f32> {
        let rows = self.matrix.chunks_exact(self.dimensions);
        let mut turned: Vec<f32> = rows.map(|row| best().dot_f32(row, query)).collect();
        match query.len() == self.dimensions && normalise(&mut turned, 0).is_ok() {
            true => turned,
            false => query.to_vec(),
        }
    }
}

/// Turns vectors so that their products are those of vectors and turned queries: half of a [`Whitening`], for both sides. What is
/// near to a turned query is near in a graph of these, and is not in one of the vectors as they are.
pub struct HalfTurn {
    dimensions: usize,
    matrix: Vec<f32>,
}

impl HalfTurn {
    /// As [`Whitening::learn`].
    #[must_use]
    pub fn learn(dimensions: usize, values: &[f32]) -> Option<Self> {
        // Of the root of what is to be turned by the inverse root, the inverse root.
        let (root, _) = roots(dimensions, moment(dimensions, values)?)?;
        let (_, matrix) = roots(dimensions, root)?;
        Some(Self { dimensions, matrix })
    }

    /// Turns a vector, which changes its length.
    #[must_use]
    pub fn turn(&self, vector: &[f32]) -> Vec<f32> {
        self.matrix.chunks_exact(self.dimensions).map(|row| best().dot_f32(row, vector)).collect()
    }
}

/// How much each pair of values varies together; of few vectors that is known badly, and all directions get a share.
fn moment(dimensions: usize, values: &[f32]) -> Option<Vec<f32>> {
    let count = values.len().checked_div(dimensions)?;
    if count == 0 {
        return None;
    }
    let columns: Vec<Vec<f32>> =
        (0..dimensions).map(|at| values.iter().skip(at).step_by(dimensions).copied().collect()).collect();
    let share = 1.0 / count as f32;
    Some(symmetric(dimensions, |row, column| {
        let product = best().dot_f32(columns.get(row)?, columns.get(column)?);
        Some(product * share + if row == column { share } else { 0.0 })
    }))
}

/// A symmetric matrix of what is above and on its diagonal.
fn symmetric(dimensions: usize, of: impl Fn(usize, usize) -> Option<f32>) -> Vec<f32> {
    let mut matrix = vec![0.0; dimensions.saturating_mul(dimensions)];
    for row in 0..dimensions {
        for column in row..dimensions {
            let value = of(row, column).unwrap_or(0.0);
            for (row, column) in [(row, column), (column, row)] {
                if let Some(slot) = matrix.get_mut(row * dimensions + column) {
                    *slot = value;
                }
            }
        }
    }
    matrix
}

/// The product of two symmetric matrices that commute, as all of these do: they are polynomials of one.
fn product(dimensions: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
    symmetric(dimensions, |row, column| {
        let of = |matrix: &'_ [f32], at: usize| {
            Some(at * dimensions..(at + 1) * dimensions).filter(|range| range.end <= matrix.len())
        };
        Some(best().dot_f32(a.get(of(a, row)?)?, b.get(of(b, column)?)?))
    })
}

/// The square root of a positive matrix, and its inverse, but for factors: the coupled Newton-Schulz iteration (Higham, "Functions of
/// Matrices", 2008, 6.35), which needs products alone.
fn roots(dimensions: usize, mut y: Vec<f32>) -> Option<(Vec<f32>, Vec<f32>)> {
    let norm = y.iter().map(|value| value * value).sum::<f32>().sqrt();
    if !(norm.is_finite() && norm > 0.0) {
        return None;
    }
    y.iter_mut().for_each(|value| *value /= norm);
    let one = |row, column| if row == column { 1.0 } else { 0.0 };
    let mut z = symmetric(dimensions, |row, column| Some(one(row, column)));
    for _ in 0..STEPS {
        let mut next = product(dimensions, &z, &y);
        let mut far = 0.0f32;
        for (at, value) in next.iter_mut().enumerate() {
            let one = one(at / dimensions, at % dimensions);
            far = far.max((one - *value).abs());
            *value = 1.5 * one - 0.5 * *value;
        }
        if !far.is_finite() {
            return None;
        }
        if far < NEAR {
            return Some((y, z));
        }
        y = product(dimensions, &y, &next);
        z = product(dimensions, &next, &z);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Vectors of which some values are large, most small.
    fn vectors(dimensions: usize, count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed | 1;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        let mut values: Vec<f32> =
            (0..dimensions * count).map(|at| draw() * 3.0 / (1 + at % dimensions) as f32).collect();
        values.chunks_exact_mut(dimensions).for_each(|row| normalise(row, 0).unwrap());
        values
    }

    /// The product of two half-turned vectors is that of one and the other turned, but for a factor.
    #[test]
    fn two_half_turns_are_one() {
        let values = vectors(24, 300, 7);
        let (half, whole) = (HalfTurn::learn(24, &values).unwrap(), Whitening::learn(24, &values).unwrap());
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let query = vectors(24, 1, 9);
        let turned = whole.turn(&query);
        let pairs: Vec<(f32, f32)> = values
            .chunks_exact(24)
            .map(|row| (product(&half.turn(&query), &half.turn(row)), product(&turned, row)))
            .collect();
        let factor = pairs[0].0 / pairs[0].1;
        assert!(pairs.iter().all(|(a, b)| (a - factor * b).abs() < 0.02 * factor), "{factor}: {pairs:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Turned twice, and multiplied by the moment, a query points where it did.
        #[test]
        fn it_is_the_inverse_root(dimensions in 1usize..40, count in 1usize..300, seed: u64) {
            let values = vectors(dimensions, count, seed);
            let whitening = Whitening::learn(dimensions, &values).unwrap();
            let query = vectors(dimensions, 1, seed ^ 5);
            let twice = whitening.turn(&whitening.turn(&query));
            let share = 1.0 / count as f32;
            let mut back: Vec<f32> = twice.iter().map(|value| value * share).collect();
            for row in values.chunks_exact(dimensions) {
                let along: f32 = row.iter().zip(&twice).map(|(a, b)| a * b).sum();
                back.iter_mut().zip(row).for_each(|(back, value)| *back += along * value * share);
            }
            normalise(&mut back, 0).unwrap();
            let alike: f32 = back.iter().zip(&query).map(|(a, b)| a * b).sum();
            prop_assert!(alike > 0.999, "{alike}");
        }
    }

    /// What all have is turned away from; what tells them apart is turned to.
    #[test]
    fn what_all_have_counts_less() {
        let mut values = Vec::new();
        for at in 0..100 {
            let mut row = vec![1.0, 0.0, 0.0];
            row[1 + at % 2] = 0.3;
            normalise(&mut row, 0).unwrap();
            values.extend(row);
        }
        let turned = Whitening::learn(3, &values).unwrap().turn(&[0.8, 0.6, 0.0]);
        assert!(turned[1] > 0.8 && turned[0] < 0.5, "{turned:?}");
        assert!((turned.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn of_nothing_nothing_is_learnt_and_strange_queries_stay() {
        assert!(Whitening::learn(3, &[]).is_none());
        assert!(Whitening::learn(0, &[1.0]).is_none());
        assert!(Whitening::learn(2, &[f32::NAN, 1.0]).is_none());
        let whitening = Whitening::learn(2, &[1.0, 0.0, 0.6, 0.8]).unwrap();
        assert_eq!(whitening.turn(&[1.0, 0.0, 0.0]), [1.0, 0.0, 0.0]);
        assert_eq!(whitening.turn(&[0.0, 0.0]), [0.0, 0.0]);
        let again = Whitening::learn(2, &[1.0, 0.0, 0.6, 0.8]).unwrap();
        let other = Whitening::learn(2, &[1.0, 0.0, 0.8, 0.6]).unwrap();
        assert!(whitening.identity() == again.identity() && whitening.identity() != other.identity());
    }
}
