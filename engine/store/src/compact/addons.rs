//! Add-ons: vectors of another model that a segment gains while it is there, and takes along when it is merged.
//!
//! What always holds: an add-on is replaced as a whole, by one that was read back and that a durable manifest names; what a
//! merge cannot take along is named in the log and goes, because vectors can be made again; the file that was replaced
//! goes after all shards have the new one.

use super::{Compacted, Merger};
use crate::error::StoreError;
use crate::keeper::Edit;
use crate::names;
use crate::segment::build::build_addon;
use crate::segment::make::{By, MakeError, make_file};
use crate::segment::shared;
use crate::segment::source::BuildError;
use crate::shard::{ReadOp, Shared};
use crate::vectors::{AddVectors, MergedVectors, VectorBuilder, VectorParts};
use crate::verify::shared_directory;
use postlode_format::manifest::{Addon, SegmentEntry};
use postlode_format::segment::Identity;
use postlode_runtime::{DiskErrorKind, Runtime, SharedFile};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Adds vectors to a segment. False where it is gone.
pub async fn add<R: Runtime>(own: &Merger<R>, add: AddVectors) -> Result<bool, StoreError> {
    let AddVectors { segment, model, make } = add;
    let manifest = own.keeper.current().await?;
    let Some(entry) = manifest.segments.iter().find(|entry| entry.id == segment).cloned() else {
        return Ok(false);
    };
    // Vectors can wait; what room there is is for deletions.
    own.shared.reserve.check(&own.runtime, Path::new(names::SEGMENTS)).await?;
    let before = entry.addon(&model).map(|addon| entry.of_addon(addon));
    let file = match before {
        Some(before) => opened(&own.runtime, &before)?,
        None => None,
    };
    let shared = own.shared.clone();
    let (of, identity) = (entry.clone(), identity(&own.runtime, &own.shared));
    let (told, pending) = oneshot::channel();
    let write = move |out: &mut dyn postlode_runtime::AppendFile| {
        go_on(&shared)?;
        let parts = file.map(|(file, before)| parts(&file, &before)).unwrap_or_default();
        let (vectors, pending) = make(&parts).map_err(BuildError::Other)?;
        go_on(&shared)?;
        drop(told.send(pending));
        build_addon(&of, identity, &vectors, out).map(Some)
    };
    let made = match make_file(&own.runtime, identity.id, By::Background(super::ASKED), write).await {
        Ok(made) => made,
        Err(error) => return Err(failed(error)),
    };
    let (Some(made), Ok(pending)) = (made, pending.await) else { return Ok(false) };
    let addon = Addon { id: made.id, salt: made.salt, bytes: made.bytes, model, pending };
    let mut addons: Vec<Addon> = entry.addons.iter().filter(|a| a.model != addon.model).cloned().collect();
    addons.push(addon);
    let made = made.id;
    match publish(own, vec![SegmentEntry { addons, ..entry }], None).await {
        Ok(()) => Ok(true),
        Err(error) => {
            // The manifest is surely not there; of other errors opening decides.
            if matches!(error, StoreError::Full(_) | StoreError::Disk(_)) {
                super::remove_file(&own.runtime, made).await;
            }
            Err(error)
        }
    }
}

/// Has a model's vectors answer, and drops those of others.
pub async fn activate<R: Runtime>(own: &Merger<R>, model: String) -> Result<(), StoreError> {
    let manifest = own.keeper.current().await?;
    let stranger = |addon: &Addon| addon.model != model;
    let with_strangers = manifest.segments.iter().filter(|entry| entry.addons.iter().any(stranger));
    let without = |entry: &SegmentEntry| {
        let addons = entry.addons.iter().filter(|addon| !stranger(addon)).cloned().collect();
        SegmentEntry { addons, ..entry.clone() }
    };
    let left: Vec<SegmentEntry> = with_strangers.map(without).collect();
    if left.is_empty() && manifest.active == model {
        return Ok(());
    }
    publish(own, left, Some(model)).await
}

/// Publishes which add-ons segments have, tells the shards, and removes the files of those that are gone. The entries are
/// those of the manifest but for their add-ons.
async fn publish<R: Runtime>(
    own: &Merger<R>,
    changed: Vec<SegmentEntry>,
    active: Option<String>,
) -> Result<(), StoreError> {
    let before = own.keeper.current().await?;
    let addons = changed.iter().map(|entry| (entry.id, entry.addons.clone())).collect();
    let edit = Edit { addons, active, ..Edit::default() };
    let now = own.keeper.edit(edit).await?;
    let change = Arc::new(Compacted { addons: changed, ..Compacted::default() });
    for shard in &own.shards {
        let (reply, answer) = oneshot::async_channel();
        // A shard that has ended has nothing open any more.
        if shard.reads.send(ReadOp::Refresh(change.clone(), reply)).await.is_ok() {
            let _ended = answer.await;
        }
    }
    // Lists that were ranked before are of other vectors.
    own.shared.generation.fetch_add(1, Ordering::Release);
    let named: BTreeSet<u64> = now.file_ids().collect();
    let changed: BTreeSet<u64> = change.addons.iter().map(|entry| entry.id).collect();
    for entry in before.segments.iter().filter(|entry| changed.contains(&entry.id)) {
        for addon in entry.addons.iter().filter(|addon| !named.contains(&addon.id)) {
            super::remove_file(&own.runtime, addon.id).await;
        }
    }
    Ok(())
}

/// The file of an add-on, and what a manifest would say of it.
type OpenFile = (Arc<dyn SharedFile>, SegmentEntry);

