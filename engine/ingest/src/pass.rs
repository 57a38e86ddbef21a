//! The passes in which an archive is loaded: the items of its folders; those that were deleted or have lost their folder;
//! and, where it is asked for, those that could not be read before.
//!
//! What always holds: each item is in one pass; the first two remember how far they came, each for itself, so that a
//! load that recovers goes on where one that did not has ended.

use crate::commit::Tally;
use crate::losses::{Copy, Losses};
use crate::plan::{Entry, Plan};
use crate::resume::{self, Begun, Marks};
use crate::sums::Sums;
use postlode_format::id::Id;

/// One pass.
pub(crate) struct Pass {
    pub(crate) plan: Plan,
    /// Under which its progress is kept; `None` where it is not.
    pub(crate) load: Option<Id>,
    /// What failed before is tried once more.
    pub(crate) again: bool,
    /// What it begins with.
    pub(crate) tally: Tally,
    /// Items of its batches that were done, and are left to a later pass.
    pub(crate) later: u64,
    /// Workers at most.
    pub(crate) jobs: usize,
}

impl Pass {
    /// Items that it has still to read.
    pub(crate) fn left(&self) -> u64 {
        let done = self.tally.run.found.saturating_add(self.later);
        (self.plan.len() as u64).saturating_sub(done)
    }
}

/// What the passes of an archive depend on.
pub(crate) struct Passes<'l> {
    pub(crate) copy: &'l Copy,
    /// Paths of folders.
    pub(crate) folders: &'l [String],
    pub(crate) marks: &'l Marks,
    /// What earlier loads could not read.
    pub(crate) known: &'l Losses,
    /// They are to be tried again.
    pub(crate) retry: bool,
    /// Its progress is kept.
    pub(crate) resumable: bool,
    /// It is known that all of it is done.
    pub(crate) finished: bool,
    pub(crate) jobs: usize,
}

impl Passes<'_> {
    /// The passes over items of folders and over recovered ones, in their order. Both are taken: there may be many.
    pub(crate) fn plan(&self, items: Vec<Entry>, recovered: Vec<Entry>) -> Vec<Pass> {
        let mut passes = Vec::new();
        let mut again = Vec::new();
        // libpff looks for what was deleted through all of the archive: one parser does that, not each.
        for (items, jobs) in [(items, self.jobs), (recovered, 1)] {
            if items.is_empty() {
                continue;
            }
            let plan = Plan::of(items);
            let load = plan.load_id(&self.copy.archive, &self.copy.version, &self.copy.custodian);
            let begun = Begun {
                copy: self.copy,
                load: &load,
                marks: self.marks,
                known: self.known,
                folders: self.folders,
                retry: self.retry,
                finished: self.finished,
            };
            let (tally, failed) = resume::tally(&plan, &begun);
            let later = failed.len() as u64;
            again.extend(failed);
            let load = Some(load).filter(|_| self.resumable);
            passes.push(Pass { plan, load, again: false, tally, later, jobs });
        }
        if !again.is_empty() {
            passes.push(self.again(again));
        }
        passes
    }

    fn again(&self, items: Vec<Entry>) -> Pass {
        let plan = Plan::of(items);
        let tally = Tally::new(plan.ranges());
        Pass { plan, load: None, again: true, tally, later: 0, jobs: self.jobs }
    }
}

/// The counts of an archive some of whose failures were tried once more.
pub(crate) fn mended(counts: &Sums, tried: &Sums) -> Sums {
    let read = tried.stored.saturating_add(tried.duplicate);
    Sums {
        stored: counts.stored.saturating_add(tried.stored),
        duplicate: counts.duplicate.saturating_add(tried.duplicate),
        failed: counts.failed.saturating_sub(read),
        ..counts.holding(tried)
    }
}
