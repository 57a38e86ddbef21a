//! The maintenance task: long work over the whole store, beside the shards. It also holds the writer's lock.
//!
//! What always holds: merges run one after the other; describing and verifying run beside them, so that nobody who
//! only asks how the store is waits for a merge.

use crate::api::{Missing, SegmentStats, VerifyReport};
use crate::compact;
use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::keeper::{KeeperHandle, newest_number};
use crate::shard::{ReadOp, Reply, Shared};
use crate::verify;
use async_channel::Sender;
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
    /// Merge and cut segments, tell the shards, remove what was merged.
    Compact(Reply<Result<(), StoreError>>),
    /// The number of the newest manifest on the disk.
    Newest(Reply<Result<Option<u64>, StoreError>>),
    /// End, and free the lock.
    Stop(Reply<()>),
}

/// Works until it is told to stop, or nobody is left to tell it. `shards` are the shards' queues.
pub async fn run<R: Runtime>(
    runtime: R,
    shared: Arc<Shared>,
    keeper: KeeperHandle,
    shards: Vec<Sender<ReadOp>>,
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
                drop(reply.send(compact::run(&runtime, &shared, &keeper, &shards).await));
            }
            Chore::Newest(reply) => drop(reply.send(newest_number(&runtime).await)),
            Chore::Stop(reply) => {
                drop(lock);
                drop(reply.send(()));
                return;
            }
        }
    }
}
