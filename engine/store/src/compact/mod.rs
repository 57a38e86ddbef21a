//! Compaction: small segments become few, by themselves and when somebody asks for it; segments that span shards are cut
//! at the shards' borders, and deleted mail is taken out, when somebody asks for it.
//!
//! One task does it, a merge at a time, on a thread that gives way to all others the more, the less there is to do. What
//! always holds: sources stay until what replaces them was read back and the manifest that names it is durable; of
//! rows with one key the newest survives; a damaged source is left as it is and named, never merged away, and keeps no
//! other from being merged; memory is bounded by the size of one target segment.

mod addons;
mod keys;
mod plan;
mod purge;
mod source;
mod sweep;

use crate::api::{CompactionStats, Missing, Swept};
use crate::attachments::Sha256;
use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::keeper::{Edit, KeeperHandle};
use crate::names;
use crate::segment::build::Recipe;
use crate::segment::frames::Effort;
use crate::segment::make::{By, MakeError, make};
use crate::segment::source::BuildError;
use crate::shard::{ReadOp, Reply, Shared};
use crate::store::ShardHandle;
use crate::vectors::AddVectors;
use async_channel::{Receiver, Sender};
use plan::{Merge, waiting};
use postlode_format::id::Id;
use postlode_format::manifest::{Manifest, SegmentEntry, SegmentKind};
use postlode_format::segment::Identity;
use postlode_runtime::Runtime;
use source::MergeSource;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was merged since the store was opened.
#[derive(Default)]
pub struct Counts {
    merges: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
}

impl Counts {
    fn add(&self, sources: u64, targets: &[SegmentEntry]) {
        self.merges.fetch_add(1, Ordering::Relaxed);
        self.read.fetch_add(sources, Ordering::Relaxed);
        self.written.fetch_add(targets.iter().map(|t| t.bytes).sum(), Ordering::Relaxed);
    }

    /// For people, with the segments that wait.
    pub fn told(&self, manifest: &Manifest) -> CompactionStats {
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        CompactionStats {
            waiting: waiting(manifest),
            merges: load(&self.merges),
            bytes_read: load(&self.read),
            bytes_written: load(&self.written),
        }
    }
}

/// What a compaction changed. Ids are never used twice, so it is right whenever it is heard of.
#[derive(Debug, Clone, Default)]
pub struct Compacted {
    /// Segments that are new.
    pub added: Vec<SegmentEntry>,
    /// Segments that are gone.
    pub removed: Vec<u64>,
    /// Deleted emails were taken out.
    pub purged: bool,
    /// Segments that stay, with the add-ons that they have now.
    pub addons: Vec<SegmentEntry>,
}

/// What the merger is asked.
pub enum MergeOp {
    /// Merge and cut all that can be, and take out what is deleted.
    Compact(Reply<Result<Swept, StoreError>>),
    /// Add vectors to a segment; false where it is gone.
    AddVectors(AddVectors, Reply<Result<bool, StoreError>>),
    /// Have a model's vectors answer.
    Activate(String, Reply<Result<(), StoreError>>),
    /// End.
    Stop(Reply<()>),
}

/// How to reach the merger.
#[derive(Clone)]
pub struct MergerHandle {
    ops: Sender<MergeOp>,
    nudges: Sender<()>,
}

/// What the merger listens to.
pub struct MergerQueue {
    ops: Inbox<MergeOp>,
    nudges: Receiver<()>,
}

impl MergerHandle {
    /// A handle, and what the merger serves.
    pub fn new() -> (Self, MergerQueue) {
        let (ops, queue) = async_channel::bounded(16);
        let (nudges, nudged) = async_channel::bounded(1);
        (Self { ops, nudges }, MergerQueue { ops: Inbox::new(queue), nudges: nudged })
    }

