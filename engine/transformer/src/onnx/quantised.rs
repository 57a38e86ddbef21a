//! Weights of one byte, with a scale for each column (or row) of them.
//!
//! Products of a byte without and a byte with a sign are summed in pairs of sixteen bits where the processor has no instruction
//! for more, and pairs of large ones do not fit: there weights get seven bits.

/// What a matrix becomes.
pub struct Quantised {
    pub bytes: Vec<u8>,
    pub scales: Vec<f32>,
}

/// Largest weight on this processor.
pub fn largest() -> f32 {
    #[cfg(target_arch = "x86_64")]
    if !is_x86_feature_detected!("avx512vnni") && !is_x86_feature_detected!("avxvnni") {
        return 63.0;
    }
    127.0
}

/// A scale for each column.
pub fn columns(values: &[f32], columns: usize, largest: f32) -> Quantised {
    let mut scales = vec![0f32; columns];
    for row in values.chunks_exact(columns) {
        for (scale, value) in scales.iter_mut().zip(row) {
            *scale = scale.max(value.abs());
        }
    }
    scales.iter_mut().for_each(|scale| *scale = step(*scale, largest));
    let bytes = values.chunks_exact(columns).flat_map(|row| row.iter().zip(&scales).map(byte)).collect();
    Quantised { bytes, scales }
}

/// A scale for each row.
pub fn rows(values: &[f32], columns: usize) -> Quantised {
    let mut own = Quantised {
        bytes: Vec::with_capacity(values.len()),
        scales: Vec::with_capacity(values.len() / columns),
    };
    for row in values.chunks_exact(columns) {
        let scale = step(row.iter().fold(0f32, |most, value| most.max(value.abs())), 127.0);
        own.bytes.extend(row.iter().map(|value| byte((value, &scale))));
        own.scales.push(scale);
    }
    own
}

/// One of nothing has a scale too.
fn step(most: f32, largest: f32) -> f32 {
    (most / largest).max(f32::MIN_POSITIVE)
}

fn byte((value, scale): (&f32, &f32)) -> u8 {
    // Within a byte by the choice of the scale.
    (value / scale).round() as i8 as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_comes_back_within_half_a_step(
            values in proptest::collection::vec(prop_oneof![-2f32..2.0, Just(0.0), -1e-6f32..1e-6], 24),
            wide in 1usize..5,
        ) {
            let rows_of = values.len() / wide;
            let whole = &values[..rows_of * wide];
            let by_column = columns(whole, wide, 63.0);
            let by_row = rows(whole, wide);
            for (at, value) in whole.iter().enumerate() {
                let back = |own: &Quantised, scale: usize| f32::from(own.bytes[at] as i8) * own.scales[scale];
                prop_assert!((back(&by_column, at % wide) - value).abs() <= by_column.scales[at % wide] * 0.501);
                prop_assert!((back(&by_row, at / wide) - value).abs() <= by_row.scales[at / wide] * 0.501);
            }
            prop_assert!(by_column.bytes.iter().all(|byte| (*byte as i8).unsigned_abs() <= 63));
        }
    }
}
