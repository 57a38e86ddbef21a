//! Hits in the order of relevance: by words, by meaning, or by both.
//!
//! * By words: all emails that match, by their BM25 scores.
//! * By meaning: the emails that fit the conditions, the nearest first. There is no end to it but that of all emails, so the
//!   list is as long as somebody asks for, and totals are lower bounds.
//! * By both: all that match by words, the nearest, and the best for any of the words; a score is some of each, as parts
//!   of the best (a convex mix; measured better than ranks against ranks, and no worse than six other ways, in `benches --bin
//!   retrieval`), of which the model says how much is its own. What matches by words is never left out.
//!
//! What always holds: no email comes twice in a list; a list is in its final order before any of it is shown.

use crate::cursor::Cursor;
use crate::error::QueryError;
use crate::filter::Meaning;
use crate::group::{Group, Groups, LOOKED as LOOKED_FOR_GROUPS, Order, places};
use crate::hits;
use crate::lists::inside;
use crate::mix::prefer_newer;
use crate::model::{Relation, SearchAnswer, Sort, Total};
use crate::plan::{self, Driver, Source};
use crate::ranked::{List, NO_PASSAGE, Ranked, Ranking};
use crate::search::{BATCH, COUNT_ROWS, MAX_RANKED, Matched, Page, Run};
use crate::stream::{Bounds, Part, Stream};
use postlode_format::id::Id;
use postlode_format::index::Position;
use postlode_semantic::{Near, Nearest, Only};
use postlode_store::Missing;
use postlode_text::{Match, Wanted};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The best by words that are listed, where no more are asked for.
pub const BEST: usize = 1_024;
/// The nearest that are looked for first, whatever number is asked for, so that all lists of a query begin alike; and how
/// many times more where these are not enough.
const FIRST: usize = 32;
pub const MORE: usize = 4;

/// How a list is ranked.
#[derive(Debug, Clone)]
pub enum Way {
    /// By words.
    Words,
    /// By how near emails are to this vector.
    Meaning(Arc<[f32]>),
    /// By both.
    Both(Arc<[f32]>),
}

/// A list, and how it is gone through.
pub struct Listed {
    pub list: List,
    /// All of it matches, deleted ones apart.
    pub covered: bool,
    /// Where more of it comes from.
    pub within: Option<Within>,
}

/// Emails that fit conditions, for a search by meaning.
pub struct Within {
    pub only: Only,
    /// It has exactly those that fit, deleted ones apart.
    pub covered: bool,
}

