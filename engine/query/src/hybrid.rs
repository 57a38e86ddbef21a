//! Hits by words and meaning together: what matches by words, what is near, and what has some of the words.
//!
//! Where the conditions are such that an index names exactly the emails that fit, all of it is one job: the best by words, by
//! meaning and for any of the words are picked, and what does not show is counted. Otherwise, and for whoever goes on behind
//! the best, the whole list is made.
//!
//! What always holds: both ways begin with the same hits, with the same scores, while nothing changes; who goes on keeps what
//! he has seen; what matches by words is never left out.

use crate::error::QueryError;
use crate::group::Group;
use crate::marks::Deleted;
use crate::mix::{Fusion, Parts, prefer_newer};
use crate::ranked::{List, NO_PASSAGE, Ranked, Ranking};
use crate::relevance::{BEST, Listed, MORE, Within};
use crate::search::{BATCH, Run};
use postlode_format::index::Position;
use postlode_semantic::{Near, Nearest, Only, SemanticView};
use postlode_store::Missing;
use postlode_text::{Both, Match, Sorted, TextQuery, TextView, Wanted};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// The nearest, and the best for any of the words, that are mixed with what matches all words.
const MIXED: usize = 100;
/// Of what matches all words so many, the best first, are compared by meaning too.
const SCORED: usize = BEST;
/// Of the nearest so many are checked, where that takes the reading of rows, for those that fit.
const LOOKED: usize = 4_000;
/// How much more than what is not listed a hit must have, to be before it whatever was rounded.
const CLEAR: f32 = 1.0 + 1e-5;

/// What the best of both are picked from.
struct Pick {
    text: Arc<TextView>,
    vectors: Arc<SemanticView>,
    vector: Arc<[f32]>,
    only: Only,
    deleted: Arc<Deleted>,
    /// What has all words, and what has any.
    all: TextQuery,
    any: TextQuery,
    /// The part of meaning in a mixed score.
    weight: f32,
}

/// The best, picked.
struct Picked {
    hits: Vec<Ranked>,
    /// There are more behind them.
    more: bool,
    /// How many there are with those.
    total: u64,
    /// How many match by words.
    by_words: u64,
    nearest: Nearest,
    missing: Vec<Missing>,
}

impl Pick {
    fn pick(self) -> Picked {
        let is_gone = |position: &Position| self.deleted.has(&position.id);
        let mut nearest = self.vectors.nearest_roughly(&self.vector, MIXED, &self.only);
        nearest.near.retain(|near| !is_gone(&near.position));
        let mut these: Vec<Position> = nearest.near.iter().map(|near| near.position).collect();
        these.sort_unstable();
        let gone: Option<&(dyn Fn(&Position) -> bool + Sync)> =
            if self.deleted.is_empty() { None } else { Some(&is_gone) };
        let both = Both { all: &self.all, any: &self.any, few: MIXED, these: &these };
        let Sorted { all, any, these } =
            self.text.both(&both, &Wanted { only: &self.only, gone, most: BEST });
        let mut also: Vec<Position> = all.best.iter().chain(&any).map(|m| m.position).collect();
        also.sort_unstable();
        also.dedup();
        let also = self.vectors.scores(&self.vector, &also);
        let near_by = these.iter().map(|(position, (score, _))| Match { position: *position, score: *score });
        let mut scores: Vec<Match> = all.best.iter().chain(&any).copied().chain(near_by).collect();
        scores.sort_unstable_by_key(|m| m.position);
        scores.dedup_by_key(|m| m.position);
        let by_words: Vec<Ranked> = all.best.iter().map(of_words).collect();
        let parts = Parts {
            by_words: &by_words,
            any: &any,
            scores: &scores,
            weight: self.weight,
            nearest: &nearest.near,
            also: &also,
        };
        let mut hits = parts.fused(Fusion::Mix);
        let more = all.total > by_words.len() as u64;
        if more {
            // What is not here has its words alone, and no more of them than the last that is here.
            let best = any.iter().chain(&all.best).map(|m| m.score).fold(f32::MIN_POSITIVE, f32::max);
            let floor = all.best.last().map_or(0.0, |last| last.score);
            let bar = (1.0 - self.weight) * floor / best * CLEAR;
            hits.truncate(hits.partition_point(|hit| hit.score > bar));
        }
        // Of the best that have any word, those that have all are among the best that have all.
        let with_all: HashSet<Position> = all.best.iter().map(|m| m.position).collect();
        let without = any.iter().map(|m| m.position).filter(|position| !with_all.contains(position));
        let far = nearest.near.iter().map(|near| near.position);
        let far = far.filter(|position| !these.get(position).is_some_and(|(_, has_all)| *has_all));
        let others: HashSet<Position> = without.chain(far).collect();
        let total = all.total.saturating_add(others.len() as u64);
        Picked { hits, more, total, by_words: all.total, nearest, missing: all.missing }
    }
}

