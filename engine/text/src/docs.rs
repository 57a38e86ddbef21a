//! Mails of one index that something finds, with their scores, and what can be done with several such lists.
//!
//! What always holds: a list is ascending and has each mail once; a score of several lists is the sum of theirs, in whatever
//! order they are joined: scores of words have 24 bits, so that sums of them are exact here.

use std::sync::Arc;

/// A list so many times longer than another is looked into, and not gone through.
const LONGER: usize = 8;
/// Where lists have a mail in so many, all mails are gone through to join them.
const DENSE: usize = 16;

/// Mails by their numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Docs {
    docs: Vec<u32>,
    scores: Vec<f64>,
}

impl Docs {
    /// All of so many.
    pub fn all(count: u32) -> Self {
        (0..count).map(|doc| (doc, 0.0)).collect()
    }

    /// Adds one behind all others.
    pub fn push(&mut self, doc: u32, score: f64) {
        self.docs.push(doc);
        self.scores.push(score);
    }

    /// Gives back the room that is not used.
    pub fn shrink(&mut self) {
        self.docs.shrink_to_fit();
        self.scores.shrink_to_fit();
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.docs.len()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.docs.capacity().saturating_mul(4).saturating_add(self.scores.capacity().saturating_mul(8))
    }

    /// Each with its score.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        self.docs.iter().copied().zip(self.scores.iter().copied())
    }

    /// Those from one number up to another.
    pub fn between(&self, from: u32, to: u32) -> impl Iterator<Item = (u32, f64)> + '_ {
        let first = self.docs.partition_point(|doc| *doc < from);
        self.iter().skip(first).take_while(move |(doc, _)| *doc < to)
    }

    /// Is one of this number here?
    pub fn has(&self, doc: u32) -> bool {
        self.docs.binary_search(&doc).is_ok()
    }

    /// Those that are in both.
    pub fn and(&self, other: &Self) -> Self {
        if self.len() > other.len() {
            return other.and(self);
        }
        let mut out = Self::default();
        self.meet(other, |doc, score, met| {
            if let Some(more) = met {
                out.push(doc, score + more);
            }
        });
        out
    }

    /// Those that are not in the other.
    pub fn but(&self, other: &Self) -> Self {
        let mut out = Self::default();
        self.meet(other, |doc, score, met| {
            if met.is_none() {
                out.push(doc, score);
            }
        });
        out
    }

    /// Each of these, with the score that it has in the other, if it is there.
    fn meet(&self, other: &Self, mut to: impl FnMut(u32, f64, Option<f64>)) {
        let mut at = 0usize;
        let far = other.len() / LONGER > self.len();
        for (doc, score) in self.iter() {
            let rest = other.docs.get(at..).unwrap_or(&[]);
            let on = match far {
                true => sought(rest, doc),
                false => rest.iter().position(|found| *found >= doc).unwrap_or(rest.len()),
            };
            at = at.saturating_add(on);
            let met = other.docs.get(at).filter(|found| **found == doc);
            to(doc, score, met.and_then(|_| other.scores.get(at)).copied());
        }
    }

    /// Those of an index of `count` mails that are in any of the lists.
    pub fn any(lists: &[Arc<Self>], count: u32) -> Self {
        let all: usize = lists.iter().map(|list| list.len()).sum();
        if all.saturating_mul(DENSE) < count as usize {
            let mut found: Vec<(u32, f64)> = lists.iter().flat_map(|list| list.iter()).collect();
            found.sort_unstable_by_key(|(doc, _)| *doc);
            let mut out = Self::default();
            for (doc, score) in found {
                match (out.docs.last(), out.scores.last_mut()) {
                    (Some(last), Some(sum)) if *last == doc => *sum += score,
                    _ => out.push(doc, score),
                }
            }
            return out;
        }
        // Of those that are in none.
        const NONE: f64 = f64::NEG_INFINITY;
        let mut sums = vec![NONE; count as usize];
        for (doc, score) in lists.iter().flat_map(|list| list.iter()) {
            if let Some(sum) = sums.get_mut(doc as usize) {
                *sum = if *sum == NONE { score } else { *sum + score };
            }
        }
        (0u32..).zip(sums).filter(|(_, sum)| *sum != NONE).collect()
    }
}

impl FromIterator<(u32, f64)> for Docs {
    fn from_iter<T: IntoIterator<Item = (u32, f64)>>(found: T) -> Self {
        let (docs, scores) = found.into_iter().unzip();
        Self { docs, scores }
    }
}

/// How many of an ascending list are less than something that is near its beginning.
fn sought(list: &[u32], wanted: u32) -> usize {
    let mut step = 1usize;
    while list.get(step).is_some_and(|doc| *doc < wanted) {
        step = step.saturating_mul(2);
    }
    let from = step / 2;
    let near = list.get(from..step.saturating_add(1).min(list.len())).unwrap_or(&[]);
    from.saturating_add(near.partition_point(|doc| *doc < wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const COUNT: u32 = 600;

    fn lists() -> impl Strategy<Value = BTreeMap<u32, u8>> {
        // Of very different lengths.
        (0usize..200).prop_flat_map(|most| prop::collection::btree_map(0..COUNT, 0u8..100, 0..=most))
    }

    fn docs(of: &BTreeMap<u32, u8>) -> Docs {
        of.iter().map(|(doc, score)| (*doc, f64::from(*score))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn lists_are_joined_as_maps_are(a in lists(), b in lists(), c in lists()) {
            let score = |of: &BTreeMap<u32, u8>, doc: u32| of.get(&doc).map(|score| f64::from(*score));
            let naive = |keep: &dyn Fn(u32) -> Option<f64>| -> Docs {
                (0..COUNT).filter_map(|doc| Some((doc, keep(doc)?))).collect()
            };
            let (x, y, z) = (docs(&a), docs(&b), docs(&c));
            prop_assert_eq!(x.and(&y), naive(&|doc| Some(score(&a, doc)? + score(&b, doc)?)));
            let but = |doc| score(&a, doc).filter(|_| score(&b, doc).is_none());
            prop_assert_eq!(x.but(&y), naive(&but));
            let any = |doc| {
                let all = [&a, &b, &c].map(|of| score(of, doc));
                all.iter().any(Option::is_some).then(|| all.into_iter().flatten().sum())
            };
            prop_assert_eq!(Docs::any(&[x.clone().into(), y.into(), z.into()], COUNT), naive(&any));
            prop_assert!((0..COUNT).all(|doc| x.has(doc) == a.contains_key(&doc)));
            prop_assert_eq!(x.between(100, 300).count(), a.range(100..300).count());
        }

        #[test]
        fn what_is_sought_is_found(list in prop::collection::btree_set(0u32..1000, 0..200), wanted in 0u32..1100) {
            let list: Vec<u32> = list.into_iter().collect();
            prop_assert_eq!(sought(&list, wanted), list.partition_point(|doc| *doc < wanted));
        }
    }
}
