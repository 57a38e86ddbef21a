//! Which attachments may be taken out: those that no email has any more.
//!
//! A load stores an attachment before the email that has it, and stores none that is there already. So between the two
//! nothing must be taken out that a load relies on. What always holds: a sweep begins while no load is under way; what is
//! looked up while it goes on is either spared by it, or told not to be there, and then stored again.

use crate::error::StoreError;
use crate::store::Store;
use postlode_format::row::{RowKind, blob_key};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// SHA-256 of an attachment's content.
pub type Sha256 = [u8; 32];

/// What loads and sweeps know of each other.
#[derive(Default)]
pub struct Attachments(Mutex<State>);

#[derive(Default)]
struct State {
    loads: usize,
    sweep: Option<Sweep>,
    /// A sweep found all in order, and no load was broken off since.
    clean: bool,
}

#[derive(Default)]
struct Sweep {
    /// Looked for since the sweep began: it spares them.
    relied_on: HashSet<Sha256>,
    /// About to go.
    condemned: Arc<BTreeSet<Sha256>>,
}

/// A load is under way, until this is dropped; without [`Loading::done`] it was broken off.
pub struct Loading {
    all: Arc<Attachments>,
    done: bool,
}

/// A sweep is under way, until this is dropped.
pub struct Sweeping {
    all: Arc<Attachments>,
    done: AtomicBool,
}

impl Attachments {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A load begins.
    pub fn load(self: &Arc<Self>) -> Loading {
        let mut state = self.state();
        state.loads = state.loads.saturating_add(1);
        drop(state);
        Loading { all: self.clone(), done: false }
    }

    /// A sweep begins; `None` while a load is under way, or another sweep.
    pub fn sweep(self: &Arc<Self>) -> Option<Sweeping> {
        let mut state = self.state();
        if state.loads > 0 || state.sweep.is_some() {
            return None;
        }
        state.sweep = Some(Sweep::default());
        // What is broken off from here on takes that back.
        state.clean = true;
        drop(state);
        Some(Sweeping { all: self.clone(), done: AtomicBool::new(false) })
    }

    /// May there be attachments that no email has, even if none was deleted?
    pub fn is_due(&self) -> bool {
        !self.state().clean
    }

    /// May a load rely on it, if it is there?
    fn rely_on(&self, sha256: &Sha256) -> bool {
        match &mut self.state().sweep {
            None => true,
            Some(sweep) if sweep.condemned.contains(sha256) => false,
            Some(sweep) => {
                sweep.relied_on.insert(*sha256);
                true
            }
        }
    }
}

impl Loading {
    /// All emails that have the attachments are there.
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Sweeping {
    /// All that no email has is gone.
    pub fn done(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    /// Condemns those of these that no load relies on.
    pub fn condemn(&self, mut all: BTreeSet<Sha256>) -> Arc<BTreeSet<Sha256>> {
        let mut state = self.all.state();
        let Some(sweep) = &mut state.sweep else { return Arc::default() };
        all.retain(|sha256| !sweep.relied_on.contains(sha256));
        sweep.condemned = Arc::new(all);
        sweep.condemned.clone()
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let mut state = self.all.state();
        state.loads = state.loads.saturating_sub(1);
        state.clean &= self.done;
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        let mut state = self.all.state();
        state.sweep = None;
        state.clean &= self.done.load(Ordering::Relaxed);
    }
}

impl Store {
    /// Tells that attachments are being stored whose emails are not there yet. While it is held, none is taken out. Say
    /// [`Loading::done`] when they are.
    #[must_use]
    pub fn loading(&self) -> Loading {
        self.inner.core.shared.attachments.load()
    }

    /// Is an attachment there, and may a load that holds [`Store::loading`] rely on it? `last`: its last chunk, as chunks
    /// are made durable in order.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn has_attachment(&self, sha256: &Sha256, last: u32) -> Result<bool, StoreError> {
        // First: a sweep may take it out, and end, between the look and the word.
        if !self.inner.core.shared.attachments.rely_on(sha256) {
            return Ok(false);
        }
        Ok(self.get(RowKind::BlobChunk, &blob_key(sha256, last)).await?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_and_sweeps_keep_out_of_each_others_way() {
        let all = Arc::new(Attachments::default());
        let load = all.load();
        assert!(all.sweep().is_none(), "a load is under way");
        drop(load);
        let sweep = all.sweep().unwrap();
        assert!(all.sweep().is_none(), "another sweep is");
        let load = all.load();
        assert!(all.rely_on(&[1; 32]));
        let condemned = sweep.condemn(BTreeSet::from([[1; 32], [2; 32]]));
        assert_eq!(*condemned, BTreeSet::from([[2; 32]]));
        assert!(all.rely_on(&[1; 32]) && !all.rely_on(&[2; 32]) && all.rely_on(&[3; 32]));
        sweep.done();
        drop(sweep);
        assert!(all.rely_on(&[2; 32]) && !all.is_due());
        drop(load);
        assert!(all.is_due(), "a load was broken off");
        // One that is broken off beside a sweep is not in what the sweep has seen.
        let sweep = all.sweep().unwrap();
        drop(all.load());
        sweep.done();
        drop(sweep);
        assert!(all.is_due());
        let sweep = all.sweep().unwrap();
        sweep.done();
        drop(sweep);
        all.load().done();
        assert!(!all.is_due());
    }
}
