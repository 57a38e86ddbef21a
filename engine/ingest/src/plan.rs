//! How an archive's items are dealt out: ranges of batches, by node id.
//!
//! What always holds: the plan depends on the archive's content alone, not on the number of workers, so that a load
//! with other `--jobs`, or on another machine, goes on where the last one stopped.

use crate::packed::Packed;
use crate::sums::Sums;
use postlode_format::id::{Id, hash_of};
use std::ops::Range;

/// Items of one batch: what is committed together with one step of progress.
pub const BATCH_ITEMS: usize = 256;
/// Most batches of one range: what one worker takes at a time.
pub const RANGE_BATCHES: usize = 16;
/// Small archives are cut into at least so many ranges where they have so many batches: work for many workers.
const MIN_RANGES: usize = 64;

/// The number by which a change of this plan makes old watermarks void.
const PLAN_VERSION: u32 = 1;

/// An item of an archive, as it is listed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub(crate) struct Entry {
    /// Its node, see [`postlode_format::row::Place::node`].
    pub(crate) node: u64,
    /// Number of its folder.
    pub(crate) folder: u32,
    /// Bytes of the file that it takes, where the archive is a file of messages one after the other; else 0.
    pub(crate) bytes: u64,
    /// Where it was found.
    pub(crate) origin: Origin,
}

/// Where an item was found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub(crate) enum Origin {
    /// In a folder.
    Folder,
    /// In the archive, but in none of its folders.
    Orphan,
    /// In parts of the archive that are free: it was deleted.
    Deleted,
}

impl Entry {
    /// An item of a folder of a PST.
    pub(crate) fn of_node(nid: u32, folder: u32) -> Self {
        Self { node: nid.into(), folder, bytes: 0, origin: Origin::Folder }
    }
}

/// The items of an archive in the order of their nodes, cut into ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    items: Packed,
    range_items: usize,
    /// They were found outside of folders.
    recovered: bool,
}

impl Plan {
    pub(crate) fn of(mut items: Vec<Entry>) -> Self {
        items.sort_unstable();
        let batches = items.len().div_ceil(BATCH_ITEMS);
        let range_items = (batches / MIN_RANGES).clamp(1, RANGE_BATCHES) * BATCH_ITEMS;
        let recovered = items.first().is_some_and(|item| item.origin != Origin::Folder);
        Self { items: Packed::of(&items), range_items, recovered }
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Items of a range, or of as much of it as there is.
    pub(crate) fn items(&self, range: Range<usize>) -> Vec<Entry> {
        self.items.get(range)
    }

    pub(crate) fn ranges(&self) -> usize {
        self.items.len().div_ceil(self.range_items)
    }

    /// Which items a range has.
    pub(crate) fn range(&self, range: usize) -> Range<usize> {
        let start = range.saturating_mul(self.range_items).min(self.items.len());
        start..start.saturating_add(self.range_items).min(self.items.len())
    }

    /// Batches of a range.
    pub(crate) fn batches(&self, range: usize) -> u32 {
        u32::try_from(self.range(range).len().div_ceil(BATCH_ITEMS)).unwrap_or(u32::MAX)
    }

    /// Which items a batch of a range has.
    pub(crate) fn batch(&self, range: usize, batch: u32) -> Range<usize> {
        let Range { start, end } = self.range(range);
        let first = (batch as usize).saturating_mul(BATCH_ITEMS).saturating_add(start).min(end);
        first..first.saturating_add(BATCH_ITEMS).min(end)
    }

    /// Identity of the load of this plan: what must be the same for watermarks to mean the same.
    pub(crate) fn load_id(&self, archive: &Id, version: &Id, custodian: &str) -> Id {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"postlode load 1\0");
        hasher.update(&PLAN_VERSION.to_le_bytes());
        hasher.update(archive);
        hasher.update(version);
        hasher.update(&(self.items.len() as u64).to_le_bytes());
        hasher.update(&(self.range_items as u64).to_le_bytes());
        hasher.update(&(BATCH_ITEMS as u64).to_le_bytes());
        hasher.update(custodian.as_bytes());
        if self.recovered {
            hasher.update(b"\0recovered");
        }
        let mut id = Id::default();
        id.iter_mut().zip(hasher.finalize().as_bytes()).for_each(|(to, from)| *to = *from);
        id
    }
}

/// How far a range has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Batches that are durable everywhere.
    pub(crate) batches: u32,
    /// What they counted.
    pub(crate) counts: Sums,
}

/// One watermark as it was read: the part of the hash space, and how far the range is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) done: Done,
}

