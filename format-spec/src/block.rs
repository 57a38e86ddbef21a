//! Blocks: how a section's bytes lie on the medium.
//!
//! ```text
//! | payload: block_size - 4 bytes | CRC32 |
//! ```
//!
//! A section is a stream of bytes cut into blocks of one size; the last is padded with zeros. The CRC covers the
//! payload and the block's place (segment, its salt, section, number), so that a block written to or read from the wrong
//! place is found, not only a damaged one.

use crate::error::FormatError;
use crate::limits::{MAX_BLOCK, MIN_BLOCK};

/// Bytes of a block that are not payload.
pub const TRAILER: usize = 4;

/// Which block of which section of which segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockPlace {
    /// The segment's id.
    pub segment: u64,
    /// The segment's salt: the same id in another store, or drawn again after a crash, has another one.
    pub salt: u64,
    /// The section's number in the directory.
    pub section: u16,
    /// The block's number in the section.
    pub block: u32,
}

impl BlockPlace {
    fn hasher(self) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.segment.to_le_bytes());
        hasher.update(&self.salt.to_le_bytes());
        hasher.update(&self.section.to_le_bytes());
        hasher.update(&self.block.to_le_bytes());
        hasher
    }
}

/// Payload bytes of a block of this size.
#[must_use]
pub const fn payload_size(block_size: usize) -> usize {
    block_size.saturating_sub(TRAILER)
}

/// Is this a size that blocks may have?
#[must_use]
pub const fn valid_size(block_size: usize) -> bool {
    block_size >= MIN_BLOCK && block_size <= MAX_BLOCK && block_size.is_power_of_two()
}

/// Blocks that `bytes` of payload fill.
#[must_use]
pub fn count(bytes: u64, block_size: usize) -> u64 {
    bytes.div_ceil(payload_size(block_size).max(1) as u64)
}

/// Appends one block with this payload to `out`.
///
/// # Errors
/// [`FormatError::TooLarge`] where the payload does not fit.
pub fn seal(
    place: BlockPlace,
    block_size: usize,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let room = payload_size(block_size);
    let pad = room.checked_sub(payload.len()).ok_or(FormatError::TooLarge {
        what: "block payload",
        have: payload.len(),
        limit: room,
    })?;
    let start = out.len();
    out.extend_from_slice(payload);
    out.resize(out.len().saturating_add(pad), 0);
    let mut hasher = place.hasher();
    hasher.update(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&hasher.finalize().to_le_bytes());
    Ok(())
}

/// Checks a block and gives its payload.
///
/// # Errors
/// [`FormatError::Checksum`] or, for a wrong size, [`FormatError::Truncated`].
pub fn open(place: BlockPlace, block: &[u8]) -> Result<&[u8], FormatError> {
    let Some((payload, crc)) = block.split_last_chunk::<TRAILER>().filter(|_| valid_size(block.len())) else {
        return Err(FormatError::Truncated { what: "block", have: block.len(), need: MIN_BLOCK });
    };
    let stored = u32::from_le_bytes(*crc);
    let mut hasher = place.hasher();
    hasher.update(payload);
    let computed = hasher.finalize();
    if stored != computed {
        return Err(FormatError::Checksum { what: "block", stored, computed });
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: BlockPlace = BlockPlace { segment: 7, salt: 5, section: 2, block: 9 };

    #[test]
    fn every_bit_counts_and_so_does_the_place() {
        let mut block = Vec::new();
        seal(PLACE, 4096, b"hello", &mut block).unwrap();
        assert_eq!(block.len(), 4096);
        assert_eq!(&open(PLACE, &block).unwrap()[..5], b"hello");
        for bit in 0..block.len() * 8 {
            block[bit / 8] ^= 1 << (bit % 8);
            assert!(open(PLACE, &block).is_err(), "bit {bit}");
            block[bit / 8] ^= 1 << (bit % 8);
        }
        for place in [
            BlockPlace { salt: 6, ..PLACE },
            BlockPlace { segment: 8, ..PLACE },
            BlockPlace { section: 3, ..PLACE },
            BlockPlace { block: 8, ..PLACE },
        ] {
            assert!(matches!(open(place, &block), Err(FormatError::Checksum { .. })));
        }
        assert!(open(PLACE, &block[..4095]).is_err());
    }

    #[test]
    fn a_payload_that_does_not_fit_is_refused() {
        assert!(seal(PLACE, 4096, &[0; 4093], &mut Vec::new()).is_err());
    }
}
