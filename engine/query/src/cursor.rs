//! Cursors: where an answer ended, for the next to go on.
//!
//! ```text
//! version u8, sort u8, query u64, generation u64, score u32, date i64, id, total u64, exact u8, key, check u32
//! ```
//!
//! Little-endian, in base64url without padding; the key, by which is sorted, only where that is a value. `query` is a hash of everything that decides about the order,
//! `check` one of all bytes before it. What always holds: bytes that are not a cursor of this very query give an
//! error, never another place; a cursor holds nothing that its owner may not see.

use crate::error::QueryError;
use crate::model::{Relation, Sort, Total};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postlode_format::index::Position;

const VERSION: u8 = 1;
const BYTES: usize = 67;
/// Longest key: that of an index, or eight bytes.
const MAX_KEY: usize = 300;
/// Longest text looked at.
const MAX_TEXT: usize = 512;

/// Where an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// The order.
    pub sort: Sort,
    /// Hash of the query and of all that decides about the order.
    pub query: u64,
    /// The store's generation when the first answer was made; of a ranked list, what tells it from others as well.
    pub generation: u64,
    /// Score of the last hit, by relevance.
    pub score: f32,
    /// The last hit.
    pub position: Position,
    /// The total that was told first.
    pub total: Total,
    /// The value by which the last hit has its place, in an order by a value.
    pub key: Vec<u8>,
}

/// The hash of a query for its cursors.
#[must_use]
pub fn query_hash(parts: &[&str]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"postlode cursor 1\0");
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    first_8(hasher.finalize().as_bytes())
}

const SORTS: [Sort; 4] = [Sort::Date, Sort::Relevance, Sort::Size, Sort::Sender];

fn number(sort: Sort) -> u8 {
    match sort {
        Sort::Date => 0,
        Sort::Relevance => 1,
        Sort::Size => 2,
        Sort::Sender => 3,
    }
}

fn first_8(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b))
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"postlode cursor check 1\0");
    hasher.update(bytes);
    hasher.finalize().as_bytes().first_chunk::<4>().copied().unwrap_or_default()
}

impl Cursor {
    /// As text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = Vec::with_capacity(BYTES);
        out.push(VERSION);
        out.push(number(self.sort));
        out.extend_from_slice(&self.query.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.score.to_bits().to_le_bytes());
        out.extend_from_slice(&self.position.date.to_le_bytes());
        out.extend_from_slice(&self.position.id);
        out.extend_from_slice(&self.total.value.to_le_bytes());
        out.push(u8::from(self.total.relation == Relation::Eq));
        out.extend_from_slice(&self.key);
        let check = check(&out);
        out.extend_from_slice(&check);
        URL_SAFE_NO_PAD.encode(out)
    }

    /// Reads one that must belong to the query of this hash.
    ///
    /// # Errors
    /// [`QueryError::BadCursor`].
    pub fn decode(text: &str, query: u64) -> Result<Self, QueryError> {
        let cursor =
            Self::read(text).ok_or(QueryError::BadCursor("it is not one that was given out here"))?;
        if cursor.query != query {
            return Err(QueryError::BadCursor("it belongs to another query, order, grouping or time zone"));
        }
        Ok(cursor)
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.get(..MAX_TEXT).unwrap_or(text).trim()).ok()?;
        let (content, stored) = bytes.split_last_chunk::<4>()?;
        if check(content) != *stored {
            return None;
        }
        let ([version, sort], rest) = content.split_first_chunk::<2>()?;
        let (query, rest) = rest.split_first_chunk::<8>()?;
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        let (score, rest) = rest.split_first_chunk::<4>()?;
        let (date, rest) = rest.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (total, rest) = rest.split_first_chunk::<8>()?;
        let (exact, key) = rest.split_first()?;
        let score = f32::from_bits(u32::from_le_bytes(*score));
        let sort = SORTS.into_iter().find(|known| number(*known) == *sort)?;
        if *version != VERSION || *exact > 1 || score.is_nan() || key.len() > MAX_KEY {
            return None;
        }
        Some(Self {
            sort,
            query: u64::from_le_bytes(*query),
            generation: u64::from_le_bytes(*generation),
            score,
            position: Position { date: i64::from_le_bytes(*date), id: *id },
            total: Total {
                value: u64::from_le_bytes(*total),
                relation: if *exact == 1 { Relation::Eq } else { Relation::Gte },
            },
            key: key.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cursor(date: i64, id: [u8; 16], score: f32) -> Cursor {
        let total = Total { value: 7, relation: Relation::Gte };
        Cursor {
            sort: Sort::Relevance,
            query: 9,
            generation: 3,
            score,
            position: Position { date, id },
            total,
            key: b"ann".to_vec(),
        }
    }

    proptest! {
        #[test]
        fn cursors_come_back(date: i64, id: [u8; 16], score in 0f32..100.0) {
            let cursor = cursor(date, id, score);
            prop_assert!(matches!(Cursor::decode(&cursor.encode(), 8), Err(QueryError::BadCursor(_))));
            prop_assert_eq!(Cursor::decode(&cursor.encode(), 9).unwrap(), cursor);
        }

        #[test]
        fn changed_ones_are_refused(at in 0usize..80, c in "[A-Za-z0-9_-]") {
            let text = cursor(1, [2; 16], 3.0).encode();
            let mut forged: Vec<char> = text.chars().collect();
            let at = at % forged.len();
            forged[at] = c.chars().next().unwrap();
            let forged: String = forged.into_iter().collect();
            prop_assume!(forged != text);
            prop_assert!(Cursor::decode(&forged, 9).is_err());
        }

        #[test]
        fn any_text_is_survived(text: String) {
            prop_assert!(Cursor::decode(&text, 9).is_err());
        }
    }
}
