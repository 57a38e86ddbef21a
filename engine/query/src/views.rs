//! What searches look at, kept while nothing changes: shards are not asked for it again by each search.
//!
//! What always holds: what is kept is of a version of the store that was read before it was gathered, so it has all that was
//! acknowledged until then; whoever finds another version gathers anew. What something is missing from is not kept.

use crate::engine::{Inner, locked};
use crate::error::QueryError;
use postlode_semantic::{SemanticEngine, SemanticView};
use postlode_store::{ColumnSources, Version};
use postlode_text::TextView;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Rows of memtables that are kept for counting; where there are more, they are asked for each time.
const MOST_ROWS: usize = 10_000;

/// One thing, as it was at a version.
struct Slot<T>(Mutex<Option<(Version, T)>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Slot<T> {
    fn get(&self, version: Version) -> Option<T> {
        locked(&self.0).as_ref().filter(|(of, _)| *of == version).map(|(_, kept)| kept.clone())
    }

    fn keep(&self, version: Version, value: &T) {
        *locked(&self.0) = Some((version, value.clone()));
    }

    fn clear(&self) {
        *locked(&self.0) = None;
    }
}

/// The vectors of a model, and how far mails of memtables had vectors then.
type OfModel = (Version, u64, Arc<SemanticView>);

/// What is kept.
#[derive(Default)]
pub struct Views {
    /// Of which version all of it is.
    of: Mutex<Option<Version>>,
    text: Slot<Arc<TextView>>,
    /// The model that answers.
    active: Slot<Arc<str>>,
    /// Without places, and with them.
    columns: [Slot<Arc<ColumnSources>>; 2],
    vectors: Mutex<HashMap<String, OfModel>>,
}

impl Views {
    /// Gives up all that is of another version: it holds files that may have been removed since.
    fn only(&self, version: Version) {
        let mut of = locked(&self.of);
        if *of != Some(version) {
            *of = Some(version);
            self.text.clear();
            self.active.clear();
            self.columns.iter().for_each(Slot::clear);
            locked(&self.vectors).clear();
        }
    }
}

impl Inner {
    /// Everything that is searched by words.
    ///
    /// # Errors
    /// Where the store is closed.
    pub async fn text_view(&self) -> Result<Arc<TextView>, QueryError> {
        let version = self.store.version();
        if let Some(view) = self.views.text.get(version) {
            return Ok(view);
        }
        self.views.only(version);
        let engine = self.text.clone();
        let known = engine.known();
        let sources = self.store.text_sources(known.counts()).await?;
        let job = move || Arc::new(engine.view(&sources, &known));
        let view = self.cpu.run(job).await.ok_or(QueryError::Internal("text search"))?;
        if view.is_whole() {
            self.views.text.keep(version, &view);
        }
        Ok(view)
    }

    /// Everything that is compared by a model.
    ///
    /// # Errors
    /// Where the store is closed.
    pub async fn vectors(&self, semantic: &SemanticEngine) -> Result<Arc<SemanticView>, QueryError> {
        let (version, caught_up) = (self.store.version(), semantic.caught_up());
        let key = semantic.model().model().key();
        let kept = locked(&self.views.vectors).get(&key).cloned();
        if let Some((_, _, view)) = kept.filter(|(of, then, _)| (*of, *then) == (version, caught_up)) {
            return Ok(view);
        }
        self.views.only(version);
        let (own, known) = (semantic.clone(), semantic.known());
        let sources = self.store.text_sources(known.counts()).await?;
        let job = move || Arc::new(own.view(&sources, &known));
        let view = self.cpu.run(job).await.ok_or(QueryError::Internal("vector search"))?;
        if view.is_whole() {
            locked(&self.views.vectors).insert(key, (version, caught_up, Arc::clone(&view)));
        }
        Ok(view)
    }

    /// The key of the model whose vectors answer, see [`postlode_store::Store::active`].
    ///
    /// # Errors
    /// Where the store is closed.
    pub async fn active(&self) -> Result<Arc<str>, QueryError> {
        let version = self.store.version();
        if let Some(active) = self.views.active.get(version) {
            return Ok(active);
        }
        self.views.only(version);
        let active: Arc<str> = self.store.active().await?.into();
        self.views.active.keep(version, &active);
        Ok(active)
    }

    /// What is counted and sorted by.
    ///
    /// # Errors
    /// Where the store is closed.
    pub async fn column_sources(&self, places: bool) -> Result<Arc<ColumnSources>, QueryError> {
        let version = self.store.version();
        let [without, with] = &self.views.columns;
        let slot = if places { with } else { without };
        if let Some(sources) = slot.get(version) {
            return Ok(sources);
        }
        self.views.only(version);
        let sources = Arc::new(self.store.column_sources(places).await?);
        let rows = sources.emails.len().saturating_add(sources.places.len());
        if sources.missing.is_empty() && rows <= MOST_ROWS {
            slot.keep(version, &sources);
        }
        Ok(sources)
    }
}
