//! The maintenance task: long work over the whole store, beside the shards. It also holds the writer's lock.

use crate::api::{Missing, SegmentStats, VerifyReport};
use crate::compact;
use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::keeper::KeeperHandle;
use crate::shard::{Reply, Shared};
use crate::verify;
use postlode_format::manifest::Manifest;
use postlode_runtime::{Lock, Runtime};
use std::sync::Arc;

/// Segments for people, each with its rows by kind, and what cannot be read.
pub type Described = (Vec<(SegmentStats, Vec<(u8, u64)>)>, Vec<Missing>);

/// What the task is asked.
pub enum Chore {
    /// Read every byte.
    Verify(Reply<Result<VerifyReport, StoreError>>),
    /// Describe the segments of a manifest.
    Describe(Arc<Manifest>, Reply<Described>),
    /// Merge and cut segments for so many shards; the new manifest, if there is one.
    Compact(usize, Reply<Result<Option<Arc<Manifest>>, StoreError>>),
    /// Remove segment files that the manifest does not name any more.
    RemoveUnnamed(Arc<Manifest>, Reply<Result<(), StoreError>>),
    /// End, and free the lock.
    Stop(Reply<()>),
}

/// Works until it is told to stop.
pub async fn run<R: Runtime>(
    runtime: R,
    shared: Arc<Shared>,
    keeper: KeeperHandle,
    lock: Option<Box<dyn Lock>>,
    queue: Inbox<Chore>,
) {
    while let Ok(chore) = queue.recv().await {
        // One after the other: two merges at once would fight over memory and disk.
        match chore {
            Chore::Verify(reply) => drop(reply.send(verify::run(&runtime, &keeper).await)),
            Chore::Describe(manifest, reply) => {
                drop(reply.send(verify::run_describe(&runtime, &manifest).await))
            }
            Chore::Compact(shards, reply) => {
                drop(reply.send(compact::run(&runtime, &shared, &keeper, shards).await));
            }
            Chore::RemoveUnnamed(manifest, reply) => {
                drop(reply.send(compact::run_remove(&runtime, &manifest).await));
            }
            Chore::Stop(reply) => {
                drop(lock);
                drop(reply.send(()));
                return;
            }
        }
    }
}
