//! Seeded changes of inputs: flipped bits, other bytes, cuts, repetitions, pieces of other inputs.
//!
//! What always holds: the same seed and the same inputs give the same bytes on every machine.

/// Numbers from a seed (SplitMix64, by Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
#[derive(Debug, Clone)]
pub struct Random(u64);

/// Numbers that parsers trip over.
const ODD: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x8000_0000,
    i64::MAX as u64,
    u64::MAX,
];

/// Most changes of one input.
const MAX_CHANGES: usize = 6;

impl Random {
    /// The numbers of case `case` of `name` under `seed`.
    #[must_use]
    pub fn new(seed: u64, name: &str, case: u64) -> Self {
        let mut state = Self(seed);
        for byte in name.bytes() {
            state.0 = state.number() ^ u64::from(byte);
        }
        state.0 = state.number() ^ case;
        state
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 where that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let scaled = u128::from(self.number()).wrapping_mul(limit as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// A range inside `len` bytes, at most `most` long.
    fn range(&mut self, len: usize, most: usize) -> std::ops::Range<usize> {
        let at = self.below(len.saturating_add(1));
        let bytes = self.below(most.min(len.saturating_sub(at)).saturating_add(1));
        at..at.saturating_add(bytes)
    }
}

/// One of `inputs`, changed.
pub fn mutated(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut out = inputs.get(random.below(inputs.len())).cloned().unwrap_or_default();
    for _ in 0..=random.below(MAX_CHANGES) {
        let other = random.below(inputs.len());
        change(&mut out, inputs.get(other).map_or(&[][..], Vec::as_slice), random);
    }
    out.truncate(crate::MAX_INPUT);
    out
}

fn change(out: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(out.len());
    match random.below(10) {
        // A bit.
        0..=2 => {
            let bit = 1u8 << random.below(8);
            if let Some(byte) = out.get_mut(at) {
                *byte ^= bit;
            }
        }
        // A byte.
        3 => {
            let byte = random.number().to_le_bytes();
            if let (Some(to), Some(from)) = (out.get_mut(at), byte.first()) {
                *to = *from;
            }
        }
        // An odd number, in either byte order and of any size.
        4 | 5 => {
            let number = ODD.get(random.below(ODD.len())).copied().unwrap_or(0);
            let bytes = if random.below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
            let size = 1usize << random.below(4);
            for (to, from) in out.iter_mut().skip(at).take(size).zip(bytes) {
                *to = from;
            }
        }
        // A cut.
        6 => out.truncate(at),
        // A piece less.
        7 => {
            let range = random.range(out.len(), 64);
            out.drain(range);
        }
        // A piece again.
        8 => {
            let piece = out.get(random.range(out.len(), 256)).unwrap_or_default().to_vec();
            for _ in 0..=random.below(8) {
                out.splice(at..at, piece.iter().copied());
            }
        }
        // A piece of another input.
        _ => {
            let piece = other.get(random.range(other.len(), 4096)).unwrap_or_default().to_vec();
            let end = if random.below(2) == 0 { at } else { out.len().min(at.saturating_add(piece.len())) };
            out.splice(at..end, piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_gives_others() {
        let inputs = [b"hello world".to_vec(), vec![7; 100], Vec::new()];
        let run = |seed| -> Vec<Vec<u8>> {
            (0..200).map(|case| mutated(&inputs, &mut Random::new(seed, "t", case))).collect()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert!(run(1).iter().filter(|bytes| !inputs.contains(bytes)).count() > 100);
    }
}