fn of_words(m: &Match) -> Ranked {
    Ranked { score: m.score, position: m.position, passage: NO_PASSAGE }
}

impl Run {
    /// All that match by words, and what is near or has some of the words.
    pub async fn by_both(&mut self, kept: Option<List>, vector: &Arc<[f32]>) -> Result<Listed, QueryError> {
        let Some(list) = kept else {
            return match self.best_by_both(vector).await? {
                Some(listed) => Ok(listed),
                None => self.all_by_both(vector).await,
            };
        };
        if list.more {
            // Who goes on is given the whole list; where that is too much, what there is of it.
            match self.whole_of_both(&list, vector).await {
                Ok(whole) => return Ok(Listed { covered: false, ..whole }),
                Err(QueryError::TooMuch { .. }) => self.begin_anew(),
                Err(other) => return Err(other),
            }
        }
        if !self.has_words_alone() {
            // Conditions may be among them; words that stand alone are none.
            self.look_up_texts(false).await?;
        }
        self.only_conditions();
        let bounds = self.bounds();
        self.plan(bounds).await?;
        Ok(Listed { list, covered: false, within: None })
    }

    /// Are words that stand alone all text that is looked for?
    fn has_words_alone(&self) -> bool {
        let first = self.resolved.meaning.as_ref().is_some_and(|meaning| meaning.words == Some(0));
        first && self.resolved.texts.len() == 1
    }

    /// Forgets what was looked up for conditions.
    fn begin_anew(&mut self) {
        self.resolved.filter = self.asked.clone();
        self.forget_texts();
        self.sifted.clear();
        self.keyed = false;
    }

    /// The best of both, where an index names exactly what fits the conditions. `None` where there is more to it.
    async fn best_by_both(&mut self, vector: &Arc<[f32]>) -> Result<Option<Listed>, QueryError> {
        let ([all], Some(any), Some(semantic), true) = (
            self.resolved.texts.as_slice(),
            &self.resolved.wanted,
            self.semantic.clone(),
            self.has_words_alone(),
        ) else {
            return Ok(None);
        };
        // What is older loses, or what is of one group counts: all of it is asked for. Ranks are those of whole lists.
        if self.recency > 0.0 || self.group != Group::None || self.fusion != Fusion::Mix {
            return Ok(None);
        }
        let (all, any) = (all.clone(), any.clone());
        let within = self.covered_within().await?;
        // From here on nothing of the conditions is asked, or all of it once more.
        self.begin_anew();
        let (Some(Within { only, .. }), Some(deleted)) = (within, self.deleted.clone()) else {
            return Ok(None);
        };
        "deletion".clone_into(&mut self.explain.checked);
        let text = self.engine.text_view().await?;
        let vectors = self.vectors(&semantic).await?;
        let (vector, weight) = (Arc::clone(vector), semantic.model().weight());
        let pick = Pick { text, vectors, vector, only, deleted, all, any, weight };
        let picked = self.engine.cpu.run(move || pick.pick()).await;
        let Picked { hits, more, total, by_words, nearest, missing } =
            picked.ok_or(QueryError::Internal("search by words and meaning"))?;
        self.explain.text_matches = self.explain.text_matches.saturating_add(by_words);
        self.explain.keys = self.explain.keys.saturating_add(by_words);
        if self.explain.driver.is_empty() {
            self.explain.driver = format!("text, about {by_words} emails");
        }
        self.missing.extend(missing);
        self.note_nearest(&nearest);
        self.lap("words and meaning");
        let list = Ranking { hits, more, total: Some(total), ..Ranking::default() };
        Ok(Some(Listed { list: Arc::new(list), covered: true, within: None }))
    }

    /// The whole of a list of which the best were enough so far: these keep their places, whatever has changed since, and the
    /// others come behind them.
    pub async fn whole_of_both(&mut self, list: &List, vector: &Arc<[f32]>) -> Result<Listed, QueryError> {
        let told = (self.explain.text_matches, self.explain.keys);
        self.begin_anew();
        let Listed { list: whole, covered, within } = self.all_by_both(vector).await?;
        if told.1 > 0 {
            // They were counted when the best were picked.
            (self.explain.text_matches, self.explain.keys) = told;
        }
        let missing: BTreeSet<Missing> = list.missing.iter().chain(&self.missing).cloned().collect();
        let mut reasons = list.reasons.clone();
        reasons.extend(self.reasons.iter().filter(|reason| !list.reasons.contains(reason)).cloned());
        let missing = missing.into_iter().collect();
        let joined = list.and_then(&whole);
        let list = Arc::new(Ranking { total: list.total, reasons, missing, more: false, ..joined });
        Ok(Listed { list, covered, within })
    }

