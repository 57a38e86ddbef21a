//! Answers a tree of phrases from one index: each phrase by the library, the tree by lists.
//!
//! The lists of phrases are kept as long as nothing changes, with their scores, because a score of a word in a mail depends
//! on the word, the mail and the statistics alone: whatever else is asked beside it, the next query that has the word finds
//! its mails ready. What always holds: what is kept is of one set of sources, and within a budget; a long list that only a
//! few mails are looked up in is neither made nor kept; where one part of an All finds nothing, the rest is not looked for;
//! of an Any one list is there at a time.

use crate::docs::{Docs, Read, Union};
use crate::form::Form;
use crate::norms::{KeptNorms, Norms};
use crate::query::TextQuery;
use crate::segment::Part;
use crate::stats::Frequencies;
use crate::words::query_words;
use postlode_runtime::is_given_up;
use postlode_store::{Missing, in_parts};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use tantivy::TERMINATED;
use tantivy::query::{EnableScoring, Scorer, Weight};

/// About how many lists are kept.
const LISTS: usize = 1_024;
/// The cache is in so many parts, none of which keeps a list that is larger than it.
const PARTS: usize = 4;
/// Bytes of the longest phrase whose lists are kept.
const LONGEST: usize = 1 << 10;
/// What a mail costs to be looked up in a list that is not made, in mails that are read of it …
const LOOKED_UP: u64 = 8;
/// … and where the list is joined of several, which are read so many mails at a time.
const AHEAD: u64 = 4_096;

/// Mails of a list that are read before it is asked again whether anybody waits for it.
const BETWEEN: usize = 4_096;

/// What nobody hears.
fn given_up() -> Missing {
    Missing { segment: None, section: "text".to_owned(), reason: "nobody waits for the answer".to_owned() }
}

/// A phrase in the index of a number, with scores or without.
type Name = (usize, bool, TextQuery);

#[derive(Clone)]
struct Bytes;

impl Weighter<Name, Arc<Docs>> for Bytes {
    fn weight(&self, (_, _, phrase): &Name, docs: &Arc<Docs>) -> u64 {
        docs.bytes().saturating_add(text_of(phrase)).saturating_add(256) as u64
    }
}

/// Bytes of the text of a phrase.
fn text_of(phrase: &TextQuery) -> usize {
    phrase.wanted().iter().map(|phrase| phrase.text.len()).sum()
}

/// Is it one word as it is? What is looked for by several words, or by such as stand for many, is joined of several lists.
fn is_word(phrase: &TextQuery) -> bool {
    matches!(phrase, TextQuery::Phrase(p) if p.form == Form::Whole && query_words(&p.text).len() == 1)
}

/// Each of some parts once, and how often it is there.
fn distinct(parts: &[TextQuery]) -> Vec<(&TextQuery, f64)> {
    let mut at: HashMap<&TextQuery, usize> = HashMap::with_capacity(parts.len());
    let mut out: Vec<(&TextQuery, f64)> = Vec::with_capacity(parts.len());
    for part in parts {
        let place = *at.entry(part).or_insert(out.len());
        match out.get_mut(place) {
            Some((_, times)) => *times += 1.0,
            None => out.push((part, 1.0)),
        }
    }
    out
}

/// Lists of phrases.
pub struct Kept {
    lists: Cache<Name, Arc<Docs>, Bytes>,
    /// How many mails have a word.
    pub frequencies: Frequencies,
    /// How long fields are.
    pub norms: Arc<KeptNorms>,
}

impl Kept {
    /// At most so many bytes.
    pub fn new(bytes: usize) -> Self {
        let lists = in_parts(LISTS, bytes as u64, PARTS, Bytes);
        // Of a mail they take some bytes, and its words many.
        let norms = Arc::new(KeptNorms::new(bytes / 4));
        Self { lists, frequencies: Frequencies::default(), norms }
    }
}

/// What of an index is looked at.
pub enum Among {
    /// All mails.
    All,
    /// Those from one number up to another.
    Range(Range<u32>),
    /// These.
    These(Arc<Docs>),
}

/// Looks for things in one index after the other.
pub struct Finder<'v> {
    pub kept: &'v Kept,
    pub scoring: EnableScoring<'v>,
    pub scored: bool,
    /// What of the index that is looked in is looked at.
    pub among: Among,
    norms: Arc<Norms>,
    /// How phrases are looked for, once that was needed.
    weights: HashMap<TextQuery, Box<dyn Weight>>,
}

/// Where the mails of a part of a query come from.
enum Source<'q> {
    List(Arc<Docs>),
    Scorer(Box<dyn Scorer>, &'q TextQuery),
}

