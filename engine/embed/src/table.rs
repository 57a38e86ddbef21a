//! The file of a static model: a vector for each piece of a vocabulary.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `PLTABLE1` |
//! | 8 | 4 | version of the model |
//! | 12 | 4 | values of a vector |
//! | 16 | 4 | pieces |
//! | 20 | 4 | bytes of the name, *n* |
//! | 24 | 4 | bytes of the vocabulary, *v* |
//! | 28 | *n* | name |
//! | | *v* | vocabulary: pieces, each ended by a line feed |
//! | | 4 x pieces | of each piece what a step of its values is worth (float) |
//! | | pieces x values | the values, a byte each |
//! | | 4 | CRC32 of all before |
//!
//! Numbers are little-endian. What always holds: a table that was read is whole; no length is believed before the bytes
//! are there.

use crate::error::EmbedError;
use crate::wordpiece::Vocabulary;

const MAGIC: &[u8; 8] = b"PLTABLE1";
const HEAD: usize = 28;
const MOST_DIMENSIONS: usize = 4096;

/// A table.
#[derive(Debug)]
pub struct Table {
    name: String,
    version: u32,
    dimensions: usize,
    vocabulary: Vocabulary,
    scales: Vec<f32>,
    values: Vec<i8>,
}

fn refused<T>(what: &str) -> Result<T, EmbedError> {
    Err(EmbedError::Table(what.to_owned()))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, EmbedError> {
        if !bytes.starts_with(MAGIC) {
            return refused("it does not begin as one");
        }
        let Some((all, crc)) = bytes.split_last_chunk::<4>() else { return refused("it is cut off") };
        let mut hash = crc32fast::Hasher::new();
        hash.update(all);
        if hash.finalize() != u32::from_le_bytes(*crc) {
            return refused("its checksum is another");
        }
        let field = |at| number(all, at).map(|n| n as usize);
        let (Some(version), Some(dimensions), Some(pieces), Some(name), Some(words)) =
            (number(all, 8), field(12), field(16), field(20), field(24))
        else {
            return refused("it is cut off");
        };
        if dimensions == 0 || dimensions > MOST_DIMENSIONS {
            return refused("it has vectors of a length that none have");
        }
        let parts = || {
            let rest = all.get(HEAD..)?;
            let (name, rest) = rest.split_at_checked(name)?;
            let (words, rest) = rest.split_at_checked(words)?;
            let (scales, values) = rest.split_at_checked(pieces.checked_mul(4)?)?;
            (values.len() == pieces.checked_mul(dimensions)?).then_some((name, words, scales, values))
        };
        let Some((name, words, scales, values)) = parts() else {
            return refused("its parts are not as long as it says");
        };
        let (Ok(name), Ok(words)) = (std::str::from_utf8(name), std::str::from_utf8(words)) else {
            return refused("its words are no text");
        };
        let vocabulary = Vocabulary::parse(words)?;
        if vocabulary.pieces() as usize != pieces {
            return refused("it has not a vector for each piece");
        }
        let scales: Vec<f32> =
            scales.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if !scales.iter().all(|scale| scale.is_finite()) {
            return refused("it has values that are no numbers");
        }
        let values = values.iter().map(|byte| byte.cast_signed()).collect();
        Ok(Self { name: name.to_owned(), version, dimensions, vocabulary, scales, values })
    }

    /// Writes a table: `rows` has a vector for each piece, one after another. Pieces of which all values are zero say
    /// nothing.
    #[must_use]
    pub fn write(name: &str, version: u32, vocabulary: &str, dimensions: usize, rows: &[f32]) -> Vec<u8> {
        let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        let mut words = vocabulary.lines().collect::<Vec<_>>().join("\n");
        words.push('\n');
        let rows: Vec<&[f32]> = rows.chunks_exact(dimensions.max(1)).collect();
        let scales: Vec<f32> =
            rows.iter().map(|row| row.iter().fold(0.0f32, |most, x| most.max(x.abs())) / 127.0).collect();
        let mut out = MAGIC.to_vec();
        out.extend(version.to_le_bytes());
        for n in [dimensions, rows.len(), name.len(), words.len()] {
            out.extend(length(n));
        }
        out.extend(name.as_bytes());
        out.extend(words.as_bytes());
        out.extend(scales.iter().flat_map(|scale| scale.to_le_bytes()));
        for (row, scale) in rows.iter().zip(&scales) {
            let step = if *scale > 0.0 { *scale } else { 1.0 };
            out.extend(row.iter().map(|x| ((x / step).round().clamp(-127.0, 127.0) as i8).cast_unsigned()));
        }
        let crc = crc32fast::hash(&out);
        out.extend(crc.to_le_bytes());
        out
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model's version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Values of a vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The pieces.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The vector of a piece, and what a step of it is worth; `None` for a piece that is not there or says nothing.
    #[inline]
    #[must_use]
    pub fn row(&self, piece: u32) -> Option<(&[i8], f32)> {
        let piece = piece as usize;
        let scale = self.scales.get(piece).copied().filter(|scale| *scale > 0.0)?;
        let from = piece.checked_mul(self.dimensions)?;
        Some((self.values.get(from..from.checked_add(self.dimensions)?)?, scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<u8> {
        Table::write("test", 3, "[UNK]\nmail\n##s", 2, &[0.0, 0.0, 1.0, -0.5, 0.25, 0.125])
    }

    #[test]
    fn what_is_written_is_read() {
        let table = Table::parse(&table()).unwrap();
        assert_eq!((table.name(), table.version(), table.dimensions()), ("test", 3, 2));
        assert_eq!(table.vocabulary().pieces(), 3);
        assert_eq!(table.row(0), None);
        let (row, scale) = table.row(1).unwrap();
        assert_eq!((row, scale), (&[127, -64][..], 1.0 / 127.0));
        assert_eq!(table.row(2).unwrap().0, [127, 64]);
        assert_eq!(table.row(3), None);
    }

    #[test]
    fn every_byte_that_is_another_is_found() {
        let whole = table();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(Table::parse(&bytes).is_err(), "byte {at}");
            assert!(Table::parse(&whole[..at]).is_err(), "cut at {at}");
        }
    }

    /// A checksum is no proof that who wrote it meant well.
    #[test]
    fn lengths_are_not_believed() {
        let whole = table();
        for at in (8..28).step_by(4) {
            for value in [0u32, 1, 2, 3, 5, 100, 1 << 31, u32::MAX] {
                let mut bytes = whole[..whole.len() - 4].to_vec();
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
                let crc = crc32fast::hash(&bytes);
                bytes.extend(crc.to_le_bytes());
                let read = Table::parse(&bytes);
                assert!(at == 8 || bytes == whole || read.is_err(), "{value} at {at}");
            }
        }
    }
}
