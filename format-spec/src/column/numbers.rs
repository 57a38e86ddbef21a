//! A column of numbers: one a row.
//!
//! ```text
//! 0 rows u32, width u8, three zeros, base u64
//! 16 `width` bytes a row, 0 to 8: the number less the base
//! ```

use crate::error::FormatError;

const HEAD: usize = 16;
const WHAT: &str = "column of numbers";

/// A column of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberColumn {
    rows: usize,
    base: u64,
    width: usize,
    bytes: Vec<u8>,
}

impl NumberColumn {
    /// One of these numbers.
    #[must_use]
    pub fn new(numbers: &[u64]) -> Self {
        let base = numbers.iter().copied().min().unwrap_or(0);
        let above = |number: &u64| number.saturating_sub(base);
        let most = numbers.iter().map(above).max().unwrap_or(0);
        let width = 8usize.saturating_sub(most.leading_zeros() as usize / 8);
        let bytes = numbers.iter().flat_map(|n| above(n).to_le_bytes().into_iter().take(width)).collect();
        Self { rows: numbers.len(), base, width, bytes }
    }

    /// The bytes of a section.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] beyond 2^32 rows.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let too_large = |_| FormatError::TooLarge { what: WHAT, have: self.rows, limit: u32::MAX as usize };
        let mut out = u32::try_from(self.rows).map_err(too_large)?.to_le_bytes().to_vec();
        out.extend([u8::try_from(self.width).unwrap_or(8), 0, 0, 0]);
        out.extend_from_slice(&self.base.to_le_bytes());
        out.extend_from_slice(&self.bytes);
        Ok(out)
    }

    /// Reads the bytes of a section.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that break a rule of the layout.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let short = || FormatError::Truncated { what: WHAT, have: bytes.len(), need: HEAD };
        let (rows, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let (width, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (base, numbers) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let (rows, width) = (u32::from_le_bytes(*rows) as usize, u32::from_le_bytes(*width) as usize);
        if width > 8 || Some(numbers.len()) != rows.checked_mul(width) {
            return Err(FormatError::Malformed { what: WHAT, why: "it is not as long as it says" });
        }
        Ok(Self { rows, base: u64::from_le_bytes(*base), width, bytes: numbers.to_vec() })
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of a row.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<u64> {
        if row >= self.rows {
            return None;
        }
        let from = row.checked_mul(self.width)?;
        let mut number = [0u8; 8];
        for (to, byte) in number.iter_mut().zip(self.bytes.get(from..from.checked_add(self.width)?)?) {
            *to = *byte;
        }
        Some(self.base.wrapping_add(u64::from_le_bytes(number)))
    }

    /// Bytes that it takes in memory, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(numbers: Vec<u64>, small in prop::collection::vec(1_000u64..1_300, 0..50)) {
            for numbers in [numbers, small] {
                let column = NumberColumn::decode(&NumberColumn::new(&numbers).encode().unwrap()).unwrap();
                prop_assert_eq!(column.rows(), numbers.len());
                let back: Vec<u64> = (0..numbers.len()).filter_map(|row| column.get(row)).collect();
                prop_assert_eq!(back, numbers);
                prop_assert_eq!(column.get(column.rows()), None);
            }
        }

        #[test]
        fn any_bytes_are_a_column_or_an_error(bytes: Vec<u8>) {
            if let Ok(column) = NumberColumn::decode(&bytes) {
                prop_assert_eq!(column.encode().unwrap(), bytes);
            }
        }
    }

    #[test]
    fn equal_numbers_take_nothing() {
        assert_eq!(NumberColumn::new(&[7; 1000]).encode().unwrap().len(), HEAD);
        // Rows without width are numbers all the same: a reader must not be made to list them.
        let column =
            NumberColumn::decode(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!((column.get(0), column.get(1 << 31)), (Some(7), Some(7)));
    }
}
