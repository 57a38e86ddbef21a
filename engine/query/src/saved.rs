//! Saved searches: requests with a name, kept in the store.
//!
//! What always holds: what is saved could be asked when it was saved; a name is that of one search, and whoever saves under a
//! name that is taken replaces it.

use crate::dates::zone;
use crate::docs;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::filter::resolve;
use crate::lang::parse;
use crate::model::SearchRequest;
use crate::search::checked;
use crate::update::name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where they are in the store, and most of them.
const SPACE: &str = "searches";
const MOST: usize = 2_000;
/// Most bytes of one.
const LARGEST: usize = 16 << 10;

/// A saved search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedSearch {
    /// Its name.
    pub name: String,
    /// What it asks.
    pub search: SearchRequest,
    /// When it was saved last.
    pub saved: String,
}

impl Engine {
    /// Saves a search under a name.
    ///
    /// # Errors
    /// A search that could not be asked, with a cursor among others; where the store cannot be written.
    pub async fn save_search(
        &self,
        search_name: &str,
        search: SearchRequest,
    ) -> Result<SavedSearch, QueryError> {
        let name = name("name", search_name)?;
        if search.cursor.is_some() {
            let why = "a search is saved from its beginning".to_owned();
            return Err(QueryError::Parameter { parameter: "cursor", why });
        }
        let resolved = resolve(&parse(&search.q)?, &zone(search.tz.as_deref())?)?;
        checked(&search, resolved.wanted.is_some())?;
        let known = docs::get(&self.inner, SPACE, &name).await?.is_some();
        if !known && docs::count(&self.inner, SPACE).await? >= MOST {
            let why = format!("there are {MOST} saved searches already");
            return Err(QueryError::Parameter { parameter: "name", why });
        }
        let saved = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let made = SavedSearch { name, search, saved };
        let json = serde_json::to_string(&made).map_err(|_| QueryError::Internal("a saved search"))?;
        if json.len() > LARGEST {
            let why = format!("{} bytes; at most {LARGEST} are saved", json.len());
            return Err(QueryError::Parameter { parameter: "q", why });
        }
        docs::put(&self.inner, SPACE, &made.name, Some(json)).await?;
        Ok(made)
    }

    /// All saved searches, by name, and the names of those that cannot be read, as a newer version saved them perhaps.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn saved_searches(&self) -> Result<(Vec<SavedSearch>, Vec<String>), QueryError> {
        let (mut out, mut unreadable) = (Vec::new(), Vec::new());
        for (name, json) in docs::all(&self.inner, SPACE).await? {
            match docs::read(&json) {
                Ok(saved) => out.push(saved),
                Err(_) => unreadable.push(name),
            }
        }
        Ok((out, unreadable))
    }

    /// The saved search of a name; `None` where there is none.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn saved_search(&self, name: &str) -> Result<Option<SavedSearch>, QueryError> {
        let json = docs::get(&self.inner, SPACE, name).await?;
        json.map(|json| docs::read(&json)).transpose()
    }

    /// Removes a saved search; false where there is none.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn remove_search(&self, name: &str) -> Result<bool, QueryError> {
        let known = docs::get(&self.inner, SPACE, name).await?.is_some();
        if known {
            docs::put(&self.inner, SPACE, name, None).await?;
        }
        Ok(known)
    }
}
