//! The emails that parts of indexes name, kept while nothing changes: senders, domains and folders that are asked for again.
//!
//! What always holds: a list has all emails that its part of the index names at a version of the store, ascending; one that
//! something is missing from is not kept; all of them together stay within a budget.

use crate::engine::Inner;
use crate::stream::Bounds;
use postlode_format::index::{IndexId, Position};
use postlode_store::{KeyRange, Named, Scan, StoreError, Version, in_parts};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Bytes of all lists together, and about how many that is.
const BUDGET: u64 = 64 << 20;
const LISTS: usize = 4_096;
/// Parts of the cache: the longest list fits in one.
const PARTS: usize = 4;
/// Emails of the longest that is kept.
const LONGEST: u64 = 1 << 17;
/// Keys that are read at once.
const PAGE: usize = 16_384;

/// An index, and what the keys of a part of it begin with.
type Of = (IndexId, Box<[u8]>);

#[derive(Clone)]
enum Kept {
    /// It was asked for, once.
    Asked(Version),
    /// It is too long, or something of it cannot be read.
    Never(Version),
    List(Version, Named),
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Of, Kept> for Bytes {
    fn weight(&self, (_, prefix): &Of, kept: &Kept) -> u64 {
        let list = match kept {
            Kept::Asked(_) | Kept::Never(_) => 0,
            Kept::List(_, list) => list.len().saturating_mul(Named::BYTES),
        };
        list.saturating_add(prefix.len()).saturating_add(128) as u64
    }
}

/// What is kept.
pub struct Lists {
    lists: Cache<Of, Kept, Bytes>,
}

impl Lists {
    pub fn new() -> Self {
        Self { lists: in_parts(LISTS, BUDGET, PARTS, Bytes) }
    }
}

/// The part of an ascending list that is inside bounds.
pub fn inside(list: &[Position], bounds: Bounds) -> std::ops::Range<usize> {
    if bounds.is_empty() {
        return 0..0;
    }
    let from = list.partition_point(|position| *position < bounds.low);
    let to = list.partition_point(|position| *position <= bounds.high);
    from..to.max(from)
}

impl Inner {
    /// All emails that a part of an index names, where they are kept.
    pub fn list(&self, index: IndexId, prefix: &[u8]) -> Option<Named> {
        let version = self.store.version();
        match self.lists.lists.get(&(index, prefix.into())) {
            Some(Kept::List(of, list)) if of == version => Some(list),
            _ => None,
        }
    }

    /// How many emails inside bounds a part of an index names. Who asks again before something has changed finds a list.
    ///
    /// # Errors
    /// As [`postlode_store::Store::count`].
    pub async fn named(&self, index: IndexId, prefix: &[u8], bounds: Bounds) -> Result<u64, StoreError> {
        if bounds.is_empty() {
            return Ok(0);
        }
        let version = self.store.version();
        let name: Of = (index, prefix.into());
        let kept = self.lists.lists.get(&name);
        if let Some(Kept::List(of, list)) = &kept
            && *of == version
        {
            return Ok(inside(list, bounds).len() as u64);
        }
        let count = self.store.count(index, KeyRange::positions(prefix, bounds.low, bounds.high)).await?;
        let next = match kept {
            Some(Kept::Never(of)) if of == version => return Ok(count),
            Some(Kept::Asked(of)) if of == version => match self.read_list(index, prefix).await {
                Ok(Some(list)) => Kept::List(version, list),
                // What was asked for is known, whatever comes of this.
                Ok(None) | Err(_) => Kept::Never(version),
            },
            _ => Kept::Asked(version),
        };
        self.lists.lists.insert(name, next);
        Ok(count)
    }

    /// `None` where it is too long, or something of it cannot be read.
    async fn read_list(&self, index: IndexId, prefix: &[u8]) -> Result<Option<Named>, StoreError> {
        let whole = KeyRange::positions(prefix, Position::MIN, Position::MAX);
        if self.store.count(index, whole).await? > LONGEST {
            return Ok(None);
        }
        let (mut out, mut low) = (Vec::new(), Position::MIN);
        loop {
            let range = KeyRange::positions(prefix, low, Position::MAX);
            let page = self.store.positions(Scan { index, range, descending: false, limit: PAGE }).await?;
            if !page.missing.is_empty() || out.len() as u64 > LONGEST {
                return Ok(None);
            }
            // The last of one page is the first of the next.
            let known = out.last().copied();
            out.extend(page.keys.into_iter().filter(|position| Some(*position) > known));
            match out.last() {
                Some(last) if !page.done && Some(*last) != known => low = *last,
                _ => return Ok(Some(out.into())),
            }
        }
    }
}
