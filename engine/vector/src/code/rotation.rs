//! A rotation that spreads what a few values of a vector say over all of them, so that one step fits them all.
//!
//! Three times values change places and signs by a fixed rule, and the Walsh-Hadamard transform is applied to the first of them,
//! as many as the largest power of two that fits, and to as many of the last (after Kac's walk, as in Gao et al., "Practical
//! and asymptotically optimal quantization of high-dimensional vectors", 2024; without the changes of place the two windows
//! would hardly exchange what they have). What always holds: lengths and inner products stay what they were, but for rounding;
//! vectors of one dimension are always turned the same way, so that segments compare.

const ROUNDS: usize = 3;

/// A rotation of vectors of one dimension.
#[derive(Debug, Clone)]
pub struct Rotation {
    dimensions: usize,
    /// The signs of each round, and where its values come from.
    rounds: Vec<(Vec<f32>, Vec<u32>)>,
}

impl Rotation {
    /// The rotation of a dimension.
    #[must_use]
    pub fn new(dimensions: usize) -> Self {
        // splitmix64 (Steele, Lea, Flood 2014). The numbers are part of the format: others are another rotation.
        let mut state = 0x706f_7374_6c6f_6465u64;
        let mut draw = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        let mut round = || {
            let signs = (0..dimensions).map(|_| if draw() >> 63 == 0 { 1.0 } else { -1.0 }).collect();
            let mut from: Vec<u32> = (0..).take(dimensions).collect();
            // Fisher and Yates.
            for at in (1..dimensions).rev() {
                from.swap(at, usize::try_from(draw() % (at as u64 + 1)).unwrap_or(at));
            }
            (signs, from)
        };
        Self { dimensions, rounds: (0..ROUNDS).map(|_| round()).collect() }
    }

    /// Turns a vector.
    pub fn turn(&self, vector: &mut [f32]) {
        let values = vector.len().min(self.dimensions);
        let Some(vector) = vector.get_mut(..values).filter(|vector| !vector.is_empty()) else { return };
        let reach = 1usize << (usize::BITS - 1 - values.leading_zeros());
        for (signs, from) in &self.rounds {
            let before = vector.to_vec();
            for ((value, sign), from) in vector.iter_mut().zip(signs).zip(from) {
                *value = before.get(*from as usize).copied().unwrap_or(0.0) * sign;
            }
            let windows = if reach == values { vec![0] } else { vec![0, values - reach] };
            for from in windows {
                if let Some(window) = vector.get_mut(from..from + reach) {
                    hadamard(window);
                }
            }
        }
    }
}

/// The Walsh-Hadamard transform of a power of two of values, which keeps their length.
fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for block in values.chunks_exact_mut(half * 2) {
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = 1.0 / (values.len() as f32).sqrt();
    values.iter_mut().for_each(|value| *value *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn products_stay((a, b) in (1usize..300).prop_flat_map(|d| {
            let values = || prop::collection::vec(-1.0f32..1.0, d);
            (values(), values())
        })) {
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let rotation = Rotation::new(a.len());
            let (mut c, mut d) = (a.clone(), b.clone());
            rotation.turn(&mut c);
            rotation.turn(&mut d);
            prop_assert!((product(&a, &b) - product(&c, &d)).abs() < 1e-3);
            prop_assert!((product(&a, &a) - product(&c, &c)).abs() < 1e-3);
        }
    }

    /// What lies in one value is in all of them afterwards, those beyond the largest power of two too.
    #[test]
    fn what_one_value_says_is_spread() {
        for dimensions in [256, 384, 768, 1000, 1023] {
            for at in [0, dimensions / 2, dimensions - 1] {
                let mut vector = vec![0.0; dimensions];
                vector[at] = 1.0;
                Rotation::new(dimensions).turn(&mut vector);
                let largest = vector.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                assert!(largest < 6.0 / (dimensions as f32).sqrt(), "{dimensions}: {largest}");
                for quarter in vector.chunks(dimensions.div_ceil(4)) {
                    let share: f32 = quarter.iter().map(|x| x * x).sum();
                    assert!((0.12..0.4).contains(&share), "{dimensions}, {at}: {share}");
                }
            }
        }
    }

    /// Other signs would be another rotation, and codes that lie on a disk would mean something else.
    #[test]
    fn it_is_always_the_same() {
        let mut vector: Vec<f32> = (0..6).map(|n| n as f32).collect();
        Rotation::new(6).turn(&mut vector);
        let told: Vec<String> = vector.iter().map(|x| format!("{x:.4}")).collect();
        assert_eq!(told.join(" "), "5.5000 2.0000 -0.2500 -3.7500 -2.2500 1.2500");
    }
}
