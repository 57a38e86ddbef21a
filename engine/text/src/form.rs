//! How a word that is looked for and a word of a text have to agree.
//!
//! What always holds: the index and whoever reads a text agree on it, as both compare folded words by this rule. Distances
//! are of Damerau and Levenshtein in the restricted form ("optimal string alignment"), which is what the automata of the
//! index accept.

/// How a word that is looked for stands for words of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Form {
    /// For itself.
    #[default]
    Whole,
    /// For all words that begin with it.
    Beginning,
    /// For all words that become it by so many letters more, less, other or swapped, [`MAX_EDITS`] at most.
    Similar(u8),
}

/// Most letters by which a similar word differs.
pub const MAX_EDITS: u8 = 2;

impl Form {
    /// Does it stand for a word? Both are folded.
    #[must_use]
    pub fn fits(self, wanted: &str, have: &str) -> bool {
        match self {
            Self::Whole => wanted == have,
            Self::Beginning => have.starts_with(wanted),
            Self::Similar(edits) => distance(wanted, have, usize::from(edits)).is_some(),
        }
    }
}

/// Letters to insert, remove, change or swap with the neighbour to make one word of another; `None` where these are more
/// than `most`. No part of a word is edited twice.
#[must_use]
pub fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i.saturating_add(1));
        for (j, y) in b.iter().enumerate() {
            let next = j.saturating_add(1);
            let change = get(&last, j).saturating_add(usize::from(x != y));
            let either = get(&last, next).min(get(&row, j)).saturating_add(1);
            let crossed = i.checked_sub(1).and_then(|i| a.get(i)) == Some(y)
                && j.checked_sub(1).and_then(|j| b.get(j)) == Some(x);
            let swap = match j.checked_sub(1) {
                Some(column) if crossed => get(&before, column).saturating_add(1),
                _ => usize::MAX,
            };
            row.push(change.min(either).min(swap));
        }
        if row.iter().min().is_some_and(|least| *least > most) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_more_less_other_and_swapped() {
        for (a, b, edits) in [("invoice", "invoce", 1), ("teh", "the", 1), ("a", "abc", 2), ("ca", "abc", 3)]
        {
            assert_eq!(distance(a, b, 3), Some(edits), "{a} {b}");
            assert_eq!(distance(b, a, edits - 1), None, "{a} {b}");
        }
        assert_eq!(distance("", "", 0), Some(0));
        assert!(Form::Beginning.fits("inv", "invoice") && !Form::Beginning.fits("invoice", "inv"));
    }
}