    /// There are new segments: some of them may want to be merged.
    pub fn nudge(&self) {
        // One that waits already says the same.
        let _waits = self.nudges.try_send(());
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn ask<T>(&self, op: impl FnOnce(Reply<T>) -> MergeOp) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::async_channel();
        self.ops.send(op(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }
}

/// What merges leave out.
#[derive(Clone, Default)]
struct Gone {
    /// Emails that are deleted.
    emails: Arc<BTreeSet<Id>>,
    /// Attachments that no email has.
    attachments: Arc<BTreeSet<Sha256>>,
}

/// What merging needs.
struct Merger<R: Runtime> {
    runtime: R,
    shared: Arc<Shared>,
    keeper: KeeperHandle,
    shards: Vec<ShardHandle>,
}

/// Segments that wait in a shard, and how many steps behind the others a merge is then.
const NICE: [(usize, u8); 3] = [(96, 0), (48, 5), (0, 10)];
/// The same of a compaction that was asked for: who asked waits, but so do those who search meanwhile.
const ASKED: u8 = 10;

/// Works until it is told to stop, or nobody is left to tell it. `shards` are the shards' queues.
pub async fn run<R: Runtime>(
    runtime: R,
    shared: Arc<Shared>,
    keeper: KeeperHandle,
    shards: Vec<ShardHandle>,
    queue: MergerQueue,
) {
    let own = Merger { runtime, shared, keeper, shards };
    let mut avoid = BTreeSet::new();
    loop {
        let asked = async { queue.ops.recv().await.map(Some) };
        let nudged = async { queue.nudges.recv().await.map(|()| None) };
        match futures_lite::future::or(asked, nudged).await {
            Ok(Some(MergeOp::Compact(reply))) => {
                drop(reply.send(all(&own).await));
            }
            Ok(Some(MergeOp::AddVectors(add, reply))) => drop(reply.send(addons::add(&own, add).await)),
            Ok(Some(MergeOp::Activate(model, reply))) => {
                drop(reply.send(addons::activate(&own, model).await));
            }
            Ok(Some(MergeOp::Stop(reply))) => {
                drop(reply.send(()));
                return;
            }
            Ok(None) => {
                while queue.ops.len() == 0 {
                    match one(&own, &mut avoid).await {
                        Ok(true) => {}
                        Ok(false) | Err(StoreError::Closed) => break,
                        Err(error) => {
                            // Whatever it is, the next new segment has it tried again.
                            tracing::warn!("merging waits: {error}");
                            break;
                        }
                    }
                }
                if queue.ops.len() > 0 {
                    // Merging goes on when they are answered: without new segments nobody else would say so.
                    own.shared.merger.nudge();
                }
            }
            Err(_) => return,
        }
    }
}

/// Does the merge that is due, if one is.
async fn one<R: Runtime>(own: &Merger<R>, avoid: &mut BTreeSet<u64>) -> Result<bool, StoreError> {
    let Merger { shared, keeper, shards, .. } = own;
    let fan_in = shared.options.fan_in;
    if fan_in == 0 || shared.stopping.load(Ordering::Relaxed) {
        return Ok(false);
    }
    let manifest = keeper.current().await?;
    let Some((merge, waiting)) = plan::next(&manifest, shards.len(), fan_in, avoid) else { return Ok(false) };
    let nice = NICE.iter().find(|(least, _)| waiting >= *least).map_or(0, |(_, nice)| *nice);
    let sources: BTreeSet<u64> = merge.sources.iter().map(|s| s.id).collect();
    match merge_unit(own, vec![merge], &Gone::default(), By::Background(nice)).await {
        Err(StoreError::Missing(missing)) if missing.segment.is_some_and(|id| sources.contains(&id)) => {
            tracing::error!("merging leaves a damaged segment alone: {missing}");
            avoid.extend(missing.segment);
            Ok(true)
        }
        done => done.map(|()| true),
    }
}

/// Plans and merges, step by step: each step is published by itself, so that one that fails costs no other, and a
/// compaction that is broken off goes on where it was. Damaged sources are left alone, and the others go on without
/// them.
///
/// # Errors
/// As [`crate::Store::compact`]; for damage, after everything else was done.
async fn all<R: Runtime>(own: &Merger<R>) -> Result<Swept, StoreError> {
    let Merger { runtime, shared, keeper, shards } = own;
    let first = keeper.current().await?;
    let purge::Deleted { gone, mut purge, old, mut damage } =
        purge::deleted(runtime, &first, shared.options.vectors.is_some()).await?;
    purge.extend(old);
    let gone = Gone { emails: Arc::new(gone), ..Gone::default() };
    let mut damaged: BTreeSet<u64> = damage.iter().filter_map(|missing| missing.segment).collect();
    loop {
        let mut manifest = Manifest::clone(&*keeper.current().await?);
        manifest.segments.retain(|s| !damaged.contains(&s.id));
        let mut met = false;
        for unit in plan::units(plan::all(&manifest, shards.len(), &purge)) {
            if shared.stopping.load(Ordering::Relaxed) {
                return Err(StoreError::Closed);
            }
            // A target that cannot be read back is another matter: then the disk itself is not to be trusted.
            let sources: BTreeSet<u64> = unit.iter().flat_map(|m| &m.sources).map(|s| s.id).collect();
            let of_source = |missing: &Missing| missing.segment.is_some_and(|id| sources.contains(&id));
            match merge_unit(own, unit, &gone, By::Background(ASKED)).await {
                Ok(()) => {}
                Err(StoreError::Missing(missing)) if of_source(&missing) => {
                    damaged.extend(missing.segment);
                    tracing::error!("compaction leaves a damaged segment alone: {missing}");
                    damage.push(missing);
                    met = true;
                }
                Err(error) => return Err(error),
            }
        }
        // Without the damaged ones, what stood with them may be merged.
        if !met {
            break;
        }
    }
    match damage.into_iter().next() {
        None => sweep::run(own, !gone.emails.is_empty()).await,
        Some(missing) => Err(StoreError::Missing(missing)),
    }
}

/// Does one step: merges, publishes, tells the shards, and removes what was merged.
async fn merge_unit<R: Runtime>(
    own: &Merger<R>,
    unit: Vec<Merge>,
    gone: &Gone,
    by: By,
) -> Result<(), StoreError> {
    let Merger { runtime, shared, shards, .. } = own;
    let mut edit = Edit::default();
    let bytes: u64 = unit.iter().flat_map(|merge| &merge.sources).map(|s| s.bytes).sum();
    let sources = || unit.iter().flat_map(|merge| &merge.sources);
    let addons: BTreeSet<u64> = sources().flat_map(|s| &s.addons).map(|addon| addon.id).collect();
    let published = publish_unit(own, unit, gone, by, &mut edit).await;
    if let Err(error) = published {
        // No manifest names them, unless one was being written: then opening decides.
        if edit.remove.is_empty() {
            for file in edit.add.iter().flat_map(SegmentEntry::files) {
                drop(runtime.remove(&names::segment(file.id)).await);
            }
        }
        return Err(error);
    }
    shared.merged.add(bytes, &edit.add);
    let compacted = Arc::new(Compacted {
        added: edit.add,
        removed: edit.remove,
        purged: !gone.emails.is_empty() || !gone.attachments.is_empty(),
        addons: Vec::new(),
    });
    for shard in shards {
        let (reply, answer) = oneshot::async_channel();
        // A shard that has ended has nothing open any more.
        if shard.reads.send(ReadOp::Refresh(compacted.clone(), reply)).await.is_ok() {
            let _ended = answer.await;
        }
    }
    for id in compacted.removed.iter().chain(&addons) {
        remove_file(runtime, *id).await;
    }
    Ok(())
}

/// Removes a file that no manifest names any more.
async fn remove_file<R: Runtime>(runtime: &R, id: u64) {
    if let Err(error) = runtime.remove_whole(&names::segment(id)).await {
        tracing::warn!("{error}; it is removed at the next opening");
    }
}

/// Builds and publishes. `edit` tells which files were made, and, once the manifest was being written, which are gone.
async fn publish_unit<R: Runtime>(
    own: &Merger<R>,
    unit: Vec<Merge>,
    gone: &Gone,
    by: By,
    edit: &mut Edit,
) -> Result<(), StoreError> {
    let Merger { runtime, shared, keeper, shards } = own;
    let mut sources = BTreeSet::new();
    for merge in unit {
        sources.extend(merge.sources.iter().map(|s| s.id));
        edit.add.extend(make_target(runtime, shared, merge, gone, by).await?);
    }
    let condemned = purge::condemn(shards, &gone.emails).await;
    let published = match condemned.all {
        Ok(()) => {
            edit.remove = sources.into_iter().collect();
            keeper.edit(edit.clone()).await.map(|_| ())
        }
        Err(error) => Err(error),
    };
    purge::spare(shards, condemned.asked).await;
    published
}

async fn make_target<R: Runtime>(
    runtime: &R,
    shared: &Arc<Shared>,
    merge: Merge,
    gone: &Gone,
    by: By,
) -> Result<Option<SegmentEntry>, StoreError> {
    let kind = merge.sources.first().map_or(SegmentKind::Mail, |s| s.kind);
    let mut files = Vec::new();
    for entry in merge.sources {
        let missing = |error: postlode_runtime::DiskError| Missing {
            segment: Some(entry.id),
            section: "file".into(),
            reason: error.to_string(),
        };
        let file = runtime.open_shared(&names::segment(entry.id));
        files.push((file.map_err(|error| StoreError::Missing(missing(error)))?, entry));
    }
    let recipe = Recipe {
        kind,
        own: Identity { id: shared.next_segment.fetch_add(1, Ordering::Relaxed), salt: runtime.random_u64() },
        range: merge.range,
        text: Some(shared.options.text.clone()),
        vectors: shared.options.vectors.clone(),
        effort: Effort::Small,
    };
    let (gone, own) = (gone.clone(), shared.clone());
    let (told, numbered) = oneshot::channel();
    let open = move || {
        let source = MergeSource::open(&files, merge.range, gone, own)?;
        let with_addons = files.iter().any(|(_, entry)| !entry.addons.is_empty());
        if let Some(numbers) = with_addons.then(|| source.numbers()).flatten() {
            let numbered = files.into_iter().zip(numbers).filter(|(_, to)| !to.is_empty());
            drop(told.send(numbered.map(|((_, entry), to)| (entry, to)).collect::<Vec<_>>()));
        }
        Ok(source)
    };
    match make(runtime, recipe, by, open).await {
        Ok(Some(mut made)) => {
            // Nobody tells where no source has an add-on.
            let Ok(numbered) = numbered.await else { return Ok(Some(made)) };
            match addons::merged(runtime, shared, &made, &numbered, by).await {
                Ok(addons) => made.addons = addons,
                Err(error) => {
                    drop(runtime.remove(&names::segment(made.id)).await);
                    return Err(error);
                }
            }
            Ok(Some(made))
        }
        Ok(None) => Ok(None),
        Err(MakeError::Store(error)) => Err(error),
        Err(MakeError::Build(BuildError::Missing(missing))) => Err(StoreError::Missing(missing)),
        Err(MakeError::Build(error)) => {
            Err(StoreError::Unusable(format!("segments cannot be merged: {error}")))
        }
        Err(MakeError::Broken) => Err(StoreError::Unusable("merging segments was broken off".into())),
    }
}
