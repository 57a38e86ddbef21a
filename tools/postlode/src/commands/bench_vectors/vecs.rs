//! Files of vectors as benchmarks exchange them (.fvecs, .ivecs): each row is its length as four bytes, and so many
//! numbers of four bytes, little-endian.
//!
//! What always holds: all rows have one length; a length is believed when the file is long enough for it.

use crate::error::Failure;
use std::path::Path;

/// Numbers a row may have: no vectors are longer.
const LONGEST: usize = 1 << 16;

/// A number of four bytes.
pub trait Number: Copy {
    /// From the file's bytes.
    fn from_bytes(bytes: [u8; 4]) -> Self;
}

impl Number for f32 {
    fn from_bytes(bytes: [u8; 4]) -> Self {
        Self::from_le_bytes(bytes)
    }
}

impl Number for u32 {
    fn from_bytes(bytes: [u8; 4]) -> Self {
        Self::from_le_bytes(bytes)
    }
}

/// Rows of one length.
pub struct Vecs<T> {
    /// Numbers of a row.
    pub width: usize,
    /// All rows, one after another.
    pub values: Vec<T>,
}

impl<T: Number> Vecs<T> {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::Usage(format!("{}: {what}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        Self::parse(&bytes).map_err(wrong)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (words, rest) = bytes.as_chunks::<4>();
        let Some(first) = words.first() else { return Err("is empty".into()) };
        let width = u32::from_le_bytes(*first) as usize;
        if width == 0 || width > LONGEST {
            return Err(format!(
                "begins with a row of {width} numbers: is it a file of vectors (.fvecs, .ivecs)?"
            ));
        }
        let rows = words.chunks_exact(width + 1);
        if !rest.is_empty() || !rows.remainder().is_empty() {
            return Err("ends within a row".into());
        }
        let mut values = Vec::with_capacity(words.len());
        for (number, row) in rows.enumerate() {
            let Some((length, row)) = row.split_first() else { continue };
            let length = u32::from_le_bytes(*length) as usize;
            if length != width {
                return Err(format!("row {number} has {length} numbers, the first has {width}"));
            }
            values.extend(row.iter().map(|word| T::from_bytes(*word)));
        }
        Ok(Self { width, values })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.values.chunks_exact(self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(rows: &[&[u32]]) -> Vec<u8> {
        let row = |row: &&[u32]| [&[row.len() as u32], *row].concat();
        rows.iter().flat_map(row).flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn rows_are_read() {
        let vecs = Vecs::<u32>::parse(&file(&[&[1, 2, 3], &[4, 5, 6]])).unwrap();
        assert_eq!((vecs.width, vecs.rows(), vecs.values), (3, 2, vec![1, 2, 3, 4, 5, 6]));
        let floats = Vecs::<f32>::parse(&file(&[&[1.5f32.to_bits()]])).unwrap();
        assert_eq!(floats.iter().collect::<Vec<_>>(), [&[1.5]]);
    }

    #[test]
    fn what_is_no_such_file_is_named() {
        let refused = |bytes: &[u8]| Vecs::<u32>::parse(bytes).err().unwrap();
        assert_eq!(refused(&[]), "is empty");
        assert!(refused(b"PK\x03\x04............").starts_with("begins with a row of"));
        assert!(refused(&[0; 8]).starts_with("begins with a row of 0"));
        let whole = file(&[&[1, 2], &[3, 4]]);
        assert_eq!(refused(&whole[..whole.len() - 1]), "ends within a row");
        assert_eq!(refused(&whole[..whole.len() - 4]), "ends within a row");
        let mut longer = file(&[&[1, 2], &[3, 4]]);
        longer[12] = 3;
        assert_eq!(refused(&longer), "row 1 has 3 numbers, the first has 2");
    }
}
