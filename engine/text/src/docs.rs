//! Mails of one index that something finds, with their scores, and what can be done with several such lists.
//!
//! What always holds: a list is ascending and has each mail once; a score of several lists is the sum of theirs. Scores of words
//! have 24 bits, and are kept with these; sums of them have 53, so that it is the same in whatever order they are joined.

use postlode_store::sought;

/// A list so many times longer than another is looked into, and not gone through.
const LONGER: usize = 8;
/// Where lists have a mail in so many, all mails are gone through to join them.
const DENSE: usize = 16;

/// Mails by their numbers.
#[derive(Debug, Clone, Default)]
pub struct Docs {
    docs: Vec<u32>,
    scores: Scores,
}

/// A score of each.
#[derive(Debug, Clone)]
enum Scores {
    Sums(Vec<f64>),
    /// As the library gives them.
    Words(Vec<f32>),
}

impl Default for Scores {
    fn default() -> Self {
        Self::Sums(Vec::new())
    }
}

impl Scores {
    #[inline]
    fn get(&self, at: usize) -> Option<f64> {
        match self {
            Self::Sums(sums) => sums.get(at).copied(),
            Self::Words(words) => words.get(at).copied().map(f64::from),
        }
    }
}

/// A list that is read, mail by mail.
pub struct Read {
    docs: Vec<u32>,
    scores: Vec<f32>,
}

impl Read {
    /// Of about so many.
    pub fn about(count: usize) -> Self {
        Self { docs: Vec::with_capacity(count), scores: Vec::with_capacity(count) }
    }

    /// Adds one behind all others.
    pub fn push(&mut self, doc: u32, score: f32) {
        self.docs.push(doc);
        self.scores.push(score);
    }

    /// How many were read.
    pub fn len(&self) -> usize {
        self.docs.len()
    }

    /// The list, which takes no more room than it needs.
    pub fn list(mut self) -> Docs {
        self.docs.shrink_to_fit();
        self.scores.shrink_to_fit();
        Docs { docs: self.docs, scores: Scores::Words(self.scores) }
    }
}

impl Docs {
    /// All of so many.
    pub fn all(count: u32) -> Self {
        (0..count).map(|doc| (doc, 0.0)).collect()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.docs.len()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let scores = match &self.scores {
            Scores::Sums(sums) => sums.capacity().saturating_mul(8),
            Scores::Words(words) => words.capacity().saturating_mul(4),
        };
        self.docs.capacity().saturating_mul(4).saturating_add(scores)
    }

    /// Each with its score.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        let scored = |(at, doc): (usize, &u32)| Some((*doc, self.scores.get(at)?));
        self.docs.iter().enumerate().filter_map(scored)
    }

    /// Those from one number up to another.
    pub fn between(&self, from: u32, to: u32) -> impl Iterator<Item = (u32, f64)> + '_ {
        let first = self.docs.partition_point(|doc| *doc < from);
        let last = self.docs.partition_point(|doc| *doc < to);
        let some = self.docs.get(first..last).unwrap_or(&[]).iter();
        some.zip(first..).filter_map(|(doc, at)| Some((*doc, self.scores.get(at)?)))
    }

    /// The score of one that is there.
    pub fn score(&self, doc: u32) -> Option<f64> {
        self.scores.get(self.docs.binary_search(&doc).ok()?)
    }

    /// Those that are in both; the other's scores count so many times.
    pub fn and(&self, other: &Self, times: f64) -> Self {
        let mut out = Vec::new();
        if self.len() <= other.len() {
            self.meet(other, |doc, score, met| out.extend(met.map(|more| (doc, score + times * more))));
        } else {
            other.meet(self, |doc, more, met| out.extend(met.map(|score| (doc, score + times * more))));
        }
        out.into_iter().collect()
    }

    /// The same with scores that count so many times.
    pub fn times(&self, times: f64) -> Self {
        self.iter().map(|(doc, score)| (doc, times * score)).collect()
    }

    /// Those that are not in the other.
    pub fn but(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        self.meet(other, |doc, score, met| out.extend(met.is_none().then_some((doc, score))));
        out.into_iter().collect()
    }

    /// Each of these, with the score that it has in the other, if it is there.
    fn meet(&self, other: &Self, mut to: impl FnMut(u32, f64, Option<f64>)) {
        let mut at = 0usize;
        let far = other.len() / LONGER > self.len();
        for (doc, score) in self.iter() {
            let rest = other.docs.get(at..).unwrap_or(&[]);
            let on = match far {
                true => sought(rest, &doc),
                false => rest.iter().position(|found| *found >= doc).unwrap_or(rest.len()),
            };
            at = at.saturating_add(on);
            let met = other.docs.get(at).filter(|found| **found == doc);
            to(doc, score, met.and_then(|_| other.scores.get(at)));
        }
    }
}

