//! A search from request to answer.
//!
//! What always holds: every candidate of the driver is looked at in order and at most once; deleted emails are
//! passed over always; a total is exact or says that it is a lower bound.

use crate::archives::{self, ArchivePattern};
use crate::cursor::{Cursor, query_hash};
use crate::dates::zone;
use crate::engine::{Inner, locked};
use crate::error::QueryError;
use crate::eval::{Rows, match_key};
use crate::filter::{Condition, Filter, Resolved, resolve, resolve_apart};
use crate::group::Group;
use crate::lang::{Node, parse, print, to_json};
use crate::marks::Deleted;
use crate::members::Members;
use crate::mix::Fusion;
use crate::model::{Explain, MAX_LIMIT, Mode, Partial, SearchAnswer, SearchRequest, Sort, Total};
use crate::plan::{Before, Driver, Known, Remembered, choose};
use crate::relevance::Way;
use crate::stream::{Bounds, Part, Stream};
use crate::threads::{self, Thread};
use crate::{facets, hits, plan};
use postlode_format::id::Id;
use postlode_format::index::Position;
use postlode_semantic::{Models, SemanticEngine, SemanticView};
use postlode_store::{Found, Missing, Store, StoreError};
use postlode_text::{Match, TextMatches, TextQuery};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Candidates checked at once.
pub const BATCH: usize = 256;
/// Candidates that are checked beyond a page to tell an exact total, where rows have to be read for it.
pub const COUNT_ROWS: usize = 2_000;
/// Keys that are read in the time of one row, and the smallest and largest set of keys that is read at all.
const KEYS_A_ROW: u64 = 16;
const MIN_SET: u64 = 1_000;
const MAX_SET: u64 = 1 << 20;
/// Most candidates that are ranked.
pub const MAX_RANKED: usize = 1 << 20;

/// An email that matches.
pub struct Matched {
    pub found: Found,
    pub position: Position,
    pub score: Option<f32>,
    /// The passage of it that is nearest in meaning.
    pub passage: Option<u32>,
    /// Others that match and are shown with it.
    pub group: Vec<Id>,
}

/// A search under way: what all orders share.
pub struct Run {
    pub engine: Arc<Inner>,
    /// What was asked.
    pub tree: Node,
    /// How such a query was planned last.
    pub remembered: Option<Arc<Mutex<Option<Remembered>>>>,
    pub resolved: Resolved,
    pub missing: BTreeSet<Missing>,
    pub reasons: Vec<String>,
    pub explain: Explain,
    /// The filter as it was asked; planning puts what it has looked up in the place of conditions.
    pub asked: Filter,
    /// Matches of each text condition, once these were looked up, and behind them what else was.
    pub texts: Vec<Vec<Match>>,
    looked_up: bool,
    /// Scores, for those that have one.
    pub ranking: Option<Vec<Match>>,
    pub deleted: Option<Arc<Deleted>>,
    /// What is shown as one.
    pub group: Group,
    /// How words and meaning come to one score.
    pub fusion: Fusion,
    /// How much older emails lose.
    pub recency: f32,
    /// The model that answers, where one does.
    pub semantic: Option<SemanticEngine>,
    /// The store's generation before anything was looked at: a list is of this, or of something newer.
    pub generation: u64,
    /// The vectors as they were when they were asked first: one search compares with one set of them.
    pub view: Option<Arc<SemanticView>>,
    /// What the query's vector was turned by; 0 where it was not.
    pub turn: u64,
    /// Every condition can be told from a position, so candidates are sifted before their rows are read.
    pub keyed: bool,
    /// Sifted candidates that were not asked for yet.
    pub sifted: VecDeque<Position>,
    /// The archives that were named.
    pub archives: Vec<(ArchivePattern, Vec<Id>)>,
    /// All that the query finds, once it was asked for.
    pub members: Option<Members>,
    clock: Instant,
}

/// Orders by relevance: by words, by meaning, by both.
const BY_RELEVANCE: [&str; 3] = ["relevance", "relevance by meaning", "relevance by words and meaning"];

/// Answers a search.
pub async fn search(engine: &Arc<Inner>, request: &SearchRequest) -> Result<SearchAnswer, QueryError> {
    of_tree(engine, request, parse(&request.q)?, None).await
}

