//! What earlier loads left: how far each range came, and what could not be read.

use crate::commit::{Tally, each_row};
use crate::contents::Contents;
use crate::error::LoadError;
use crate::model::FailureReport;
use crate::plan::{Done, Entry, Mark, Plan, progress};
use postlode_format::id::Id;
use postlode_format::row::{
    ArchivedArchiveVersion, ArchivedCounts, ArchivedFailure, ArchivedWatermark, Counts, Failure, RowKind,
    access, archive_key,
};
use postlode_store::Store;
use std::collections::HashMap;

/// The watermarks of all loads of a store, by load and range.
pub(crate) type Marks = HashMap<(Id, u32), Vec<Mark>>;

/// Reads all watermarks. Their keys begin with a hash, so those of one load are not together.
pub(crate) async fn read_marks(store: &Store) -> Result<Marks, LoadError> {
    let mut marks = Marks::new();
    each_row(store, RowKind::Watermark, &[], |key, value| {
        if let Some((of, mark)) = read_mark(key, value) {
            marks.entry(of).or_default().push(mark);
        }
    })
    .await?;
    Ok(marks)
}

fn read_mark(key: &[u8], value: &[u8]) -> Option<((Id, u32), Mark)> {
    let (low, rest) = key.split_first_chunk::<8>()?;
    let (load, range) = rest.split_first_chunk::<16>()?;
    let range = u32::from_be_bytes(range.try_into().ok()?);
    let mark = access::<ArchivedWatermark>(value).ok()?;
    let counts = counts(&mark.counts);
    let done = Done { batches: mark.batches.to_native(), counts };
    Some(((*load, range), Mark { low: u64::from_be_bytes(*low), high: mark.high.to_native(), done }))
}

/// Failures of a version that still count, by node.
pub(crate) async fn known_failures(
    store: &Store,
    archive: &Id,
    version: &Id,
) -> Result<HashMap<u64, Failure>, LoadError> {
    let mut known = HashMap::new();
    each_row(store, RowKind::Failure, &archive_key(archive, version), |_, value| {
        let Ok(failure) = access::<ArchivedFailure>(value) else { return };
        if !failure.resolved {
            let node = failure.node.to_native();
            let text = |text: &str| text.to_owned();
            let failure = Failure {
                folder: text(&failure.folder),
                node,
                code: text(&failure.code),
                stage: text(&failure.stage),
                reason: text(&failure.reason),
                resolved: false,
            };
            known.insert(node, failure);
        }
    })
    .await?;
    Ok(known)
}

/// What loads of this version counted that came to its end; `None` where none did.
pub(crate) fn complete(row: Option<&[u8]>) -> Option<Counts> {
    let row = access::<ArchivedArchiveVersion>(row?).ok()?;
    row.complete.then(|| counts(&row.counts))
}

fn counts(kept: &ArchivedCounts) -> Counts {
    Counts {
        found: kept.found.to_native(),
        stored: kept.stored.to_native(),
        duplicate: kept.duplicate.to_native(),
        failed: kept.failed.to_native(),
        partial: kept.partial.to_native(),
        attachments: kept.attachments.to_native(),
    }
}

/// What a load of an archive begins with.
pub(crate) struct Begun<'l> {
    pub(crate) path: &'l str,
    pub(crate) load: &'l Id,
    pub(crate) marks: &'l Marks,
    /// Failures of earlier loads.
    pub(crate) known: &'l HashMap<u64, Failure>,
    pub(crate) contents: &'l Contents,
    /// What failed is to be tried again.
    pub(crate) retry: bool,
}

/// The tally a load begins with: what is done already is duplicate, but for what failed. That is repeated; or else it
/// is left out, and told, to be tried again.
pub(crate) fn tally(plan: &Plan, begun: &Begun<'_>) -> (Tally, Vec<Entry>) {
    let Begun { path, load, marks, known, contents, retry } = *begun;
    let (mut tally, mut again) = (Tally::default(), Vec::new());
    for range in 0..plan.ranges() {
        let key = (*load, u32::try_from(range).unwrap_or(u32::MAX));
        let mut done = marks.get(&key).map(|marks| progress(marks)).unwrap_or_default();
        if done.batches > plan.batches(range) {
            // No load of this plan wrote this; the range is repeated, which changes nothing.
            done = Done::default();
        }
        for batch in 0..done.batches {
            for item in plan.items().get(plan.batch(range, batch)).unwrap_or_default() {
                let failure = known.get(&item.node);
                if retry && failure.is_some() {
                    again.push(*item);
                    continue;
                }
                tally.run.found = tally.run.found.saturating_add(1);
                match failure {
                    None => tally.run.duplicate = tally.run.duplicate.saturating_add(1),
                    Some(failure) => {
                        tally.run.failed = tally.run.failed.saturating_add(1);
                        let folder = contents.path_of(item).to_owned();
                        tally.failures.push(FailureReport {
                            archive: path.to_owned(),
                            folder,
                            node: failure.node,
                            code: failure.code.clone(),
                            stage: failure.stage.clone(),
                            reason: failure.reason.clone(),
                        });
                    }
                }
            }
        }
        tally.run.partial = tally.run.partial.saturating_add(done.counts.partial);
        tally.run.attachments = tally.run.attachments.saturating_add(done.counts.attachments);
        tally.ranges.push(done);
    }
    (tally, again)
}
