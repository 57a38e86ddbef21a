//! How words, meaning and dates come to one score.
//!
//! * [`Fusion::Mix`]: a convex mix of both scores, each as a part of the best (measured better than ranks against ranks, and no
//!   worse than six other ways, in `benches --bin retrieval`).
//! * [`Fusion::Rrf`]: reciprocal rank fusion, which looks at ranks alone (Cormack, Clarke, Buettcher: Reciprocal rank fusion
//!   outperforms Condorcet and individual rank learning methods, SIGIR 2009).
//!
//! What always holds: what matches by words is in the list, whatever its score is; a list of the same mail is the same.

use crate::ranked::{NO_PASSAGE, Ranked};
use postlode_format::index::Position;
use postlode_semantic::Near;
use postlode_text::Match;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

/// How words and meaning come to one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fusion {
    /// Some of both scores.
    #[default]
    Mix,
    /// By the ranks in both lists.
    Rrf,
}

/// How little the first ranks stand out, as in the paper.
const RRF_K: f32 = 60.0;

/// What a hybrid list is made of.
pub struct Parts<'p> {
    /// What matches all words.
    pub by_words: &'p [Ranked],
    /// The best for any of the words.
    pub any: &'p [Match],
    /// Scores of all that have any of the words, ascending by position.
    pub scores: &'p [Match],
    /// The part of meaning in a mixed score.
    pub weight: f32,
    /// The nearest, the nearest first.
    pub nearest: &'p [Near],
    /// How near the first two are.
    pub also: &'p [Near],
}

impl Parts<'_> {
    /// One list of all of it.
    #[must_use]
    pub fn fused(&self, fusion: Fusion) -> Vec<Ranked> {
        let words = |position: &Position| {
            let at = self.scores.binary_search_by(|m| m.position.cmp(position)).ok();
            at.and_then(|at| self.scores.get(at)).map_or(0.0, |m| m.score)
        };
        let of_words = self.by_words.iter().map(|ranked| ranked.position);
        let of_words: HashSet<Position> = of_words.chain(self.any.iter().map(|m| m.position)).collect();
        let near: HashMap<Position, &Near> =
            self.nearest.iter().chain(self.also).map(|near| (near.position, near)).collect();
        let scores: HashMap<Position, f32> = match fusion {
            Fusion::Mix => {
                let positive = |score: f32| score.max(f32::MIN_POSITIVE);
                let words_of_best = positive(of_words.iter().map(words).fold(0.0, f32::max));
                let near_of_best = positive(self.nearest.first().map_or(0.0, |near| near.score));
                let mixed = |position: &Position| {
                    let near = near.get(position);
                    let meaning = near.map_or(0.0, |near| near.score.max(0.0)) / near_of_best;
                    (1.0 - self.weight) * words(position) / words_of_best + self.weight * meaning
                };
                let all = of_words.iter().copied().chain(self.nearest.iter().map(|near| near.position));
                all.map(|position| (position, mixed(&position))).collect()
            }
            Fusion::Rrf => {
                let mut by_words: Vec<Ranked> =
                    of_words.iter().map(|at| scored(*at, words(at), &near)).collect();
                by_words.sort_unstable_by(Ranked::order);
                let mut scores: HashMap<Position, f32> = HashMap::new();
                let lists: [&mut dyn Iterator<Item = Position>; 2] = [
                    &mut by_words.iter().map(|ranked| ranked.position),
                    &mut self.nearest.iter().map(|near| near.position),
                ];
                for list in lists {
                    let mut rank = RRF_K;
                    for position in list {
                        rank += 1.0;
                        *scores.entry(position).or_default() += rank.recip();
                    }
                }
                scores
            }
        };
        let mut hits: Vec<Ranked> =
            scores.into_iter().map(|(position, score)| scored(position, score, &near)).collect();
        hits.sort_unstable_by(Ranked::order);
        hits
    }
}

