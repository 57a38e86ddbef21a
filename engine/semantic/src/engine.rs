//! Search over all segments and memtables as if they were one index.
//!
//! What always holds: an index is opened once and kept while its segment is among the sources and all that is open fits
//! the budget; one that does not fit is opened for each search, which is slow, but gives the same answer; answers are
//! without doubles, the nearest first; one search sees one set of sources, whatever happens meanwhile.

use crate::error::SemanticError;
use crate::memtable::{Batch, Batches};
use crate::part::{Near, Part, missing};
use crate::turn::Turn;
use crate::walk::{Rough, Walk};
use postlode_embed::{Embed, Model};
use postlode_format::id::Id;
use postlode_format::index::Position;
use postlode_format::segment::VectorPart;
use postlode_runtime::is_given_up;
use postlode_store::{MemtableText, Missing, Only, SegmentText, TextSources};
use postlode_vector::{Searcher, Whitening};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is nearest, and what could not be compared.
#[derive(Debug, Clone, Default)]
pub struct Nearest {
    /// The nearest first, each email once.
    pub near: Vec<Near>,
    /// There may be more: as many were found as were asked for.
    pub more: bool,
    /// Wanted emails in languages, or of words, that the model does not know.
    pub foreign: u64,
    /// Emails of segments that have no vectors of this model, wanted or not.
    pub without: u64,
    /// What could not be searched.
    pub missing: Vec<Missing>,
}

#[derive(Default)]
struct Open {
    segments: HashMap<u64, Arc<Part>>,
    memtables: HashMap<u64, Batches>,
    /// Bytes of the indexes of segments.
    bytes: usize,
    /// Files of add-ons that could not be read.
    broken: HashSet<u64>,
    /// What queries are turned by, where the model wants that.
    turn: Turn,
}

/// Keeps indexes open between searches. Cheap to clone.
#[derive(Clone)]
pub struct SemanticEngine {
    model: Arc<dyn Embed>,
    /// The model's key, where its vectors are in add-ons: then nobody waits for mails to be embedded.
    addons: Option<Arc<str>>,
    budget: usize,
    open: Arc<Mutex<Open>>,
    searchers: Arc<Mutex<Vec<Searcher>>>,
    /// Held while something is opened or embedded: others wait for it instead of doing the same.
    making: Arc<Mutex<()>>,
    /// Moves with every mail of a memtable that gets vectors outside a search.
    caught_up: Arc<AtomicU64>,
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

/// The vectors of a segment, open or to be opened when they are searched.
enum Sealed {
    Open(Arc<Part>),
    Closed(SegmentText),
}

/// One set of sources.
pub struct SemanticView {
    model: Model,
    sealed: Vec<Sealed>,
    batches: Vec<Arc<Batch>>,
    without: u64,
    missing: Vec<Missing>,
    searchers: Arc<Mutex<Vec<Searcher>>>,
    whitening: Option<Arc<Whitening>>,
}

/// Nodes that a walk keeps in sight, at the least, in a graph of vectors as they are where the query is one of these too, or of
/// half-turned ones where it is turned: 0.95 of the nearest ten are found (`benches --bin index codes`, and with `--turned`).
/// (To end walks at what is in sight in other segments was measured: it finds less than a smaller number does in the same time.)
pub const EF: usize = 64;
/// The same where graph and query are not of one kind: the query comes from where no vector lies.
pub const EF_ELSEWHERE: usize = 256;
/// Values of a vector that is turned: to learn by what takes time with the third power of their number.
const MOST_TURNED: u32 = 1_024;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what touches one source; a panic on strange bytes ends in that source alone.
pub fn contained<T>(
    segment: Option<u64>,
    work: impl FnOnce() -> Result<T, SemanticError>,
) -> Result<T, Missing> {
    // Unwind safety: what `work` changes is dropped or replaced whole when it fails.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| missing(segment, error)),
        Err(_) => Err(missing(segment, SemanticError::Sections("the search ended inside them"))),
    }
}

impl SemanticEngine {
    /// An engine that has nothing open, and keeps at most so many bytes of indexes open.
    #[must_use]
    pub fn new(model: Arc<dyn Embed>, budget: usize) -> Self {
        let (open, searchers, making, caught_up) = Default::default();
        Self { model, addons: None, budget, open, searchers, making, caught_up }
    }

    /// The same for a model whose vectors are in add-ons of segments. Mails of memtables have vectors as soon as
    /// [`SemanticEngine::catch_up`] has seen them.
    #[must_use]
    pub fn of_addons(model: Arc<dyn Embed>, budget: usize) -> Self {
        let key = model.model().key().into();
        Self { addons: Some(key), ..Self::new(model, budget) }
    }

