//! Which emails are wanted.

use postlode_format::index::Position;
use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError};

/// Emails by their positions, ascending; and by their numbers in segments, as far as somebody asked for these, since a list that
/// is kept is looked up in the same segments again and again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Named {
    positions: Arc<[Position]>,
    numbers: Arc<Mutex<HashMap<u64, Arc<[u32]>>>>,
}

impl Named {
    /// Bytes that one email takes, with its number.
    pub const BYTES: usize = size_of::<Position>() + size_of::<u32>();

    /// The numbers in a segment, whose positions these are.
    fn numbers(&self, segment: u64, positions: &[Position]) -> Arc<[u32]> {
        let known = || self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(numbers) = known().get(&segment) {
            return Arc::clone(numbers);
        }
        // Two may find out at once: they find the same.
        let all = Only { these: Some(self.clone()), ..Only::default() };
        let numbers: Arc<[u32]> = all.among(positions).into();
        known().insert(segment, Arc::clone(&numbers));
        numbers
    }
}

impl Deref for Named {
    type Target = [Position];

    fn deref(&self) -> &[Position] {
        &self.positions
    }
}

impl<L: Into<Arc<[Position]>>> From<L> for Named {
    fn from(positions: L) -> Self {
        Self { positions: positions.into(), numbers: Arc::default() }
    }
}

/// Emails by their positions.
#[derive(Debug, Clone)]
pub struct Only {
    /// From the first to the last, both included.
    pub between: (Position, Position),
    /// Of these the ones here, ascending; `None`: all of them.
    pub these: Option<Named>,
}

impl Default for Only {
    fn default() -> Self {
        Self { between: (Position::MIN, Position::MAX), these: None }
    }
}

impl Only {
    /// All emails.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.these.is_none() && self.between == (Position::MIN, Position::MAX)
    }

    /// Is an email wanted?
    #[must_use]
    pub fn has(&self, position: Position) -> bool {
        let listed = |these: &Named| these.binary_search(&position).is_ok();
        self.between.0 <= position && position <= self.between.1 && self.these.as_ref().is_none_or(listed)
    }

    /// The numbers from the first to the last that is not outside its dates among ascending positions.
    #[must_use]
    pub fn range(&self, positions: &[Position]) -> Range<u32> {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let from = positions.partition_point(|position| *position < self.between.0);
        let to = positions.partition_point(|position| *position <= self.between.1).max(from);
        number(from)..number(to)
    }

    /// The numbers of those that are wanted in a segment, ascending, where they are named: its positions are these, ascending.
    #[must_use]
    pub fn numbers(&self, segment: u64, positions: &[Position]) -> Option<Numbers> {
        let all = self.these.as_ref()?.numbers(segment, positions);
        let Range { start, end } = self.range(positions);
        let from = all.partition_point(|number| *number < start);
        let to = all.partition_point(|number| *number < end).max(from);
        Some(Numbers { all, inside: from..to })
    }

    /// The numbers of those that are wanted among ascending positions, ascending.
    #[must_use]
    pub fn among(&self, positions: &[Position]) -> Vec<u32> {
        let from = positions.partition_point(|position| *position < self.between.0);
        let to = positions.partition_point(|position| *position <= self.between.1);
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let Some(these) = &self.these else { return (number(from)..number(to)).collect() };
        let mut rest = positions.get(from..to).unwrap_or(&[]);
        let mut out = Vec::new();
        for wanted in these.iter().filter(|position| self.between.0 <= **position) {
            // Both go one way, so what was passed is not looked at again.
            let step = sought(rest, wanted);
            rest = rest.get(step..).unwrap_or(&[]);
            if rest.is_empty() {
                break;
            }
            if rest.first() == Some(wanted) {
                out.push(number(to.saturating_sub(rest.len())));
            }
        }
        out
    }
}

/// Numbers of emails in a segment, ascending.
#[derive(Debug, Clone)]
pub struct Numbers {
    all: Arc<[u32]>,
    inside: Range<usize>,
}

impl Deref for Numbers {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        self.all.get(self.inside.clone()).unwrap_or(&[])
    }
}

/// How many of an ascending list are less than something: in doubling steps, so that near ones cost little and far ones few
/// looks.
#[must_use]
pub fn sought<T: Ord>(list: &[T], wanted: &T) -> usize {
    let mut end = 1usize;
    while list.get(end.saturating_sub(1)).is_some_and(|one| one < wanted) {
        end = end.saturating_mul(2);
    }
    let from = end / 2;
    let window = list.get(from..end.min(list.len())).unwrap_or(&[]);
    from.saturating_add(window.partition_point(|one| one < wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(date: i64) -> Position {
        Position { date, id: [0; 16] }
    }

    proptest! {
        #[test]
        fn what_is_sought_is_found(list in prop::collection::btree_set(0u32..1000, 0..200), wanted in 0u32..1100) {
            let list: Vec<u32> = list.into_iter().collect();
            prop_assert_eq!(sought(&list, &wanted), list.partition_point(|one| *one < wanted));
        }

        #[test]
        fn those_among_others_are_those_that_it_has(
            positions in prop::collection::btree_set(-40..40i64, 0..60),
            these in prop::option::of(prop::collection::btree_set(-40..40i64, 0..60)),
            (low, high) in (-45..45i64, -45..45i64),
        ) {
            let positions: Vec<Position> = positions.into_iter().map(at).collect();
            let these = these.map(|these| Named::from(these.into_iter().map(at).collect::<Vec<_>>()));
            let only = Only { between: (at(low), at(high)), these };
            let numbers = (0u32..).zip(&positions).filter(|(_, position)| only.has(**position));
            let numbers: Vec<u32> = numbers.map(|(number, _)| number).collect();
            prop_assert_eq!(&only.among(&positions), &numbers);
            // Asked for the first time, and for the second.
            for _ in 0..2 {
                let named = only.numbers(7, &positions);
                prop_assert_eq!(named.is_some(), only.these.is_some());
                prop_assert!(named.is_none_or(|named| *named == *numbers));
            }
        }
    }
}
