//! The follower: keeps a store that only reads up with a writer in another process, which never hears of it.
//!
//! It follows the chain of manifests and reads on in the logs. What always holds: a row is shown when the log itself says
//! that it was acknowledged, which the writer writes down within half a second; what was shown once stays, in a memtable
//! until the manifest names the segment that has it; files that the writer removes stay readable for as long as they are
//! open here.

use crate::api::Missing;
use crate::error::StoreError;
use crate::keeper::{self, KeeperHandle, newest_number};
use crate::names;
use crate::shard::{ReadOp, Reply, Shared};
use crate::store::ShardHandle;
use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::limits::PAGE;
use postlode_format::log::{Fed, Frame, LogScanner, decode_page, pages_for};
use postlode_format::manifest::Manifest;
use postlode_format::row::{Row, Rows, shard_of};
use postlode_runtime::{DiskErrorKind, DiskFile, OpenMode, Runtime};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// A frame that nothing confirms for so long has no living writer behind it: then what is whole counts, as when a store is
/// opened.
const ABANDONED: Duration = Duration::from_secs(3);
/// How often a manifest is read anew because the writer went on meanwhile, before the next look.
const TRIES: usize = 10;
/// Pages of a log that are read at once.
const AT_ONCE: u32 = 256;

/// A row that the writer has acknowledged.
pub struct FollowedRow {
    /// The stream that it came by.
    pub stream: u64,
    /// Of an earlier writer: its rows are being sealed while the stream is still named, so this one may be in a segment.
    pub left_over: bool,
    /// Its sequence number.
    pub seq: u64,
    /// The row.
    pub row: Row,
}

/// What following needs.
pub struct Follower<R: Runtime> {
    runtime: R,
    shared: Arc<Shared>,
    keeper: KeeperHandle,
    shards: Vec<ShardHandle>,
    /// Number of the manifest that the shards know.
    manifest: Option<u64>,
    tails: BTreeMap<u64, Tail>,
    /// Streams of earlier writers.
    left_over: BTreeSet<u64>,
    /// What went wrong last, so that it is told once.
    told: Option<String>,
}

impl<R: Runtime> Follower<R> {
    /// One that has read nothing yet.
    pub fn new(runtime: R, shared: Arc<Shared>, keeper: KeeperHandle, shards: Vec<ShardHandle>) -> Self {
        Self {
            runtime,
            shared,
            keeper,
            shards,
            manifest: None,
            tails: BTreeMap::new(),
            left_over: BTreeSet::new(),
            told: None,
        }
    }

