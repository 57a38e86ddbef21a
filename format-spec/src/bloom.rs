//! A Bloom filter over ids: whether a segment may hold an email, without reading the segment.
//!
//! Ids are BLAKE3 outputs, so their own bytes serve as the hash functions (Kirsch and Mitzenmacher, "Less
//! hashing, same performance", 2006: probe i is h1 + i·h2). 20 bits a key and 7 probes: 0.02 % false positives. A load asks
//! every segment about every mail, so a false positive that costs a read must be rare among hundreds of segments; filters
//! written with 10 bits a key (0.8 %) are read as they are.

use crate::error::FormatError;
use crate::id::Id;

const BITS_PER_KEY: u64 = 20;
const PROBES: u64 = 7;

/// The filter's bytes, built or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bloom {
    bits: Vec<u8>,
}

impl Bloom {
    /// An empty filter for about `keys` keys.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        let bytes = (keys as u64).saturating_mul(BITS_PER_KEY).div_ceil(8).max(8);
        Self { bits: vec![0; usize::try_from(bytes).unwrap_or(8)] }
    }

    /// A filter from the bytes of its section.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for no bytes at all.
    pub fn from_bytes(bits: Vec<u8>) -> Result<Self, FormatError> {
        if bits.is_empty() {
            return Err(FormatError::Malformed { what: "bloom filter", why: "it is empty" });
        }
        Ok(Self { bits })
    }

    /// The bytes of its section.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn probes(&self, id: &Id) -> impl Iterator<Item = (usize, u8)> + use<> {
        let value = u128::from_be_bytes(*id);
        // The high half decides the shard, so inside a shard its first bits are all alike: mix both halves.
        let low = u64::try_from(value & u128::from(u64::MAX)).unwrap_or(0);
        let high = u64::try_from(value >> 64).unwrap_or(0);
        let step = high.rotate_left(32) | 1;
        let bits = (self.bits.len() as u64).saturating_mul(8).max(1);
        (0..PROBES).map(move |i| {
            let bit = low.wrapping_add(i.wrapping_mul(step)).checked_rem(bits).unwrap_or(0);
            (usize::try_from(bit >> 3).unwrap_or(0), 1u8.wrapping_shl((bit & 7) as u32))
        })
    }

    /// Adds an id.
    pub fn insert(&mut self, id: &Id) {
        for (byte, mask) in self.probes(id) {
            if let Some(slot) = self.bits.get_mut(byte) {
                *slot |= mask;
            }
        }
    }

    /// `false`: the id was never added. `true`: it may have been.
    #[must_use]
    pub fn may_contain(&self, id: &Id) -> bool {
        self.probes(id).all(|(byte, mask)| self.bits.get(byte).is_some_and(|slot| slot & mask != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> Id {
        crate::id::archive_id("test", &n.to_le_bytes())
    }

    #[test]
    fn nothing_added_is_missed_and_little_else_is_found() {
        let mut bloom = Bloom::with_capacity(10_000);
        (0..10_000).for_each(|n| bloom.insert(&id(n)));
        assert!((0..10_000).all(|n| bloom.may_contain(&id(n))));
        let wrong = (10_000..110_000).filter(|n| bloom.may_contain(&id(*n))).count();
        assert!(wrong < 60, "{wrong} of 100,000 false positives");
    }
}
