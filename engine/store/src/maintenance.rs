//! The maintenance task: long work over the whole store, beside the shards. It also holds the writer's lock.
//!
//! What always holds: nothing here waits for a merge but the end, so that nobody who only asks how the store is does; the
//! lock is freed after the last merge has ended.

use crate::api::{Missing, SegmentStats, Swept, VerifyReport};
use crate::backup::{self, Copied};
use crate::compact::{MergeOp, MergerHandle};
use crate::documents;
use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::inspect::{self, Dumped, Inspected};
use crate::keeper::{KeeperHandle, newest_number};
use crate::shard::Reply;
use crate::verify;
use postlode_format::manifest::Manifest;
use postlode_runtime::{Lock, Runtime};
use std::path::PathBuf;
use std::sync::Arc;

/// Segments for people, each with its rows by kind, and what cannot be read.
pub type Described = (Vec<(SegmentStats, Vec<(u8, u64)>)>, Vec<Missing>);

/// What the task is asked.
pub enum Chore {
    /// Read every byte.
    Verify(Reply<Result<VerifyReport, StoreError>>),
    /// Describe the segments of a manifest.
    Describe(Arc<Manifest>, Reply<Described>),
    /// Merge and cut segments, tell the shards, remove what was merged.
    Compact(Reply<Result<Swept, StoreError>>),
    /// Copy the store into an empty folder; files may have a second name there instead.
    Copy(PathBuf, bool, Reply<Result<Copied, StoreError>>),
    /// Look into a segment.
    Inspect(u64, Reply<Result<Inspected, StoreError>>),
    /// Rows of a segment above a full key, at most so many.
    Dump(u64, Option<Vec<u8>>, usize, Reply<Result<Vec<Dumped>, StoreError>>),
    /// Emails of a segment, by their ordinals, of so many bytes.
    Documents(u64, Vec<u32>, usize, Reply<Result<Option<documents::Read>, StoreError>>),
    /// The number of the newest manifest on the disk.
    Newest(Reply<Result<Option<u64>, StoreError>>),
    /// End, and free the lock.
    Stop(Reply<()>),
}

/// Works until it is told to stop, or nobody is left to tell it.
pub async fn run<R: Runtime>(
    runtime: R,
    keeper: KeeperHandle,
    merger: MergerHandle,
    lock: Option<Box<dyn Lock>>,
    queue: Inbox<Chore>,
) {
    while let Ok(chore) = queue.recv().await {
        match chore {
            Chore::Verify(reply) => {
                let (runtime, keeper) = (runtime.clone(), keeper.clone());
                let task = runtime.clone();
                task.spawn(Box::pin(async move { drop(reply.send(verify::run(&runtime, &keeper).await)) }));
            }
            Chore::Describe(manifest, reply) => {
                let (runtime, keeper) = (runtime.clone(), keeper.clone());
                let task = runtime.clone();
                task.spawn(Box::pin(async move {
                    drop(reply.send(verify::run_describe(&runtime, &keeper, &manifest).await));
                }));
            }
            Chore::Compact(reply) => {
                let merger = merger.clone();
                runtime.spawn(Box::pin(async move {
                    let done = merger.ask(MergeOp::Compact).await;
                    drop(reply.send(done.unwrap_or(Err(StoreError::Closed))));
                }));
            }
            Chore::Copy(to, link, reply) => {
                let (runtime, keeper) = (runtime.clone(), keeper.clone());
                let task = runtime.clone();
                task.spawn(Box::pin(async move {
                    drop(reply.send(backup::run(&runtime, &keeper, to, link).await));
                }));
            }
            Chore::Inspect(id, reply) => {
                let (runtime, keeper) = (runtime.clone(), keeper.clone());
                let task = runtime.clone();
                task.spawn(Box::pin(async move {
                    drop(reply.send(inspect::inspect(&runtime, &keeper, id).await));
                }));
            }
            Chore::Dump(id, after, limit, reply) => {
                let (runtime, keeper) = (runtime.clone(), keeper.clone());
                let task = runtime.clone();
                task.spawn(Box::pin(async move {
                    drop(reply.send(inspect::dump(&runtime, &keeper, id, after, limit).await));
                }));
            }
            Chore::Documents(id, ordinals, most, reply) => {
                let (runtime, keeper) = (runtime.clone(), keeper.clone());
                let task = runtime.clone();
                task.spawn(Box::pin(async move {
                    drop(reply.send(documents::read(&runtime, &keeper, id, ordinals, most).await));
                }));
            }
            Chore::Newest(reply) => drop(reply.send(newest_number(&runtime).await)),
            Chore::Stop(reply) => {
                stop(&merger, lock).await;
                drop(reply.send(()));
                return;
            }
        }
    }
    // The store was dropped without being closed.
    stop(&merger, lock).await;
}

/// A merge under way must not publish anything once another writer can come.
async fn stop(merger: &MergerHandle, lock: Option<Box<dyn Lock>>) {
    let _ended = merger.ask(MergeOp::Stop).await;
    drop(lock);
}
