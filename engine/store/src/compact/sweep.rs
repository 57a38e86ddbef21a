//! Takes out attachments that no email has: those of deleted mail, and what a load left that was broken off.
//!
//! What always holds: only what lies in segments when the sweep begins can go, and only if no email in any segment names
//! it; where any email cannot be read, nothing goes; what loads rely on stays, see [`crate::attachments`].

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
use postlode_runtime::{Runtime, SharedFile, background};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

type Files = Vec<(Arc<dyn SharedFile>, SegmentEntry)>;

/// Sweeps.
///
/// # Errors
/// Damage, and what the disk says.
pub async fn run<R: Runtime>(own: &Merger<R>) -> Result<Swept, StoreError> {
    let Merger { runtime, shared, keeper, shards } = own;
    let Some(sweep) = shared.attachments.sweep() else { return Ok(Swept::Waits) };
    // Emails of loads that ended before are in segments then; loads that began since are asked what they rely on.
    for shard in shards {
        let (reply, answer) = oneshot::async_channel();
        shard.writes.send(WriteOp::Seal(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)??;
    }
    let manifest = keeper.current().await?;
    if !manifest.segments.iter().any(|s| s.kind == SegmentKind::Blobs) {
        return Ok(Swept::Done(0));
    }
    let (mut mail, mut blobs) = (Files::new(), Files::new());
    for entry in &manifest.segments {
        let opened = runtime.open_shared(&names::segment(entry.id));
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
    let (found, holders) = match background(runtime, super::ASKED, look).await {
        Some(Ok(found)) => found,
        Some(Err(BuildError::Missing(missing))) => return Err(StoreError::Missing(missing)),
        Some(Err(BuildError::Stopped)) => return Err(StoreError::Closed),
        Some(Err(error)) => {
            return Err(StoreError::Unusable(format!("attachments cannot be looked through: {error}")));
        }
        None => return Err(StoreError::Unusable("looking through attachments was broken off".into())),
    };
    let condemned = sweep.condemn(found);
    if condemned.is_empty() {
        return Ok(Swept::Done(0));
    }
    // Of segments that came since, none is merged: a load may have stored there again what is condemned.
    let only = Manifest {
        segments: manifest.segments.iter().filter(|s| s.kind == SegmentKind::Blobs).cloned().collect(),
        ..Manifest::default()
    };
    let gone = super::Gone { attachments: condemned.clone(), ..super::Gone::default() };
    // What has sources in common stays together: of one that spans shards all parts are made, or none.
    let mut units = plan::units(plan::all(&only, shards.len(), &holders));
    units.retain(|unit| unit.iter().flat_map(|merge| &merge.sources).any(|s| holders.contains(&s.id)));
    for unit in units {
        merge_unit(own, unit, &gone, By::Background(super::ASKED)).await?;
    }
    Ok(Swept::Done(condemned.len() as u64))
}

/// Attachments in `blobs` that no email in `mail` names, and the segments that hold them. Of those that are named eight
/// bytes are enough to remember: at worst one too many is kept.
fn unnamed(
    mail: &Files,
    blobs: &Files,
    shared: &Shared,
) -> Result<(BTreeSet<Sha256>, BTreeSet<u64>), BuildError> {
    let mut named = HashSet::new();
    for (file, entry) in mail {
        add_named(file, entry, &mut named, shared)?;
    }
    let (mut found, mut holders) = (BTreeSet::new(), BTreeSet::new());
    for (file, entry) in blobs {
        let directory = shared_directory(file, entry).map_err(BuildError::Missing)?;
        let primary = SharedSection::find(file, &directory, SectionKind::Primary, 0, None);
        for row in primary.iter().flat_map(leaves::entries) {
            let (key, _) = row.map_err(BuildError::Missing)?;
            let Some(sha256) = key.get(1..).and_then(|key| key.first_chunk::<32>()) else { continue };
            if !named.contains(&head(sha256)) {
                found.insert(*sha256);
                holders.insert(entry.id);
            }
        }
        go_on(shared)?;
    }
    Ok((found, holders))
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
    for number in 0..ordinals.len() / ORDINAL as u64 {
        let bytes = ordinals.read(number.saturating_mul(ORDINAL as u64), ORDINAL);
        let ordinal = Ordinal::decode(&bytes.map_err(BuildError::Missing)?)?;
        let record = emails.read(&ordinal).map_err(BuildError::Missing)?;
        let email = access::<ArchivedEmail>(&record)?;
        named.extend(email.attachments.iter().map(|attachment| head(&attachment.sha256)));
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
