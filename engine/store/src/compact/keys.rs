//! Several ascending streams of keys as one.

use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Merges ascending streams into one ascending stream without doubles. An error of a stream is given once, and ends
/// that stream.
pub struct MergedKeys<I> {
    streams: Vec<I>,
    /// The next key of each stream that has one.
    heads: BinaryHeap<Reverse<(Bytes, usize)>>,
    /// Streams whose next key is not in `heads` yet.
    due: Vec<usize>,
    last: Option<Bytes>,
}

impl<I> MergedKeys<I> {
    /// Nothing is read before the first key is asked for.
    pub fn new(streams: Vec<I>) -> Self {
        let due = (0..streams.len()).collect();
        Self { streams, heads: BinaryHeap::new(), due, last: None }
    }
}

impl<E, I: Iterator<Item = Result<Bytes, E>>> Iterator for MergedKeys<I> {
    type Item = Result<Bytes, E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(number) = self.due.pop() {
                match self.streams.get_mut(number).and_then(Iterator::next) {
                    Some(Ok(key)) => self.heads.push(Reverse((key, number))),
                    Some(Err(error)) => return Some(Err(error)),
                    None => {}
                }
            }
            let Reverse((key, number)) = self.heads.pop()?;
            self.due.push(number);
            if self.last.as_ref() != Some(&key) {
                self.last = Some(key.clone());
                return Some(Ok(key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_the_union(streams in prop::collection::vec(prop::collection::btree_set(0u8..40, 0..20), 0..6)) {
            let sorted = streams.iter().map(|s| s.iter().map(|n| Ok::<_, ()>(Bytes::from(vec![*n])))).collect();
            let merged: Vec<u8> = MergedKeys::new(sorted).map(|key| key.unwrap()[0]).collect();
            let union: BTreeSet<u8> = streams.into_iter().flatten().collect();
            prop_assert_eq!(merged, union.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_is_told_and_the_other_streams_go_on() {
        let key = |n: u8| Ok(Bytes::from(vec![n]));
        let streams = vec![vec![key(1), Err("damage"), key(2)], vec![key(3)]];
        let merged: Vec<_> = MergedKeys::new(streams.into_iter().map(Vec::into_iter).collect()).collect();
        assert_eq!(merged, [key(1), Err("damage"), key(3)]);
    }
}
