//! Takes out attachments that no email has: those of deleted mail, and what a load left that was broken off.
//!
//! What always holds: only what lies in segments when the sweep begins can go, and only if no email in any segment names
//! it; where any email cannot be read, nothing goes; an attachment whose pieces lie in several segments goes from all at
//! once; what loads rely on stays, see [`crate::attachments`].

use super::{Merger, merge_unit, plan};
use crate::api::{Missing, SectionRead, Swept};
use crate::attachments::Sha256;
use crate::error::StoreError;
use crate::names;
use crate::segment::emails::Emails;
use crate::segment::leaves;
use crate::segment::make::By;
use crate::segment::shared::SharedSection;
use crate::segment::source::BuildError;
use crate::shard::{Shared, WriteOp};
use crate::verify::shared_directory;
use postlode_format::manifest::{Manifest, SegmentEntry, SegmentKind};
use postlode_format::row::{ArchivedEmail, access};
use postlode_format::segment::{ORDINAL, Ordinal, SectionKind};
use postlode_runtime::{Pace, Runtime, SharedFile, background};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of ordinals that are read at a time.
const ORDINALS_AT_ONCE: u64 = 1024 * ORDINAL as u64;

type Files = Vec<(Arc<dyn SharedFile>, SegmentEntry)>;

/// Sweeps, if anything may have to go. `purged`: mail was taken out.
///
/// # Errors
/// What the disk says. Damage is told in the answer.
pub async fn run<R: Runtime>(own: &Merger<R>, purged: bool) -> Result<Swept, StoreError> {
    if !purged && !own.shared.attachments.is_due() {
        return Ok(Swept::Done(0));
    }
    let before: BTreeSet<u64> = own.keeper.current().await?.segments.iter().map(|s| s.id).collect();
    match sweep(own).await {
        // A new segment that cannot be read back is another matter: then the disk itself is not to be trusted.
        Err(StoreError::Missing(missing)) if missing.segment.is_some_and(|id| before.contains(&id)) => {
            Ok(Swept::Damaged(missing))
        }
        other => other,
    }
}

