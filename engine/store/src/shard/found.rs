//! Emails that were read lately, whole: with places and mark, as callers want them. Blocks in a cache still have to be
//! searched and decompressed; these are there.
//!
//! What always holds: what is in here is what a read would find now. A commit takes out what it is about before it is
//! acknowledged, and what is being read at that moment is not put in. The shard alone puts in and takes out; anybody looks.

use crate::api::Found;
use crate::cache::in_parts;
use bytes::Bytes;
use postlode_format::id::Id;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Parts of the cache, which threads look into at the same time.
const PARTS: usize = 4;

#[derive(Clone)]
struct ByBytes;

/// What an entry takes beside its records: the map's share, and the heads of the allocations.
const ENTRY: usize = 256;

impl quick_cache::Weighter<Id, Found> for ByBytes {
    fn weight(&self, _: &Id, found: &Found) -> u64 {
        let places: usize = found.places.iter().map(|place| place.len().saturating_add(64)).sum();
        let mark = found.mark.as_ref().map_or(0, Bytes::len);
        [found.email.len(), places, mark].into_iter().fold(ENTRY, usize::saturating_add) as u64
    }
}

/// Emails of one shard, as any thread sees them. Clones see the same.
#[derive(Clone)]
pub struct Lately {
    emails: Arc<quick_cache::sync::Cache<Id, Found, ByBytes>>,
}

impl Lately {
    /// Of at most `bytes`.
    pub fn new(bytes: usize) -> Self {
        let emails = in_parts(bytes / 1024 + 16, bytes as u64, PARTS, ByBytes);
        Self { emails: Arc::new(emails) }
    }

    /// An email, if it is here.
    pub fn get(&self, id: &Id) -> Option<Found> {
        self.emails.get(id)
    }
}

/// What the shard itself has of them.
pub struct FoundCache {
    lately: Lately,
    /// Emails that are being read: by how many, and whether they have changed since.
    reading: RefCell<HashMap<Id, Reading>>,
}

#[derive(Default)]
struct Reading {
    readers: usize,
    changed: bool,
}

impl FoundCache {
    /// What puts in and takes out.
    pub fn of(lately: Lately) -> Self {
        Self { lately, reading: RefCell::default() }
    }

    /// An email, if it is here.
    pub fn get(&self, id: &Id) -> Option<Found> {
        self.lately.get(id)
    }

    /// It is read from now on.
    pub fn begin(&self, id: &Id) {
        self.reading.borrow_mut().entry(*id).or_default().readers += 1;
    }

    /// It was read. Kept is a copy: the records are parts of larger pieces of memory.
    pub fn end(&self, id: &Id, found: Option<&Found>) {
        let mut reading = self.reading.borrow_mut();
        let Some(own) = reading.get_mut(id) else { return };
        own.readers = own.readers.saturating_sub(1);
        let changed = own.changed;
        if own.readers == 0 {
            reading.remove(id);
        }
        if let Some(found) = found.filter(|_| !changed) {
            let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
            let kept = Found {
                id: *id,
                email: copy(&found.email),
                places: found.places.iter().map(copy).collect(),
                mark: found.mark.as_ref().map(copy),
            };
            self.lately.emails.insert(*id, kept);
        }
    }

    /// Something about it has changed.
    pub fn changed(&self, id: &Id) {
        self.lately.emails.remove(id);
        if let Some(reading) = self.reading.borrow_mut().get_mut(id) {
            reading.changed = true;
        }
    }

    /// Anything may have changed.
    pub fn clear(&self) {
        self.lately.emails.clear();
        self.reading.borrow_mut().values_mut().for_each(|reading| reading.changed = true);
    }

    /// Bytes of what is in here.
    pub fn bytes(&self) -> u64 {
        self.lately.emails.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: u8, email: &'static [u8]) -> Found {
        let places = vec![Bytes::from_static(b"place")];
        Found { id: [id; 16], email: Bytes::from_static(email), places, mark: None }
    }

    #[test]
    fn what_changes_while_it_is_read_is_not_kept() {
        let cache = FoundCache::of(Lately::new(1 << 20));
        cache.begin(&[1; 16]);
        cache.begin(&[2; 16]);
        cache.changed(&[1; 16]);
        for id in [1, 2] {
            cache.end(&[id; 16], Some(&found(id, b"old")));
        }
        assert!(cache.get(&[1; 16]).is_none() && cache.get(&[2; 16]).is_some());
        // Two read it, and it changes between them: neither is kept.
        cache.begin(&[3; 16]);
        cache.begin(&[3; 16]);
        cache.end(&[3; 16], Some(&found(3, b"first")));
        cache.changed(&[3; 16]);
        cache.end(&[3; 16], Some(&found(3, b"first")));
        assert!(cache.get(&[3; 16]).is_none());
        // The next one is.
        cache.begin(&[3; 16]);
        cache.end(&[3; 16], Some(&found(3, b"second")));
        assert_eq!(cache.get(&[3; 16]).unwrap().email, "second");
        cache.clear();
        assert!(cache.get(&[3; 16]).is_none() && cache.reading.borrow().is_empty());
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let cache = FoundCache::of(Lately::new(64 << 10));
        for n in 0..10_000u32 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_le_bytes());
            cache.begin(&id);
            cache.end(&id, Some(&Found { id, ..found(0, &[7; 500]) }));
        }
        assert!(cache.bytes() <= 64 << 10 && cache.bytes() > 30 << 10, "{} bytes", cache.bytes());
    }
}