impl Run {
    /// A page, the best first.
    ///
    /// # Errors
    /// [`QueryError::StaleCursor`]; where the store fails.
    pub async fn by_relevance(
        &mut self,
        limit: usize,
        cursor: Option<&Cursor>,
        query: u64,
        way: &Way,
    ) -> Result<Page, QueryError> {
        let kept = cursor.and_then(|c| self.engine.ranked.get(query, c.generation));
        let fresh = kept.is_none();
        // What was noted before is of the request, and not of the list.
        let noted = self.reasons.len();
        let Listed { mut list, mut covered, within } = match way {
            Way::Words => match self.best_by_words(limit, &kept).await? {
                Some(listed) => listed,
                None => self.by_words(kept).await?,
            },
            Way::Meaning(vector) => self.by_meaning(kept, vector).await?,
            Way::Both(vector) => self.by_both(kept, vector).await?,
        };
        if fresh {
            let reasons = self.reasons.get(noted..).unwrap_or(&[]).to_vec();
            let missing = self.missing.iter().cloned().collect();
            list = Arc::new(Ranking { reasons, missing, ..Arc::unwrap_or_clone(list) });
        } else {
            list.reasons.iter().for_each(|reason| self.reason(reason.clone()));
            self.missing.extend(list.missing.iter().cloned());
        }
        // A list is made again as it was only of the same mail, by a query that was turned alike, and with the same scores; one
        // by meaning, which gets longer while it is gone through, of the same graphs.
        let generation = match cursor {
            Some(cursor) if !fresh => cursor.generation,
            cursor => {
                let graphs =
                    self.view.as_ref().filter(|_| within.is_some()).map_or(0, |view| view.identity());
                let now = self.generation ^ self.turn ^ list.identity() ^ graphs;
                if cursor.is_some_and(|cursor| cursor.generation != now) {
                    return Err(QueryError::StaleCursor);
                }
                now
            }
        };
        let mut last = cursor.map(|c| Ranked { score: c.score, position: c.position, passage: NO_PASSAGE });
        let mut matched: Vec<Matched> = Vec::new();
        let (group, mut groups, mut looked) = (self.group, Groups::default(), 0usize);
        let rest = loop {
            let in_list = match group {
                Group::None => HashMap::new(),
                _ => {
                    let list = Arc::clone(&list);
                    let job = move || places(list.hits.iter().map(|hit| hit.position));
                    self.engine.cpu.run(job).await.ok_or(QueryError::Internal("grouping"))?
                }
            };
            let start = last.map_or(0, |last| {
                list.hits.partition_point(|hit| hit.order(&last) != std::cmp::Ordering::Greater)
            });
            let mut rest = list.hits.get(start..).unwrap_or(&[]);
            while matched.len() <= limit && !rest.is_empty() && groups.looked(looked) < LOOKED_FOR_GROUPS {
                let few = covered && group == Group::None;
                let want =
                    if few { limit.saturating_sub(matched.len()).saturating_add(1) } else { group.batch() };
                let (batch, tail) = rest.split_at(want.min(BATCH).min(rest.len()));
                rest = tail;
                last = batch.last().copied().or(last);
                let mut batch = batch.to_vec();
                if group != Group::None {
                    looked = looked.saturating_add(batch.len());
                    batch.retain(|hit| !groups.is_behind(&hit.position));
                    // What is in memory is looked at without waiting for anything.
                    futures_lite::future::yield_now().await;
                }
                let some = self.check_ranked(&batch, covered).await?;
                let order = Order::Listed(&in_list);
                matched.extend(self.firsts(some, (&order, covered), group, &mut groups).await?);
            }
            match (way, &within) {
                _ if groups.looked(looked) >= LOOKED_FOR_GROUPS => break rest.to_vec(),
                (Way::Meaning(vector), Some(within)) if matched.len() <= limit && list.more => {
                    let before = list.hits.len();
                    list = self.deeper(&list, vector, within).await?;
                    if list.hits.len() == before {
                        // However deep, there is no more to be found.
                        list = Arc::new(Ranking { more: false, ..Arc::unwrap_or_clone(list) });
                    }
                }
                (Way::Words, _) if matched.len() <= limit && list.more => list = self.whole(&list).await?,
                (Way::Both(vector), _) if matched.len() <= limit && list.more => {
                    let whole = self.whole_of_both(&list, vector).await?;
                    (list, covered) = (whole.list, covered && whole.covered);
                }
                _ => break rest.to_vec(),
            }
        };
        self.lap("page");
        let cut = groups.looked(looked) >= LOOKED_FOR_GROUPS && matched.len() <= limit;
        let beyond = matched.len().saturating_sub(limit) as u64;
        matched.truncate(limit);
        let so_far = (matched.len() as u64).saturating_add(beyond);
        let total = match cursor {
            Some(cursor) => cursor.total,
            None => {
                let mut total = match (list.total, group) {
                    (Some(value), _) => Total { value, relation: Relation::Eq },
                    (None, Group::None) => self.count_ranked(&rest, covered, so_far).await?,
                    // All that match count, whatever is shown of them.
                    (None, _) => self.count_ranked(&Arc::clone(&list).hits, covered, 0).await?,
                };
                if !matches!(way, Way::Words) {
                    total.relation = Relation::Gte;
                }
                total
            }
        };
        self.lap("total");
        let shown = matched.last().filter(|_| beyond > 0).map(|m| (m.score.unwrap_or(0.0), m.position));
        let looked_at = last.filter(|_| cut).map(|last| (last.score, last.position));
        let next = looked_at.or(shown).map(|(score, position)| Cursor {
            sort: Sort::Relevance,
            query,
            generation,
            score,
            position,
            total,
            key: Vec::new(),
        });
        if next.is_some() {
            self.engine.ranked.keep(query, generation, list);
        }
        Ok(Page { matched, total, next })
    }

