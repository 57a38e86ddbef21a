//! The keeper of the manifest: the one task through which the store changes what it consists of.
//!
//! What always holds: a manifest is published whole and durable before anybody acts on it; numbers only go up; if
//! a number is taken already, another writer has come, and this one stops: no shard acknowledges anything more. A try
//! that failed is settled before the next one: it is found to be there, or not to be there, or nothing more is published.

use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::names;
use crate::shard::Reply;
use async_channel::Sender;
use postlode_format::manifest::{Addon, Manifest, SegmentEntry, number_of};
use postlode_runtime::{DiskError, DiskErrorKind, Runtime};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A change to the manifest.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Segments that are new.
    pub add: Vec<SegmentEntry>,
    /// Segments that are gone.
    pub remove: Vec<u64>,
    /// Segments whose add-ons are these from now on.
    pub addons: Vec<(u64, Vec<Addon>)>,
    /// The model whose vectors answer from now on.
    pub active: Option<String>,
    /// The stream that `floor` and `drop_stream` speak of.
    pub stream: u64,
    /// From which row and file on the stream is still needed.
    pub floor: Option<(u64, u32)>,
    /// One more shard has sealed what the last writer left in its logs.
    pub recovered: bool,
    /// The stream is not needed any more.
    pub drop_stream: bool,
}

/// What the keeper is asked.
pub enum KeeperOp {
    /// Change the manifest; answers with the new one.
    Edit(Box<Edit>, Reply<Result<Arc<Manifest>, StoreError>>),
    /// The manifest as it is.
    Current(Reply<Arc<Manifest>>),
    /// The manifest that the writer has published, where that is another process.
    Follow(Arc<Manifest>),
}

/// How to reach the keeper.
#[derive(Clone)]
pub struct KeeperHandle {
    ops: Sender<KeeperOp>,
}

impl KeeperHandle {
    /// A handle, and the queue that the keeper serves.
    pub fn new() -> (Self, Inbox<KeeperOp>) {
        let (ops, queue) = async_channel::unbounded();
        (Self { ops }, Inbox::new(queue))
    }

