//! A segment's way onto the disk: built into a file of a temporary name, made durable, read back, and only then named.
//!
//! What always holds: what has the name of a segment is whole, durable, and was read back from the medium: what it was
//! made from is given up on the word of this file. One that failed leaves nothing behind.

use super::build::{Recipe, build};
use super::source::{BuildError, Source};
use crate::error::StoreError;
use crate::names;
use crate::verify;
use postlode_format::manifest::SegmentEntry;
use postlode_runtime::{AppendFile, Pace, Runtime, SharedFile, background, offload};
use std::path::Path;
use std::sync::Arc;

/// Who does the work.
#[derive(Debug, Clone, Copy)]
pub enum By {
    /// The CPU pool: somebody waits for it.
    Pool,
    /// A thread so many steps behind the others.
    Background(u8),
}

/// Why there is no segment.
#[derive(Debug)]
pub enum MakeError {
    /// It could not be built.
    Build(BuildError),
    /// The work was broken off by a panic.
    Broken,
    /// The store or its disk.
    Store(StoreError),
}

impl From<postlode_runtime::DiskError> for MakeError {
    fn from(error: postlode_runtime::DiskError) -> Self {
        Self::Store(error.into())
    }
}

/// Makes a segment's file from what `open` gives; `None` where there are no rows for it. No manifest names it yet.
///
/// # Errors
/// See [`MakeError`].
pub async fn make<R: Runtime, S: Source>(
    runtime: &R,
    recipe: Recipe,
    by: By,
    open: impl FnOnce() -> Result<S, BuildError> + Send + 'static,
) -> Result<Option<SegmentEntry>, MakeError> {
    let id = recipe.own.id;
    make_file(runtime, id, by, move |file| build(&open()?, &recipe, file)).await
}

/// Makes a file of the layout of segments by what `write` writes, which tells what a manifest would say of it; `None` where
/// there is nothing to be kept. No manifest names it yet.
///
/// # Errors
/// See [`MakeError`].
pub async fn make_file<R: Runtime>(
    runtime: &R,
    id: u64,
    by: By,
    write: impl FnOnce(&mut dyn AppendFile) -> Result<Option<SegmentEntry>, BuildError> + Send + 'static,
) -> Result<Option<SegmentEntry>, MakeError> {
    let tmp = names::segment_tmp(id);
    // Of an earlier try.
    runtime.remove(&tmp).await?;
    let made = into_file(runtime, &tmp, by, write).await;
    let named = match &made {
        Ok(Some(_)) => {
            let renamed = runtime.rename(&tmp, &names::segment(id)).await;
            match renamed {
                Ok(()) => runtime.sync_dir(Path::new(names::SEGMENTS)).await,
                Err(error) => Err(error),
            }
        }
        Ok(None) | Err(_) => {
            // It is removed at the next opening, if not now.
            drop(runtime.remove(&tmp).await);
            Ok(())
        }
    };
    if let Err(error) = named {
        for path in [tmp, names::segment(id)] {
            // As above.
            drop(runtime.remove(&path).await);
        }
        return Err(error.into());
    }
    made
}

async fn into_file<R: Runtime>(
    runtime: &R,
    tmp: &Path,
    by: By,
    write: impl FnOnce(&mut dyn AppendFile) -> Result<Option<SegmentEntry>, BuildError> + Send + 'static,
) -> Result<Option<SegmentEntry>, MakeError> {
    let mut file = runtime.create_append(tmp)?;
    // Somebody waits for what the pool does.
    let reader = match by {
        By::Pool => runtime.open_shared(tmp)?,
        By::Background(_) => runtime.open_whole(tmp, Pace::Rests)?,
    };
    let job = move || work(write, &mut *file, &reader);
    let done = match by {
        By::Pool => offload(runtime, job).await,
        By::Background(nice) => background(runtime, nice, job).await,
    };
    match done {
        Some(Ok(entry)) => Ok(entry),
        Some(Err(BuildError::Disk(error))) => Err(error.into()),
        Some(Err(BuildError::Stopped)) => Err(MakeError::Store(StoreError::Closed)),
        Some(Err(error)) => Err(MakeError::Build(error)),
        None => Err(MakeError::Broken),
    }
}

fn work(
    write: impl FnOnce(&mut dyn AppendFile) -> Result<Option<SegmentEntry>, BuildError>,
    file: &mut dyn AppendFile,
    reader: &Arc<dyn SharedFile>,
) -> Result<Option<SegmentEntry>, BuildError> {
    let Some(entry) = write(file)? else { return Ok(None) };
    file.finish().map_err(BuildError::Disk)?;
    verify::read_back(reader, &entry).map_err(|missing| {
        tracing::error!("a new segment is not what was written, and is given up: {missing}");
        BuildError::Missing(missing)
    })?;
    Ok(Some(entry))
}