    /// The best by words, where nothing else is asked but dates: what does not show is counted, and not listed. `None` where
    /// there is more to it.
    async fn best_by_words(
        &mut self,
        limit: usize,
        kept: &Option<List>,
    ) -> Result<Option<Listed>, QueryError> {
        let (Some(words), [text]) = (&self.resolved.wanted, self.resolved.texts.as_slice()) else {
            return Ok(None);
        };
        if words != text || !self.resolved.filter.is_text_within_dates() {
            return Ok(None);
        }
        // What is older loses, or what is of one group counts: all of it is asked for.
        if self.recency > 0.0 || self.group != Group::None {
            return Ok(None);
        }
        let query = text.clone();
        self.deleted = self.engine.deleted().await?;
        let Some(deleted) = self.deleted.clone() else { return Ok(None) };
        "deletion".clone_into(&mut self.explain.checked);
        let driver = |total: u64| format!("text, about {total} emails");
        if let Some(list) = kept {
            self.explain.driver = driver(list.total.unwrap_or(list.hits.len() as u64));
            // Who goes on is given the whole list, while there is one, so that he can go on whatever changes; an email's words
            // do not.
            let list = match list.more {
                true => self.whole(list).await.unwrap_or_else(|_| Arc::clone(list)),
                false => Arc::clone(list),
            };
            return Ok(Some(Listed { list, covered: true, within: None }));
        }
        let bounds = self.bounds();
        let view = self.engine.text_view().await?;
        self.lap("text sources");
        let most = BEST.max(limit.saturating_add(1));
        let job = move || {
            let gone = |position: &Position| deleted.has(&position.id);
            let gone: Option<&(dyn Fn(&Position) -> bool + Sync)> =
                if deleted.is_empty() { None } else { Some(&gone) };
            let only = Only { between: (bounds.low, bounds.high), these: None };
            view.best(&query, &Wanted { only: &only, gone, most })
        };
        let found = self.engine.cpu.run(job).await.ok_or(QueryError::Internal("text search"))?;
        self.explain.text_matches = self.explain.text_matches.saturating_add(found.total);
        self.explain.keys = self.explain.keys.saturating_add(found.total);
        self.explain.driver = driver(found.total);
        self.missing.extend(found.missing);
        self.lap("text search");
        let of = |m: &Match| Ranked { score: m.score, position: m.position, passage: NO_PASSAGE };
        let hits: Vec<Ranked> = found.best.iter().map(of).collect();
        let more = found.total > hits.len() as u64;
        let list = Ranking { hits, more, total: Some(found.total), ..Ranking::default() };
        Ok(Some(Listed { list: Arc::new(list), covered: true, within: None }))
    }

    /// The whole of a list of which the best were enough so far.
    ///
    /// # Errors
    /// [`QueryError::StaleCursor`] where something has changed since its beginning was listed; where the store fails.
    async fn whole(&mut self, list: &List) -> Result<List, QueryError> {
        let told = (self.explain.text_matches, self.explain.keys);
        self.forget_texts();
        self.look_up_texts(true).await?;
        let bounds = self.bounds();
        let driver = self.plan(bounds).await?;
        let scores = self.ranking.take().unwrap_or_default();
        let hits = self.rank(&driver, bounds, &scores).await?;
        if told.1 > 0 {
            // They were counted when the best were looked for.
            (self.explain.text_matches, self.explain.keys) = told;
        }
        let hits = self.beginning_as(list, hits)?;
        let missing: BTreeSet<Missing> = list.missing.iter().chain(&self.missing).cloned().collect();
        let mut reasons = list.reasons.clone();
        reasons.extend(self.reasons.iter().filter(|reason| !list.reasons.contains(reason)).cloned());
        let missing = missing.into_iter().collect();
        Ok(Arc::new(Ranking { hits, total: list.total, reasons, missing, ..Ranking::default() }))
    }

    /// Hits that begin as a list does, but for what was or has been deleted since, without that.
    ///
    /// # Errors
    /// [`QueryError::StaleCursor`] where they do not.
    fn beginning_as(&self, list: &List, mut hits: Vec<Ranked>) -> Result<Vec<Ranked>, QueryError> {
        hits.retain(|hit| !self.is_gone(&hit.position));
        let mut first = hits.iter();
        let mut left = list.beginning().iter().filter(|known| !self.is_gone(&known.position));
        let same = |known: &Ranked, hit: &Ranked| (known.score, known.position) == (hit.score, hit.position);
        if left.all(|known| first.next().is_some_and(|hit| same(known, hit))) {
            Ok(hits)
        } else {
            Err(QueryError::StaleCursor)
        }
    }

    /// Is an email known to be deleted?
    pub fn is_gone(&self, position: &Position) -> bool {
        self.deleted.as_ref().is_some_and(|deleted| deleted.has(&position.id))
    }