/// Answers a search for a tree, whatever the text of the request is. `plan`: how it was planned last, if that was kept.
pub async fn of_tree(
    engine: &Arc<Inner>,
    request: &SearchRequest,
    tree: Node,
    plan: Option<Arc<Mutex<Option<Remembered>>>>,
) -> Result<SearchAnswer, QueryError> {
    let mut run = Run::of(engine, tree, request.tz.as_deref())?;
    run.remembered = plan;
    run.generation = engine.store.generation();
    (run.group, run.fusion, run.recency) = (request.group, request.fusion, request.recency);
    let words = run.resolved.wanted.is_some();
    let sort = checked(request, words)?;
    let way = if words && sort == Sort::Relevance { run.way(request).await? } else { Way::Words };
    let tz = request.tz.as_deref().unwrap_or("");
    let order = match (sort, &way) {
        (Sort::Date, _) => "date",
        (Sort::Size, _) => "size",
        (Sort::Sender, _) => "sender",
        (Sort::Relevance, Way::Words) => BY_RELEVANCE[0],
        (Sort::Relevance, Way::Meaning(_)) => BY_RELEVANCE[1],
        (Sort::Relevance, Way::Both(_)) => BY_RELEVANCE[2],
    };
    let ranked = match sort {
        Sort::Relevance => format!("{:?} {} {:?}", run.fusion, run.recency, run.group),
        _ => format!("{:?}", run.group),
    };
    let hash = |model: &str| query_hash(&[&run.explain.query, tz, order, model, &ranked]);
    let query = hash(&run.model_key());
    let cursor = match request.cursor.as_deref().map(|text| (text, Cursor::decode(text, query))) {
        None => None,
        Some((_, Ok(cursor))) => Some(cursor),
        // Of the same query, when another model answered it: the list had another order.
        Some((text, Err(error))) => {
            let models = engine.models.iter().flat_map(|m| m.better().into_iter().chain([m.base().clone()]));
            let of = |order: &str, model: &str| query_hash(&[&run.explain.query, tz, order, model, &ranked]);
            let mut keys = models.map(|model| model.model().model().key()).chain([String::new()]);
            let stale =
                keys.any(|key| BY_RELEVANCE.iter().any(|o| Cursor::decode(text, of(o, &key)).is_ok()));
            return Err(if stale { QueryError::StaleCursor } else { error });
        }
    };
    order.clone_into(&mut run.explain.sort);
    run.lap("parse");

    let answer = match sort {
        Sort::Date => run.by_date(request.limit, cursor.as_ref(), query).await?,
        Sort::Relevance => run.by_relevance(request.limit, cursor.as_ref(), query, &way).await?,
        Sort::Size | Sort::Sender => run.by_key(sort, request.limit, cursor, query).await?,
    };
    let Page { matched, total, next } = answer;
    let found = match request.snippets {
        true => hits::hits(&mut run, matched).await?,
        false => hits::bare(&run, &matched).await?,
    };
    run.lap("hits");
    run.explain.matched = total.value;
    let facets = if request.facets.is_empty() {
        None
    } else {
        Some(facets::count(&mut run, &request.facets, &zone(request.tz.as_deref())?).await?)
    };
    let partial = run.partial();
    Ok(SearchAnswer {
        hits: found,
        total,
        next_cursor: next.map(|c| c.encode()),
        facets,
        partial: (!partial.is_empty()).then_some(partial),
        explain: request.explain.then_some(run.explain),
    })
}

/// The order that a request asks for, of a query that has words or not.
///
/// # Errors
/// What cannot be asked, or not together.
pub fn checked(request: &SearchRequest, words: bool) -> Result<Sort, QueryError> {
    let refused = |parameter, why: String| Err(QueryError::Parameter { parameter, why });
    if !(1..=MAX_LIMIT).contains(&request.limit) {
        return refused("limit", format!("{} is not from 1 to {MAX_LIMIT}", request.limit));
    }
    if !(0.0..=1.0).contains(&request.recency) {
        return refused("recency", format!("{} is not from 0 to 1", request.recency));
    }
    let sort = request.sort.unwrap_or(if words { Sort::Relevance } else { Sort::Date });
    if request.group != Group::None && !matches!(sort, Sort::Relevance | Sort::Date) {
        return refused("group", "hits are grouped in orders by relevance and date".to_owned());
    }
    if words && sort != Sort::Relevance && request.mode == Mode::Semantic {
        // All emails mean something, so all would be hits.
        let why = "hits by meaning have no order but relevance: leave it out, or ask by keyword";
        return refused("sort", why.to_owned());
    }
    Ok(sort)
}

