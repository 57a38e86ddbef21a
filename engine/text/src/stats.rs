//! Statistics over everything that is searched together, so that a score does not depend on how mails are spread
//! over segments and memtables.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{SegmentReader, Term};

/// Statistics of all readers of one search. A reader that cannot be read, or on whose bytes the search library gives
/// up, counts nothing here; the search itself meets the same damage and reports it.
pub struct Global<'r> {
    readers: Vec<&'r SegmentReader>,
    frequencies: &'r Frequencies,
}

/// How many mails have a word, as far as that was looked up.
#[derive(Default)]
pub struct Frequencies {
    known: Mutex<HashMap<Term, u64>>,
    /// Some reader could not be read: what was counted since lacks it.
    spoilt: AtomicBool,
}

/// Words that are remembered.
const MOST: usize = 1 << 15;

impl Frequencies {
    /// Statistics were gathered without some reader.
    pub fn are_spoilt(&self) -> bool {
        self.spoilt.load(Ordering::Acquire)
    }

    /// The sum of what readers say, with whether one said nothing.
    fn sum(&self, parts: impl Iterator<Item = Option<u64>>) -> (u64, bool) {
        let (mut sum, mut whole) = (0u64, true);
        for part in parts {
            whole &= part.is_some();
            sum = sum.saturating_add(part.unwrap_or(0));
        }
        if !whole {
            self.spoilt.store(true, Ordering::Release);
        }
        (sum, whole)
    }
}

impl<'r> Global<'r> {
    pub fn new(readers: Vec<&'r SegmentReader>, frequencies: &'r Frequencies) -> Self {
        Self { readers, frequencies }
    }
}

/// A panic of the search library on strange bytes counts as nothing said.
fn contained(read: impl FnOnce() -> Option<u64>) -> Option<u64> {
    // Unwind safety: reading changes nothing that outlives it.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_default()
}

impl Bm25StatisticsProvider for Global<'_> {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        let of = |r: &SegmentReader| r.inverted_index(field).map(|i| i.total_num_tokens()).ok();
        Ok(self.frequencies.sum(self.readers.iter().map(|r| contained(|| of(r)))).0)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.readers.iter().map(|r| u64::from(r.max_doc())).sum())
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        let known = || self.frequencies.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(term) {
            return Ok(*known);
        }
        let of = |r: &SegmentReader| {
            let index = r.inverted_index(term.field()).ok()?;
            index.doc_freq(term).ok().map(u64::from)
        };
        let (sum, whole) = self.frequencies.sum(self.readers.iter().map(|r| contained(|| of(r))));
        if whole {
            let mut known = known();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(term.clone(), sum);
        }
        Ok(sum)
    }
}
