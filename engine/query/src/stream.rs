//! Emails in (date, id) order, merged from parts of indexes and lists of matches.
//!
//! What always holds: each email comes once, whatever number of parts name it; nothing is read ahead beyond one
//! page of each part; damage is noted and the stream goes on.

use crate::error::QueryError;
use crate::lists::inside;
use postlode_format::id::Id;
use postlode_format::index::{IndexId, Position};
use postlode_store::{KeyRange, Missing, Named, Scan, Store};
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::ops::Range;

/// Keys of the first page of a part, and of the largest.
const FIRST_PAGE: usize = 64;
const LARGEST_PAGE: usize = 4096;

/// The positions that are wanted, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// First.
    pub low: Position,
    /// Last.
    pub high: Position,
}

impl Bounds {
    /// Dates from the first (included) to the second (excluded; `i64::MAX` includes all).
    #[must_use]
    pub fn dates(from: i64, to: i64) -> Self {
        let end =
            if to == i64::MAX { Some(Position::MAX) } else { before(Position { date: to, id: [0; 16] }) };
        // Without an end there is nothing before the earliest of all.
        let high = end.unwrap_or(Position::MIN);
        Self { low: Position { date: from, id: [0; 16] }, high }
    }

    /// Nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.low > self.high
    }

    /// Is it wanted?
    #[must_use]
    pub fn contains(&self, position: Position) -> bool {
        self.low <= position && position <= self.high
    }

    /// What is left behind `position`, in the direction of travel.
    #[must_use]
    pub fn behind(self, position: Position, descending: bool) -> Self {
        let nothing = Self { low: Position::MAX, high: Position::MIN };
        if descending {
            before(position).map_or(nothing, |high| Self { high: high.min(self.high), ..self })
        } else {
            after(position).map_or(nothing, |low| Self { low: low.max(self.low), ..self })
        }
    }
}

fn id_number(id: Id) -> u128 {
    u128::from_be_bytes(id)
}

/// The position right before.
fn before(position: Position) -> Option<Position> {
    match id_number(position.id).checked_sub(1) {
        Some(id) => Some(Position { date: position.date, id: id.to_be_bytes() }),
        None => Some(Position { date: position.date.checked_sub(1)?, id: [0xff; 16] }),
    }
}

/// The position right behind.
fn after(position: Position) -> Option<Position> {
    match id_number(position.id).checked_add(1) {
        Some(id) => Some(Position { date: position.date, id: id.to_be_bytes() }),
        None => Some(Position { date: position.date.checked_add(1)?, id: [0; 16] }),
    }
}

/// One part.
pub enum Part {
    /// The keys of an index that begin with these bytes.
    Index(IndexId, Vec<u8>),
    /// Positions in ascending order.
    List(Named),
}

struct Reader {
    source: Source,
    buffer: VecDeque<Position>,
}

enum Source {
    Index {
        index: IndexId,
        prefix: Vec<u8>,
        left: Bounds,
        page: usize,
    },
    /// What is left of a list.
    List {
        list: Named,
        left: Range<usize>,
    },
    Done,
}

#[derive(PartialEq, Eq)]
struct Head {
    position: Position,
    descending: bool,
    reader: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_position = self.position.cmp(&other.position);
        let by_position = if self.descending { by_position } else { by_position.reverse() };
        by_position.then(other.reader.cmp(&self.reader))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A merged stream.
pub struct Stream {
    store: Store,
    descending: bool,
    readers: Vec<Reader>,
    heads: BinaryHeap<Head>,
    started: bool,
    last: Option<Position>,
    /// Keys read so far, those of lists included.
    pub keys: u64,
    /// Damage met so far.
    pub missing: BTreeSet<Missing>,
}

impl Stream {
    /// Merges `parts` within `bounds`.
    #[must_use]
    pub fn new(store: Store, parts: Vec<Part>, bounds: Bounds, descending: bool) -> Self {
        let reader = |part: Part| match part {
            Part::Index(index, prefix) => {
                let source = if bounds.is_empty() {
                    Source::Done
                } else {
                    Source::Index { index, prefix, left: bounds, page: FIRST_PAGE }
                };
                Reader { source, buffer: VecDeque::new() }
            }
            Part::List(list) => {
                let left = inside(&list, bounds);
                Reader { source: Source::List { list, left }, buffer: VecDeque::new() }
            }
        };
        Self {
            store,
            descending,
            readers: parts.into_iter().map(reader).collect(),
            heads: BinaryHeap::new(),
            started: false,
            last: None,
            keys: 0,
            missing: BTreeSet::new(),
        }
    }

