//! What earlier loads left: how far each range came, and what could not be read.

use crate::commit::{Tally, each_row};
use crate::contents::folder;
use crate::error::LoadError;
use crate::losses::{Copy, Losses};
use crate::output::Loss;
use crate::plan::{Done, Entry, Mark, Plan, progress};
use crate::sums::Sums;
use postlode_format::id::Id;
use postlode_format::row::{
    ArchivedArchiveVersion, ArchivedWatermark, ArchivedWatermark2, Holdings, RowKind, access,
};
use postlode_store::Store;
use std::collections::HashMap;

/// The watermarks of all loads of a store, by load and range.
pub(crate) type Marks = HashMap<(Id, u32), Vec<Mark>>;

/// Reads all watermarks. Their keys begin with a hash, so those of one load are not together.
pub(crate) async fn read_marks(store: &Store) -> Result<Marks, LoadError> {
    let mut marks = Marks::new();
    // Version 1 had another layout. Where both are there, the newer one is further.
    for kind in [RowKind::Watermark, RowKind::Watermark2] {
        each_row(store, kind, &[], |key, value| {
            if let Some((of, mark)) = read_mark(kind, key, value) {
                marks.entry(of).or_default().push(mark);
            }
        })
        .await?;
    }
    Ok(marks)
}

fn read_mark(kind: RowKind, key: &[u8], value: &[u8]) -> Option<((Id, u32), Mark)> {
    let (low, rest) = key.split_first_chunk::<8>()?;
    let (load, range) = rest.split_first_chunk::<16>()?;
    let range = u32::from_be_bytes(range.try_into().ok()?);
    let (high, batches, counts) = if kind == RowKind::Watermark {
        let mark = access::<ArchivedWatermark>(value).ok()?;
        (mark.high, mark.batches, Sums::of(&mark.counts, Holdings::default()))
    } else {
        let mark = access::<ArchivedWatermark2>(value).ok()?;
        (mark.high, mark.batches, Sums::of(&mark.counts, Holdings::from(&mark.holdings)))
    };
    let done = Done { batches: batches.to_native(), counts };
    Some(((*load, range), Mark { low: u64::from_be_bytes(*low), high: high.to_native(), done }))
}

/// What loads of this version counted that came to its end; `None` where none did, or none of `custodian` if that is
/// asked for.
pub(crate) fn complete(row: Option<&[u8]>, custodian: Option<&str>) -> Option<Sums> {
    let row = access::<ArchivedArchiveVersion>(row?).ok()?;
    (row.complete && custodian.is_none_or(|name| row.custodian.as_str() == name))
        .then(|| Sums::of(&row.counts, Holdings::of(&row.extra)))
}

/// What a load of an archive begins with.
pub(crate) struct Begun<'l> {
    pub(crate) copy: &'l Copy,
    pub(crate) load: &'l Id,
    pub(crate) marks: &'l Marks,
    /// What earlier loads could not read.
    pub(crate) known: &'l Losses,
    /// Paths of folders.
    pub(crate) folders: &'l [String],
    /// What failed is to be tried again.
    pub(crate) retry: bool,
    /// All of it is done, whatever the marks say.
    pub(crate) finished: bool,
}

/// The tally a load begins with: what is done already is duplicate, but for what failed. That is repeated; or else it
/// is left out, and told, to be tried again.
pub(crate) fn tally(plan: &Plan, begun: &Begun<'_>) -> (Tally, Vec<Entry>) {
    let Begun { copy, load, marks, known, folders, retry, finished } = *begun;
    let (mut tally, mut again) = (Tally::default(), Vec::new());
    for range in 0..plan.ranges() {
        let key = (*load, u32::try_from(range).unwrap_or(u32::MAX));
        let mut done = marks.get(&key).map(|marks| progress(marks)).unwrap_or_default();
        if done.batches > plan.batches(range) {
            // No load of this plan wrote this; the range is repeated, which changes nothing.
            done = Done::default();
        }
        if finished {
            done.batches = plan.batches(range);
        }
        for batch in 0..done.batches {
            for item in plan.items(plan.batch(range, batch)) {
                let failure = known.item(item.node);
                if retry && failure.is_some() {
                    again.push(item);
                    continue;
                }
                tally.run.found = tally.run.found.saturating_add(1);
                match failure {
                    None => tally.run.duplicate = tally.run.duplicate.saturating_add(1),
                    Some(_) => tally.run.failed = tally.run.failed.saturating_add(1),
                }
                for loss in failure.into_iter().chain(known.parts(item.node)) {
                    let folder = folder(folders, item.folder).to_owned();
                    tally.failures.push(copy.report(Loss { folder, ..loss.clone() }));
                }
            }
        }
        tally.run = tally.run.holding(&done.counts);
        tally.ranges.push(done);
    }
    (tally, again)
}
