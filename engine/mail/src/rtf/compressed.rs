//! Compressed RTF, [MS-OXRTFCP]: a header of 16 bytes, then runs of literals and references into a dictionary.
//!
//! What always holds: the output never exceeds the limit, whatever the header claims; memory grows with what was
//! really there. A wrong checksum is told, not fatal: many writers leave it zero.

/// The dictionary that every stream begins with.
const SEED: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const DICTIONARY: usize = 4096;
const HEADER: usize = 16;
const COMPRESSED: [u8; 4] = *b"LZFu";
const PLAIN: [u8; 4] = *b"MELA";

/// Why a compressed body could not be read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressedError {
    /// Fewer bytes than a header has.
    #[error("compressed RTF is shorter than its header")]
    Short,
    /// Neither of the two known kinds.
    #[error("compressed RTF of an unknown kind")]
    Kind,
    /// The stream ends before it says that it does.
    #[error("compressed RTF ends early: {have} of {claimed} bytes")]
    Truncated {
        /// Bytes that came out.
        have: usize,
        /// Bytes that the header claims.
        claimed: usize,
    },
    /// More comes out than is taken.
    #[error("compressed RTF has more than {limit} bytes")]
    Limit {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Decompresses an RTF body to at most `limit` bytes. What came out before an error comes with it.
pub fn decompress(bytes: &[u8], limit: usize) -> (Vec<u8>, Option<CompressedError>) {
    let Some((header, data)) = bytes.split_first_chunk::<HEADER>() else {
        return (Vec::new(), Some(CompressedError::Short));
    };
    let [_, _, _, _, r0, r1, r2, r3, k0, k1, k2, k3, ..] = *header;
    let claimed = usize::try_from(u32::from_le_bytes([r0, r1, r2, r3])).unwrap_or(usize::MAX);
    match [k0, k1, k2, k3] {
        COMPRESSED => {
            let mut output = Output { bytes: Vec::new(), limit };
            let ended = expand(data, &mut output);
            let error = match ended {
                Err(error) => Some(error),
                // A stream without an end mark is whole when everything that was claimed came out.
                Ok(false) if output.bytes.len() < claimed => {
                    Some(CompressedError::Truncated { have: output.bytes.len(), claimed })
                }
                Ok(_) => None,
            };
            (output.bytes, error)
        }
        PLAIN => {
            let whole = data.get(..claimed.min(data.len())).unwrap_or(data);
            let error = if whole.len() < claimed && claimed.saturating_sub(whole.len()) > HEADER {
                Some(CompressedError::Truncated { have: whole.len(), claimed })
            } else {
                None
            };
            match whole.get(..limit) {
                Some(start) if whole.len() > limit => {
                    (start.to_vec(), Some(CompressedError::Limit { limit }))
                }
                _ => (whole.to_vec(), error),
            }
        }
        _ => (Vec::new(), Some(CompressedError::Kind)),
    }
}

struct Output {
    bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    fn push(&mut self, byte: u8) -> Result<(), CompressedError> {
        if self.bytes.len() >= self.limit {
            return Err(CompressedError::Limit { limit: self.limit });
        }
        self.bytes.push(byte);
        Ok(())
    }
}

/// Expands the runs; `true` where the stream said that it ends.
fn expand(data: &[u8], output: &mut Output) -> Result<bool, CompressedError> {
    let mut dictionary = [0u8; DICTIONARY];
    for (to, from) in dictionary.iter_mut().zip(SEED) {
        *to = *from;
    }
    let mut at = SEED.len();
    let mut put =
        |dictionary: &mut [u8; DICTIONARY], at: &mut usize, byte: u8| -> Result<(), CompressedError> {
            if let Some(slot) = dictionary.get_mut(*at % DICTIONARY) {
                *slot = byte;
            }
            *at = at.wrapping_add(1) % DICTIONARY;
            output.push(byte)
        };
    let mut input = data.iter().copied();
    while let Some(control) = input.next() {
        for bit in 0..8 {
            if control & (1 << bit) == 0 {
                let Some(byte) = input.next() else { return Ok(false) };
                put(&mut dictionary, &mut at, byte)?;
                continue;
            }
            let (Some(high), Some(low)) = (input.next(), input.next()) else { return Ok(false) };
            let reference = u16::from_be_bytes([high, low]);
            let from = usize::from(reference >> 4);
            if from == at {
                return Ok(true);
            }
            for step in 0..usize::from(reference & 0x0f).saturating_add(2) {
                let byte = dictionary.get(from.wrapping_add(step) % DICTIONARY).copied().unwrap_or(0);
                put(&mut dictionary, &mut at, byte)?;
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // The example of [MS-OXRTFCP] 4.1.1.
    const EXAMPLE: &[u8] = &[
        0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0, 0x0a, 0, 0x72,
        0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0, 0x20,
        0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
    ];

    #[test]
    fn the_example_of_the_specification_is_expanded() {
        let (rtf, error) = decompress(EXAMPLE, 1000);
        assert_eq!(rtf, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!(error, None);
    }

    #[test]
    fn the_example_with_overlapping_references_is_expanded() {
        let bytes = [
            0x1a, 0, 0, 0, 0x1c, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xe2, 0xd4, 0x4b, 0x51, 0x41, 0, 4, 0x20,
            0x57, 0x58, 0x59, 0x5a, 0x0d, 0x6e, 0x7d, 1, 0x0e, 0xb0,
        ];
        assert_eq!(decompress(&bytes, 1000), (b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}".to_vec(), None));
    }

    #[test]
    fn what_is_missing_is_told_and_what_came_out_is_kept() {
        let (rtf, error) = decompress(&EXAMPLE[..36], 1000);
        assert!(rtf.starts_with(b"{\\rtf1"));
        assert!(matches!(error, Some(CompressedError::Truncated { claimed: 43, .. })));
        assert_eq!(decompress(EXAMPLE, 10).1, Some(CompressedError::Limit { limit: 10 }));
        assert_eq!(decompress(&[], 10).1, Some(CompressedError::Short));
        assert_eq!(decompress(&[0; 20], 10).1, Some(CompressedError::Kind));
    }

    #[test]
    fn uncompressed_rtf_is_passed_on() {
        let bytes = [&[18, 0, 0, 0, 6, 0, 0, 0][..], b"MELA", &[0; 4], b"{\\rtf}"].concat();
        assert_eq!(decompress(&bytes, 100), (b"{\\rtf}".to_vec(), None));
        assert_eq!(decompress(&bytes, 3), (b"{\\r".to_vec(), Some(CompressedError::Limit { limit: 3 })));
    }

    proptest! {
        #[test]
        fn any_stream_ends_within_the_limit(data: Vec<u8>, compressed: bool, claimed: u32) {
            let kind = if compressed { COMPRESSED } else { PLAIN };
            let bytes = [&[0; 4][..], &claimed.to_le_bytes(), &kind, &[0; 4], &data].concat();
            prop_assert!(decompress(&bytes, 500).0.len() <= 500);
        }
    }
}
