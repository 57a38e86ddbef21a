//! How long the fields of mails are, kept from one search to the next: the library reads all lengths of a field for each word
//! that is looked for in it.
//!
//! What always holds: all of them together stay within a budget; what could not be read is not kept. Indexes go by their numbers
//! in a view: the library's own ids of segments may be the same for several.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::fieldnorm::FieldNormReader;
use tantivy::schema::Field;
use tantivy::{SegmentReader, TantivyError};

/// Those of all indexes of a view.
#[derive(Default)]
pub struct KeptNorms {
    known: Mutex<Known>,
    budget: usize,
}

#[derive(Default)]
struct Known {
    readers: HashMap<(usize, Field), FieldNormReader>,
    bytes: usize,
}

impl KeptNorms {
    /// At most so many bytes.
    pub fn new(budget: usize) -> Self {
        Self { known: Mutex::default(), budget }
    }
}

/// Those of the index that a search is in.
#[derive(Default)]
pub struct Norms {
    kept: Arc<KeptNorms>,
    number: AtomicUsize,
}

impl Norms {
    /// For one search.
    pub fn of(kept: &Arc<KeptNorms>) -> Self {
        Self { kept: Arc::clone(kept), number: AtomicUsize::new(0) }
    }

    /// The search is in this index now.
    pub fn enter(&self, number: usize) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// Those of a field.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn read(&self, reader: &SegmentReader, field: Field) -> Result<FieldNormReader, TantivyError> {
        let known = || self.kept.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.number.load(Ordering::Relaxed), field);
        if let Some(norms) = known().readers.get(&key) {
            return Ok(norms.clone());
        }
        // A field without lengths: all texts are equally long.
        let read = reader.fieldnorms_readers().get_field(field)?;
        let read = read.unwrap_or_else(|| FieldNormReader::constant(reader.max_doc(), 1));
        // A byte a mail.
        let bytes = reader.max_doc() as usize;
        let mut known = known();
        if known.bytes.saturating_add(bytes) <= self.kept.budget
            && known.readers.insert(key, read.clone()).is_none()
        {
            known.bytes = known.bytes.saturating_add(bytes);
        }
        Ok(read)
    }
}
