//! What queries are turned by, where a model's vectors do not lie evenly: learnt of the vectors of the store itself.
//!
//! What always holds: all parts of a search compare with one query, turned once; it is learnt anew when there is a quarter more
//! or less than it was learnt of, and by whoever searches next; the same parts give the same.

use crate::part::Part;
use postlode_vector::Whitening;
use std::sync::Arc;

/// Vectors that it is learnt of, at most: evenly over all.
const LEARNT: u64 = 8_192;

/// What was learnt last.
#[derive(Clone, Default)]
pub struct Turn {
    /// Vectors that there were then.
    vectors: u64,
    whitening: Option<Arc<Whitening>>,
}

impl Turn {
    /// What turns queries.
    pub fn whitening(&self) -> Option<Arc<Whitening>> {
        self.whitening.clone()
    }

    /// Is what was learnt of so many still right for these?
    pub fn fits(&self, parts: &[&Part]) -> bool {
        let vectors = vectors(parts);
        vectors.saturating_mul(5) >= self.vectors.saturating_mul(4)
            && vectors.saturating_mul(4) <= self.vectors.saturating_mul(5)
    }

    /// Learns it. Parts that cannot be read are left out: a search says what they are.
    pub fn learn(parts: &[&Part], dimensions: usize) -> Self {
        let vectors = vectors(parts);
        let step = usize::try_from(vectors.div_ceil(LEARNT)).unwrap_or(usize::MAX);
        let mut values = Vec::new();
        for part in parts {
            let before = values.len();
            if part.index.sample(step, &mut values).is_err() {
                values.truncate(before);
            }
        }
        Self { vectors, whitening: Whitening::learn(dimensions, &values).map(Arc::new) }
    }
}

fn vectors(parts: &[&Part]) -> u64 {
    parts.iter().map(|part| u64::from(part.index.size().1)).sum()
}