fn scored(position: Position, score: f32, near: &HashMap<Position, &Near>) -> Ranked {
    let passage = near.get(&position).map_or(NO_PASSAGE, |near| near.passage);
    Ranked { score, position, passage }
}

/// Takes from each score the more, the older an email is: from the oldest `recency` of it, from the newest nothing, from those
/// between by how many are newer. (Not by time: one wrong date in a list would make all others alike.)
pub fn prefer_newer(hits: &mut [Ranked], recency: f32) {
    let last = hits.len().saturating_sub(1);
    if recency <= 0.0 || last == 0 {
        return;
    }
    hits.sort_unstable_by_key(|hit| Reverse(hit.position));
    let (mut age, mut date) = (0usize, None);
    for (newer, hit) in hits.iter_mut().enumerate() {
        // What is of one moment is of one age.
        if date != Some(hit.position.date) {
            (age, date) = (newer, Some(hit.position.date));
        }
        // Lists have at most some millions, which halves can tell apart well enough.
        hit.score -= hit.score.abs() * recency * (age as f32 / last as f32);
    }
    hits.sort_unstable_by(Ranked::order);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u8) -> Position {
        Position { date: i64::from(n), id: [n; 16] }
    }

    fn ids(hits: &[Ranked]) -> Vec<u8> {
        hits.iter().map(|hit| hit.position.id[0]).collect()
    }

    #[test]
    fn ranks_or_scores() {
        let ranked = |n: u8, score: f32| Ranked { score, position: at(n), passage: NO_PASSAGE };
        let word = |n: u8, score: f32| Match { position: at(n), score };
        let near = |n: u8, score: f32| Near { position: at(n), score, passage: u32::from(n) };
        let scores = [word(1, 9.0), word(2, 8.9), word(3, 1.0)];
        let parts = Parts {
            by_words: &[ranked(1, 9.0), ranked(2, 8.9)],
            any: &[word(3, 1.0)],
            scores: &scores,
            weight: 0.5,
            nearest: &[near(3, 0.9), near(4, 0.89), near(2, 0.1)],
            also: &[near(1, 0.05)],
        };
        let mix = parts.fused(Fusion::Mix);
        assert_eq!(ids(&mix), [3, 2, 1, 4]);
        assert!((mix[0].score - (0.5 / 9.0 + 0.5)).abs() < 1e-6);
        // By ranks: 3 is third and first, 2 second and third, 1 first, 4 second.
        let rrf = parts.fused(Fusion::Rrf);
        assert_eq!(ids(&rrf), [3, 2, 1, 4]);
        assert!((rrf[0].score - (1.0 / 63.0 + 1.0 / 61.0)).abs() < 1e-6);
        assert!((rrf[2].score - 1.0 / 61.0).abs() < 1e-6);
        assert_eq!((rrf[1].passage, rrf[2].passage), (2, 1));
    }

    #[test]
    fn newer_ones_come_first_among_alike() {
        let list = |scores: &[(u8, f32)]| -> Vec<Ranked> {
            scores.iter().map(|(n, score)| Ranked { score: *score, position: at(*n), passage: 0 }).collect()
        };
        let mut hits = list(&[(1, 1.0), (9, 0.95), (5, 0.5)]);
        prefer_newer(&mut hits, 0.2);
        assert_eq!(ids(&hits), [9, 1, 5]);
        assert!((hits[1].score - 0.8).abs() < 1e-6 && (hits[2].score - 0.45).abs() < 1e-6);
        let mut same = list(&[(1, 1.0), (9, 0.95)]);
        prefer_newer(&mut same, 0.0);
        assert_eq!(ids(&same), [1, 9]);
        let mut far = list(&[(1, -0.1), (9, -0.1)]);
        prefer_newer(&mut far, 0.5);
        assert_eq!(ids(&far), [9, 1], "what is not near at all gets no nearer by its age");
    }
}
