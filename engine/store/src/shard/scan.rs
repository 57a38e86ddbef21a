//! Scans of one shard: keys of an index, or what stands at their ends.
//!
//! What always holds: memtables are looked at first, so that what moves into a segment meanwhile is seen twice and never
//! missed; nothing comes twice; a page that was cut off says that it is not all.

use super::Shard;
use super::dates::Dates;
use crate::api::{Page, Scan};
use crate::segment::reader::Segment;
use bytes::Bytes;
use postlode_format::id::hash_of;
use postlode_format::index::Position;
use postlode_format::manifest::SegmentEntry;
use postlode_runtime::Runtime;
use std::rc::Rc;

/// What a scan takes of a key. Items are in the order of their keys: positions where the keys are of one part of an index.
pub trait Item: Ord + Clone {
    /// What it takes; `None` of a key that cannot be one of an index.
    fn of(key: &[u8]) -> Option<Self>;
    /// Where the email stands.
    fn position(&self) -> Option<Position>;
}

impl Item for Bytes {
    fn of(key: &[u8]) -> Option<Self> {
        Some(Self::copy_from_slice(key))
    }

    fn position(&self) -> Option<Position> {
        Position::of_key(self)
    }
}

impl Item for Position {
    fn of(key: &[u8]) -> Option<Self> {
        Self::of_key(key)
    }

    fn position(&self) -> Option<Position> {
        Some(*self)
    }
}

/// Sorts items, without doubles.
pub fn in_order<T: Item>(items: &mut Vec<T>, descending: bool) {
    items.sort_unstable();
    items.dedup();
    if descending {
        items.reverse();
    }
}

/// Are there so many in order already that a segment, and those after it in the order of their dates, can add none?
fn nothing_to_add<T: Item>(items: &[T], segment: &SegmentEntry, descending: bool, limit: usize) -> bool {
    let last = limit.checked_sub(1).and_then(|last| items.get(last)).and_then(Item::position);
    last.is_some_and(
        |last| {
            if descending { segment.max_date < last.date } else { segment.min_date > last.date }
        },
    )
}

impl<R: Runtime> Shard<R> {
    /// Keys of one part of an index are in the order of their dates, and segments know theirs: the newest segments are
    /// asked first, and none that can add nothing to what was found.
    pub(super) async fn scan<T: Item>(&self, scan: &Scan) -> Page<T> {
        let Scan { index, range, descending, limit } = scan;
        let mut page = Page::default();
        let mut items: Vec<T> = Vec::new();
        let mut cut = false;
        self.in_memory(|m| {
            let mut found = 0usize;
            m.scan(*index, range, *descending, &mut |key| {
                items.extend(T::of(key));
                found += 1;
                found < *limit
            });
            cut |= found >= *limit;
            None::<()>
        });
        let mut segments = self.mail_segments();
        let dates = Dates::of(*index, range);
        if dates.is_some() {
            let by_date = |s: &Rc<Segment<R>>| if *descending { !s.entry.max_date } else { s.entry.min_date };
            segments.sort_by_key(by_date);
        }
        for segment in segments {
            if let Some(dates) = &dates {
                if !dates.meet(&segment.entry) {
                    continue;
                }
                if items.len() >= *limit {
                    in_order(&mut items, *descending);
                    // What is cut off here is left for the next page.
                    cut |= items.len() > *limit;
                    items.truncate(*limit);
                    if nothing_to_add(&items, &segment.entry, *descending, *limit) {
                        cut = true;
                        break;
                    }
                }
            }
            // A segment may hold mail of other shards too.
            let whole = self.range.0 <= segment.entry.low && segment.entry.high <= self.range.1;
            let mut found = 0usize;
            let mut each = |key: &[u8]| {
                let mine = whole || Position::of_key(key).is_some_and(|p| self.owns(hash_of(&p.id)));
                if let Some(item) = T::of(key).filter(|_| mine) {
                    items.push(item);
                    found += 1;
                }
                found < *limit
            };
            match segment.scan(*index, range, *descending, &mut page.missing, &mut each).await {
                Ok(()) => cut |= found >= *limit,
                Err(error) => page.missing.push(error),
            }
        }
        in_order(&mut items, *descending);
        page.done = !cut && items.len() <= *limit;
        items.truncate(*limit);
        page.keys = items;
        page
    }
}
