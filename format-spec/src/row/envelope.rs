//! How rows stand in a log frame: kind, flags, key, value, one after the other.
//!
//! ```text
//! 0  kind       u8
//! 1  flags      u8    0 in this version
//! 2  key_len    u16
//! 4  value_len  u32
//! 8  key, value
//! ```

use super::RowKind;
use crate::error::FormatError;
use crate::limits::{MAX_KEY, MAX_VALUE};
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes before the key.
pub const ENVELOPE: usize = 8;

/// A row, its value still encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub kind: RowKind,
    /// Which one it is.
    pub key: Bytes,
    /// The record.
    pub value: Bytes,
}

impl Row {
    /// Bytes it takes in a frame.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        ENVELOPE.saturating_add(self.key.len()).saturating_add(self.value.len())
    }

    /// Where it falls in the hash space.
    #[must_use]
    pub fn hash(&self) -> u64 {
        super::shard_hash(self.kind, &self.key)
    }

    /// Appends it to a frame.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] for a key or value past the limits.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), FormatError> {
        let key_len = u16::try_from(self.key.len()).ok().filter(|n| usize::from(*n) <= MAX_KEY);
        let key_len =
            key_len.ok_or(FormatError::TooLarge { what: "row key", have: self.key.len(), limit: MAX_KEY })?;
        let value_len = u32::try_from(self.value.len()).ok().filter(|_| self.value.len() <= MAX_VALUE);
        let value_len = value_len.ok_or(FormatError::TooLarge {
            what: "row value",
            have: self.value.len(),
            limit: MAX_VALUE,
        })?;
        out.put_u8(self.kind as u8);
        out.put_u8(0);
        out.put_u16_le(key_len);
        out.put_u32_le(value_len);
        out.put_slice(&self.key);
        out.put_slice(&self.value);
        Ok(())
    }
}

/// Reads the rows of a frame's payload, without copying.
pub struct Rows {
    rest: Bytes,
}

impl Rows {
    /// Rows of `payload`.
    #[must_use]
    pub fn new(payload: Bytes) -> Self {
        Self { rest: payload }
    }

    fn take(&mut self) -> Result<Row, FormatError> {
        let have = self.rest.len();
        let Some(&[kind, flags, k0, k1, v0, v1, v2, v3]) = self.rest.first_chunk::<ENVELOPE>() else {
            return Err(FormatError::Truncated { what: "row", have, need: ENVELOPE });
        };
        if flags != 0 {
            return Err(FormatError::Newer { what: "row flags", found: u32::from(flags), known: 0 });
        }
        let kind = RowKind::from_number(kind)?;
        let key_len = usize::from(u16::from_le_bytes([k0, k1]));
        let value_len = u32::from_le_bytes([v0, v1, v2, v3]) as usize;
        let need = ENVELOPE.saturating_add(key_len).saturating_add(value_len);
        if key_len > MAX_KEY || need > have {
            return Err(FormatError::Truncated { what: "row", have, need });
        }
        let mut row = self.rest.split_to(need).split_off(ENVELOPE);
        let key = row.split_to(key_len);
        Ok(Row { kind, key, value: row })
    }
}

impl Iterator for Rows {
    type Item = Result<Row, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let row = self.take();
        if row.is_err() {
            self.rest.clear();
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row() -> impl Strategy<Value = Row> {
        (
            0usize..10,
            proptest::collection::vec(any::<u8>(), 0..60),
            proptest::collection::vec(any::<u8>(), 0..300),
        )
            .prop_map(|(k, key, value)| Row {
                kind: RowKind::ALL[k],
                key: key.into(),
                value: value.into(),
            })
    }

    proptest! {
        #[test]
        fn rows_round_trip(rows in proptest::collection::vec(row(), 0..20)) {
            let mut out = BytesMut::new();
            for row in &rows { row.encode(&mut out).unwrap(); }
            let back: Result<Vec<Row>, _> = Rows::new(out.freeze()).collect();
            prop_assert_eq!(back.unwrap(), rows);
        }

        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let n = bytes.len();
            prop_assert!(Rows::new(bytes.into()).count() <= n);
        }
    }

    #[test]
    fn a_row_past_the_limits_is_refused() {
        let row = Row { kind: RowKind::Doc, key: vec![0; MAX_KEY + 1].into(), value: Bytes::new() };
        assert!(matches!(row.encode(&mut BytesMut::new()), Err(FormatError::TooLarge { .. })));
    }
}