    /// The model that texts are embedded with.
    #[must_use]
    pub fn model(&self) -> &Arc<dyn Embed> {
        &self.model
    }

    /// Its vectors are in add-ons: it is not the model that makes those of every segment.
    #[must_use]
    pub fn is_of_addons(&self) -> bool {
        self.addons.is_some()
    }

    /// What is known already: ask the store for the rest.
    #[must_use]
    pub fn known(&self) -> Known {
        Known { memtables: locked(&self.open).memtables.clone() }
    }

    /// Bytes of indexes that are open.
    #[must_use]
    pub fn bytes(&self) -> usize {
        locked(&self.open).bytes
    }

    /// Takes in what the store gave for [`Known::counts`].
    #[must_use]
    pub fn view(&self, sources: &TextSources, known: &Known) -> SemanticView {
        let mut view = SemanticView {
            model: self.model.model(),
            sealed: Vec::with_capacity(sources.segments.len()),
            batches: Vec::new(),
            without: 0,
            missing: sources.missing.clone(),
            searchers: Arc::clone(&self.searchers),
            whitening: None,
        };
        let segments: Vec<SegmentText> =
            sources.segments.iter().filter_map(|segment| self.with_vectors(segment, &mut view)).collect();
        self.forget(&segments);
        for segment in &segments {
            match self.segment(segment, &view.model) {
                Ok(sealed) => view.sealed.push(sealed),
                Err(SemanticError::OtherModel(_)) => {
                    view.without = view.without.saturating_add(segment.emails)
                }
                Err(error) => {
                    self.note_broken(segment.id);
                    view.missing.push(missing(Some(segment.id), error));
                }
            }
        }
        for text in sources.memtables.iter().filter(|text| !text.docs.is_empty() || text.first > 0) {
            if self.addons.is_some() {
                self.known_of(text, known, &mut view);
                continue;
            }
            let making = locked(&self.making);
            // Another search may have got further, or forgotten a memtable that was sealed since.
            let current = locked(&self.open).memtables.get(&text.memtable).cloned();
            let current = current.filter(|batches| batches.known >= text.first);
            let mut batches =
                current.or_else(|| known.memtables.get(&text.memtable).cloned()).unwrap_or_default();
            // Not under the lock of what is open: to embed takes its time.
            match contained(None, || batches.extend(text, &*self.model, &HashSet::new())) {
                Ok(()) => {
                    let mut open = locked(&self.open);
                    let further =
                        open.memtables.get(&text.memtable).is_some_and(|own| own.known > batches.known);
                    if !further {
                        open.memtables.insert(text.memtable, batches.clone());
                    }
                    view.batches.extend(batches.batches);
                }
                Err(missing) => view.missing.push(missing),
            }
            drop(making);
        }
        let memtables: HashSet<u64> = sources.memtables.iter().map(|m| m.memtable).collect();
        locked(&self.open).memtables.retain(|id, _| memtables.contains(id));
        let dimensions = view.model.dimensions;
        if !self.model.is_even() && dimensions <= MOST_TURNED {
            self.learn_turn(&view);
            view.whitening = locked(&self.open).turn.whitening();
        }
        view
    }

    /// Learns what queries are turned by, where what was learnt last does not fit any more. Segments that are opened for each
    /// search are left out.
    fn learn_turn(&self, view: &SemanticView) {
        let sealed = view.sealed.iter().filter_map(|sealed| match sealed {
            Sealed::Open(part) => Some(&**part),
            Sealed::Closed(_) => None,
        });
        let parts: Vec<&Part> = sealed.chain(view.batches.iter().map(|batch| &batch.part)).collect();
        let fits = || locked(&self.open).turn.fits(&parts);
        if fits() {
            return;
        }
        let _making = locked(&self.making);
        // Another search may have learnt it meanwhile.
        if !fits() {
            let dimensions = view.model.dimensions as usize;
            let learnt = catch_unwind(AssertUnwindSafe(|| Turn::learn(&parts, dimensions)));
            locked(&self.open).turn = learnt.unwrap_or_default();
        }
    }

