//! The handle through which everything is asked.

use crate::attachment::Attachment;
use crate::columns::Columns;
use crate::eml::EmlStream;
use crate::error::QueryError;
use crate::export::Export;
use crate::lists::Lists;
use crate::marks::DeletedThen;
use crate::model::{EmailDetail, Record, SearchAnswer, SearchRequest};
use crate::ranked::RankedCache;
use crate::statement::{self, ExecuteRequest, Statement, Statements};
use crate::views::Views;
use crate::{body, detail, search, similar};
use body::BodyView;
use postlode_format::id::Id;
use postlode_format::row::{ArchivedArchiveVersion, ArchivedMark, RowKind, access, archive_key};
use postlode_runtime::CpuPool;
use postlode_semantic::{Inside as VectorsInside, Models, SemanticEngine, SemanticError};
use postlode_store::{AddonText, Found, Missing, SegmentText, Store, StoreError};
use postlode_text::TextEngine;
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Paths of archives kept in memory.
const ARCHIVES: usize = 4096;

/// A query engine over one store. Cheap to clone; any thread and any async runtime may ask it.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

/// Questions to models that others serve which wait at a time.
const ASKING: usize = 8;
/// Bytes that the mails of all text conditions of one query may take: sixteen millions of mails.
const LISTS_OF_QUERY: u64 = 512 << 20;
/// Bytes of columns that are kept, where nothing else was said.
const COLUMNS: usize = 64 << 20;

pub(crate) struct Inner {
    pub store: Store,
    pub cpu: CpuPool,
    pub text: TextEngine,
    pub models: Option<Models>,
    /// Bytes that the lists of one query may take.
    pub lists_of_query: AtomicU64,
    /// Threads that wait for models which others serve; started with the first question.
    asking: OnceLock<CpuPool>,
    pub ranked: RankedCache,
    pub columns: Columns,
    pub statements: Statements,
    pub views: Views,
    pub lists: Lists,
    archives: Cache<Vec<u8>, Arc<str>>,
    pub deleted: Mutex<Option<DeletedThen>>,
}

