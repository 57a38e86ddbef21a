//! Vectors by the text that they are of: what was embedded once is not sent again.
//!
//! What always holds: all of them together stay within a budget, and what was not asked for goes first.

use quick_cache::Weighter;
use std::sync::Arc;

/// Bytes of all vectors together.
const BUDGET: u64 = 64 << 20;
/// About how many that is.
const VECTORS: usize = 32_768;

/// Of a text, its prefix with it.
pub type Hash = [u8; 16];

#[derive(Clone)]
struct Bytes;

impl Weighter<Hash, Arc<[f32]>> for Bytes {
    fn weight(&self, _: &Hash, vector: &Arc<[f32]>) -> u64 {
        (size_of_val(&**vector) as u64).saturating_add(96)
    }
}

pub struct Cache {
    vectors: quick_cache::sync::Cache<Hash, Arc<[f32]>, Bytes>,
}

impl Cache {
    pub fn new() -> Self {
        Self { vectors: quick_cache::sync::Cache::with_weighter(VECTORS, BUDGET, Bytes) }
    }

    pub fn hash(text: &str) -> Hash {
        let hash = blake3::hash(text.as_bytes());
        hash.as_bytes().first_chunk::<16>().copied().unwrap_or_default()
    }

    pub fn get(&self, hash: &Hash) -> Option<Arc<[f32]>> {
        self.vectors.get(hash)
    }

    pub fn keep(&self, hash: Hash, vector: &Arc<[f32]>) {
        self.vectors.insert(hash, Arc::clone(vector));
    }
}