    /// All that match, by the scores of their words.
    async fn by_words(&mut self, kept: Option<List>) -> Result<Listed, QueryError> {
        self.look_up_texts(kept.is_none()).await?;
        let bounds = self.bounds();
        let driver = self.plan(bounds).await?;
        if let Some(list) = kept {
            // It may name emails that this driver does not: then each is checked.
            return Ok(Listed { list, covered: false, within: None });
        }
        let scores = self.ranking.take().unwrap_or_default();
        let mut hits = self.rank(&driver, bounds, &scores).await?;
        prefer_newer(&mut hits, self.recency);
        let covered = driver.covered;
        Ok(Listed { list: Arc::new(Ranking { hits, ..Ranking::default() }), covered, within: None })
    }

    /// Those that fit the conditions, the nearest first.
    async fn by_meaning(&mut self, kept: Option<List>, vector: &Arc<[f32]>) -> Result<Listed, QueryError> {
        let within = self.within(true).await?;
        let covered = within.covered && kept.is_none();
        let list = match kept {
            Some(list) => list,
            None => {
                let list = Arc::unwrap_or_clone(self.nearest(vector, &within, FIRST).await?);
                Arc::new(Ranking { vector: Some(Arc::clone(vector)), ..list })
            }
        };
        Ok(Listed { list, covered, within: Some(within) })
    }

    /// The nearest of those that fit the conditions.
    async fn nearest(
        &mut self,
        vector: &Arc<[f32]>,
        within: &Within,
        depth: usize,
    ) -> Result<List, QueryError> {
        let depth = depth.min(MAX_RANKED);
        let Nearest { near, more, .. } = self.near(vector, &within.only, depth).await?;
        let mut hits: Vec<Ranked> = near.iter().map(ranked).collect();
        hits.sort_unstable_by(Ranked::order);
        prefer_newer(&mut hits, self.recency);
        let ends = more && depth >= MAX_RANKED;
        if ends {
            self.reason(format!("only the nearest {MAX_RANKED} emails were ranked"));
        }
        Ok(Arc::new(Ranking { hits, more: more && !ends, ..Ranking::default() }))
    }

    /// A longer list.
    async fn deeper(
        &mut self,
        list: &List,
        vector: &Arc<[f32]>,
        within: &Within,
    ) -> Result<List, QueryError> {
        let depth = list.hits.len().saturating_mul(MORE).max(FIRST);
        // By what the list is of: a query may be turned otherwise by now.
        let vector = list.vector.as_ref().unwrap_or(vector);
        let deeper = self.nearest(vector, within, depth).await?;
        let mut deeper = list.and_then(&deeper);
        (deeper.reasons, deeper.missing) = (list.reasons.clone(), self.missing.iter().cloned().collect());
        deeper.vector.clone_from(&list.vector);
        Ok(Arc::new(deeper))
    }

