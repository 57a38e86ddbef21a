//! Search over all segments and memtables as if they were one index.
//!
//! What always holds: an index is opened once and kept while its segment is among the sources; answers are in
//! (date, id) order without doubles; one search sees one set of sources, whatever happens meanwhile.

use crate::find::{Among, Finder, Kept, Within};
use crate::memtable::{Batch, Batches};
use crate::query::TextQuery;
use crate::schema::{schema, tokenizers};
use crate::segment::Part;
use crate::stats::Global;
use postlode_format::index::Position;
use postlode_store::{Missing, TextSources, doubles};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tantivy::query::EnableScoring;
use tantivy::schema::Schema;
use tantivy::{Index, ReloadPolicy, Searcher};

/// An email that matches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Its place in every order.
    pub position: Position,
    /// Its BM25 score; 0 where none was asked for.
    pub score: f32,
}

/// All matches.
#[derive(Debug, Clone, Default)]
pub struct TextMatches {
    /// Ascending by position, without doubles.
    pub matches: Vec<Match>,
    /// What could not be searched.
    pub missing: Vec<Missing>,
}

/// Bytes of what is found that a view keeps, where nothing else was said.
const KEEP: usize = 32 << 20;

#[derive(Default)]
struct Open {
    segments: HashMap<u64, Arc<Part>>,
    memtables: HashMap<u64, Batches>,
    doubles: Arc<Doubles>,
}

/// Keeps indexes open between searches. Cheap to clone.
#[derive(Clone)]
pub struct TextEngine {
    open: Arc<Mutex<Open>>,
    /// Bytes of what is found that a view keeps.
    keep: usize,
    /// An index of nothing: the library wants a searcher even where it is told all statistics.
    empty: Result<Searcher, String>,
}

/// What an engine knew of the memtables when it was asked: to be handed back with the sources.
#[derive(Clone, Default)]
pub struct Known {
    memtables: HashMap<u64, Batches>,
}

impl Known {
    /// How many mails of each memtable are known, as the store wants to be told.
    #[must_use]
    pub fn counts(&self) -> HashMap<u64, usize> {
        self.memtables.iter().map(|(id, batches)| (*id, batches.known)).collect()
    }
}

/// One set of sources, opened.
pub struct TextView {
    segments: Vec<Arc<Part>>,
    batches: Vec<Arc<Batch>>,
    missing: Vec<Missing>,
    empty: Result<Searcher, String>,
    schema: Schema,
    kept: Kept,
    doubles: Arc<Doubles>,
}

/// Emails that several of some segments have.
#[derive(Default)]
struct Doubles {
    segments: Vec<u64>,
    /// Ascending; looked for when they are needed first.
    found: OnceLock<Vec<Position>>,
}

impl Default for TextEngine {
    fn default() -> Self {
        let index = Index::builder().schema(schema()).tokenizers(tokenizers()).create_in_ram();
        let reader = index.and_then(|i| i.reader_builder().reload_policy(ReloadPolicy::Manual).try_into());
        Self {
            open: Arc::default(),
            keep: KEEP,
            empty: reader.map(|r| r.searcher()).map_err(|e| e.to_string()),
        }
    }
}

