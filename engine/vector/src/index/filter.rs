//! Which rows are wanted.

/// A bit for each row: a walk asks for many rows in no order, and gets each answer by one read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    words: Vec<u64>,
    len: u64,
}

impl Filter {
    /// A filter of rows below `rows` that wants none.
    #[must_use]
    pub fn none(rows: u32) -> Self {
        Self { words: vec![0; (rows as usize).div_ceil(64)], len: 0 }
    }

    /// A filter of rows below `rows` that wants those of a range.
    #[must_use]
    pub fn between(rows: u32, range: std::ops::Range<u32>) -> Self {
        let mut filter = Self::none(rows);
        let (from, to) = (u64::from(range.start), u64::from(range.end.min(rows)));
        for (number, word) in (0u64..).zip(&mut filter.words) {
            let first = number.saturating_mul(64);
            // Ones from a bit on, and none of them.
            let above = |bit: u64| if bit >= 64 { 0 } else { u64::MAX << bit };
            *word = above(from.saturating_sub(first)) & !above(to.saturating_sub(first));
        }
        filter.len = to.saturating_sub(from);
        filter
    }

    /// Wants a row too. One that is too large for the filter is not wanted.
    pub fn add(&mut self, row: u32) {
        if let Some(word) = self.words.get_mut(row as usize / 64) {
            let bit = 1 << (row % 64);
            self.len = self.len.saturating_add(u64::from(*word & bit == 0));
            *word |= bit;
        }
    }

    /// Does not want a row.
    pub fn remove(&mut self, row: u32) {
        if let Some(word) = self.words.get_mut(row as usize / 64) {
            let bit = 1 << (row % 64);
            self.len = self.len.saturating_sub(u64::from(*word & bit != 0));
            *word &= !bit;
        }
    }

    /// Is a row wanted?
    #[inline]
    #[must_use]
    pub fn has(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word & (1 << (row % 64)) != 0)
    }

    /// Rows that are wanted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Is none wanted?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the rows that are wanted, ascending.
    pub fn append_to(&self, rows: &mut Vec<u32>) {
        rows.reserve(usize::try_from(self.len).unwrap_or(0));
        for (number, word) in (0u32..).zip(&self.words) {
            let (first, mut rest) = (number.saturating_mul(64), *word);
            while rest != 0 {
                rows.push(first.saturating_add(rest.trailing_zeros()));
                rest &= rest.wrapping_sub(1);
            }
        }
    }

    /// The rows that are wanted, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.words).flat_map(|(number, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.checked_sub(1)?;
                Some(number.saturating_mul(64).saturating_add(bit))
            })
        })
    }
}

impl FromIterator<u32> for Filter {
    fn from_iter<I: IntoIterator<Item = u32>>(rows: I) -> Self {
        let mut filter = Self::default();
        for row in rows {
            let word = row as usize / 64;
            if filter.words.len() <= word {
                filter.words.resize(word + 1, 0);
            }
            filter.add(row);
        }
        filter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(rows in proptest::collection::vec(0..300u32, 0..200), gone in proptest::collection::vec(0..400u32, 0..100)) {
            let mut filter: Filter = rows.iter().copied().collect();
            let mut set: BTreeSet<u32> = rows.into_iter().collect();
            prop_assert_eq!(filter.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            for row in gone {
                filter.remove(row);
                set.remove(&row);
            }
            prop_assert_eq!(filter.len(), set.len() as u64);
            prop_assert_eq!(filter.is_empty(), set.is_empty());
            prop_assert!((0..400).all(|row| filter.has(row) == set.contains(&row)));
            let mut rows = Vec::new();
            filter.append_to(&mut rows);
            prop_assert_eq!(filter.iter().collect::<Vec<_>>(), rows);
            prop_assert_eq!(filter.iter().collect::<Vec<_>>(), set.into_iter().collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn a_range_is_its_rows(rows in 0..300u32, from in 0..320u32, to in 0..320u32) {
            let mut wanted = Filter::none(rows);
            (from..to.min(rows)).for_each(|row| wanted.add(row));
            prop_assert_eq!(Filter::between(rows, from..to), wanted);
        }
    }

    #[test]
    fn a_row_without_room_is_not_wanted() {
        let mut filter = Filter::none(65);
        filter.add(64);
        filter.add(128);
        assert_eq!((filter.len(), filter.has(64), filter.has(128)), (1, true, false));
    }
}
