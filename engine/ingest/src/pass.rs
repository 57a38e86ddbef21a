//! The passes in which an archive is loaded: the items of its folders; those that were deleted or have lost their folder;
//! and, where it is asked for, those that could not be read before.
//!
//! What always holds: each item is in one pass; the first two remember how far they came, each for itself, so that a
//! load that recovers goes on where one that did not has ended.

use crate::commit::Tally;
use crate::contents::Contents;
use crate::plan::{Entry, Plan};
use crate::resume::{self, Begun, Marks};
use postlode_format::id::Id;
use postlode_format::row::{Counts, Failure};
use std::collections::HashMap;

/// One pass.
pub(crate) struct Pass {
    pub(crate) plan: Plan,
    /// Under which its progress is kept; `None` where all of it is done each time.
    pub(crate) load: Option<Id>,
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
        (self.plan.items().len() as u64).saturating_sub(done)
    }
}

/// What the passes of an archive depend on.
pub(crate) struct Passes<'l> {
    pub(crate) path: &'l str,
    pub(crate) archive: Id,
    pub(crate) version: Id,
    pub(crate) custodian: &'l str,
    pub(crate) contents: &'l Contents,
    pub(crate) marks: &'l Marks,
    /// Failures of earlier loads, by node.
    pub(crate) known: &'l HashMap<u64, Failure>,
    /// They are to be tried again.
    pub(crate) retry: bool,
    pub(crate) jobs: usize,
}

impl Passes<'_> {
    /// The passes, in their order.
    pub(crate) fn plan(&self) -> Vec<Pass> {
        let mut passes = Vec::new();
        let mut again = Vec::new();
        // libpff looks for what was deleted through all of the archive: one parser does that, not each.
        for (items, jobs) in [(&self.contents.items, self.jobs), (&self.contents.recovered, 1)] {
            if items.is_empty() {
                continue;
            }
            let plan = Plan::of(items.clone());
            let load = plan.load_id(&self.archive, &self.version, self.custodian);
            let begun = Begun {
                path: self.path,
                load: &load,
                marks: self.marks,
                known: self.known,
                contents: self.contents,
                retry: self.retry,
            };
            let (tally, failed) = resume::tally(&plan, &begun);
            let later = failed.len() as u64;
            again.extend(failed);
            passes.push(Pass { plan, load: Some(load), tally, later, jobs });
        }
        if !again.is_empty() {
            passes.push(self.again(again));
        }
        passes
    }

    fn again(&self, items: Vec<Entry>) -> Pass {
        let plan = Plan::of(items);
        let tally = Tally::new(plan.ranges());
        Pass { plan, load: None, tally, later: 0, jobs: self.jobs }
    }
}

/// The counts of an archive some of whose failures were tried once more.
pub(crate) fn mended(counts: Counts, tried: &Counts) -> Counts {
    let read = tried.stored.saturating_add(tried.duplicate);
    Counts {
        stored: counts.stored.saturating_add(tried.stored),
        duplicate: counts.duplicate.saturating_add(tried.duplicate),
        failed: counts.failed.saturating_sub(read),
        partial: counts.partial.saturating_add(tried.partial),
        attachments: counts.attachments.saturating_add(tried.attachments),
        ..counts
    }
}