/// A page of hits.
pub struct Page {
    pub matched: Vec<Matched>,
    pub total: Total,
    pub next: Option<Cursor>,
}

impl Run {
    /// Reads a query.
    pub fn new(engine: &Arc<Inner>, q: &str, tz: Option<&str>) -> Result<Self, QueryError> {
        Self::of(engine, parse(q)?, tz)
    }

    /// Takes a tree.
    pub fn of(engine: &Arc<Inner>, tree: Node, tz: Option<&str>) -> Result<Self, QueryError> {
        let resolved = resolve(&tree, &zone(tz)?)?;
        let explain = Explain { query: print(&tree), tree: to_json(&tree), ..Explain::default() };
        Ok(Self {
            engine: Arc::clone(engine),
            tree,
            remembered: None,
            asked: resolved.filter.clone(),
            resolved,
            missing: BTreeSet::new(),
            reasons: Vec::new(),
            explain,
            texts: Vec::new(),
            looked_up: false,
            ranking: None,
            deleted: None,
            group: Group::None,
            fusion: Fusion::Mix,
            recency: 0.0,
            semantic: None,
            generation: engine.store.generation(),
            view: None,
            turn: 0,
            keyed: false,
            sifted: VecDeque::new(),
            archives: Vec::new(),
            members: None,
            clock: Instant::now(),
        })
    }

    /// How hits are to be ranked: as was asked, if what was asked means something to the model.
    async fn way(&mut self, request: &SearchRequest) -> Result<Way, QueryError> {
        if request.mode == Mode::Keyword {
            return Ok(Way::Words);
        }
        let Some(models) = self.engine.models.clone() else {
            self.reasons.push("no vectors: ranked by keywords".to_owned());
            return Ok(Way::Words);
        };
        let resolved = resolve_apart(&self.tree, &zone(request.tz.as_deref())?)?;
        // Names and addresses are looked for as they are.
        let Some(text) = resolved.meaning.as_ref().map(|meaning| meaning.text.clone()) else {
            return Ok(Way::Words);
        };
        for semantic in self.answering(&models).await? {
            let (model, text) = (Arc::clone(semantic.model()), text.clone());
            let asked = self.engine.ask(&semantic, move || model.embed_query(&text)).await;
            self.lap("embed");
            match asked.ok_or(QueryError::Internal("embedding"))? {
                Ok(Some(vector)) => {
                    self.asked = resolved.filter.clone();
                    self.resolved = resolved;
                    let vector = self.turned(&semantic, vector).await?.into();
                    self.semantic = Some(semantic);
                    let meaning = request.mode == Mode::Semantic;
                    return Ok(if meaning { Way::Meaning(vector) } else { Way::Both(vector) });
                }
                Ok(None) => {
                    self.reasons.push("the model knows none of these words: ranked by keywords".to_owned());
                    return Ok(Way::Words);
                }
                Err(error) => self.without(&semantic, &error.to_string()),
            }
        }
        Ok(Way::Words)
    }

    /// The models that may answer, in the order in which they are to be asked: the next where the one before does not.
    ///
    /// # Errors
    /// Where the store is closed.
    pub async fn answering(&mut self, models: &Models) -> Result<Vec<SemanticEngine>, QueryError> {
        let active = self.engine.active().await?;
        let base = models.base().clone();
        Ok(match models.answering(&active) {
            Some(better) if better.is_of_addons() => vec![better, base],
            Some(base) => vec![base],
            None => {
                let instead = base.model().model().name;
                self.reasons.push(format!("the model {active} is not at hand: compared by {instead}"));
                vec![base]
            }
        })
    }

    /// Turns a vector to what tells the mail of this store apart, where the model wants that.
    ///
    /// # Errors
    /// Where the store is closed.
    pub async fn turned(
        &mut self,
        semantic: &SemanticEngine,
        vector: Vec<f32>,
    ) -> Result<Vec<f32>, QueryError> {
        if semantic.model().is_even() {
            return Ok(vector);
        }
        let view = self.vectors(semantic).await?;
        let Some(whitening) = view.whitening() else { return Ok(vector) };
        self.turn = whitening.identity();
        self.lap("turn");
        Ok(whitening.turn(&vector))
    }

    /// The vectors of a model as this search sees them.
    ///
    /// # Errors
    /// Where the store is closed.
    pub async fn vectors(&mut self, semantic: &SemanticEngine) -> Result<Arc<SemanticView>, QueryError> {
        if let Some(view) = &self.view {
            return Ok(Arc::clone(view));
        }
        let view = self.engine.vectors(semantic).await?;
        self.view = Some(Arc::clone(&view));
        Ok(view)
    }

