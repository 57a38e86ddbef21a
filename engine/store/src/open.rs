//! Opening a store: lock, manifest, recovery, shards.
//!
//! What always holds: a writer holds the lock before it reads anything, and publishes a manifest of its own epoch
//! before a shard accepts a row; a snapshot writes nothing at all.

use crate::api::{Access, Missing, StoreOptions};
use crate::compact::{self, MergerHandle};
use crate::error::StoreError;
use crate::follow::Follower;
use crate::inbox::Inbox;
use crate::keeper::{self, Fence, KeeperHandle};
use crate::maintenance::{self, Chore};
use crate::names;
use crate::recover::{Recovered, recover};
use crate::reserve::Reserve;
use crate::shard::{Lately, Queues, ReadOp, Reply, Shard, Shared, Start, WriteOp, shares};
use crate::store::{Inner, ShardHandle};
use async_channel::Sender;
use postlode_format::manifest::{LogStream, Manifest};
use postlode_format::row::{Row, shard_of, shard_range};
use postlode_runtime::{Executor, LocalFuture, Lock, Runtime, Spawner, UNPUBLISHED};
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What the handle needs beside the shards.
pub struct Core {
    /// What all shards share.
    pub shared: Arc<Shared>,
    /// Damage found when opening.
    pub missing: Vec<Missing>,
    /// The maintenance task.
    pub chores: Sender<Chore>,
    /// The manifest that was found when opening.
    pub before: Option<u64>,
}

impl Core {
    /// Asks the maintenance task and waits for its answer.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn chore<T>(&self, chore: impl FnOnce(Reply<T>) -> Chore) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::async_channel();
        self.chores.send(chore(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }

    /// Is the manifest that was opened still the newest?
    ///
    /// # Errors
    /// [`StoreError::Closed`], or what the disk said.
    pub async fn is_current(&self) -> Result<bool, StoreError> {
        Ok(self.chore(Chore::Newest).await?? == self.before)
    }

    /// Ends the maintenance task and frees the lock.
    pub async fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // Closed already: it has ended.
        drop(self.chore(Chore::Stop).await);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Long work ends for a store that nobody has any more.
        self.shared.stopping.store(true, Ordering::Relaxed);
    }
}

type StartMessage = (Start, KeeperHandle, Arc<Shared>, Reply<()>);

/// What opening finds out before the shards start.
struct Boot {
    shared: Arc<Shared>,
    keeper: KeeperHandle,
    chores: Sender<Chore>,
    starts: Vec<Start>,
    missing: Vec<Missing>,
    /// The manifest that was found.
    before: Option<u64>,
    /// Hears of the first look at what a writer does.
    followed: Option<oneshot::AsyncReceiver<Result<(), StoreError>>>,
}

/// Opens a store.
///
/// # Errors
/// As [`crate::Store::open`].
pub async fn open<S: Spawner>(spawner: &S, options: StoreOptions) -> Result<Inner, StoreError> {
    let count = options.shards.max(1);
    let mut handles = Vec::new();
    let mut all_queues = Vec::new();
    for _ in 0..count {
        let (reads_in, reads) = async_channel::bounded::<ReadOp>(options.queue.max(1));
        let (writes_in, writes) = async_channel::bounded::<WriteOp>(options.queue.max(1));
        let lately = Lately::new(shares(&options).1);
        handles.push(ShardHandle { reads: reads_in, writes: writes_in.clone(), lately: lately.clone() });
        all_queues.push(Queues { reads: Inbox::new(reads), writes: (writes_in, Inbox::new(writes)), lately });
    }
    let mut executors: Vec<Executor> = Vec::new();
    let mut starts = Vec::new();
    let (booted, boot) = oneshot::async_channel::<Result<Boot, StoreError>>();
    let mut booted = Some((booted, options.clone(), handles.clone()));
    for (index, queues) in all_queues.into_iter().enumerate() {
        let (start, started) = oneshot::async_channel::<StartMessage>();
        starts.push(start);
        let boot = booted.take();
        let main = move |runtime: S::Runtime| -> LocalFuture<()> {
            Box::pin(async move {
                if let Some((reply, options, handles)) = boot {
                    let result = boot_store(&runtime, options, handles).await;
                    let failed = result.is_err();
                    drop(reply.send(result));
                    if failed {
                        return;
                    }
                }
                // The sender is dropped where opening failed: then this executor just ends.
                if let Ok((start, keeper, shared, reply)) = started.await {
                    Shard::run(runtime, shared, start, queues, keeper, reply).await;
                }
            })
        };
        executors.push(spawner.start(&format!("shard-{index}"), Box::new(main))?);
    }
    let boot = boot.await.unwrap_or(Err(StoreError::Unusable("an executor ended while opening".into())));
    let Boot { shared, keeper, chores, starts: messages, missing, before, followed } = match boot {
        Ok(boot) => boot,
        Err(error) => {
            drop(starts);
            for executor in executors {
                executor.join()?;
            }
            return Err(error);
        }
    };
    let mut ready = Vec::new();
    for (start, message) in starts.into_iter().zip(messages) {
        let (reply, answer) = oneshot::async_channel();
        start.send((message, keeper.clone(), shared.clone(), reply)).map_err(|_| StoreError::Closed)?;
        ready.push(answer);
    }
    for answer in ready {
        answer.await.map_err(|_| StoreError::Unusable("a shard ended while opening".into()))?;
    }
    let core = Core { shared, missing, chores, before };
    if let Some(followed) = followed {
        followed.await.map_err(|_| StoreError::Unusable("an executor ended while opening".into()))??;
    }
    Ok(Inner { core, shards: handles, keeper, executors: Mutex::new(executors) })
}