    /// The segment with the vectors of this model, under the number of the file that they are in; `None` where it has none,
    /// which is counted.
    fn with_vectors(&self, segment: &SegmentText, view: &mut SemanticView) -> Option<SegmentText> {
        let (id, vectors, pending) = match &self.addons {
            None if segment.vectors.is_empty() => (segment.id, None, segment.emails),
            None => (segment.id, Some(segment.vectors.clone()), 0),
            Some(key) => match segment.addons.iter().find(|addon| *addon.model == **key) {
                None => (segment.id, None, segment.emails),
                Some(addon) => match &addon.vectors {
                    Ok(vectors) => (addon.id, Some(vectors.clone()), addon.pending),
                    Err(missing) => {
                        self.note_broken(addon.id);
                        view.missing.push(missing.clone());
                        return None;
                    }
                },
            },
        };
        view.without = view.without.saturating_add(pending);
        Some(SegmentText { id, vectors: vectors?, ..segment.clone() })
    }

    fn note_broken(&self, file: u64) {
        if self.addons.is_some() {
            locked(&self.open).broken.insert(file);
        }
    }

    /// Files of add-ons that searches could not read since this was asked last.
    #[must_use]
    pub fn take_broken(&self) -> HashSet<u64> {
        std::mem::take(&mut locked(&self.open).broken)
    }

    /// What was embedded of a memtable before; the rest is counted.
    fn known_of(&self, text: &MemtableText, known: &Known, view: &mut SemanticView) {
        let current = locked(&self.open).memtables.get(&text.memtable).cloned();
        let batches = current.or_else(|| known.memtables.get(&text.memtable).cloned()).unwrap_or_default();
        let all = text.first.saturating_add(text.docs.len());
        view.without = view.without.saturating_add(all.saturating_sub(batches.known) as u64);
        view.batches.extend(batches.batches);
    }

    /// Embeds mails of memtables that have no vectors yet, at most `most`, `without` some, and tells how many. Of use where
    /// searches do not.
    ///
    /// # Errors
    /// What the model says.
    pub fn catch_up(
        &self,
        sources: &TextSources,
        most: usize,
        without: &HashSet<Id>,
    ) -> Result<usize, SemanticError> {
        let mut done = 0usize;
        for text in &sources.memtables {
            let mut batches = locked(&self.open).memtables.get(&text.memtable).cloned().unwrap_or_default();
            let before = batches.known;
            let left = most.saturating_sub(done).saturating_add(before.saturating_sub(text.first));
            let mut some = text.clone();
            some.docs.truncate(left);
            batches.extend(&some, &*self.model, without)?;
            let more = batches.known.saturating_sub(before);
            done = done.saturating_add(more);
            locked(&self.open).memtables.insert(text.memtable, batches);
            if more > 0 {
                self.caught_up.fetch_add(1, Ordering::Release);
            }
        }
        let memtables: HashSet<u64> = sources.memtables.iter().map(|m| m.memtable).collect();
        locked(&self.open).memtables.retain(|id, _| memtables.contains(id));
        Ok(done)
    }

    /// A number that moves where mails of memtables get vectors outside a search: a view of before lacks them.
    #[must_use]
    pub fn caught_up(&self) -> u64 {
        self.caught_up.load(Ordering::Acquire)
    }

    /// Closes the indexes of segments that are gone.
    fn forget(&self, segments: &[SegmentText]) {
        let ids: HashSet<u64> = segments.iter().map(|segment| segment.id).collect();
        let mut open = locked(&self.open);
        open.segments.retain(|id, _| ids.contains(id));
        open.bytes = open.segments.values().map(|part| part.bytes()).sum();
    }

    fn segment(&self, segment: &SegmentText, model: &Model) -> Result<Sealed, SemanticError> {
        let known = || locked(&self.open).segments.get(&segment.id).cloned();
        if let Some(part) = known() {
            return Ok(Sealed::Open(part));
        }
        let _making = locked(&self.making);
        if let Some(part) = known() {
            return Ok(Sealed::Open(part));
        }
        // What it needs is told without reading it: its sections but for exact values, and positions.
        let kept = segment.vectors.iter().filter(|(part, _)| **part != VectorPart::Values);
        let bytes: u64 = kept.map(|(_, section)| section.len()).sum();
        let bytes =
            usize::try_from(bytes.saturating_add(segment.emails.saturating_mul(24))).unwrap_or(usize::MAX);
        if locked(&self.open).bytes.saturating_add(bytes) > self.budget {
            return Ok(Sealed::Closed(segment.clone()));
        }
        let part = contained_part(segment, model)?;
        let mut open = locked(&self.open);
        open.segments.insert(segment.id, Arc::clone(&part));
        open.bytes = open.segments.values().map(|part| part.bytes()).sum();
        Ok(Sealed::Open(part))
    }
}

fn contained_part(segment: &SegmentText, model: &Model) -> Result<Arc<Part>, SemanticError> {
    match catch_unwind(AssertUnwindSafe(|| Part::open(segment, model))) {
        Ok(part) => part.map(Arc::new),
        Err(_) => Err(SemanticError::Sections("opening ended inside them")),
    }
}