    /// Works until the store closes. `first` hears when all is seen that was acknowledged before.
    pub async fn run(mut self, first: Reply<Result<(), StoreError>>) {
        let mut first = Some(first);
        let mut begun = None;
        loop {
            let looked = self.look().await;
            let begun = *begun.get_or_insert_with(|| self.runtime.monotonic());
            // A frame that was there at the first look may have been acknowledged, whoever wrote it.
            let waits = looked.is_ok() && self.tails.values().any(|tail| tail.holds_from(begun));
            match (first.take(), looked) {
                (Some(waiting), _) if waits => first = Some(waiting),
                (Some(first), looked) => drop(first.send(looked)),
                (None, Err(error)) => self.tell(&error),
                (None, Ok(())) => self.told = None,
            }
            self.runtime.sleep(PAUSE).await;
            if self.shared.stopping.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn tell(&mut self, error: &StoreError) {
        let error = error.to_string();
        if self.told.as_ref() != Some(&error) {
            tracing::warn!("following the writer waits: {error}");
            self.told = Some(error);
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        self.follow_manifest().await?;
        self.follow_logs().await
    }

    /// Shows the shards the newest manifest, if it is another one.
    async fn follow_manifest(&mut self) -> Result<(), StoreError> {
        for last in (0..TRIES).rev() {
            if newest_number(&self.runtime).await? == self.manifest {
                return Ok(());
            }
            let Some(manifest) = keeper::newest(&self.runtime).await? else { return Ok(()) };
            let manifest = Arc::new(manifest);
            // A segment that cannot be opened was merged away, if there is a newer manifest already. If there is none, it
            // is damaged, and names itself in each answer.
            if self.show(&manifest, true).await?.is_err() {
                if newest_number(&self.runtime).await? != Some(manifest.number) && last > 0 {
                    continue;
                }
                let _named = self.show(&manifest, false).await?;
            }
            self.keeper.follow(manifest.clone()).await?;
            // Which model answers is told by the keeper, and who asked while shards knew of the manifest and it did not would keep
            // the answer of before.
            self.shared.layout.fetch_add(1, Ordering::Release);
            self.manifest = Some(manifest.number);
            self.take_streams(&manifest);
            return Ok(());
        }
        Ok(())
    }

    async fn show(&self, manifest: &Arc<Manifest>, strict: bool) -> Result<Result<(), Missing>, StoreError> {
        let mut all = Ok(());
        for shard in &self.shards {
            let (reply, answer) = oneshot::async_channel();
            let op = ReadOp::Follow(manifest.clone(), strict, reply);
            shard.reads.send(op).await.map_err(|_| StoreError::Closed)?;
            let shown = answer.await.map_err(|_| StoreError::Closed)?;
            all = all.and(shown);
        }
        Ok(all)
    }

    /// Rows below a stream's floor are in segments: they need not be read any more.
    fn take_streams(&mut self, manifest: &Manifest) {
        self.tails.retain(|stream, _| manifest.logs.iter().any(|log| log.stream == *stream));
        let earlier = manifest.logs.iter().filter(|log| log.epoch < manifest.epoch);
        self.left_over = earlier.map(|log| log.stream).collect();
        for log in &manifest.logs {
            let tail = self.tails.entry(log.stream);
            let tail = tail.or_insert_with(|| Tail::new(log.stream, log.first_file, log.floor));
            if tail.scanner.next_seq() < log.floor || tail.file < log.first_file {
                *tail = Tail::new(log.stream, log.first_file, log.floor);
            }
            tail.held.retain(|held| held.rows.last().is_none_or(|(seq, _)| *seq >= log.floor));
        }
    }

    async fn follow_logs(&mut self) -> Result<(), StoreError> {
        let mut files: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        // Before any is read: then a file that another follows in this list is complete.
        for entry in self.runtime.list(Path::new(names::LOGS)).await? {
            if let Some((stream, file)) = names::parse_log(&entry.name) {
                files.entry(stream).or_default().push(file);
            }
        }
        let count = self.shards.len();
        let mut parts: Vec<Vec<FollowedRow>> = (0..count).map(|_| Vec::new()).collect();
        let mut failed = Ok(());
        for (stream, tail) in &mut self.tails {
            let own = files.remove(stream).unwrap_or_default();
            // A stream that cannot be read holds up no other, and what was read of it before is shown.
            failed = failed.and(tail.read_on(&self.runtime, &own).await);
            let (stream, left_over) = (*stream, self.left_over.contains(stream));
            for (seq, row) in tail.acknowledged(self.runtime.monotonic()) {
                if let Some(part) = parts.get_mut(shard_of(row.hash(), count)) {
                    part.push(FollowedRow { stream, left_over, seq, row });
                }
            }
        }
        for (shard, rows) in self.shards.iter().zip(parts).filter(|(_, rows)| !rows.is_empty()) {
            let (reply, answer) = oneshot::async_channel();
            let op = ReadOp::Followed(rows, reply);
            shard.reads.send(op).await.map_err(|_| StoreError::Closed)?;
            answer.await.map_err(|_| StoreError::Closed)?;
        }
        failed
    }
}

/// Where reading one stream has come to.
struct Tail {
    stream: u64,
    scanner: LogScanner,
    file: u32,
    page: u32,
    /// The highest sequence number that the log tells to be acknowledged.
    durable: u64,
    /// Frames that are whole, and not acknowledged as far as the log tells.
    held: VecDeque<Held>,
}

struct Held {
    rows: Vec<(u64, Row)>,
    since: Duration,
}

impl Tail {
    fn new(stream: u64, file: u32, floor: u64) -> Self {
        let mut scanner = LogScanner::new(stream, floor);
        scanner.start_file(file);
        Self { stream, scanner, file, page: 0, durable: 0, held: VecDeque::new() }
    }

    /// Reads what was added. `files`: the stream's files, as they were before.
    async fn read_on<R: Runtime>(&mut self, runtime: &R, files: &[u32]) -> Result<(), StoreError> {
        while self.read_file(runtime).await? && files.iter().any(|file| *file > self.file) {
            self.file = self.file.saturating_add(1);
            self.page = 0;
            self.scanner.start_file(self.file);
        }
        Ok(())
    }

    /// Does it hold anything back since then, or longer?
    fn holds_from(&self, moment: Duration) -> bool {
        self.held.front().is_some_and(|held| !held.rows.is_empty() && held.since <= moment)
    }

    /// What of that which was held back was acknowledged.
    fn acknowledged(&mut self, now: Duration) -> Vec<(u64, Row)> {
        let mut out = Vec::new();
        while let Some(first) = self.held.front() {
            let acknowledged = first.rows.last().is_none_or(|(seq, _)| *seq <= self.durable);
            if !acknowledged && now.saturating_sub(first.since) < ABANDONED {
                break;
            }
            out.extend(self.held.pop_front().map(|held| held.rows).unwrap_or_default());
        }
        out
    }

    /// Reads the rest of a file; false where it is gone: then the manifest will say more.
    async fn read_file<R: Runtime>(&mut self, runtime: &R) -> Result<bool, StoreError> {
        let file = match runtime.open(&names::log(self.stream, self.file), OpenMode::Read).await {
            Err(error) if error.kind == DiskErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let read = self.read_pages(runtime, &file).await;
        file.close().await?;
        read.map(|()| true)
    }

    async fn read_pages<R: Runtime>(&mut self, runtime: &R, file: &R::File) -> Result<(), StoreError> {
        let pages = u32::try_from(file.size().await? / PAGE as u64).unwrap_or(u32::MAX);
        // A frame counts whole or not at all: the scanner goes on from where the last one ended.
        let mut trial = self.scanner.clone();
        let (mut next, mut at_once) = (self.page, AT_ONCE);
        while next < pages {
            // Most looks find nothing new.
            let take = if next == self.page { 1 } else { at_once.min(pages - next) };
            let bytes = match file.read_at(u64::from(next) * PAGE as u64, take as usize * PAGE).await {
                // One bad page must not hide those before it.
                Err(_) if take > 1 => {
                    at_once = 1;
                    continue;
                }
                read => read?,
            };
            for page in 0..take {
                let from = page as usize * PAGE;
                if !self.take_page(&mut trial, next, bytes.slice(from..from + PAGE), runtime.monotonic())? {
                    return Ok(());
                }
                next += 1;
            }
        }
        Ok(())
    }

    /// False for a page that is none of the log's yet.
    fn take_page(
        &mut self,
        trial: &mut LogScanner,
        number: u32,
        bytes: Bytes,
        now: Duration,
    ) -> Result<bool, StoreError> {
        let newer = |source: FormatError| StoreError::Format {
            what: names::log(self.stream, self.file).display().to_string(),
            source,
        };
        let header = match decode_page(&bytes) {
            Ok((header, _)) => header,
            Err(error @ FormatError::Newer { .. }) => return Err(newer(error)),
            Err(_) => return Ok(false),
        };
        if (header.stream, header.generation, header.page) != (self.stream, self.file, number) {
            return Ok(false);
        }
        let frame = match trial.feed(number, &bytes) {
            Fed::Newer(error) => return Err(newer(error)),
            Fed::Frame(frame) => Some(frame),
            Fed::More => None,
        };
        if header.frame_page.saturating_add(1) as usize == pages_for(header.frame_len as usize) {
            if let Some(Frame { first_seq, payload, .. }) = frame {
                let mut rows = Vec::new();
                for row in Rows::new(payload) {
                    match row {
                        Ok(row) => rows.push(row),
                        Err(error @ FormatError::Newer { .. }) => return Err(newer(error)),
                        Err(error) => tracing::error!("a row of the log cannot be used: {error}"),
                    }
                }
                trial.advance(rows.len() as u64);
                self.held.push_back(Held { rows: (first_seq..).zip(rows).collect(), since: now });
            }
            self.durable = self.durable.max(header.durable_seq);
            self.scanner = trial.clone();
            self.page = number.saturating_add(1);
        }
        Ok(true)
    }
}
