//! Statistics over everything that is searched together, so that a score does not depend on how mails are spread
//! over segments and memtables.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{SegmentReader, Term};

/// Statistics of all readers of one search. A reader that cannot be read, or on whose bytes the search library gives
/// up, counts nothing here; the search itself meets the same damage and reports it.
pub struct Global<'r> {
    readers: Vec<&'r SegmentReader>,
    frequencies: Mutex<HashMap<Term, u64>>,
}

impl<'r> Global<'r> {
    pub fn new(readers: Vec<&'r SegmentReader>) -> Self {
        Self { readers, frequencies: Mutex::default() }
    }
}

/// A panic of the search library on strange bytes counts as nothing found.
fn contained<T: Default>(read: impl FnOnce() -> T) -> T {
    // Unwind safety: reading changes nothing that outlives it.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_default()
}

impl Bm25StatisticsProvider for Global<'_> {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        let of = |r: &&SegmentReader| r.inverted_index(field).map_or(0, |i| i.total_num_tokens());
        Ok(self.readers.iter().map(|r| contained(|| of(r))).sum())
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.readers.iter().map(|r| u64::from(r.max_doc())).sum())
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        if let Some(known) = self.frequencies.lock().unwrap_or_else(PoisonError::into_inner).get(term) {
            return Ok(*known);
        }
        let of = |r: &&SegmentReader| {
            let index = r.inverted_index(term.field()).ok()?;
            index.doc_freq(term).ok().map(u64::from)
        };
        let sum = self.readers.iter().filter_map(|r| contained(|| of(r))).sum();
        self.frequencies.lock().unwrap_or_else(PoisonError::into_inner).insert(term.clone(), sum);
        Ok(sum)
    }
}