async fn boot_store<R: Runtime>(
    runtime: &R,
    options: StoreOptions,
    handles: Vec<ShardHandle>,
) -> Result<Boot, StoreError> {
    let write = options.access == Access::Write;
    let mut lock: Option<Box<dyn Lock>> = None;
    if write {
        for dir in [names::MANIFESTS, names::LOGS, names::SEGMENTS] {
            runtime.create_dir_all(Path::new(dir)).await?;
        }
        lock = Some(runtime.lock(Path::new(names::LOCK)).await?);
    }
    let reserve = Arc::new(Reserve::new(options.reserve_bytes));
    let found = keeper::newest(runtime).await?;
    let before = found.as_ref().map(|m| m.number);
    let mut manifest =
        found.unwrap_or_else(|| Manifest { store: draw_id(runtime), next_seq: 1, ..Manifest::default() });
    let follow = options.access == Access::Follow;
    let recovered = if follow { Recovered::default() } else { recover(runtime, &manifest, write).await? };
    for missing in &recovered.missing {
        tracing::error!("{missing}");
    }
    for lost in recovered.damage.iter().map(|(stream, d)| (*stream, d.lost.0, d.lost.1)) {
        // Opened again before the old streams were dropped, it is the same loss.
        if !manifest.lost.contains(&lost) {
            manifest.lost.push(lost);
        }
    }
    let count = options.shards.max(1);
    let next_seq = recovered.max_seq.saturating_add(1).max(manifest.next_seq).max(1);
    let old_streams: Vec<u64> = manifest.logs.iter().map(|l| l.stream).collect();
    let mut streams: Vec<Option<u64>> = vec![None; count];
    if write {
        manifest.number = manifest.number.saturating_add(1);
        manifest.epoch = manifest.epoch.saturating_add(1);
        for (index, slot) in streams.iter_mut().enumerate() {
            let (low, high) = shard_range(index, count);
            let stream = runtime.random_u64();
            manifest.logs.push(LogStream {
                stream,
                epoch: manifest.epoch,
                low,
                high,
                first_file: 0,
                floor: next_seq,
            });
            *slot = Some(stream);
        }
        match keeper::publish(runtime, &manifest).await {
            // To delete something, a store must be open.
            Err(StoreError::Full(_)) => {
                remove_unfinished(runtime).await?;
                let mut published = keeper::publish(runtime, &manifest).await;
                while matches!(published, Err(StoreError::Full(_))) && reserve.give(runtime).await {
                    published = keeper::publish(runtime, &manifest).await;
                }
                published?;
            }
            other => other?,
        }
        // Only now is a writer that this one replaced stopped for sure.
        remove_leftovers(runtime, &manifest).await?;
        reserve.make(runtime).await;
    }
    let mut parts: Vec<Vec<(u64, Row)>> = vec![Vec::new(); count];
    for (seq, row) in recovered.rows {
        if let Some(part) = parts.get_mut(shard_of(row.hash(), count)) {
            part.push((seq, row));
        }
    }
    let shared_manifest = Arc::new(manifest.clone());
    // Who follows shows its shards a manifest by itself.
    let nothing = Arc::new(Manifest::default());
    let starts = parts
        .into_iter()
        .zip(streams)
        .enumerate()
        .map(|(index, (recovered, stream))| Start {
            index,
            range: shard_range(index, count),
            manifest: if follow { nothing.clone() } else { shared_manifest.clone() },
            recovered,
            next_seq,
            stream,
        })
        .collect();
    let (merger, merge_queue) = MergerHandle::new();
    let fence = Arc::new(Fence::default());
    // Followers of one writer have generations of their own: they do not get on in step.
    let beyond = if follow { runtime.random_u64() >> 25 } else { 0 };
    let shared = Arc::new(Shared {
        fence: fence.clone(),
        options,
        // Numbers of earlier writers must not come again for other content.
        generation: AtomicU64::new((manifest.epoch << 40) | beyond),
        layout: AtomicU64::new(0),
        stopping: AtomicBool::new(false),
        memtables: AtomicU64::new(0),
        next_segment: AtomicU64::new(manifest.next_segment.max(1)),
        merger: merger.clone(),
        merged: compact::Counts::default(),
        attachments: Arc::default(),
        reserve,
    });
    let (keeper, queue) = KeeperHandle::new();
    let mut followed = None;
    if follow {
        // It waits for the shards, which start when this is done.
        let (first, looked) = oneshot::async_channel();
        let follower = Follower::new(runtime.clone(), shared.clone(), keeper.clone(), handles.clone());
        runtime.spawn(Box::pin(follower.run(first)));
        followed = Some(looked);
    }
    runtime.spawn(Box::pin(keeper::run(runtime.clone(), manifest, old_streams, count, fence, queue)));
    let (chores, chore_queue) = async_channel::bounded(16);
    let chore_queue = Inbox::new(chore_queue);
    if write {
        // What an earlier writer left to be merged.
        merger.nudge();
        runtime.spawn(Box::pin(compact::run(
            runtime.clone(),
            shared.clone(),
            keeper.clone(),
            handles,
            merge_queue,
        )));
    }
    runtime.spawn(Box::pin(maintenance::run(runtime.clone(), keeper.clone(), merger, lock, chore_queue)));
    Ok(Boot { shared, keeper, chores, starts, missing: recovered.missing, before, followed })
}

