//! A byte-budgeted cache of checked blocks. O_DIRECT gives up the kernel's; this one replaces it.
//!
//! What always holds: a block in here has passed its CRC, and stays what it is, because segments never change.

use bytes::Bytes;
use postlode_format::block::BlockPlace;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A cache of at most so many bytes in so many parts. The library's own choice grows with the processors, and what is larger
/// than a part is never kept.
pub fn in_parts<K: Eq + Hash, V: Clone, W: Weighter<K, V> + Clone>(
    items: usize,
    bytes: u64,
    parts: usize,
    weighter: W,
) -> Cache<K, V, W> {
    let options =
        OptionsBuilder::new().estimated_items_capacity(items).weight_capacity(bytes).shards(parts).build();
    match options {
        Ok(options) => {
            let (hashes, life) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
            Cache::with_options(options, weighter, hashes, life)
        }
        // Nothing that it needs is left out.
        Err(_) => Cache::with_weighter(items, bytes, weighter),
    }
}

#[derive(Clone)]
struct ByBytes;

impl quick_cache::Weighter<BlockPlace, Bytes> for ByBytes {
    fn weight(&self, _: &BlockPlace, block: &Bytes) -> u64 {
        // The map's own cost per entry counts too, or many small blocks would outgrow the budget.
        block.len() as u64 + 96
    }
}

/// Blocks of one shard's segments; its text readers on the CPU pool share it.
#[derive(Clone)]
pub struct BlockCache {
    inner: Arc<Inner>,
}

struct Inner {
    blocks: quick_cache::sync::Cache<BlockPlace, Bytes, ByBytes>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl BlockCache {
    /// A cache of at most `bytes`.
    pub fn new(bytes: usize) -> Self {
        let blocks = quick_cache::sync::Cache::with_weighter(bytes / 8192 + 16, bytes as u64, ByBytes);
        Self { inner: Arc::new(Inner { blocks, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }) }
    }

    /// A block, if it is here.
    pub fn get(&self, place: BlockPlace) -> Option<Bytes> {
        let found = self.inner.blocks.get(&place);
        let counter = if found.is_some() { &self.inner.hits } else { &self.inner.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a checked block's payload.
    pub fn insert(&self, place: BlockPlace, payload: Bytes) {
        self.inner.blocks.insert(place, payload);
    }

    /// Hits, misses and bytes.
    pub fn stats(&self) -> (u64, u64, u64) {
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (load(&self.inner.hits), load(&self.inner.misses), self.inner.blocks.weight())
    }
}