/// Joins lists of an index, one after the other, to those that are in any of them.
pub struct Union {
    count: usize,
    few: Vec<(u32, f64)>,
    /// Of every mail, once there are many.
    many: Option<Vec<f64>>,
}

/// The score of what is in no list.
const NONE: f64 = f64::NEG_INFINITY;

impl Union {
    /// Of none, for an index of so many mails.
    pub fn new(count: u32) -> Self {
        Self { count: count as usize, few: Vec::new(), many: None }
    }

    /// Takes in a list, whose scores count so many times.
    pub fn add(&mut self, list: &Docs, times: f64) {
        let all = self.few.len().saturating_add(list.len());
        if self.many.is_none() && all.saturating_mul(DENSE) > self.count {
            let mut sums = vec![NONE; self.count];
            self.few.drain(..).for_each(|(doc, score)| sum(&mut sums, doc, score));
            self.few = Vec::new();
            self.many = Some(sums);
        }
        let scored = list.iter().map(|(doc, score)| (doc, times * score));
        match &mut self.many {
            Some(sums) => scored.for_each(|(doc, score)| sum(sums, doc, score)),
            None => self.few.extend(scored),
        }
    }

    /// What came of it.
    pub fn docs(mut self) -> Docs {
        if let Some(sums) = self.many {
            return (0u32..).zip(sums).filter(|(_, sum)| *sum != NONE).collect();
        }
        self.few.sort_by_key(|(doc, _)| *doc);
        let mut out: Vec<(u32, f64)> = Vec::with_capacity(self.few.len());
        for (doc, score) in self.few {
            match out.last_mut() {
                Some((last, sum)) if *last == doc => *sum += score,
                _ => out.push((doc, score)),
            }
        }
        out.into_iter().collect()
    }
}

fn sum(sums: &mut [f64], doc: u32, score: f64) {
    if let Some(sum) = sums.get_mut(doc as usize) {
        *sum = if *sum == NONE { score } else { *sum + score };
    }
}

impl FromIterator<(u32, f64)> for Docs {
    fn from_iter<T: IntoIterator<Item = (u32, f64)>>(found: T) -> Self {
        let (docs, sums) = found.into_iter().unzip();
        Self { docs, scores: Scores::Sums(sums) }
    }
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

    /// Some as they are read, some as they are joined.
    fn docs(of: &BTreeMap<u32, u8>) -> Docs {
        if of.len().is_multiple_of(2) {
            return of.iter().map(|(doc, score)| (*doc, f64::from(*score))).collect();
        }
        let mut read = Read::about(3);
        of.iter().for_each(|(doc, score)| read.push(*doc, f32::from(*score)));
        assert_eq!(read.len(), of.len());
        read.list()
    }

    fn pairs(of: &Docs) -> Vec<(u32, f64)> {
        of.iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn lists_are_joined_as_maps_are(a in lists(), b in lists(), c in lists()) {
            let score = |of: &BTreeMap<u32, u8>, doc: u32| of.get(&doc).map(|score| f64::from(*score));
            let naive = |keep: &dyn Fn(u32) -> Option<f64>| -> Vec<(u32, f64)> {
                (0..COUNT).filter_map(|doc| Some((doc, keep(doc)?))).collect()
            };
            let (x, y, z) = (docs(&a), docs(&b), docs(&c));
            prop_assert_eq!(pairs(&x.and(&y, 1.0)), naive(&|doc| Some(score(&a, doc)? + score(&b, doc)?)));
            prop_assert_eq!(pairs(&x.and(&y, 3.0)), naive(&|doc| Some(score(&a, doc)? + 3.0 * score(&b, doc)?)));
            let but = |doc| score(&a, doc).filter(|_| score(&b, doc).is_none());
            prop_assert_eq!(pairs(&x.but(&y)), naive(&but));
            let any = |doc| {
                let all = [&a, &b, &c].map(|of| score(of, doc));
                all.iter().any(Option::is_some).then(|| all.into_iter().flatten().sum())
            };
            let mut union = Union::new(COUNT);
            [&x, &y, &z].into_iter().for_each(|list| union.add(list, 1.0));
            prop_assert_eq!(pairs(&union.docs()), naive(&any));
            let between: Vec<(u32, f64)> = a.range(100..300).map(|(doc, score)| (*doc, f64::from(*score))).collect();
            prop_assert_eq!(x.between(100, 300).collect::<Vec<_>>(), between);
            prop_assert_eq!(x.score(100), score(&a, 100));
            prop_assert_eq!(pairs(&x.times(2.0)), naive(&|doc| Some(2.0 * score(&a, doc)?)));
        }
    }
}