    /// All of it.
    async fn all_by_both(&mut self, vector: &Arc<[f32]>) -> Result<Listed, QueryError> {
        self.look_up_texts(true).await?;
        let bounds = self.bounds();
        let driver = self.plan(bounds).await?;
        let scores = self.ranking.take().unwrap_or_default();
        let mut by_words = self.rank(&driver, bounds, &scores).await?;
        if let Some(words) = self.resolved.meaning.as_ref().and_then(|meaning| meaning.words) {
            // A driver may name emails that have not these words, and from here on only conditions are checked.
            let have = self.texts.get(words).map_or(&[][..], Vec::as_slice);
            by_words.retain(|hit| have.binary_search_by(|m| m.position.cmp(&hit.position)).is_ok());
        }
        let within = self.within(false).await?;
        if within.covered {
            by_words.retain(|hit| within.only.has(hit.position));
        }
        by_words.retain(|hit| !self.is_gone(&hit.position));
        let any = self.best_of(&scores, &within).await?;
        let mut also: Vec<Position> = by_words.iter().take(SCORED).map(|ranked| ranked.position).collect();
        also.extend(any.iter().map(|m| m.position));
        let (mut nearest, also) = self.fitting(vector, &within, also).await?;
        nearest.retain(|near| !self.is_gone(&near.position));
        let weight = self.semantic.as_ref().map_or(0.0, |semantic| semantic.model().weight());
        let (by_words, any, scores) = (by_words.as_slice(), any.as_slice(), scores.as_slice());
        let parts = Parts { by_words, any, scores, weight, nearest: &nearest, also: &also };
        let mut hits = parts.fused(self.fusion);
        prefer_newer(&mut hits, self.recency);
        self.lap("mix");
        let covered = within.covered;
        Ok(Listed { list: Arc::new(Ranking { hits, ..Ranking::default() }), covered, within: None })
    }

    /// The nearest that fit, as many as are mixed, and how near others are.
    async fn fitting(
        &mut self,
        vector: &Arc<[f32]>,
        within: &Within,
        also: Vec<Position>,
    ) -> Result<(Vec<Near>, Vec<Near>), QueryError> {
        let (mut nearest, also) = self.near_roughly(vector, &within.only, MIXED, also).await?;
        if within.covered {
            return Ok((nearest.near, also));
        }
        let (mut fit, mut looked, mut depth) = (Vec::new(), HashSet::new(), MIXED);
        loop {
            // Rows have to be read to tell.
            let fresh: Vec<Near> =
                nearest.near.iter().filter(|near| looked.insert(near.position)).copied().collect();
            for batch in fresh.chunks(BATCH) {
                let positions: Vec<Position> = batch.iter().map(|near| near.position).collect();
                let matched = self.check(&positions, false).await?;
                let matched: HashSet<Position> = matched.iter().map(|one| one.position).collect();
                fit.extend(batch.iter().filter(|near| matched.contains(&near.position)));
            }
            if fit.len() >= MIXED || !nearest.more {
                fit.truncate(MIXED);
                return Ok((fit, also));
            }
            if looked.len() >= LOOKED {
                let looked = looked.len();
                self.reason(format!("only the nearest {looked} emails were checked for the conditions"));
                return Ok((fit, also));
            }
            depth = depth.saturating_mul(MORE);
            nearest = self.near_roughly(vector, &within.only, depth, Vec::new()).await?.0;
        }
    }

    /// The best for any of the words that fit.
    async fn best_of(&mut self, scores: &[Match], within: &Within) -> Result<Vec<Match>, QueryError> {
        let wanted = |m: &&Match| within.only.has(m.position) && !self.is_gone(&m.position);
        let mut any: Vec<Match> = scores.iter().filter(wanted).copied().collect();
        let best = |a: &Match, b: &Match| b.score.total_cmp(&a.score).then(b.position.cmp(&a.position));
        let most = if within.covered { MIXED } else { BATCH };
        if any.len() > most {
            any.select_nth_unstable_by(most, best);
            any.truncate(most);
        }
        if !within.covered {
            let positions: Vec<Position> = any.iter().map(|m| m.position).collect();
            let matched = self.check(&positions, false).await?;
            let matched: HashSet<Position> = matched.iter().map(|one| one.position).collect();
            any.retain(|m| matched.contains(&m.position));
            any.sort_unstable_by(best);
            any.truncate(MIXED);
        }
        Ok(any)
    }

    /// The nearest as codes tell them, and how near certain other emails are.
    async fn near_roughly(
        &mut self,
        vector: &Arc<[f32]>,
        only: &Only,
        k: usize,
        mut also: Vec<Position>,
    ) -> Result<(Nearest, Vec<Near>), QueryError> {
        let Some(semantic) = self.semantic.clone() else { return Ok(Default::default()) };
        let view = self.vectors(&semantic).await?;
        let (vector, only) = (Arc::clone(vector), only.clone());
        let job = move || {
            also.sort_unstable();
            also.dedup();
            (view.nearest_roughly(&vector, k, &only), view.scores(&vector, &also))
        };
        let found = self.engine.cpu.run(job).await.ok_or(QueryError::Internal("vector search"))?;
        self.note_nearest(&found.0);
        self.lap("vectors");
        Ok(found)
    }
}
