//! Medians, percentiles, and how figures are written.

use std::time::Duration;

/// The middle of some numbers; 0 of none.
#[must_use]
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.get(half), sorted.len().is_multiple_of(2)) {
        (Some(high), true) => {
            half.checked_sub(1).and_then(|n| sorted.get(n)).map_or(*high, |low| (low + high) / 2.0)
        }
        (Some(middle), false) => *middle,
        (None, _) => 0.0,
    }
}

/// How long things took.
#[derive(Debug, Clone, Default)]
pub struct Times {
    micros: Vec<f64>,
}

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.micros.push(time.as_secs_f64() * 1e6);
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: &Times) {
        self.micros.extend_from_slice(&other.micros);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.micros.len()
    }

    /// None yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.micros.is_empty()
    }

    /// The time, in microseconds, that `percent` of them stay within: the nearest rank.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.micros.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(0.0)
    }

    /// `p50 … p99 …`, in microseconds.
    #[must_use]
    pub fn told(&self) -> String {
        format!("p50 {:>9.1} us  p99 {:>9.1} us", self.percentile(50), self.percentile(99))
    }
}

/// A number a second.
#[must_use]
pub fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// Bytes in MB (millions).
#[must_use]
pub fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The lowest and highest of some numbers beside their median, as text.
#[must_use]
pub fn spread(numbers: &[f64]) -> String {
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("median {:.0} (from {low:.0} to {high:.0}, {} runs)", median(numbers), numbers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_those_of_the_textbook() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        let mut times = Times::default();
        assert_eq!(times.percentile(99), 0.0);
        (1..=100).rev().for_each(|n| times.add(Duration::from_micros(n)));
        assert_eq!((times.len(), times.is_empty()), (100, false));
        assert!((times.percentile(50) - 50.0).abs() < 1e-6 && (times.percentile(99) - 99.0).abs() < 1e-6);
        assert!((times.percentile(100) - 100.0).abs() < 1e-6);
        assert!((rate(10, 2.0) - 5.0).abs() < 1e-9 && rate(10, 0.0) == 0.0);
    }
}