    /// Notes that a model did not answer.
    pub fn without(&mut self, model: &SemanticEngine, error: &str) {
        let name = model.model().model().name;
        let then = if model.is_of_addons() { "compared by the built-in model" } else { "ranked by keywords" };
        self.reasons.push(format!("no vector of the model {name}, so {then}: {error}"));
    }

    /// What tells lists of one model from those of another.
    fn model_key(&self) -> String {
        self.semantic.as_ref().map(|semantic| semantic.model().model().key()).unwrap_or_default()
    }

    /// Notes how long a stage took.
    pub fn lap(&mut self, stage: &str) {
        let micros = u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.explain.micros.push((stage.to_owned(), micros));
        self.clock = Instant::now();
    }

    /// What the answer lacks.
    pub fn partial(&self) -> Partial {
        Partial {
            reasons: self.reasons.clone(),
            missing: self.missing.iter().cloned().map(Into::into).collect(),
        }
    }

    /// Finds the matches of the text conditions, and scores if wanted.
    pub async fn look_up_texts(&mut self, scored: bool) -> Result<(), QueryError> {
        let queries = self.resolved.texts.clone();
        let ranking = self.resolved.wanted.clone().filter(|_| scored);
        if queries.is_empty() && ranking.is_none() {
            return Ok(());
        }
        let view = self.engine.text_view().await?;
        self.lap("text sources");
        let limit = self.engine.lists_of_query.load(Ordering::Relaxed);
        let bounds = self.bounds();
        let job = move || -> Result<_, QueryError> {
            let mut bytes = 0u64;
            let mut search = |query: &TextQuery, scored: bool| -> Result<TextMatches, QueryError> {
                let mut found = view.search(query, scored);
                // Nothing else is looked up.
                found.matches.retain(|m| bounds.contains(m.position));
                found.matches.shrink_to_fit();
                bytes = bytes.saturating_add(size_of_val(found.matches.as_slice()) as u64);
                if bytes > limit { Err(QueryError::TooMuch { bytes, limit }) } else { Ok(found) }
            };
            let scores = ranking.as_ref().map(|query| search(query, true)).transpose()?;
            let mut answers = Vec::with_capacity(queries.len());
            for query in &queries {
                let same = scores.as_ref().filter(|_| ranking.as_ref() == Some(query)).cloned();
                answers.push(match same {
                    Some(same) => same,
                    None => search(query, false)?,
                });
            }
            Ok((answers, scores))
        };
        let done = self.engine.cpu.run(job).await.ok_or(QueryError::Internal("text search"))?;
        let (answers, scores) = done?;
        for answer in answers {
            self.explain.text_matches = self.explain.text_matches.saturating_add(answer.matches.len() as u64);
            self.missing.extend(answer.missing);
            self.texts.push(answer.matches);
        }
        if let Some(scores) = scores {
            self.missing.extend(scores.missing);
            self.ranking = Some(scores.matches);
        }
        self.looked_up = true;
        self.lap("text search");
        Ok(())
    }

    /// Forgets what was looked up.
    pub fn forget_texts(&mut self) {
        self.texts.clear();
        self.looked_up = false;
    }

    /// Chooses the driver and tells of it.
    pub async fn plan(&mut self, bounds: Bounds) -> Result<Driver, QueryError> {
        self.deleted = self.engine.deleted().await?;
        let store = self.engine.store.clone();
        self.join_threads(&store).await?;
        self.name_archives(&store).await?;
        self.name_tags().await?;
        let kept = self.remembered.as_ref().map(|kept| locked(kept).clone());
        let before = Before { last: kept.flatten(), generation: self.generation };
        let chosen = choose(&self.engine, &self.resolved.filter, &self.texts, bounds, before).await?;
        let (mut driver, known) = (chosen.driver, chosen.known);
        if let Some(kept) = &self.remembered {
            *locked(kept) = chosen.remember;
        }
        self.explain.driver = format!("{}, about {} emails", driver.name, driver.cost);
        self.lap("plan");
        if !driver.covered {
            self.read_sets(&driver, &known, bounds).await?;
        }
        let checked = match (driver.covered, self.keyed) {
            (true, _) => "deletion",
            (false, true) => "deletion, and all conditions on keys",
            (false, false) => "deletion, and all conditions on rows",
        };
        checked.clone_into(&mut self.explain.checked);
        driver.covered |= self.keyed;
        Ok(driver)
    }