    /// The next positions, at most `most`; none after the last.
    ///
    /// # Errors
    /// Where the store as a whole cannot answer.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Position>, QueryError> {
        if !self.started {
            self.started = true;
            for number in 0..self.readers.len() {
                self.refill(number).await?;
            }
        }
        let mut out = Vec::with_capacity(most.min(LARGEST_PAGE));
        if let ([reader], true) = (self.readers.as_mut_slice(), self.heads.len() == 1)
            && let Source::List { list, left } = &mut reader.source
        {
            // One list alone is in order, and has each email once.
            out.extend(self.heads.pop().map(|head| head.position));
            let more = most.saturating_sub(out.len()).saturating_add(1).min(left.len());
            let taken = match self.descending {
                true => {
                    let from = left.end.saturating_sub(more);
                    let taken = list.get(from..left.end).unwrap_or(&[]);
                    left.end = from;
                    out.extend(taken.iter().rev());
                    taken.len()
                }
                false => {
                    let to = left.start.saturating_add(more);
                    let taken = list.get(left.start..to).unwrap_or(&[]);
                    left.start = to;
                    out.extend(taken);
                    taken.len()
                }
            };
            self.keys = self.keys.saturating_add(taken as u64);
            if out.len() > most
                && let Some(position) = out.pop()
            {
                self.heads.push(Head { position, descending: self.descending, reader: 0 });
            }
            return Ok(out);
        }
        while out.len() < most {
            let Some(head) = self.heads.pop() else { break };
            self.refill(head.reader).await?;
            if self.last != Some(head.position) {
                self.last = Some(head.position);
                out.push(head.position);
            }
        }
        Ok(out)
    }

    /// Puts the next position of a part among the heads.
    async fn refill(&mut self, number: usize) -> Result<(), QueryError> {
        let Some(reader) = self.readers.get_mut(number) else { return Ok(()) };
        while reader.buffer.is_empty() {
            let (index, prefix, left, page) = match &mut reader.source {
                Source::Index { index, prefix, left, page } => (index, prefix, left, page),
                Source::List { list, left } => {
                    let next = if self.descending { left.next_back() } else { left.next() };
                    match next.and_then(|at| list.get(at)) {
                        Some(position) => reader.buffer.push_back(*position),
                        None => reader.source = Source::Done,
                    }
                    continue;
                }
                Source::Done => return Ok(()),
            };
            let range = KeyRange::positions(prefix, left.low, left.high);
            let scan = Scan { index: *index, range, descending: self.descending, limit: *page };
            let answer = self.store.positions(scan).await?;
            self.missing.extend(answer.missing);
            let last = answer.keys.last().copied();
            reader.buffer.extend(answer.keys);
            *page = page.saturating_mul(4).min(LARGEST_PAGE);
            match last.filter(|_| !answer.done) {
                Some(last) => *left = left.behind(last, self.descending),
                None => reader.source = Source::Done,
            }
        }
        if let Some(position) = reader.buffer.pop_front() {
            self.keys = self.keys.saturating_add(1);
            self.heads.push(Head { position, descending: self.descending, reader: number });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn neighbours_are_neighbours(date: i64, id: [u8; 16]) {
            let at = Position { date, id };
            if let Some(next) = after(at) {
                prop_assert!(next > at);
                prop_assert_eq!(before(next), Some(at));
            }
        }
    }

    #[test]
    fn lists_are_inside_their_bounds() {
        let at = |date: i64| Position { date, id: [1; 16] };
        let list: Vec<Position> = [3, 5, 5, 8, 9].into_iter().map(at).collect();
        assert_eq!(inside(&list, Bounds::dates(5, 9)), 1..4);
        assert_eq!(inside(&list, Bounds::dates(i64::MIN, i64::MAX)), 0..5);
        assert_eq!(inside(&list, Bounds::dates(10, 20)), 5..5);
        assert!(inside(&list, Bounds::dates(9, 5)).is_empty());
    }

    #[test]
    fn bounds_of_days() {
        let day = Bounds::dates(10, 20);
        assert!(day.contains(Position { date: 10, id: [0; 16] }));
        assert!(day.contains(Position { date: 19, id: [0xff; 16] }));
        assert!(!day.contains(Position { date: 20, id: [0; 16] }));
        assert!(Bounds::dates(20, 20).is_empty());
        assert!(Bounds::dates(i64::MIN, i64::MAX).contains(Position::MAX));
        assert!(!Bounds::dates(i64::MIN, i64::MIN).contains(Position { date: 0, id: [0; 16] }));
        let behind = day.behind(Position { date: 10, id: [0; 16] }, true);
        assert!(behind.is_empty());
    }
}
