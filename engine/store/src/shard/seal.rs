//! The sealer of one shard: frozen memtables become segments, one after the other.
//!
//! What always holds: a segment's file is durable before a manifest names it; the memtable is dropped and its log
//! released only after that manifest is durable; a step that fails is repeated, nothing is skipped.

use super::{Frozen, Reply, Shard, WriteOp};
use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::keeper::Edit;
use crate::names;
use crate::segment::build::Recipe;
use crate::segment::frames::Effort;
use crate::segment::make::{By, MakeError, make};
use crate::segment::reader::Segment;
use crate::segment::source::BuildError;
use async_channel::Sender;
use postlode_format::manifest::{SegmentEntry, SegmentKind};
use postlode_format::segment::Identity;
use postlode_runtime::Runtime;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One step of sealing, in the order of the log.
pub struct SealJob {
    /// What becomes a segment; `None`: only a step in the manifest, or a barrier.
    pub memtable: Option<Rc<Frozen>>,
    /// The log's stream.
    pub stream: u64,
    /// From which row and file on the stream is still needed afterwards.
    pub floor: Option<(u64, u32)>,
    /// The rows came from the last writer's logs.
    pub recovered: bool,
    /// The stream is not needed at all any more.
    pub drop_stream: bool,
    /// What of it is written already, by kind: a step that is repeated does not write it again.
    pub written: Vec<(SegmentKind, Option<SegmentEntry>)>,
    /// Who waits for it.
    pub done: Option<Reply<Result<(), StoreError>>>,
}

/// How long to wait before a failed step is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Tries while somebody waits for the result.
const TRIES: u32 = 3;

/// Works until the writer is gone.
pub async fn run<R: Runtime>(shard: Rc<Shard<R>>, jobs: Inbox<SealJob>, writer: Sender<WriteOp>) {
    let mut queue: VecDeque<SealJob> = VecDeque::new();
    let mut tries = 0u32;
    loop {
        if queue.is_empty() {
            match jobs.recv().await {
                Ok(job) => queue.push_back(job),
                Err(_) => {
                    shard.sealing.set(false);
                    return;
                }
            }
        }
        let Some(job) = queue.front_mut() else { continue };
        match step(&shard, job).await {
            Ok(()) => {
                tries = 0;
                *shard.stuck.borrow_mut() = None;
                if let Some((_, file)) = job.floor {
                    // A full queue is no reason to wait: files left over are removed at the next opening.
                    drop(writer.try_send(WriteOp::Release(file)));
                }
                if let Some(done) = job.done.take() {
                    drop(done.send(Ok(())));
                }
                queue.pop_front();
            }
            Err(error) => {
                tries += 1;
                if tries == 1 {
                    tracing::error!("shard {}: sealing waits: {error}", shard.index);
                }
                *shard.stuck.borrow_mut() = Some(error.clone());
                // The store is closing, or has another writer: the rows are in the log, and whoever opens it seals them.
                if (jobs.is_closed() && tries >= TRIES) || matches!(error, StoreError::Replaced(_)) {
                    fail_waiting(&mut queue, &error);
                    shard.sealing.set(false);
                    return;
                }
                if tries >= TRIES {
                    while let Ok(job) = jobs.try_recv() {
                        queue.push_back(job);
                    }
                    fail_waiting(&mut queue, &error);
                }
                shard.runtime.sleep(RETRY).await;
            }
        }
    }
}

/// Tells those who wait for a barrier that sealing does not get on. Memtables stay in the queue.
fn fail_waiting(queue: &mut VecDeque<SealJob>, error: &StoreError) {
    for mut job in std::mem::take(queue) {
        if let Some(done) = job.done.take() {
            drop(done.send(Err(error.clone())));
        } else {
            queue.push_back(job);
        }
    }
}

async fn step<R: Runtime>(shard: &Rc<Shard<R>>, job: &mut SealJob) -> Result<(), StoreError> {
    let mut edit = Edit {
        stream: job.stream,
        floor: job.floor,
        recovered: job.recovered,
        drop_stream: job.drop_stream,
        ..Edit::default()
    };
    if let Some(frozen) = &job.memtable {
        for kind in [SegmentKind::Mail, SegmentKind::Blobs] {
            if job.written.iter().any(|(done, _)| *done == kind) {
                continue;
            }
            shard.shared.reserve.check_last(&shard.runtime, Path::new(names::SEGMENTS)).await?;
            let made = make_one(shard, frozen, kind).await?;
            job.written.push((kind, made));
        }
        edit.add = job.written.iter().filter_map(|(_, entry)| entry.clone()).collect();
    }
    if edit.add.is_empty() && edit.floor.is_none() && !edit.recovered && !edit.drop_stream {
        return Ok(());
    }
    // Opened before the manifest names them: a memtable is given up only for segments that can be read.
    let mut opened = Vec::new();
    for entry in &edit.add {
        match Segment::try_open(&shard.runtime, entry.clone(), shard.cache.clone()).await {
            Ok(open) => opened.push(open),
            Err(missing) => {
                // Whatever became of it, the next try makes it anew: opening the same file again would fail again.
                job.written.retain(|(_, written)| written.as_ref().is_none_or(|w| w.id != entry.id));
                return Err(StoreError::Missing(missing));
            }
        }
    }
    shard.keeper.edit(edit).await?;
    // No await from here on: readers see the memtable or the segments, never neither.
    let new: Vec<u64> = opened.iter().map(|segment| segment.entry.id).collect();
    shard.take_in(opened);
    if let Some(done) = &job.memtable {
        shard.frozen.borrow_mut().retain(|f| !Rc::ptr_eq(f, done));
        shard.shared.merger.nudge();
    }
    shard.take_early_addons(&new).await;
    shard.moved();
    Ok(())
}

/// Without text, where the text index could not be built again and again: mail that cannot be found by its words is
/// better than a shard that takes no more mail.
async fn make_one<R: Runtime>(
    shard: &Rc<Shard<R>>,
    frozen: &Frozen,
    kind: SegmentKind,
) -> Result<Option<SegmentEntry>, StoreError> {
    let id = shard.shared.next_segment.fetch_add(1, Ordering::Relaxed);
    let with_text = frozen.text_failures.get() < TRIES;
    let recipe = Recipe {
        kind,
        own: Identity { id, salt: shard.runtime.random_u64() },
        range: shard.range,
        text: with_text.then(|| shard.shared.options.text.clone()),
        vectors: shard.shared.options.vectors.clone(),
        effort: Effort::Fast,
    };
    let rows = frozen.rows.clone();
    match make(&shard.runtime, recipe, By::Pool, move || Ok(rows)).await {
        Ok(made) => Ok(made),
        Err(MakeError::Store(error)) => Err(error),
        // The disk did not keep what it was given; the next try writes it again.
        Err(MakeError::Build(BuildError::Missing(missing))) => Err(StoreError::Missing(missing)),
        Err(MakeError::Build(error)) => {
            let of_text = matches!(error, BuildError::Text(_));
            frozen.text_failures.set(frozen.text_failures.get() + u32::from(of_text));
            Err(StoreError::Unusable(format!("a segment cannot be built: {error}")))
        }
        Err(MakeError::Broken) => {
            frozen.text_failures.set(frozen.text_failures.get() + 1);
            Err(StoreError::Unusable("building a segment was broken off".into()))
        }
    }
}