    /// Finds out which other keys are one thread with those that are asked for.
    async fn join_threads(&mut self, store: &Store) -> Result<(), QueryError> {
        let mut conditions = Vec::new();
        self.resolved.filter.conditions(&mut conditions);
        for condition in conditions {
            let Condition::Thread(keys) = condition else { continue };
            let [asked] = keys.as_slice() else { continue };
            let Thread { keys: all, more, missing } = threads::thread(store, *asked).await?;
            *keys = all;
            if more {
                let reason = "a thread has more parts than are looked at: some may be missing".to_owned();
                // It may be planned twice.
                if !self.reasons.contains(&reason) {
                    self.reasons.push(reason);
                }
            }
            self.missing.extend(missing);
        }
        Ok(())
    }

    /// Finds the archives that are named.
    async fn name_archives(&mut self, store: &Store) -> Result<(), QueryError> {
        let mut conditions = Vec::new();
        self.resolved.filter.conditions(&mut conditions);
        for condition in conditions {
            let Condition::Archive(pattern) = condition else { continue };
            // A query is planned several times for one answer.
            let known = self.archives.iter().find(|(known, _)| known == pattern).map(|(_, ids)| ids.clone());
            let ids = match known {
                Some(ids) => ids,
                None => {
                    let (ids, missing) = archives::named(store, pattern).await?;
                    self.archives.push((pattern.clone(), ids.clone()));
                    self.missing.extend(missing);
                    ids
                }
            };
            *condition = Condition::Archives(ids);
        }
        Ok(())
    }

    /// Finds the emails that have the tags which are asked for.
    async fn name_tags(&mut self) -> Result<(), QueryError> {
        let mut conditions = Vec::new();
        self.resolved.filter.conditions(&mut conditions);
        conditions.retain(|condition| matches!(condition, Condition::Tag(_)));
        if conditions.is_empty() {
            return Ok(());
        }
        for condition in conditions {
            let Condition::Tag(tag) = condition else { continue };
            if let Some(have) = self.engine.tagged(tag).await? {
                *condition = Condition::Tagged(self.texts.len());
                self.texts.push(have);
            }
        }
        Ok(())
    }

    /// Reads the keys of conditions that an index answers exactly, where that is cheaper than reading the rows of
    /// the candidates.
    async fn read_sets(&mut self, driver: &Driver, known: &Known, bounds: Bounds) -> Result<(), QueryError> {
        let store = self.engine.store.clone();
        let most = driver.cost.saturating_mul(KEYS_A_ROW).clamp(MIN_SET, MAX_SET);
        let mut filter = std::mem::replace(&mut self.resolved.filter, Filter::All(Vec::new()));
        let mut conditions = Vec::new();
        filter.conditions(&mut conditions);
        for condition in conditions {
            let Some(set) = plan::exact(&self.engine, condition, known, bounds, most).await? else {
                continue;
            };
            let parts = set.parts(&self.engine, &self.texts, |_| None);
            let mut stream = Stream::new(store.clone(), parts, bounds, false);
            let mut matches = Vec::new();
            loop {
                let positions = stream.next(4096).await?;
                if positions.is_empty() {
                    break;
                }
                matches.extend(positions.into_iter().map(|position| Match { position, score: 0.0 }));
            }
            self.explain.keys = self.explain.keys.saturating_add(stream.keys);
            // Rows tell more than a damaged index.
            if stream.missing.is_empty() {
                *condition = Condition::Found(self.texts.len());
                self.texts.push(matches);
            }
        }
        self.keyed = filter.by_key();
        self.resolved.filter = filter;
        self.lap("sets");
        Ok(())
    }

    /// The next candidates of a stream, at most `most`; none after the last.
    pub async fn next(&mut self, stream: &mut Stream, most: usize) -> Result<Vec<Position>, QueryError> {
        if !self.keyed {
            return stream.next(most).await;
        }
        while self.sifted.len() < most {
            let positions = stream.next(most.max(1024)).await?;
            if positions.is_empty() {
                break;
            }
            let fits = |p: &Position| match_key(&self.resolved.filter, *p, &self.texts);
            self.sifted.extend(positions.into_iter().filter(fits));
        }
        Ok(self.sifted.drain(..most.min(self.sifted.len())).collect())
    }