/// A source of a merge as far as its add-ons go: what the manifest says of it, and the new number of each email.
pub type Numbered = (SegmentEntry, Vec<u32>);

/// The add-ons of a merge's target, one of each model of which some source has one.
///
/// # Errors
/// What the disk says; files that were made by then are gone again.
pub async fn merged<R: Runtime>(
    runtime: &R,
    shared: &Arc<Shared>,
    target: &SegmentEntry,
    sources: &[Numbered],
    by: By,
) -> Result<Vec<Addon>, StoreError> {
    let mut out = Vec::new();
    let Some(builder) = shared.options.vectors.clone() else { return Ok(out) };
    let models: BTreeSet<&str> =
        sources.iter().flat_map(|(entry, _)| &entry.addons).map(|addon| addon.model.as_str()).collect();
    for model in models {
        if shared.stopping.load(Ordering::Relaxed) {
            discard(runtime, &out).await;
            return Err(StoreError::Closed);
        }
        match of_model(runtime, shared, &builder, target, sources, model, by).await {
            Ok(addon) => out.extend(addon),
            Err(error) => {
                discard(runtime, &out).await;
                return Err(error);
            }
        }
    }
    Ok(out)
}

async fn discard<R: Runtime>(runtime: &R, addons: &[Addon]) {
    for addon in addons {
        super::remove_file(runtime, addon.id).await;
    }
}

/// A store that closes waits for no vectors.
fn go_on(shared: &Shared) -> Result<(), BuildError> {
    if shared.stopping.load(Ordering::Relaxed) { Err(BuildError::Stopped) } else { Ok(()) }
}

async fn of_model<R: Runtime>(
    runtime: &R,
    shared: &Arc<Shared>,
    builder: &Arc<dyn VectorBuilder>,
    target: &SegmentEntry,
    sources: &[Numbered],
    model: &str,
    by: By,
) -> Result<Option<Addon>, StoreError> {
    let mut files = Vec::new();
    for (entry, to) in sources {
        let file = match entry.addon(model) {
            Some(addon) => opened(runtime, &entry.of_addon(addon))?,
            None => None,
        };
        files.push((file, to.clone()));
    }
    let (of, identity, builder) = (target.clone(), identity(runtime, shared), builder.clone());
    let stops = shared.clone();
    let (told, pending) = oneshot::channel();
    let write = move |out: &mut dyn postlode_runtime::AppendFile| {
        let merged = |(file, to): (Option<OpenFile>, Vec<u32>)| MergedVectors {
            parts: file.map(|(file, addon)| parts(&file, &addon)).unwrap_or_default(),
            to,
        };
        let sources: Vec<MergedVectors> = files.into_iter().map(merged).collect();
        let (vectors, pending) = builder.merge_addons(&sources).map_err(BuildError::Other)?;
        go_on(&stops)?;
        if pending >= of.emails {
            return Ok(None);
        }
        drop(told.send(pending));
        build_addon(&of, identity, &vectors, out).map(Some)
    };
    match make_file(runtime, identity.id, by, write).await {
        Ok(Some(made)) => {
            let pending = pending.await.unwrap_or(target.emails);
            let (id, salt, bytes) = (made.id, made.salt, made.bytes);
            Ok(Some(Addon { id, salt, bytes, model: model.to_owned(), pending }))
        }
        Ok(None) => Ok(None),
        // Vectors can be made again; what a full disk needs is that deleted mail goes.
        Err(MakeError::Store(error)) if !matches!(error, StoreError::Full(_)) => Err(error),
        Err(error) => {
            let error = failed(error);
            tracing::warn!(
                "vectors of the model {model} are to be made again, they cannot be merged: {error}"
            );
            Ok(None)
        }
    }
}

fn identity<R: Runtime>(runtime: &R, shared: &Shared) -> Identity {
    Identity { id: shared.next_segment.fetch_add(1, Ordering::Relaxed), salt: runtime.random_u64() }
}

/// Tries to read what is there before it is given up: a fault that passes must not cost vectors.
const TRIES: usize = 3;

/// The file of an add-on, for reading; `None` where there is none.
///
/// # Errors
/// A fault that may pass.
fn opened<R: Runtime>(runtime: &R, addon: &SegmentEntry) -> Result<Option<OpenFile>, StoreError> {
    match runtime.open_shared(&names::segment(addon.id)) {
        Ok(file) => Ok(Some((file, addon.clone()))),
        Err(error) if error.kind == DiskErrorKind::NotFound => {
            tracing::error!("vectors are to be made again: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The vectors in the file of an add-on; none where its directory cannot be read, which is told.
fn parts(file: &Arc<dyn SharedFile>, addon: &SegmentEntry) -> VectorParts {
    let mut last = None;
    for _ in 0..TRIES {
        match shared_directory(file, addon) {
            Ok(directory) => return shared::vectors(file, &directory, None),
            Err(missing) => last = Some(missing),
        }
    }
    if let Some(missing) = last {
        tracing::error!("vectors are to be made again: {missing}");
    }
    VectorParts::new()
}

fn failed(error: MakeError) -> StoreError {
    match error {
        MakeError::Store(error) => error,
        MakeError::Build(BuildError::Missing(missing)) => StoreError::Missing(missing),
        MakeError::Build(error) => StoreError::Unusable(format!("vectors cannot be added: {error}")),
        MakeError::Broken => StoreError::Unusable("adding vectors was broken off".into()),
    }
}
