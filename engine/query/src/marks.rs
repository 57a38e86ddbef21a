//! What people say about emails, all of it together: which are deleted, and which have a tag.
//!
//! What always holds: what is in here is of the generation that it is asked for at, or newer; where marks cannot be read
//! there is nothing in here, and each email's own row decides.

use crate::engine::{Inner, locked};
use crate::error::QueryError;
use postlode_format::id::Id;
use postlode_format::index::Position;
use postlode_store::StoreError;
use postlode_text::Match;
use std::collections::HashSet;
use std::sync::Arc;

/// All deleted emails.
#[derive(Debug, Default)]
pub struct Deleted {
    ids: HashSet<Id>,
    /// Their places in every order, ascending.
    pub positions: Arc<[Position]>,
    /// The lists that it is of.
    lists: Vec<Arc<[Position]>>,
}

/// Lists of emails by their tags, which may come several times.
pub type Tags = Vec<(Arc<str>, Arc<[Position]>)>;

impl Deleted {
    fn of(lists: Vec<Arc<[Position]>>) -> Self {
        let positions = joined(&lists);
        let ids = positions.iter().map(|position| position.id).collect();
        Self { ids, positions: positions.into(), lists }
    }

    /// Is it of these very lists?
    fn is_of(&self, lists: &[Arc<[Position]>]) -> bool {
        self.lists.len() == lists.len() && self.lists.iter().zip(lists).all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// Was it deleted?
    pub fn has(&self, id: &Id) -> bool {
        self.ids.contains(id)
    }

    /// None was.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// One list of several, ascending.
fn joined(lists: &[Arc<[Position]>]) -> Vec<Position> {
    let mut all: Vec<Position> = lists.iter().flat_map(|list| list.iter().copied()).collect();
    // Lists are runs, which are merged in no more time than it takes to look at them.
    all.sort();
    all.dedup();
    all
}

/// All deleted emails, and the generation of the store that they are of.
pub type DeletedThen = (u64, Option<Arc<Deleted>>);

impl Inner {
    /// All deleted emails; `None` where marks cannot be read, and each email's own has to be looked at.
    ///
    /// # Errors
    /// Where the store as a whole cannot answer.
    pub async fn deleted(&self) -> Result<Option<Arc<Deleted>>, QueryError> {
        let generation = self.store.generation();
        let cached = locked(&self.deleted).clone();
        if let Some((of, deleted)) = &cached
            && *of == generation
        {
            return Ok(deleted.clone());
        }
        let before = cached.and_then(|(_, deleted)| deleted);
        let lists = unless_damaged(self.store.deleted().await)?;
        let deleted = lists.map(|lists| match before.filter(|before| before.is_of(&lists)) {
            Some(before) => before,
            None => Arc::new(Deleted::of(lists)),
        });
        *locked(&self.deleted) = Some((generation, deleted.clone()));
        Ok(deleted)
    }

    /// Emails that have a tag, ascending; `None` where marks cannot be read.
    ///
    /// # Errors
    /// Where the store as a whole cannot answer.
    pub async fn tagged(&self, tag: &str) -> Result<Option<Vec<Match>>, QueryError> {
        let Some(lists) = unless_damaged(self.store.tagged(tag).await)? else { return Ok(None) };
        let job = move || joined(&lists).into_iter().map(|position| Match { position, score: 0.0 }).collect();
        self.cpu.run(job).await.map(Some).ok_or(QueryError::Internal("tags"))
    }

    /// All tags with the emails that have them; `None` where marks cannot be read.
    ///
    /// # Errors
    /// Where the store as a whole cannot answer.
    pub async fn tags(&self) -> Result<Option<Tags>, QueryError> {
        unless_damaged(self.store.tags().await)
    }
}

fn unless_damaged<T>(told: Result<T, StoreError>) -> Result<Option<T>, QueryError> {
    match told {
        Ok(told) => Ok(Some(told)),
        Err(StoreError::Missing(missing)) => {
            tracing::warn!("marks are looked up one by one: {missing}");
            Ok(None)
        }
        Err(other) => Err(other.into()),
    }
}
