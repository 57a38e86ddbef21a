//! Answers a tree of phrases from one index: each phrase by the library, the tree by lists.
//!
//! The lists of phrases are kept as long as nothing changes, with their scores, because a score of a word in a mail depends
//! on the word, the mail and the statistics alone: whatever else is asked beside it, the next query that has the word finds
//! its mails ready. What always holds: what is kept is of one set of sources, and within a budget; a long list that only a
//! few mails are looked up in is neither made nor kept.

use crate::docs::Docs;
use crate::query::TextQuery;
use crate::segment::Part;
use postlode_store::Missing;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::sync::Arc;
use tantivy::TERMINATED;
use tantivy::query::{EnableScoring, Scorer, Weight};

/// About how many lists are kept.
const LISTS: usize = 1_024;
/// What a mail costs to be looked up in a list that is not made, in mails that are read of it.
const LOOKED_UP: usize = 8;

/// A phrase in the index of a number, with scores or without.
type Name = (usize, bool, TextQuery);

#[derive(Clone)]
struct Bytes;

impl Weighter<Name, Arc<Docs>> for Bytes {
    fn weight(&self, _: &Name, docs: &Arc<Docs>) -> u64 {
        docs.bytes().saturating_add(256) as u64
    }
}

/// Lists of phrases.
pub struct Kept {
    lists: Cache<Name, Arc<Docs>, Bytes>,
}

impl Kept {
    /// At most so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { lists: Cache::with_weighter(LISTS, bytes as u64, Bytes) }
    }
}

/// Looks for things in one index after the other.
pub struct Finder<'v> {
    pub kept: &'v Kept,
    pub scoring: EnableScoring<'v>,
    pub scored: bool,
    /// How phrases are looked for, once that was needed.
    weights: HashMap<TextQuery, Box<dyn Weight>>,
}

/// Where the mails of a part of a query come from.
enum Source<'q> {
    List(Arc<Docs>),
    Scorer(Box<dyn Scorer>, &'q TextQuery),
}

impl Source<'_> {
    fn size(&self) -> usize {
        match self {
            Self::List(docs) => docs.len(),
            Self::Scorer(scorer, _) => scorer.size_hint() as usize,
        }
    }
}

/// An index, and its number among all that are searched.
#[derive(Clone, Copy)]
pub struct Within<'v> {
    pub number: usize,
    pub part: &'v Part,
}

impl Within<'_> {
    /// Mails in it.
    fn count(self) -> u32 {
        self.part.readers.iter().map(|reader| reader.max_doc()).sum()
    }
}

impl<'v> Finder<'v> {
    /// One that keeps what it finds.
    pub fn new(kept: &'v Kept, scoring: EnableScoring<'v>, scored: bool) -> Self {
        Self { kept, scoring, scored, weights: HashMap::new() }
    }

    /// The mails that a query finds.
    ///
    /// # Errors
    /// Damage.
    pub fn find(&mut self, within: Within<'_>, query: &TextQuery) -> Result<Arc<Docs>, Missing> {
        match query {
            TextQuery::Phrase(_) | TextQuery::Near(_) => match self.source(within, query)? {
                Source::List(docs) => Ok(docs),
                Source::Scorer(scorer, phrase) => Ok(self.read(within, scorer, phrase)),
            },
            TextQuery::All(parts) => self.all(within, parts),
            TextQuery::Any(parts) => {
                let lists: Result<Vec<_>, _> = parts.iter().map(|part| self.find(within, part)).collect();
                let mut lists = lists?;
                Ok(match lists.len() {
                    1 => lists.swap_remove(0),
                    _ => Arc::new(Docs::any(&lists, within.count())),
                })
            }
            TextQuery::Not(inner) => {
                let found = self.find(within, inner)?;
                Ok(Arc::new(Docs::all(within.count()).but(&found)))
            }
        }
    }

    fn all(&mut self, within: Within<'_>, parts: &[TextQuery]) -> Result<Arc<Docs>, Missing> {
        let mut sources = Vec::with_capacity(parts.len());
        for part in parts.iter().filter(|part| !matches!(part, TextQuery::Not(_))) {
            sources.push(match part {
                TextQuery::Phrase(_) | TextQuery::Near(_) => self.source(within, part)?,
                tree => Source::List(self.find(within, tree)?),
            });
        }
        // The fewest first: of the others is wanted what these leave.
        sources.sort_by_key(Source::size);
        let mut left: Option<Arc<Docs>> = None;
        for source in sources {
            let next = match (left, source) {
                (None, Source::List(docs)) => docs,
                (None, Source::Scorer(scorer, phrase)) => self.read(within, scorer, phrase),
                (Some(left), _) if left.len() == 0 => return Ok(left),
                (Some(left), Source::List(docs)) => Arc::new(left.and(&docs)),
                (Some(left), Source::Scorer(scorer, _))
                    if left.len().saturating_mul(LOOKED_UP) < scorer.size_hint() as usize =>
                {
                    Arc::new(self.looked_up(&left, scorer))
                }
                (Some(left), Source::Scorer(scorer, phrase)) => {
                    Arc::new(left.and(&self.read(within, scorer, phrase)))
                }
            };
            left = Some(next);
        }
        let mut left = left.unwrap_or_else(|| Arc::new(Docs::all(within.count())));
        for part in parts {
            if let TextQuery::Not(inner) = part {
                left = Arc::new(left.but(&*self.find(within, inner)?));
            }
        }
        Ok(left)
    }

    fn source<'q>(&mut self, within: Within<'_>, phrase: &'q TextQuery) -> Result<Source<'q>, Missing> {
        if let Some(docs) = self.kept.lists.get(&(within.number, self.scored, phrase.clone())) {
            return Ok(Source::List(docs));
        }
        // The library's sets of documents (0.27) are not made for an index of none.
        let Some(reader) = within.part.readers.iter().find(|reader| reader.max_doc() > 0) else {
            return Ok(Source::List(Arc::default()));
        };
        let damaged = |error: tantivy::TantivyError| within.part.missing(&error);
        let weight = match self.weights.remove(phrase) {
            Some(weight) => weight,
            None => phrase.compile().weight(self.scoring).map_err(damaged)?,
        };
        let scorer = weight.scorer(reader, 1.0).map_err(damaged);
        self.weights.insert(phrase.clone(), weight);
        Ok(Source::Scorer(scorer?, phrase))
    }

    fn score(&self, scorer: &mut dyn Scorer) -> f64 {
        if self.scored { scorer.score().into() } else { 0.0 }
    }

    /// All that a phrase finds, which is kept.
    fn read(&self, within: Within<'_>, mut scorer: Box<dyn Scorer>, phrase: &TextQuery) -> Arc<Docs> {
        let mut docs = Docs::default();
        let mut doc = scorer.doc();
        while doc != TERMINATED {
            docs.push(doc, self.score(&mut *scorer));
            doc = scorer.advance();
        }
        docs.shrink();
        let docs = Arc::new(docs);
        // What is damaged is told by each search.
        if within.part.damage.met().is_none() {
            self.kept.lists.insert((within.number, self.scored, phrase.clone()), Arc::clone(&docs));
        }
        docs
    }

    /// Those that a phrase finds too.
    fn looked_up(&self, left: &Docs, mut scorer: Box<dyn Scorer>) -> Docs {
        let mut docs = Docs::default();
        for (doc, score) in left.iter() {
            let at = if scorer.doc() < doc { scorer.seek(doc) } else { scorer.doc() };
            match at {
                TERMINATED => break,
                at if at == doc => docs.push(doc, score + self.score(&mut *scorer)),
                _ => {}
            }
        }
        docs
    }
}