/// Takes a lock, whatever became of who had it last.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// An engine over `store` that searches on `cpu`, by words alone.
    #[must_use]
    pub fn new(store: Store, cpu: CpuPool) -> Self {
        Self::made(store, cpu, None, COLUMNS)
    }

    /// An engine that searches by meaning too, and keeps at most so many bytes of columns in memory, and half as many of the
    /// mails of words.
    #[must_use]
    pub fn with_meaning(store: Store, cpu: CpuPool, models: impl Into<Models>, columns: usize) -> Self {
        Self::made(store, cpu, Some(models.into()), columns)
    }

    fn made(store: Store, cpu: CpuPool, models: Option<Models>, columns: usize) -> Self {
        let inner = Inner {
            store,
            cpu,
            text: TextEngine::keeping(columns / 2),
            models,
            lists_of_query: AtomicU64::new(LISTS_OF_QUERY),
            asking: OnceLock::new(),
            ranked: RankedCache::new(),
            columns: Columns::new(columns),
            statements: Statements::new(),
            views: Views::default(),
            lists: Lists::new(),
            archives: Cache::new(ARCHIVES),
            deleted: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// From now on the lists of one query may take so many bytes.
    pub fn limit_lists(&self, bytes: u64) {
        self.inner.lists_of_query.store(bytes, Ordering::Relaxed);
    }

    /// The store it asks.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The models that it searches by meaning with; `None` where it does not.
    #[must_use]
    pub fn models(&self) -> Option<&Models> {
        self.inner.models.as_ref()
    }

    /// Searches.
    ///
    /// # Errors
    /// Any [`QueryError`].
    pub async fn search(&self, request: SearchRequest) -> Result<SearchAnswer, QueryError> {
        search::search(&self.inner, &request).await
    }

    /// Prepares a query with parameters; its text is in the store when this returns.
    ///
    /// # Errors
    /// As [`Engine::search`]; where the store was opened for reading and does not have it.
    pub async fn prepare(&self, q: &str) -> Result<Statement, QueryError> {
        statement::prepare(&self.inner, q).await
    }

    /// A prepared statement; `None` where nobody prepared one of this id.
    ///
    /// # Errors
    /// As [`Engine::search`].
    pub async fn statement(&self, id: Id) -> Result<Option<Statement>, QueryError> {
        Ok(statement::find(&self.inner, id).await?.map(|prepared| prepared.told().clone()))
    }

    /// Removes a prepared statement; false where nobody prepared one of this id.
    ///
    /// # Errors
    /// As [`Engine::prepare`].
    pub async fn unprepare(&self, id: Id) -> Result<bool, QueryError> {
        statement::remove(&self.inner, id).await
    }

    /// Answers a prepared statement as a search for the query with the values in it; `None` where nobody prepared one of this id.
    ///
    /// # Errors
    /// As [`Engine::search`]; for values that do not fit.
    pub async fn execute(&self, id: Id, request: ExecuteRequest) -> Result<Option<SearchAnswer>, QueryError> {
        let Some(prepared) = statement::find(&self.inner, id).await? else { return Ok(None) };
        statement::execute(&self.inner, &prepared, request).await.map(Some)
    }

    /// All metadata of one email; `None` where there is none, or it was deleted.
    ///
    /// # Errors
    /// Where the store fails or its rows are damaged.
    pub async fn email(&self, id: Id) -> Result<Option<EmailDetail>, QueryError> {
        detail::email(&self.inner, id).await
    }

    /// The bodies of one email.
    ///
    /// # Errors
    /// As [`Engine::email`].
    pub async fn body(&self, id: Id) -> Result<Option<BodyView>, QueryError> {
        body::view(&self.inner, id).await
    }

    /// An email's records as the store has them; `None` where there is none. Its body is `None` where it has none.
    ///
    /// # Errors
    /// Where the store fails, or some of it is damaged.
    pub async fn record(&self, id: Id) -> Result<Option<Record>, QueryError> {
        let Some(found) = self.inner.found(id).await? else { return Ok(None) };
        let body = body::row(&self.inner, id).await?;
        Ok(Some(Record { email: found.email, body }))
    }

    /// One email as an RFC 5322 message.
    ///
    /// # Errors
    /// As [`Engine::email`].
    pub async fn raw(&self, id: Id) -> Result<Option<EmlStream>, QueryError> {
        EmlStream::open(&self.inner, id).await
    }

    /// One attachment's bytes; `None` where the email has none of that number, or it has no bytes.
    ///
    /// # Errors
    /// As [`Engine::email`].
    pub async fn attachment(&self, id: Id, n: u32) -> Result<Option<Attachment>, QueryError> {
        Attachment::open(&self.inner, id, n).await
    }

    /// The emails nearest to one in meaning, at most `limit`; `None` where there is none of that id.
    ///
    /// # Errors
    /// As [`Engine::search`].
    pub async fn similar(&self, id: Id, limit: usize) -> Result<Option<SearchAnswer>, QueryError> {
        similar::similar(&self.inner, id, limit).await
    }

    /// What the vectors of a segment, or of an add-on of one, are like; `None` where it has none, or there is no such file.
    ///
    /// # Errors
    /// Damage, or where the store fails.
    pub async fn vectors_inside(&self, segment: u64) -> Result<Option<VectorsInside>, QueryError> {
        let sources = self.inner.store.text_sources(HashMap::new()).await?;
        let of = |own: SegmentText| {
            let addon = own.addons.iter().find(|addon| addon.id == segment).cloned();
            match addon {
                _ if own.id == segment => Some(Ok(own)),
                Some(AddonText { id, vectors, .. }) => {
                    Some(vectors.map(|vectors| SegmentText { id, vectors, ..own }))
                }
                None => None,
            }
        };
        let Some(segment) = sources.segments.into_iter().find_map(of) else { return Ok(None) };
        let segment = segment.map_err(StoreError::Missing)?;
        let id = segment.id;
        let inside = self.inner.cpu.run(move || postlode_semantic::inspect(&segment)).await;
        inside.ok_or(QueryError::Internal("looking at vectors"))?.map_err(|error| {
            let missing = match error {
                SemanticError::Missing(missing) => missing,
                other => {
                    Missing { segment: Some(id), section: "vectors".to_owned(), reason: other.to_string() }
                }
            };
            StoreError::Missing(missing).into()
        })
    }

    /// All hits of a query, oldest first, with their `texts` and headers or without. `tz` as in [`SearchRequest::tz`].
    ///
    /// # Errors
    /// As [`Engine::search`].
    pub async fn export(&self, q: &str, tz: Option<&str>, texts: bool) -> Result<Export, QueryError> {
        Export::open(&self.inner, q, tz, texts).await
    }
}

impl Inner {
    /// Runs what asks a model: on the CPU pool, or where it may wait for another process, on threads that have nothing else
    /// to do. `None` if it was broken off.
    pub async fn ask<T: Send + 'static>(
        &self,
        model: &SemanticEngine,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if !model.is_of_addons() {
            return self.cpu.run(job).await;
        }
        let pool = match self.asking.get() {
            Some(pool) => pool,
            None => match CpuPool::new(ASKING) {
                Ok(pool) => self.asking.get_or_init(|| pool),
                Err(_) => &self.cpu,
            },
        };
        pool.run(job).await
    }

    /// One email that is there and was not deleted.
    pub async fn found(&self, id: Id) -> Result<Option<Found>, QueryError> {
        let answer = self.store.emails(&[id]).await?.pop();
        let found = match answer {
            Some(Ok(found)) => found,
            Some(Err(missing)) => return Err(StoreError::Missing(missing).into()),
            None => None,
        };
        let deleted = |found: &Found| match &found.mark {
            Some(mark) => access::<ArchivedMark>(mark).map(|m| m.deleted),
            None => Ok(false),
        };
        match found {
            Some(found) => Ok((!deleted(&found)?).then_some(found)),
            None => Ok(None),
        }
    }

    /// The path that an archive's version was loaded from; its id where that is not known.
    pub async fn archive_path(&self, archive: &Id, version: &Id) -> Arc<str> {
        let key = archive_key(archive, version);
        if let Some(path) = self.archives.get(&key) {
            return path;
        }
        // An archive whose row cannot be read is no reason to hide its mail.
        let row = self.store.get(RowKind::Archive, &key).await.ok().flatten();
        let path =
            row.and_then(|r| access::<ArchivedArchiveVersion>(&r).map(|a| Arc::from(a.path.as_str())).ok());
        match path {
            Some(path) => {
                self.archives.insert(key, Arc::clone(&path));
                path
            }
            None => Arc::from(postlode_format::id::to_hex(archive)),
        }
    }

    /// The paths of several archives' versions, by (archive, version).
    pub async fn archive_paths(&self, wanted: impl Iterator<Item = (Id, Id)>) -> HashMap<(Id, Id), Arc<str>> {
        let mut out = HashMap::new();
        for (archive, version) in wanted {
            if let Entry::Vacant(place) = out.entry((archive, version)) {
                place.insert(self.archive_path(&archive, &version).await);
            }
        }
        out
    }
}