/// How far a range is, from all its watermarks: the least that holds in every part of the hash space.
///
/// Parts of several sizes may lie over each other, written by stores of several numbers of shards; where they do, the
/// best one counts, because each tells what was durable when it was written. All parts of one step have the same counts,
/// so those of any part that came just so far are right.
pub(crate) fn progress(marks: &[Mark]) -> Done {
    // Between two neighbouring bounds the same marks hold throughout.
    let mut bounds: Vec<u64> = vec![0];
    for mark in marks {
        bounds.push(mark.low);
        bounds.extend(mark.high.checked_add(1));
    }
    bounds.sort_unstable();
    bounds.dedup();
    let covering = |hash: u64| marks.iter().filter(move |m| m.low <= hash && hash <= m.high);
    let least = bounds.iter().map(|bound| covering(*bound).map(|m| m.done.batches).max().unwrap_or(0)).min();
    let least = least.unwrap_or(0);
    let so_far = marks.iter().map(|mark| mark.done).find(|done| done.batches == least);
    so_far.filter(|_| least > 0).unwrap_or_default()
}

/// The key of a place: that of the format, and behind it what tells places of one node apart that belong to
/// different custodians. Nothing is behind it where nobody is named.
pub(crate) fn place_key(id: &Id, archive: &Id, node: u64, custodian: &str) -> Vec<u8> {
    let mut key = postlode_format::row::place_key(id, archive, node);
    if !custodian.is_empty() {
        let mut hash = Id::default();
        hash.iter_mut().zip(blake3::hash(custodian.as_bytes()).as_bytes()).for_each(|(to, from)| *to = *from);
        key.extend_from_slice(&hash_of(&hash).to_be_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(items: u32) -> Plan {
        // From high to low: the plan sorts.
        let items = (0..items).rev().map(|nid| Entry::of_node(nid, 0)).collect();
        Plan::of(items)
    }

    #[test]
    fn batches_cover_every_item_once_and_in_order() {
        for count in [0, 1, 255, 256, 257, 3_000, 16_384, 100_000, 600_001] {
            let plan = plan(count);
            let mut next = 0;
            for range in 0..plan.ranges() {
                for batch in 0..plan.batches(range) {
                    let items = plan.batch(range, batch);
                    assert_eq!(items.start, next);
                    assert!(!items.is_empty() && items.len() <= BATCH_ITEMS);
                    next = items.end;
                }
                assert_eq!(next, plan.range(range).end);
            }
            assert_eq!(next, count as usize);
            assert!(plan.items(0..plan.len()).is_sorted_by_key(|item| item.node));
        }
        assert_eq!(plan(3_000).ranges(), 12, "a small archive keeps several workers busy");
        assert_eq!(plan(600_001).batches(0), 16);
    }

    #[test]
    fn another_custodian_is_another_load_and_another_place() {
        let plan = plan(10);
        assert_ne!(plan.load_id(&[1; 16], &[2; 16], ""), plan.load_id(&[1; 16], &[2; 16], "ann"));
        assert_ne!(plan.load_id(&[1; 16], &[2; 16], ""), plan.load_id(&[1; 16], &[3; 16], ""));
        assert_ne!(place_key(&[1; 16], &[2; 16], 3, "ann"), place_key(&[1; 16], &[2; 16], 3, "bob"));
        assert_eq!(
            place_key(&[1; 16], &[2; 16], 3, ""),
            postlode_format::row::place_key(&[1; 16], &[2; 16], 3)
        );
    }

    fn mark(low: u64, high: u64, batches: u32) -> Mark {
        let counts = Sums { found: u64::from(batches) * 256, ..Sums::default() };
        Mark { low, high, done: Done { batches, counts } }
    }

    #[test]
    fn a_range_is_as_far_as_its_slowest_part() {
        const HALF: u64 = 1 << 63;
        assert_eq!(progress(&[]).batches, 0);
        assert_eq!(progress(&[mark(0, u64::MAX, 4)]), mark(0, 0, 4).done);
        assert_eq!(progress(&[mark(0, HALF - 1, 4), mark(HALF, u64::MAX, 6)]), mark(0, 0, 4).done);
        assert_eq!(progress(&[mark(0, HALF - 1, 6), mark(HALF, u64::MAX, 4)]), mark(0, 0, 4).done);
        // A part is missing.
        assert_eq!(progress(&[mark(0, HALF - 1, 6)]).batches, 0);
    }

    #[test]
    fn parts_of_other_numbers_of_shards_may_lie_over_each_other() {
        const QUARTER: u64 = 1 << 62;
        const HALF: u64 = 1 << 63;
        // Two shards came to 4; then four shards went on, and two of them came to 5.
        let marks = [mark(0, QUARTER - 1, 5), mark(QUARTER, HALF - 1, 5), mark(HALF, u64::MAX, 4)];
        assert_eq!(progress(&marks), mark(0, 0, 4).done);
        let marks = [mark(0, QUARTER - 1, 4), mark(QUARTER, HALF - 1, 5), mark(HALF, u64::MAX, 4)];
        assert_eq!(progress(&marks).batches, 4);
        // The wider part of the two shards was replaced by a narrower one: what lay between is not known.
        assert_eq!(progress(&[mark(0, QUARTER - 1, 5), mark(HALF, u64::MAX, 4)]).batches, 0);
    }
}