    /// Changes the manifest; durable when it returns.
    ///
    /// # Errors
    /// What the disk says; the manifest is as before then.
    pub async fn edit(&self, edit: Edit) -> Result<Arc<Manifest>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.ops.send(KeeperOp::Edit(Box::new(edit), reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Tells of a manifest that another process published.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn follow(&self, manifest: Arc<Manifest>) -> Result<(), StoreError> {
        self.ops.send(KeeperOp::Follow(manifest)).await.map_err(|_| StoreError::Closed)
    }

    /// The manifest as it is.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn current(&self) -> Result<Arc<Manifest>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.ops.send(KeeperOp::Current(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }
}

/// Manifests that stay on disk beside the current one: for a reader that has just listed the folder.
pub const KEEP: u64 = 2;

/// Serves the queue to its end. `old_streams` are dropped when `shards` shards have sealed them.
pub async fn run<R: Runtime>(
    runtime: R,
    manifest: Manifest,
    old_streams: Vec<u64>,
    shards: usize,
    fence: Arc<Fence>,
    queue: Inbox<KeeperOp>,
) {
    let mut current = Arc::new(manifest);
    let mut recovered = 0usize;
    let mut ended: Option<StoreError> = None;
    while let Ok(op) = queue.recv().await {
        match op {
            KeeperOp::Current(reply) => drop(reply.send(current.clone())),
            KeeperOp::Follow(manifest) => current = manifest,
            KeeperOp::Edit(_, reply) if ended.is_some() => {
                drop(reply.send(Err(ended.clone().unwrap_or(StoreError::Closed))));
            }
            KeeperOp::Edit(edit, reply) => {
                let all = recovered + usize::from(edit.recovered) >= shards;
                let old: &[u64] = if edit.recovered && all { &old_streams } else { &[] };
                let next = apply(&current, &edit, old);
                let result = match publish(&runtime, &next).await {
                    Err(StoreError::Disk(error) | StoreError::Full(error)) => {
                        settle(&runtime, &next, error).await
                    }
                    other => other,
                };
                if let Err(error @ (StoreError::Replaced(_) | StoreError::Poisoned(_))) = &result {
                    tracing::error!("the manifest cannot be changed any more: {error}");
                    ended = Some(error.clone());
                    if let StoreError::Replaced(by) = error {
                        fence.replaced_by.store(*by, Ordering::Release);
                    }
                }
                if result.is_ok() {
                    recovered += usize::from(edit.recovered);
                    remove_streams(&runtime, old).await;
                    drop(runtime.remove(&names::manifest(next.number.saturating_sub(KEEP + 1))).await);
                    current = Arc::new(next);
                }
                drop(reply.send(result.map(|()| current.clone())));
            }
        }
    }
}

fn apply(current: &Manifest, edit: &Edit, old_streams: &[u64]) -> Manifest {
    let mut next = current.clone();
    next.number = current.number.saturating_add(1);
    next.segments.retain(|s| !edit.remove.contains(&s.id));
    for entry in &edit.add {
        next.next_seq = next.next_seq.max(entry.max_seq.saturating_add(1));
        next.segments.push(entry.clone());
    }
    for (segment, addons) in &edit.addons {
        if let Some(entry) = next.segments.iter_mut().find(|entry| entry.id == *segment) {
            entry.addons.clone_from(addons);
        }
    }
    let newest = next.file_ids().max().unwrap_or(0);
    next.next_segment = next.next_segment.max(newest.saturating_add(1));
    if let Some(active) = &edit.active {
        next.active.clone_from(active);
    }
    if let (Some((floor, file)), Some(log)) =
        (edit.floor, next.logs.iter_mut().find(|l| l.stream == edit.stream))
    {
        log.floor = floor;
        log.first_file = file;
        next.next_seq = next.next_seq.max(floor);
    }
    let dropped = |stream: u64| (edit.drop_stream && stream == edit.stream) || old_streams.contains(&stream);
    next.logs.retain(|l| !dropped(l.stream));
    next
}

/// Whether another writer has come. Shards look before they acknowledge.
#[derive(Default)]
pub struct Fence {
    /// Number of the manifest that another writer published; 0: none is known.
    replaced_by: AtomicU64,
}

impl Fence {
    /// # Errors
    /// [`StoreError::Replaced`].
    pub fn check(&self) -> Result<(), StoreError> {
        match self.replaced_by.load(Ordering::Acquire) {
            0 => Ok(()),
            by => Err(StoreError::Replaced(by)),
        }
    }
}

/// What became of a manifest whose publishing failed: it may have its name all the same. Success where it is there and
/// durable; the error where it is surely not there, and the next may have its number.
async fn settle<R: Runtime>(runtime: &R, manifest: &Manifest, error: DiskError) -> Result<(), StoreError> {
    let unknown = |why: String| StoreError::Poisoned(format!("{error}; {why}"));
    let ours = manifest.encode().map_err(StoreError::Refused)?;
    match runtime.read_all(&names::manifest(manifest.number), MAX_MANIFEST).await {
        Err(read) if read.kind == DiskErrorKind::NotFound => Err(error.into()),
        Err(read) => Err(unknown(format!("whether it is there is not known: {read}"))),
        Ok(there) if there != ours => Err(StoreError::Replaced(manifest.number)),
        // A sync that failed is not repeated: the second one may report as durable what the first one lost.
        Ok(_) if error.operation == "sync" => Err(unknown("whether it is durable is not known".into())),
        Ok(_) => {
            let synced = runtime.sync_dir(Path::new(names::MANIFESTS)).await;
            synced.map_err(|sync| unknown(sync.to_string()))
        }
    }
}

/// Publishes a manifest under its number.
///
/// # Errors
/// [`StoreError::Replaced`] where the number is taken: another writer is at work.
pub async fn publish<R: Runtime>(runtime: &R, manifest: &Manifest) -> Result<(), StoreError> {
    let bytes = manifest.encode().map_err(StoreError::Refused)?;
    let path = names::manifest(manifest.number);
    match runtime.publish(&path, bytes.clone()).await {
        Err(error) if error.kind == DiskErrorKind::Exists => {
            // It may be our own, from a try that failed after it had its name.
            let there = runtime.read_all(&path, MAX_MANIFEST).await?;
            if there != bytes {
                return Err(StoreError::Replaced(manifest.number));
            }
            runtime.sync_dir(Path::new(names::MANIFESTS)).await.map_err(StoreError::from)
        }
        other => other.map_err(StoreError::from),
    }
}

/// Removes the files of streams that no manifest names any more.
pub async fn remove_streams<R: Runtime>(runtime: &R, streams: &[u64]) {
    if streams.is_empty() {
        return;
    }
    for entry in runtime.list(Path::new(names::LOGS)).await.unwrap_or_default() {
        if let Some((stream, file)) = names::parse_log(&entry.name)
            && streams.contains(&stream)
            && let Err(error) = runtime.remove(&names::log(stream, file)).await
        {
            tracing::warn!("{error}; it is removed at the next opening");
        }
    }
}

/// Largest manifest that is read.
const MAX_MANIFEST: u64 = 512 << 20;

/// The newest manifest; `None` for a store that has none yet.
///
/// # Errors
/// [`StoreError::Format`] where the newest is damaged or of a newer format: an older one may name files that are
/// gone, so nothing is guessed.
pub async fn newest<R: Runtime>(runtime: &R) -> Result<Option<Manifest>, StoreError> {
    let mut tries = 0;
    loop {
        let Some(number) = newest_number(runtime).await? else { return Ok(None) };
        let path = names::manifest(number);
        match runtime.read_all(&path, MAX_MANIFEST).await {
            // A writer has gone on by more than it keeps since the folder was listed.
            Err(error) if error.kind == DiskErrorKind::NotFound && tries < 10 => tries += 1,
            Err(error) => return Err(error.into()),
            Ok(bytes) => {
                let decoded = Manifest::decode(number, &bytes);
                let named = |source| StoreError::Format { what: path.display().to_string(), source };
                return decoded.map(Some).map_err(named);
            }
        }
    }
}

/// The number of the newest manifest.
///
/// # Errors
/// What the disk says.
pub async fn newest_number<R: Runtime>(runtime: &R) -> Result<Option<u64>, StoreError> {
    let entries = runtime.list(Path::new(names::MANIFESTS)).await?;
    Ok(entries.iter().filter_map(|e| number_of(&e.name)).max())
}
