//! The models of a store.
//!
//! What always holds: one model answers a search, and all its scores are of that one; the vectors of the first are in every
//! segment, so it can always answer.

use crate::engine::SemanticEngine;
use std::sync::{Arc, PoisonError, RwLock};

/// The model that makes the vectors of every segment, and perhaps a better one, which makes them later. Cheap to clone.
#[derive(Clone)]
pub struct Models {
    base: SemanticEngine,
    /// Set when it is known: it may be a while until its endpoint answers for the first time.
    better: Arc<RwLock<Option<SemanticEngine>>>,
}

impl From<SemanticEngine> for Models {
    fn from(base: SemanticEngine) -> Self {
        Self::new(base)
    }
}

impl Models {
    /// One model.
    #[must_use]
    pub fn new(base: SemanticEngine) -> Self {
        Self { base, better: Arc::default() }
    }

    /// From now on there is a better one.
    pub fn install(&self, better: SemanticEngine) {
        *self.better.write().unwrap_or_else(PoisonError::into_inner) = Some(better);
    }

    /// The one whose vectors every segment has.
    #[must_use]
    pub fn base(&self) -> &SemanticEngine {
        &self.base
    }

    /// The better one.
    #[must_use]
    pub fn better(&self) -> Option<SemanticEngine> {
        self.better.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The one that answers where the store says that `active` does; `None` where it is not at hand, so that
    /// [`Models::base`] has to.
    #[must_use]
    pub fn answering(&self, active: &str) -> Option<SemanticEngine> {
        if active.is_empty() {
            return Some(self.base.clone());
        }
        self.better().filter(|better| better.model().model().key() == active)
    }
}