async fn sweep<R: Runtime>(own: &Merger<R>) -> Result<Swept, StoreError> {
    let Merger { runtime, shared, keeper, shards } = own;
    let Some(sweep) = shared.attachments.sweep() else { return Ok(Swept::Waits) };
    // Emails of loads that ended before are in segments then; loads that began since are asked what they rely on. What is
    // taken out is in no log either.
    for shard in shards {
        let (reply, answer) = oneshot::async_channel();
        shard.writes.send(WriteOp::Scrub(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)??;
    }
    let manifest = keeper.current().await?;
    if !manifest.segments.iter().any(|s| s.kind == SegmentKind::Blobs) {
        sweep.done();
        return Ok(Swept::Done(0));
    }
    let (mut mail, mut blobs) = (Files::new(), Files::new());
    for entry in &manifest.segments {
        // Nobody waits for it, and others read from the same disk.
        let opened = runtime.open_whole(&names::segment(entry.id), Pace::Rests);
        let file = opened.map_err(|error| {
            StoreError::Missing(Missing {
                segment: Some(entry.id),
                section: "file".into(),
                reason: error.to_string(),
            })
        })?;
        let files = if entry.kind == SegmentKind::Blobs { &mut blobs } else { &mut mail };
        files.push((file, entry.clone()));
    }
    let stopping = shared.clone();
    let look = move || unnamed(&mail, &blobs, &stopping);
    let Found { unnamed, holders, spread } = match background(runtime, super::ASKED, look).await {
        Some(Ok(found)) => found,
        Some(Err(BuildError::Missing(missing))) => return Err(StoreError::Missing(missing)),
        Some(Err(BuildError::Stopped)) => return Err(StoreError::Closed),
        Some(Err(error)) => {
            return Err(StoreError::Unusable(format!("attachments cannot be looked through: {error}")));
        }
        None => return Err(StoreError::Unusable("looking through attachments was broken off".into())),
    };
    let condemned = sweep.condemn(unnamed);
    if condemned.is_empty() {
        sweep.done();
        return Ok(Swept::Done(0));
    }
    // Of segments that came since, none is merged: a load may have stored there again what is condemned.
    let only = Manifest {
        segments: manifest.segments.iter().filter(|s| s.kind == SegmentKind::Blobs).cloned().collect(),
        ..Manifest::default()
    };
    let gone = super::Gone { attachments: condemned.clone(), ..super::Gone::default() };
    // What has sources in common stays together: of one that spans shards all parts are made, or none. And who has the
    // last piece of an attachment is taken to have all.
    let mut units = plan::together(plan::units(plan::all(&only, shards.len(), &holders)), &spread);
    units.retain(|unit| unit.iter().flat_map(|merge| &merge.sources).any(|s| holders.contains(&s.id)));
    for unit in units {
        merge_unit(own, unit, &gone, By::Background(super::ASKED)).await?;
    }
    sweep.done();
    Ok(Swept::Done(condemned.len() as u64))
}

/// What was found in segments of attachments.
#[derive(Default)]
struct Found {
    /// Attachments that no email names.
    unnamed: BTreeSet<Sha256>,
    /// Segments that hold them.
    holders: BTreeSet<u64>,
    /// Segments that hold pieces of one.
    spread: Vec<BTreeSet<u64>>,
}

/// Attachments in `blobs` that no email in `mail` names, and the segments that hold them. Of those that are named eight
/// bytes are enough to remember: at worst one too many is kept.
fn unnamed(mail: &Files, blobs: &Files, shared: &Shared) -> Result<Found, BuildError> {
    let mut named = HashSet::new();
    for (file, entry) in mail {
        add_named(file, entry, &mut named, shared)?;
    }
    let mut out = Found::default();
    // By attachment the first segment that has a piece of it.
    let mut first: BTreeMap<Sha256, u64> = BTreeMap::new();
    let mut spread = BTreeSet::new();
    for (file, entry) in blobs {
        let directory = shared_directory(file, entry).map_err(BuildError::Missing)?;
        let primary = SharedSection::find(file, &directory, SectionKind::Primary, 0, None);
        for row in primary.iter().flat_map(leaves::entries) {
            let (key, _) = row.map_err(BuildError::Missing)?;
            let Some(sha256) = key.get(1..).and_then(|key| key.first_chunk::<32>()) else { continue };
            if !named.contains(&head(sha256)) {
                out.holders.insert(entry.id);
                let first = *first.entry(*sha256).or_insert(entry.id);
                if first != entry.id {
                    spread.insert((first, entry.id));
                }
            }
        }
        go_on(shared)?;
    }
    out.unnamed = first.into_keys().collect();
    out.spread = spread.into_iter().map(|(one, other)| BTreeSet::from([one, other])).collect();
    Ok(out)
}

fn add_named(
    file: &Arc<dyn SharedFile>,
    entry: &SegmentEntry,
    named: &mut HashSet<u64>,
    shared: &Shared,
) -> Result<(), BuildError> {
    let directory = shared_directory(file, entry).map_err(BuildError::Missing)?;
    let emails = Emails::find(file, &directory).map_err(BuildError::Missing)?;
    let ordinals = SharedSection::find(file, &directory, SectionKind::Ordinals, 0, None);
    let (Some(emails), Some(ordinals)) = (emails, ordinals) else { return Ok(()) };
    let mut at = 0;
    while at < ordinals.len() {
        let take = ordinals.len().saturating_sub(at).min(ORDINALS_AT_ONCE);
        let some = ordinals.read(at, usize::try_from(take).unwrap_or(0)).map_err(BuildError::Missing)?;
        for bytes in some.chunks(ORDINAL) {
            let record = emails.read(&Ordinal::decode(bytes)?).map_err(BuildError::Missing)?;
            let email = access::<ArchivedEmail>(&record)?;
            named.extend(email.attachments.iter().map(|attachment| head(&attachment.sha256)));
        }
        at = at.saturating_add(take);
        go_on(shared)?;
    }
    Ok(())
}

fn head(sha256: &Sha256) -> u64 {
    sha256.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head))
}

fn go_on(shared: &Shared) -> Result<(), BuildError> {
    if shared.stopping.load(Ordering::Relaxed) { Err(BuildError::Stopped) } else { Ok(()) }
}
