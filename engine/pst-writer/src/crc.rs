//! The checksum of pages, blocks and the header ([MS-PST] 5.3): CRC-32 with the usual polynomial, but
//! starting from zero and not inverted at the end.

/// The checksum of `bytes`. That of any run of zeros is zero.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    // crc32fast keeps the inverted state between calls, so starting from all ones starts the register at
    // zero, and inverting the result takes the final inversion away again.
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
    hasher.update(bytes);
    !hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::crc;

    fn bit_by_bit(bytes: &[u8]) -> u32 {
        let mut register = 0_u32;
        for byte in bytes {
            register ^= u32::from(*byte);
            for _ in 0..8 {
                register = if register & 1 == 1 { (register >> 1) ^ 0xEDB8_8320 } else { register >> 1 };
            }
        }
        register
    }

    #[test]
    fn zeros_have_checksum_zero() {
        assert_eq!(crc(&[]), 0);
        assert_eq!(crc(&[0; 496]), 0);
    }

    #[test]
    fn equals_the_definition() {
        let bytes: Vec<u8> = (0..8176_u32).map(|i| (i * 31 % 251) as u8).collect();
        for length in [1, 2, 15, 16, 17, 63, 64, 471, 496, 516, 8176] {
            assert_eq!(crc(&bytes[..length]), bit_by_bit(&bytes[..length]), "length {length}");
        }
    }
}