impl TextEngine {
    /// An engine that has nothing open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An engine whose views keep at most so many bytes of what they find.
    #[must_use]
    pub fn keeping(bytes: usize) -> Self {
        Self { keep: bytes, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known already: ask the store for the rest.
    #[must_use]
    pub fn known(&self) -> Known {
        Known { memtables: self.lock().memtables.clone() }
    }

    /// Opens what the store gave for [`Known::counts`].
    #[must_use]
    pub fn view(&self, sources: &TextSources, known: &Known) -> TextView {
        let mut view = TextView {
            segments: Vec::with_capacity(sources.segments.len()),
            batches: Vec::new(),
            missing: sources.missing.clone(),
            empty: self.empty.clone(),
            schema: schema(),
            kept: Kept::new(self.keep),
            doubles: Arc::default(),
        };
        for segment in &sources.segments {
            let open = self.lock().segments.get(&segment.id).cloned();
            let part = match open {
                Some(part) => Ok(part),
                None => contained(|| Part::open(segment), || (Some(segment.id), "text")).map(Arc::new),
            };
            match part {
                Ok(part) => {
                    self.lock().segments.insert(segment.id, Arc::clone(&part));
                    view.segments.push(part);
                }
                Err(missing) => view.missing.push(missing),
            }
        }
        let ids: Vec<u64> = view.segments.iter().filter_map(|part| part.segment).collect();
        let mut open = self.lock();
        if open.doubles.segments != ids {
            open.doubles = Arc::new(Doubles { segments: ids, found: OnceLock::new() });
        }
        view.doubles = Arc::clone(&open.doubles);
        for text in &sources.memtables {
            // Another search may have got further, or forgotten a memtable that was sealed since.
            let current = open.memtables.get(&text.memtable).filter(|b| b.known >= text.first);
            let mut batches =
                current.or_else(|| known.memtables.get(&text.memtable)).cloned().unwrap_or_default();
            let extended = contained(
                || batches.extend(text).map_err(|e| unreadable(None, "memtable", &e)),
                || (None, "memtable"),
            );
            match extended {
                Ok(()) => {
                    open.memtables.insert(text.memtable, batches.clone());
                }
                Err(missing) => view.missing.push(missing),
            }
            view.batches.extend(batches.batches);
        }
        let segments: HashSet<u64> = sources.segments.iter().map(|s| s.id).collect();
        let memtables: HashSet<u64> = sources.memtables.iter().map(|m| m.memtable).collect();
        open.segments.retain(|id, _| segments.contains(id));
        open.memtables.retain(|id, _| memtables.contains(id));
        view
    }
}

fn unreadable(segment: Option<u64>, section: &str, reason: &dyn std::fmt::Display) -> Missing {
    Missing { segment, section: section.to_owned(), reason: reason.to_string() }
}

/// A score as it is told.
#[expect(clippy::cast_possible_truncation, reason = "a score, not a count")]
pub fn rounded(score: f64) -> f32 {
    score as f32
}

/// Runs what touches one source; a panic of the search library on strange bytes ends in that source alone.
fn contained<T>(
    work: impl FnOnce() -> Result<T, Missing>,
    what: impl FnOnce() -> (Option<u64>, &'static str),
) -> Result<T, Missing> {
    // Unwind safety: what `work` changes is dropped or replaced whole when it fails.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let (segment, section) = what();
        Err(unreadable(segment, section, &"the search ended inside it"))
    })
}

impl TextView {
    /// Nothing of the sources is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    /// Emails that several segments have, ascending. There are some where mail was loaded again because it could not be read.
    pub(crate) fn doubles(&self) -> &[Position] {
        let lists = || self.segments.iter().map(|part| Arc::clone(&part.positions)).collect::<Vec<_>>();
        self.doubles.found.get_or_init(|| doubles(&lists()))
    }

    /// The indexes, those of segments first.
    fn parts(&self) -> Vec<&Part> {
        self.segments.iter().map(AsRef::as_ref).chain(self.batches.iter().map(|b| &b.part)).collect()
    }

    /// Looks in each index, in those of memtables first, gives what comes of it, and tells what could not be searched.
    pub(crate) fn each<T>(
        &self,
        scored: bool,
        mut look: impl FnMut(&mut Finder<'_>, Within<'_>) -> Result<T, Missing>,
        mut to: impl FnMut(&Part, T),
    ) -> Vec<Missing> {
        let parts = self.parts();
        let mut missing = self.missing.clone();
        let statistics = Global::new(parts.iter().flat_map(|p| &p.readers).collect(), &self.kept.frequencies);
        let empty = match &self.empty {
            Ok(empty) => empty,
            Err(error) => {
                missing.push(unreadable(None, "text", error));
                return missing;
            }
        };
        let scoring = match scored {
            true => EnableScoring::enabled_from_statistics_provider(&statistics, empty),
            false => EnableScoring::disabled_from_schema(&self.schema),
        };
        let mut finder = Finder::new(&self.kept, scoring, scored);
        // Those of memtables first: few mails, of which some may be in a segment too.
        for (number, part) in parts.into_iter().enumerate().rev() {
            let within = Within { number, part };
            finder.among = Among::All;
            match contained(|| look(&mut finder, within), || (part.segment, "text")) {
                Ok(found) => to(part, found),
                Err(damage) => missing.push(damage),
            }
        }
        missing.sort();
        missing.dedup();
        missing
    }

    /// All emails that match. `scored`: with scores, which costs more.
    #[must_use]
    pub fn search(&self, query: &TextQuery, scored: bool) -> TextMatches {
        let mut matches: Vec<Match> = Vec::new();
        let look = |finder: &mut Finder<'_>, within: Within<'_>| finder.find(within, query);
        let missing = self.each(scored, look, |part, docs| {
            let of = |(doc, score): (u32, f64)| {
                let position = part.positions.get(doc as usize)?;
                Some(Match { position: *position, score: if scored { rounded(score) } else { 0.0 } })
            };
            matches.extend(docs.iter().filter_map(of));
        });
        // Each part is in order already unless it is a memtable's, and a stable sort is quick on such runs.
        matches.sort_by_key(|m| m.position);
        matches.dedup_by_key(|m| m.position);
        TextMatches { matches, missing }
    }
}
