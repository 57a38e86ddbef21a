//! Copies of the store as it is at one moment, while it is written: all that was acknowledged before.
//!
//! What always holds: the manifest of the copy comes last, so what ends early is no store; a file that was copied was
//! read back and checked before, one that has a second name instead is the file itself; a copy needs no log, because all
//! is sealed first.

use crate::error::StoreError;
use crate::keeper::KeeperHandle;
use crate::names;
use crate::verify;
use postlode_format::manifest::{Manifest, SegmentEntry};
use postlode_runtime::{DiskErrorKind, Pace, Runtime, Target, offload};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often a copy begins anew because segments were merged meanwhile.
const TRIES: usize = 20;

/// What a copy consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// How many files have a second name instead of a copy.
    pub linked: u64,
    /// Emails.
    pub emails: u64,
    /// Number of the manifest.
    pub manifest: u64,
}

/// Copies what the manifest names into an empty folder. `link`: files may have a second name instead.
///
/// # Errors
/// [`StoreError::Missing`] for damage, what the disk says of either folder, and where rows are in a log only.
pub async fn run<R: Runtime>(
    runtime: &R,
    keeper: &KeeperHandle,
    to: PathBuf,
    link: bool,
) -> Result<Copied, StoreError> {
    let make = move || {
        let target = Target::create(&to)?;
        target.create_dir(Path::new(names::SEGMENTS))?;
        Ok(target)
    };
    let target = Arc::new(work(runtime, make).await?);
    let mut made: BTreeMap<u64, Made> = BTreeMap::new();
    let done = all(runtime, keeper, &target, link, &mut made).await;
    if done.is_err() {
        // Without a manifest it is no store; the files would only take room.
        let clear = move || {
            for id in made.into_keys() {
                drop(target.remove(&names::segment(id)));
            }
            target.remove_empty(&[Path::new(names::SEGMENTS), Path::new(names::MANIFESTS)]);
            Ok(())
        };
        drop(work(runtime, clear).await);
    }
    done
}

struct Made {
    bytes: u64,
    linked: bool,
}

async fn all<R: Runtime>(
    runtime: &R,
    keeper: &KeeperHandle,
    target: &Arc<Target>,
    link: bool,
    made: &mut BTreeMap<u64, Made>,
) -> Result<Copied, StoreError> {
    for _ in 0..TRIES {
        let manifest = keeper.current().await?;
        if !segments(runtime, keeper, target, link, &manifest, made).await? {
            continue;
        }
        let ids: BTreeSet<u64> = manifest.file_ids().collect();
        let old: Vec<u64> = made.keys().filter(|id| !ids.contains(id)).copied().collect();
        made.retain(|id, _| !old.contains(id));
        let copy = Manifest { logs: Vec::new(), ..Manifest::clone(&manifest) };
        let bytes = copy.encode().map_err(StoreError::Refused)?;
        let length = bytes.len() as u64;
        let (own, number) = (target.clone(), manifest.number);
        let publish = move || {
            old.iter().try_for_each(|id| own.remove(&names::segment(*id)))?;
            own.create_dir(Path::new(names::MANIFESTS))?;
            let name = names::manifest(number);
            let published = own.publish(&name, &bytes, &[Path::new(names::SEGMENTS)]);
            if published.is_err() {
                // It may have its name all the same, and must not outlive the segments.
                drop(own.remove(&name));
            }
            published
        };
        work(runtime, publish).await?;
        return Ok(Copied {
            files: made.len() as u64 + 1,
            bytes: made.values().map(|made| made.bytes).sum::<u64>().saturating_add(length),
            linked: made.values().filter(|made| made.linked).count() as u64,
            emails: manifest.segments.iter().map(|s| s.emails).sum(),
            manifest: number,
        });
    }
    Err(StoreError::Unusable("segments were merged faster than they were copied: try again".into()))
}

fn named(manifest: &Manifest, id: u64) -> bool {
    manifest.file_ids().any(|file| file == id)
}

/// Takes those that are not there yet. False where one was merged away meanwhile.
async fn segments<R: Runtime>(
    runtime: &R,
    keeper: &KeeperHandle,
    target: &Arc<Target>,
    link: bool,
    manifest: &Manifest,
    made: &mut BTreeMap<u64, Made>,
) -> Result<bool, StoreError> {
    for entry in manifest.files() {
        if made.contains_key(&entry.id) {
            continue;
        }
        match one(runtime, target, link, &entry).await {
            Ok(linked) => drop(made.insert(entry.id, Made { bytes: entry.bytes, linked })),
            Err(error) => {
                let (own, name) = (target.clone(), names::segment(entry.id));
                drop(work(runtime, move || own.remove(&name)).await);
                let gone = matches!(&error, StoreError::Disk(e) if e.kind == DiskErrorKind::NotFound);
                if gone && !named(&*keeper.current().await?, entry.id) {
                    return Ok(false);
                }
                return Err(error);
            }
        }
    }
    Ok(true)
}

/// True where it has a second name, false where it was copied.
async fn one<R: Runtime>(
    runtime: &R,
    target: &Arc<Target>,
    link: bool,
    entry: &SegmentEntry,
) -> Result<bool, StoreError> {
    let name = names::segment(entry.id);
    if link && runtime.link_out(&name, &target.path(&name))? {
        return Ok(true);
    }
    // Past the page cache, which is for those who ask.
    let from = runtime.open_whole(&name, Pace::Goes)?;
    let (target, own) = (target.clone(), entry.clone());
    let copy = move || {
        target.copy(&name, &*from, own.bytes)?;
        let copied = target.open(&name)?;
        match verify::check_segment(&copied, &copied, &own).damage.into_iter().next() {
            None => Ok(()),
            Some(missing) => Err(StoreError::Missing(missing)),
        }
    };
    let done = offload(runtime, copy).await;
    done.unwrap_or_else(|| Err(broken())).map(|()| false)
}

fn broken() -> StoreError {
    StoreError::Unusable("copying the store was broken off".into())
}

/// Work that blocks.
async fn work<R: Runtime, T: Send + 'static>(
    runtime: &R,
    job: impl FnOnce() -> Result<T, postlode_runtime::DiskError> + Send + 'static,
) -> Result<T, StoreError> {
    match offload(runtime, job).await {
        Some(done) => done.map_err(StoreError::from),
        None => Err(broken()),
    }
}
