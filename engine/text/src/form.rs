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

/// Letters of a word that similar ones are looked for.
pub const MAX_SIMILAR: usize = 24;

/// Letters to insert, remove, change or swap with the neighbour to make one word of another; `None` where these are more
/// than `most`, and for a first word of more than [`MAX_SIMILAR`] letters. No part of a word is edited twice.
#[must_use]
pub fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    const WIDTH: usize = MAX_SIMILAR + 1;
    let mut wanted = ['\0'; MAX_SIMILAR];
    let mut width = 0usize;
    for letter in a.chars() {
        *wanted.get_mut(width)? = letter;
        width = width.saturating_add(1);
    }
    // Most words are told by their length.
    if b.chars().count().abs_diff(width) > most {
        return None;
    }
    let wanted = wanted.get(..width)?;
    let get = |row: &[usize; WIDTH], at: usize| row.get(at).copied().unwrap_or(usize::MAX);
    let mut before = [usize::MAX; WIDTH];
    let mut last: [usize; WIDTH] = std::array::from_fn(|column| column);
    let mut previous = None;
    for (i, y) in b.chars().enumerate() {
        let mut row = [usize::MAX; WIDTH];
        let mut left = i.saturating_add(1);
        row[0] = left;
        let mut least = left;
        for (j, x) in wanted.iter().enumerate() {
            let next = j.saturating_add(1);
            let change = get(&last, j).saturating_add(usize::from(*x != y));
            let either = get(&last, next).min(left).saturating_add(1);
            let earlier = j.checked_sub(1).and_then(|j| wanted.get(j));
            let swap = match j.checked_sub(1) {
                Some(column) if earlier == Some(&y) && previous == Some(*x) => {
                    get(&before, column).saturating_add(1)
                }
                _ => usize::MAX,
            };
            left = change.min(either).min(swap);
            least = least.min(left);
            row.iter_mut().skip(next).take(1).for_each(|cell| *cell = left);
        }
        if least > most {
            return None;
        }
        before = std::mem::replace(&mut last, row);
        previous = Some(y);
    }
    Some(get(&last, width)).filter(|distance| *distance <= most)
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