    /// The emails nearest to a vector, without one of them.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn similar(
        &mut self,
        vector: Arc<[f32]>,
        without: Id,
        limit: usize,
    ) -> Result<SearchAnswer, QueryError> {
        self.deleted = self.engine.deleted().await?;
        let mut depth = limit.saturating_add(1).max(FIRST);
        loop {
            let Nearest { near, more, .. } = self.near(&vector, &Only::default(), depth).await?;
            let others = near.iter().filter(|near| near.position.id != without).map(ranked);
            let others: Vec<Ranked> = others.collect();
            let mut matched = Vec::new();
            for batch in others.chunks(BATCH) {
                matched.extend(self.check_ranked(batch, true).await?);
            }
            // Some may have been deleted.
            if matched.len() >= limit || !more || depth >= MAX_RANKED {
                matched.truncate(limit);
                return self.of_near(matched, "").await;
            }
            depth = depth.saturating_mul(MORE);
        }
    }

    /// The answer of emails that are near. `reason`: why there are none, or nothing.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn of_near(&mut self, matched: Vec<Matched>, reason: &str) -> Result<SearchAnswer, QueryError> {
        if !reason.is_empty() {
            self.reason(reason.to_owned());
        }
        let total = Total { value: matched.len() as u64, relation: Relation::Gte };
        let hits = hits::hits(self, matched).await?;
        let partial = self.partial();
        let partial = (!partial.is_empty()).then_some(partial);
        Ok(SearchAnswer { hits, total, next_cursor: None, facets: None, partial, explain: None })
    }

    /// Asks the vectors for the nearest, and notes what cannot be compared.
    async fn near(&mut self, vector: &Arc<[f32]>, only: &Only, k: usize) -> Result<Nearest, QueryError> {
        let Some(semantic) = self.semantic.clone() else { return Ok(Nearest::default()) };
        let view = self.vectors(&semantic).await?;
        let (vector, only) = (Arc::clone(vector), only.clone());
        let turned = self.turn != 0;
        let job = move || {
            if turned { view.nearest(&vector, k, &only) } else { view.nearest_to_own(&vector, k, &only) }
        };
        let nearest = self.engine.cpu.run(job).await.ok_or(QueryError::Internal("vector search"))?;
        self.note_nearest(&nearest);
        self.lap("vectors");
        Ok(nearest)
    }

    /// Notes what could not be compared.
    pub fn note_nearest(&mut self, nearest: &Nearest) {
        let Some(semantic) = self.semantic.clone() else { return };
        let (name, later) = (semantic.model().model().name, semantic.is_of_addons());
        self.missing.extend(nearest.missing.iter().cloned());
        if nearest.foreign > 0 {
            let emails = emails(nearest.foreign);
            self.reason(format!(
                "{emails} in languages or words that the model {name} does not know: found by words alone"
            ));
        }
        if nearest.without > 0 {
            let emails = emails(nearest.without);
            let how = if later {
                "they are made while the store is served"
            } else {
                "`postlode segment compact` makes them"
            };
            self.reason(format!(
                "{emails} without vectors of the model {name}, and found by words alone: {how}"
            ));
        }
    }

    /// Notes a reason, once.
    pub fn reason(&mut self, reason: String) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// From here on candidates are checked for the conditions alone, without the words that stand alone.
    pub fn only_conditions(&mut self) {
        let Some(Meaning { within, .. }) = self.resolved.meaning.clone() else { return };
        self.sifted.clear();
        self.texts.truncate(self.resolved.texts.len());
        self.resolved.filter = within;
        self.keyed = false;
    }

    /// The emails that fit the conditions. `texts`: those of the conditions were not looked up yet.
    pub async fn within(&mut self, texts: bool) -> Result<Within, QueryError> {
        self.only_conditions();
        if texts {
            if self.resolved.meaning.as_ref().is_some_and(|meaning| meaning.words.is_some()) {
                // They are the last, and nobody asks for them.
                self.resolved.texts.pop();
            }
            self.asked.clone_from(&self.resolved.filter);
            self.look_up_texts(false).await?;
        }
        let bounds = self.bounds();
        if plan::is_dates_alone(&self.resolved.filter) {
            return self.within_dates(bounds).await;
        }
        let driver = self.plan(bounds).await?;
        self.named(driver, bounds).await
    }

    /// The same, where an index names exactly those, and no text is among the conditions.
    pub async fn covered_within(&mut self) -> Result<Option<Within>, QueryError> {
        self.only_conditions();
        let bounds = self.bounds();
        if plan::is_dates_alone(&self.resolved.filter) {
            return Ok(Some(self.within_dates(bounds).await?));
        }
        let driver = self.plan(bounds).await?;
        Ok(if driver.covered { Some(self.named(driver, bounds).await?) } else { None })
    }

    async fn within_dates(&mut self, bounds: Bounds) -> Result<Within, QueryError> {
        self.deleted = self.engine.deleted().await?;
        Ok(Within { only: Only { between: (bounds.low, bounds.high), these: None }, covered: true })
    }

    /// The emails that a driver names.
    async fn named(&mut self, driver: Driver, bounds: Bounds) -> Result<Within, QueryError> {
        let between = (bounds.low, bounds.high);
        let parts = self.parts(&driver).await?;
        if let ([Part::List(list)], false) = (parts.as_slice(), self.keyed) {
            // It is as it is wanted.
            self.explain.keys = self.explain.keys.saturating_add(inside(list, bounds).len() as u64);
            let only = Only { between, these: Some(list.clone()) };
            self.lap("conditions");
            return Ok(Within { only, covered: driver.covered });
        }
        let mut stream = Stream::new(self.engine.store.clone(), parts, bounds, true);
        let mut these = Vec::new();
        while these.len() < MAX_RANKED {
            let some = self.next(&mut stream, 4096).await?;
            if some.is_empty() {
                break;
            }
            these.extend(some);
        }
        if these.len() >= MAX_RANKED {
            self.reason(format!("more than {MAX_RANKED} emails fit: the newest of them were compared"));
        }
        these.reverse();
        self.explain.keys = self.explain.keys.saturating_add(stream.keys);
        self.missing.extend(std::mem::take(&mut stream.missing));
        self.lap("conditions");
        Ok(Within { only: Only { between, these: Some(these.into()) }, covered: driver.covered })
    }

    async fn check_ranked(&mut self, batch: &[Ranked], covered: bool) -> Result<Vec<Matched>, QueryError> {
        let positions: Vec<Position> = batch.iter().map(|r| r.position).collect();
        let ranked: HashMap<_, &Ranked> = batch.iter().map(|r| (r.position.id, r)).collect();
        let mut matched = self.check(&positions, covered).await?;
        for one in &mut matched {
            let ranked = ranked.get(&one.position.id);
            one.score = ranked.map(|ranked| ranked.score);
            one.passage = ranked.map(|ranked| ranked.passage).filter(|passage| *passage != NO_PASSAGE);
        }
        Ok(matched)
    }

    async fn count_ranked(
        &mut self,
        rest: &[Ranked],
        covered: bool,
        so_far: u64,
    ) -> Result<Total, QueryError> {
        if let Some(deleted) = self.deleted.as_ref().filter(|_| covered) {
            let left = rest.iter().filter(|r| !deleted.has(&r.position.id)).count() as u64;
            return Ok(Total { value: so_far.saturating_add(left), relation: Relation::Eq });
        }
        let mut value = so_far;
        let counted = rest.get(..COUNT_ROWS.min(rest.len())).unwrap_or(rest);
        for batch in counted.chunks(BATCH) {
            value = value.saturating_add(self.check_ranked(batch, covered).await?.len() as u64);
        }
        let relation = if counted.len() == rest.len() { Relation::Eq } else { Relation::Gte };
        Ok(Total { value, relation })
    }

    /// All candidates of a driver, best first.
    pub async fn rank(
        &mut self,
        driver: &Driver,
        bounds: Bounds,
        scores: &[Match],
    ) -> Result<Vec<Ranked>, QueryError> {
        // Matches of words alone, whose scores are in the same order.
        if let ([Source::Text(number)], false) = (driver.sources.as_slice(), self.keyed) {
            let matches = self.texts.get(*number).map_or(&[][..], Vec::as_slice);
            let mut list = ranked_by(matches.iter().filter(|m| bounds.contains(m.position)), scores);
            self.explain.keys = self.explain.keys.saturating_add(list.len() as u64);
            list.sort_unstable_by(Ranked::order);
            if list.len() > MAX_RANKED {
                self.reasons
                    .push(format!("more than {MAX_RANKED} emails match: the best of them were ranked"));
                list.truncate(MAX_RANKED);
            }
            self.lap("rank");
            return Ok(list);
        }
        let parts = self.parts(driver).await?;
        let mut stream = Stream::new(self.engine.store.clone(), parts, bounds, true);
        let mut list: Vec<Ranked> = Vec::new();
        while list.len() < MAX_RANKED {
            let candidates = self.next(&mut stream, 4096).await?;
            if candidates.is_empty() {
                break;
            }
            list.extend(candidates.into_iter().map(|position| {
                let at = scores.binary_search_by(|m| m.position.cmp(&position)).ok();
                let score = at.and_then(|n| scores.get(n)).map_or(0.0, |m| m.score);
                Ranked { score, position, passage: NO_PASSAGE }
            }));
        }
        if list.len() >= MAX_RANKED {
            self.reasons.push(format!("more than {MAX_RANKED} emails match: the newest of them were ranked"));
        }
        self.explain.keys = self.explain.keys.saturating_add(stream.keys);
        self.missing.extend(std::mem::take(&mut stream.missing));
        list.sort_unstable_by(Ranked::order);
        self.lap("rank");
        Ok(list)
    }
}

/// Matches with their scores; both ascending.
fn ranked_by<'m>(matches: impl Iterator<Item = &'m Match>, scores: &[Match]) -> Vec<Ranked> {
    let mut rest = scores.iter().peekable();
    let with_score = |m: &Match| {
        while rest.next_if(|scored| scored.position < m.position).is_some() {}
        let score =
            rest.peek().filter(|scored| scored.position == m.position).map_or(0.0, |scored| scored.score);
        Ranked { score, position: m.position, passage: NO_PASSAGE }
    };
    matches.map(with_score).collect()
}

fn ranked(near: &Near) -> Ranked {
    Ranked { score: near.score, position: near.position, passage: near.passage }
}

fn emails(count: u64) -> String {
    if count == 1 { "1 email is".to_owned() } else { format!("{count} emails are") }
}
