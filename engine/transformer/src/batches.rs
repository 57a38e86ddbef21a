//! Texts of like length together, so that little is computed of what is not there.

use crate::runtime::Batch;

/// Pieces of a batch, with what fills the rows: what a processor's cache holds of their values.
const PIECES: usize = 1_024;

/// Which texts run together.
pub struct Batches {
    /// Numbers of texts, the longest first.
    order: Vec<usize>,
    /// Where in `order` each begins.
    starts: Vec<usize>,
}

impl Batches {
    /// Of texts of these numbers of pieces; those of none are left out.
    pub fn of(lengths: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        let length = |text: &usize| lengths.get(*text).copied().unwrap_or(0);
        order.retain(|text| length(text) > 0);
        order.sort_by_key(|text| std::cmp::Reverse(length(text)));
        let (mut starts, mut longest, mut texts) = (Vec::new(), 0usize, 0usize);
        for (at, text) in order.iter().enumerate() {
            if at == 0 || (texts + 1).saturating_mul(longest) > PIECES {
                starts.push(at);
                (longest, texts) = (length(text), 0);
            }
            texts += 1;
        }
        Self { order, starts }
    }

    /// The texts of one; `None` behind the last.
    pub fn get(&self, number: usize) -> Option<&[usize]> {
        let start = *self.starts.get(number)?;
        let end = self.starts.get(number + 1).copied().unwrap_or(self.order.len());
        self.order.get(start..end)
    }
}

impl Batch {
    /// Rows of these texts.
    pub fn of(texts: &[&[u32]]) -> Self {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut own = Self { longest, ..Self::default() };
        for text in texts {
            let fill = longest - text.len();
            own.pieces.extend(text.iter().map(|piece| i64::from(*piece)).chain(std::iter::repeat_n(0, fill)));
            own.mask.extend(std::iter::repeat_n(1, text.len()).chain(std::iter::repeat_n(0, fill)));
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_text_is_in_one_batch_and_none_is_too_large(lengths in proptest::collection::vec(0usize..600, 0..200)) {
            let batches = Batches::of(&lengths);
            let mut seen = Vec::new();
            let mut before = usize::MAX;
            for number in 0.. {
                let Some(batch) = batches.get(number) else { break };
                let longest = batch.iter().map(|text| lengths[*text]).max().unwrap();
                prop_assert!(batch.len() == 1 || batch.len() * longest <= PIECES);
                prop_assert!(longest <= before);
                before = longest;
                seen.extend_from_slice(batch);
            }
            seen.sort_unstable();
            let all: Vec<usize> = (0..lengths.len()).filter(|text| lengths[*text] > 0).collect();
            prop_assert_eq!(seen, all);
        }
    }

    #[test]
    fn what_fills_a_row_is_not_looked_at() {
        let batch = Batch::of(&[&[7, 8, 9], &[5]]);
        assert_eq!(batch.pieces, [7, 8, 9, 5, 0, 0]);
        assert_eq!(batch.mask, [1, 1, 1, 1, 0, 0]);
        assert_eq!(batch.longest, 3);
    }
}