impl SemanticView {
    /// Nothing of the sources is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    /// What queries are to be turned by before they are compared; nothing where the model wants none, or there are no vectors.
    #[must_use]
    pub fn whitening(&self) -> Option<&Arc<Whitening>> {
        self.whitening.as_ref()
    }

    /// What tells its graphs from those of other views: walks of two graphs of the same vectors may find other emails.
    #[must_use]
    pub fn identity(&self) -> u64 {
        let ids = self.sealed.iter().map(|sealed| match sealed {
            Sealed::Open(part) => part.segment.unwrap_or_default(),
            Sealed::Closed(segment) => segment.id,
        });
        ids.fold(0, |sum, id| (sum.rotate_left(5) ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// How near certain emails are to a vector, as codes tell it: ascending positions of those that have vectors. What cannot be
    /// read is left out: who asks for the nearest is told of it.
    #[must_use]
    pub fn scores(&self, query: &[f32], these: &[Position]) -> Vec<Near> {
        let mut out: Vec<Near> = Vec::new();
        if these.is_empty() {
            return out;
        }
        let mut add = |part: &Part| {
            out.extend(contained(part.segment, || part.scores(query, these)).unwrap_or_default());
        };
        for sealed in &self.sealed {
            match sealed {
                Sealed::Open(part) => add(part),
                Sealed::Closed(segment) => drop(contained_part(segment, &self.model).map(|part| add(&part))),
            }
        }
        self.batches.iter().for_each(|batch| add(&batch.part));
        out.sort_by(|a, b| a.position.cmp(&b.position).then(b.score.total_cmp(&a.score)));
        out.dedup_by_key(|near| near.position);
        out
    }

    /// The `k` nearest emails to a query, among those that are wanted. Where the view has a whitening, the query is turned by it.
    #[must_use]
    pub fn nearest(&self, query: &[f32], k: usize, only: &Only) -> Nearest {
        self.found((query, self.whitening.is_some()), (k, only), true)
    }

    /// The same of a vector that is not to be turned: a mail's own.
    #[must_use]
    pub fn nearest_to_own(&self, vector: &[f32], k: usize, only: &Only) -> Nearest {
        self.found((vector, false), (k, only), true)
    }

    /// The same with scores as codes tell them, where those are bytes: a little beside the exact ones.
    #[must_use]
    pub fn nearest_roughly(&self, query: &[f32], k: usize, only: &Only) -> Nearest {
        self.found((query, self.whitening.is_some()), (k, only), false)
    }

    /// `turned`: the query is.
    fn found(&self, (query, turned): (&[f32], bool), (k, only): (usize, &Only), exact: bool) -> Nearest {
        let mut searcher = locked(&self.searchers).pop().unwrap_or_default();
        let mut out = Nearest { without: self.without, missing: self.missing.clone(), ..Nearest::default() };
        let mut walk =
            Walk { query, k, turned, only, found: Vec::new(), searcher: &mut searcher, out: &mut out };
        let open: Vec<&Part> = {
            let sealed = self.sealed.iter().filter_map(|sealed| match sealed {
                Sealed::Open(part) => Some(&**part),
                Sealed::Closed(_) => None,
            });
            sealed.chain(self.batches.iter().map(|batch| &batch.part)).collect()
        };
        for (number, part) in open.iter().enumerate() {
            if is_given_up() {
                break;
            }
            walk.search(part, Some(number));
        }
        for sealed in &self.sealed {
            let Sealed::Closed(segment) = sealed else { continue };
            if is_given_up() {
                break;
            }
            match contained_part(segment, &self.model) {
                // It is not there any more when all are together, so it is done with now.
                Ok(part) => {
                    let from = walk.found.len();
                    walk.search(&part, None);
                    if exact {
                        walk.measure(&part, from);
                    }
                }
                Err(SemanticError::OtherModel(_)) => {
                    walk.out.without = walk.out.without.saturating_add(segment.emails)
                }
                Err(error) => walk.out.missing.push(missing(Some(segment.id), error)),
            }
        }
        walk.found.sort_by(Rough::order);
        if exact {
            walk.measure_best(&open);
            walk.found.sort_by(Rough::order);
        }
        // An email may be in two places, while it is sealed or merged.
        let mut seen = HashSet::new();
        out.near =
            walk.found.iter().map(|rough| rough.near).filter(|near| seen.insert(near.position)).collect();
        out.more |= out.near.len() > k;
        out.near.truncate(k);
        out.missing.sort();
        out.missing.dedup();
        locked(&self.searchers).push(searcher);
        out
    }
}