impl Source<'_> {
    fn cost(&self) -> u64 {
        match self {
            Self::List(docs) => docs.len() as u64,
            Self::Scorer(scorer, _) => scorer.cost(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::List(docs) => docs.len() == 0,
            Self::Scorer(scorer, _) => scorer.doc() == TERMINATED,
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
        Self {
            kept,
            scoring,
            scored,
            among: Among::All,
            norms: Arc::new(Norms::of(&kept.norms)),
            weights: HashMap::new(),
        }
    }

    /// The mails that a query finds.
    ///
    /// # Errors
    /// Damage.
    pub fn find(&mut self, within: Within<'_>, query: &TextQuery) -> Result<Arc<Docs>, Missing> {
        if is_given_up() {
            return Err(given_up());
        }
        match query {
            TextQuery::Phrase(_) | TextQuery::Near(_) => {
                let source = self.source(within, query)?;
                self.docs_among(within, source)
            }
            TextQuery::All(parts) => self.all(within, parts),
            TextQuery::Any(parts) => {
                if let [one] = parts.as_slice() {
                    return self.find(within, one);
                }
                let mut union = Union::new(within.count());
                for (part, times) in distinct(parts) {
                    union.add(&*self.find(within, part)?, times);
                }
                Ok(Arc::new(union.docs()))
            }
            TextQuery::Not(inner) => {
                let found = self.find(within, inner)?;
                Ok(Arc::new(self.everything(within).but(&found)))
            }
        }
    }

    fn all(&mut self, within: Within<'_>, parts: &[TextQuery]) -> Result<Arc<Docs>, Missing> {
        let parts = distinct(parts);
        let is_phrase = |part: &TextQuery| matches!(part, TextQuery::Phrase(_) | TextQuery::Near(_));
        let mut phrases: Vec<_> = parts.iter().copied().filter(|(part, _)| is_phrase(part)).collect();
        // What is found at once comes first: where there is nothing, nothing else has to be opened.
        phrases.sort_by_key(|(part, _)| !is_word(part));
        let mut sources = Vec::with_capacity(phrases.len());
        for (part, times) in phrases {
            let source = self.source(within, part)?;
            if source.is_empty() {
                return Ok(Arc::default());
            }
            sources.push((source, times));
        }
        // The fewest first: of the others is wanted what these leave.
        sources.sort_by_key(|(source, _)| source.cost());
        let mut sources = sources.into_iter();
        let mut left = match sources.next() {
            Some((source, times)) => Some(times_of(self.docs_among(within, source)?, times)),
            None => None,
        };
        for (source, times) in sources {
            let Some(have) = left.filter(|have| have.len() > 0) else { return Ok(Arc::default()) };
            left = Some(Arc::new(match source {
                Source::Scorer(mut scorer, phrase) if is_looked_up(&have, &*scorer, phrase, within) => {
                    self.looked_up(&have, &mut *scorer, times)
                }
                source => have.and(&*self.docs(within, source)?, times),
            }));
        }
        for (part, times) in parts.iter().filter(|(part, _)| !is_phrase(part)) {
            if left.as_ref().is_some_and(|left| left.len() == 0) {
                break;
            }
            left = Some(match part {
                TextQuery::Not(inner) => {
                    let left = left.unwrap_or_else(|| self.everything(within));
                    Arc::new(self.but(within, &left, inner)?)
                }
                tree => {
                    let docs = self.find(within, tree)?;
                    match left {
                        Some(left) => Arc::new(left.and(&docs, *times)),
                        None => times_of(docs, *times),
                    }
                }
            });
        }
        Ok(left.unwrap_or_else(|| self.everything(within)))
    }

    /// Those of some that are not what is found.
    fn but(&mut self, within: Within<'_>, left: &Docs, unwanted: &TextQuery) -> Result<Docs, Missing> {
        if let TextQuery::Phrase(_) | TextQuery::Near(_) = unwanted {
            return Ok(match self.source(within, unwanted)? {
                Source::Scorer(mut scorer, phrase) if is_looked_up(left, &*scorer, phrase, within) => {
                    left.but(&self.looked_up(left, &mut *scorer, 1.0))
                }
                source => left.but(&*self.docs(within, source)?),
            });
        }
        Ok(left.but(&*self.find(within, unwanted)?))
    }

    /// All mails that are looked at.
    fn everything(&self, within: Within<'_>) -> Arc<Docs> {
        match &self.among {
            Among::All => Arc::new(Docs::all(within.count())),
            Among::Range(range) => Arc::new(range.clone().map(|doc| (doc, 0.0)).collect()),
            Among::These(these) => Arc::clone(these),
        }
    }

    /// Those that are looked at.
    fn docs_among(&self, within: Within<'_>, source: Source<'_>) -> Result<Arc<Docs>, Missing> {
        Ok(match (&self.among, source) {
            (Among::All, source) => self.docs(within, source)?,
            (Among::Range(range), Source::Scorer(scorer, phrase)) if is_short(range, phrase, within) => {
                Arc::new(self.read_between(scorer, range)?)
            }
            (Among::Range(range), source) => {
                let docs = self.docs(within, source)?;
                Arc::new(docs.between(range.start, range.end).collect())
            }
            (Among::These(these), Source::Scorer(mut scorer, phrase))
                if is_looked_up(these, &*scorer, phrase, within) =>
            {
                Arc::new(self.looked_up(these, &mut *scorer, 1.0))
            }
            (Among::These(these), source) => Arc::new(these.and(&*self.docs(within, source)?, 1.0)),
        })
    }

    /// What a phrase finds between two numbers, which is not kept.
    fn read_between(&self, mut scorer: Box<dyn Scorer>, range: &Range<u32>) -> Result<Docs, Missing> {
        let mut docs = Read::about(0);
        let mut doc = scorer.doc();
        if doc < range.start {
            doc = scorer.seek(range.start);
        }
        while doc < range.end && doc != TERMINATED {
            if docs.len().is_multiple_of(BETWEEN) && is_given_up() {
                return Err(given_up());
            }
            docs.push(doc, self.score(&mut *scorer));
            doc = scorer.advance();
        }
        Ok(docs.list())
    }

    fn docs(&self, within: Within<'_>, source: Source<'_>) -> Result<Arc<Docs>, Missing> {
        match source {
            Source::List(docs) => Ok(docs),
            Source::Scorer(scorer, phrase) => self.read(within, scorer, phrase),
        }
    }

    fn source<'q>(&mut self, within: Within<'_>, phrase: &'q TextQuery) -> Result<Source<'q>, Missing> {
        // A list with scores has the same mails as one without.
        let mut name: Name = (within.number, true, phrase.clone());
        let mut kept = self.kept.lists.get(&name);
        if kept.is_none() && !self.scored {
            name.1 = false;
            kept = self.kept.lists.get(&name);
        }
        if let Some(docs) = kept {
            return Ok(Source::List(docs));
        }
        // The library's sets of documents (0.27) are not made for an index of none.
        let Some(reader) = within.part.readers.iter().find(|reader| reader.max_doc() > 0) else {
            return Ok(Source::List(Arc::default()));
        };
        let damaged = |error: tantivy::TantivyError| within.part.missing(&error);
        let weight = match self.weights.remove(phrase) {
            Some(weight) => weight,
            None => phrase.compile(&self.norms).weight(self.scoring).map_err(damaged)?,
        };
        self.norms.enter(within.number);
        let scorer = weight.scorer(reader, 1.0).map_err(damaged);
        self.weights.insert(phrase.clone(), weight);
        Ok(Source::Scorer(scorer?, phrase))
    }

    fn score(&self, scorer: &mut dyn Scorer) -> f32 {
        if self.scored { scorer.score() } else { 0.0 }
    }

    /// All that a phrase finds, which is kept.
    fn read(
        &self,
        within: Within<'_>,
        mut scorer: Box<dyn Scorer>,
        phrase: &TextQuery,
    ) -> Result<Arc<Docs>, Missing> {
        let mut docs = Read::about(scorer.size_hint().min(within.count()) as usize);
        let mut doc = scorer.doc();
        while doc != TERMINATED {
            if docs.len().is_multiple_of(BETWEEN) && is_given_up() {
                return Err(given_up());
            }
            docs.push(doc, self.score(&mut *scorer));
            doc = scorer.advance();
        }
        let docs = Arc::new(docs.list());
        // What is damaged is told by each search, and may have spoilt the statistics of all.
        let is_sound = within.part.damage.met().is_none() && !self.kept.frequencies.are_spoilt();
        if is_sound && text_of(phrase) <= LONGEST {
            self.kept.lists.insert((within.number, self.scored, phrase.clone()), Arc::clone(&docs));
        }
        Ok(docs)
    }

    /// Those that a phrase finds too.
    fn looked_up(&self, left: &Docs, scorer: &mut dyn Scorer, times: f64) -> Docs {
        let mut docs = Vec::new();
        for (doc, score) in left.iter() {
            let at = if scorer.doc() < doc { scorer.seek(doc) } else { scorer.doc() };
            match at {
                TERMINATED => break,
                at if at == doc => docs.push((doc, score + times * f64::from(self.score(scorer)))),
                _ => {}
            }
        }
        docs.into_iter().collect()
    }
}

fn times_of(docs: Arc<Docs>, times: f64) -> Arc<Docs> {
    if times == 1.0 { docs } else { Arc::new(docs.times(times)) }
}

/// Is a range so short that reading all of a list and keeping it would cost much more?
fn is_short(range: &Range<u32>, phrase: &TextQuery, within: Within<'_>) -> bool {
    is_word(phrase)
        && u64::from(range.end.saturating_sub(range.start)).saturating_mul(2) < within.count().into()
}

/// Are few mails better looked up in a list than the list made?
fn is_looked_up(left: &Docs, scorer: &dyn Scorer, phrase: &TextQuery, within: Within<'_>) -> bool {
    let few = left.len() as u64;
    match is_word(phrase) {
        true => few.saturating_mul(LOOKED_UP) < scorer.cost(),
        false => few.saturating_mul(AHEAD) < u64::from(within.count()),
    }
}