fn draw_id<R: Runtime>(runtime: &R) -> [u8; 16] {
    let pair = [runtime.random_u64(), runtime.random_u64()];
    let mut id = [0u8; 16];
    for (to, from) in id.iter_mut().zip(pair.iter().flat_map(|n| n.to_le_bytes())) {
        *to = from;
    }
    id
}

/// Removes segments that were not finished. No manifest can name one, whoever writes it.
async fn remove_unfinished<R: Runtime>(runtime: &R) -> Result<(), StoreError> {
    for entry in runtime.list(Path::new(names::SEGMENTS)).await? {
        if entry.name.ends_with(".tmp") && names::parse_segment(&entry.name).is_some() {
            runtime.remove(&Path::new(names::SEGMENTS).join(&entry.name)).await?;
        }
    }
    Ok(())
}

/// Removes what a writer that was stopped left behind: segments and logs that no manifest names.
async fn remove_leftovers<R: Runtime>(runtime: &R, manifest: &Manifest) -> Result<(), StoreError> {
    let ids: HashSet<u64> = manifest.file_ids().collect();
    for entry in runtime.list(Path::new(names::SEGMENTS)).await? {
        let named = names::parse_segment(&entry.name)
            .is_some_and(|id| entry.name.ends_with(".seg") && ids.contains(&id));
        if !named && names::parse_segment(&entry.name).is_some() {
            runtime.remove(&Path::new(names::SEGMENTS).join(&entry.name)).await?;
        }
    }
    for entry in runtime.list(Path::new(names::MANIFESTS)).await? {
        let number = postlode_format::manifest::number_of(&entry.name);
        let old = number.is_some_and(|n| n.saturating_add(keeper::KEEP) < manifest.number);
        // One that was stopped while it published.
        if old || entry.name.starts_with(UNPUBLISHED) {
            runtime.remove(&Path::new(names::MANIFESTS).join(&entry.name)).await?;
        }
    }
    for entry in runtime.list(Path::new(names::LOGS)).await? {
        let Some((stream, file)) = names::parse_log(&entry.name) else { continue };
        let needed = manifest.logs.iter().any(|l| l.stream == stream && file >= l.first_file);
        if !needed {
            runtime.remove(&names::log(stream, file)).await?;
        }
    }
    Ok(())
}