    /// The dates outside which nothing can be that was asked for.
    pub fn bounds_of_all(&self) -> Bounds {
        let (from, to) = self.asked.dates();
        Bounds::dates(from, to)
    }

    pub fn bounds(&self) -> Bounds {
        let (from, to) = self.resolved.filter.dates();
        Bounds::dates(from, to)
    }

    pub async fn parts(&mut self, driver: &Driver) -> Result<Vec<Part>, QueryError> {
        let ids: Vec<Id> = driver.ids().collect();
        let mut positions = HashMap::new();
        if !ids.is_empty() {
            for found in self.engine.store.emails(&ids).await? {
                match found {
                    Ok(Some(found)) => {
                        positions.insert(found.id, Rows::of(&found)?.position());
                    }
                    Ok(None) => {}
                    Err(missing) => {
                        self.missing.insert(missing);
                    }
                }
            }
        }
        Ok(driver.parts(&self.engine, &self.texts, |id| positions.get(id).copied()))
    }

    /// The stream of all candidates, for an order by date.
    pub async fn open(&mut self, bounds: Bounds, descending: bool) -> Result<(Driver, Stream), QueryError> {
        let driver = self.plan(bounds).await?;
        let parts = self.parts(&driver).await?;
        Ok((driver, Stream::new(self.engine.store.clone(), parts, bounds, descending)))
    }

    /// The stream of everything that the query finds, once more from the newest on.
    pub async fn newest_first(&mut self) -> Result<(Driver, Stream), QueryError> {
        self.sifted.clear();
        if !self.looked_up && !self.resolved.texts.is_empty() {
            // Only the best by words were looked for, and counted.
            let counted = self.explain.text_matches;
            self.forget_texts();
            self.look_up_texts(false).await?;
            self.explain.text_matches = counted;
        }
        // What was looked up for a page is inside the bounds of that page.
        self.resolved.filter = self.asked.clone();
        self.texts.truncate(self.resolved.texts.len());
        self.keyed = false;
        let bounds = self.bounds();
        self.open(bounds, true).await
    }

    /// Ids of deleted emails, where they are few enough to be known.
    pub fn deleted(&self) -> Option<Arc<Deleted>> {
        self.deleted.clone()
    }

    /// The stream of everything that the query finds, oldest first, for an export.
    pub async fn oldest_first(&mut self) -> Result<(Driver, Stream), QueryError> {
        self.look_up_texts(false).await?;
        let bounds = self.bounds();
        self.open(bounds, false).await
    }

    /// Those of the candidates that match, in their order.
    pub async fn check(
        &mut self,
        candidates: &[Position],
        covered: bool,
    ) -> Result<Vec<Matched>, QueryError> {
        let is_deleted = |p: &&Position| self.deleted.as_ref().is_some_and(|d| d.has(&p.id));
        let left: Vec<Position> = candidates.iter().filter(|p| !is_deleted(p)).copied().collect();
        let ids: Vec<Id> = left.iter().map(|p| p.id).collect();
        self.explain.candidates = self.explain.candidates.saturating_add(candidates.len() as u64);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut out = Vec::with_capacity(ids.len());
        // Where all deleted ones are known, nothing has to be told from the rows.
        let known = covered && self.deleted.is_some();
        for (found, position) in self.engine.store.emails(&ids).await?.into_iter().zip(left) {
            match found {
                Ok(Some(found)) if known => {
                    out.push(Matched { found, position, score: None, passage: None, group: Vec::new() });
                }
                Ok(Some(found)) => {
                    let rows = Rows::of(&found)?;
                    let position = rows.position();
                    let wanted = covered || rows.match_filter(&self.resolved.filter, &self.texts);
                    if wanted && !rows.deleted() {
                        out.push(Matched { found, position, score: None, passage: None, group: Vec::new() });
                    }
                }
                Ok(None) => {}
                Err(missing) => {
                    self.missing.insert(missing);
                }
            }
        }
        Ok(out)
    }
}

/// One body each, in the order of the emails; damage is noted and leaves a gap.
pub async fn bodies(run: &mut Run, ids: &[Id]) -> Result<Vec<Option<bytes::Bytes>>, QueryError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let answers = run.engine.store.bodies(ids).await.map_err(|e: StoreError| QueryError::from(e))?;
    let mut out = Vec::with_capacity(answers.len());
    for answer in answers {
        out.push(match answer {
            Ok(body) => body,
            Err(missing) => {
                run.missing.insert(missing);
                None
            }
        });
    }
    Ok(out)
}
