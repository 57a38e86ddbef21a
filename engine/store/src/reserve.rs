//! Room on the disk that is kept for deletions, and for opening a store: who has a full disk must be able to make room.
//!
//! It is two files of zeros. Where the disk is full, the large one is removed for what may use its room, then the small one;
//! as soon as they can be made again, all may write again. What always holds: while the large one is gone, nothing but
//! deletions makes new files of the log; while the small one is, nothing is sealed either, so that sealing, which makes
//! room, may use all but the last of it. A disk that refuses them for other reasons than its being full has no reserve,
//! and is written all the same.

use postlode_runtime::{AlignedBuf, DiskError, DiskErrorKind, DiskFile, OpenMode, Runtime};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Where there was no room for a file, that is found out again after this time: it costs writing what there is room for.
const AGAIN: Duration = Duration::from_secs(5);
/// How often it is looked whether another is done.
const WAIT: Duration = Duration::from_millis(1);
/// Bytes that are written at a time.
const CHUNK: u64 = 1 << 20;

/// The reserve of a store.
pub struct Reserve {
    large: Part,
    small: Part,
    /// Somebody makes or removes one of them.
    busy: AtomicBool,
}

/// One of the files.
struct Part {
    name: &'static str,
    bytes: u64,
    /// Its room was given away.
    given: AtomicBool,
    /// When there was no room for it, milliseconds of the runtime's clock; 0: that is over.
    failed: AtomicU64,
}

impl Part {
    fn new(name: &'static str, bytes: u64) -> Self {
        Self { name, bytes, given: AtomicBool::new(false), failed: AtomicU64::new(0) }
    }

    fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }

    /// Makes it, if it is not there. False where there is no room for it.
    async fn make<R: Runtime>(&self, runtime: &R) -> bool {
        let now = u64::try_from(runtime.monotonic().as_millis()).unwrap_or(u64::MAX).max(1);
        let failed = self.failed.load(Ordering::Acquire);
        if failed > 0 && u128::from(now.saturating_sub(failed)) < AGAIN.as_millis() {
            return false;
        }
        let full = match self.try_make(runtime).await {
            Ok(()) => false,
            Err(error) => {
                tracing::warn!("no room is kept for deletions: {error}");
                // What is there of it takes the room that others need.
                drop(runtime.remove(Path::new(self.name)).await);
                error.kind == DiskErrorKind::Full
            }
        };
        self.given.store(full, Ordering::Release);
        self.failed.store(if full { now } else { 0 }, Ordering::Release);
        !full
    }

    async fn try_make<R: Runtime>(&self, runtime: &R) -> Result<(), DiskError> {
        let path = Path::new(self.name);
        match runtime.open(path, OpenMode::Read).await {
            Ok(file) => {
                let size = file.size().await?;
                file.close().await?;
                if size >= self.bytes {
                    return Ok(());
                }
                runtime.remove(path).await?;
            }
            Err(error) if error.kind == DiskErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = runtime.open(path, OpenMode::Create).await?;
        let mut at = 0u64;
        while at < self.bytes {
            let take = self.bytes.saturating_sub(at).min(CHUNK);
            file.write_at(at, AlignedBuf::zeroed(usize::try_from(take).unwrap_or(0))).await?;
            at = at.saturating_add(take);
        }
        file.sync().await?;
        file.close().await
    }

    /// Gives its room away. False where that was done before.
    async fn give<R: Runtime>(&self, runtime: &R) -> bool {
        if self.is_given() {
            return false;
        }
        tracing::warn!("the disk is full: the room that was kept for deletions is used now ({})", self.name);
        let removed = runtime.remove(Path::new(self.name)).await;
        if let Err(error) = &removed {
            tracing::error!("{error}");
        }
        self.given.store(true, Ordering::Release);
        removed.is_ok()
    }
}

impl Reserve {
    /// One of so many bytes, which is taken to be there.
    pub fn new(bytes: u64) -> Self {
        Self {
            large: Part::new("RESERVE", bytes),
            small: Part::new("RESERVE.last", bytes / 4),
            busy: AtomicBool::new(false),
        }
    }

    /// One at a time: what is told of a file is told when it is done.
    async fn lock<R: Runtime>(&self, runtime: &R) {
        while self.busy.swap(true, Ordering::AcqRel) {
            runtime.sleep(WAIT).await;
        }
    }

    fn unlock(&self) {
        self.busy.store(false, Ordering::Release);
    }

    /// Makes what of it there is room for, the last of it first.
    pub async fn make<R: Runtime>(&self, runtime: &R) {
        self.lock(runtime).await;
        let _room = self.small.make(runtime).await && self.large.make(runtime).await;
        self.unlock();
    }

    /// Gives room away. False where there is none left.
    pub async fn give<R: Runtime>(&self, runtime: &R) -> bool {
        self.lock(runtime).await;
        let given = self.large.give(runtime).await || self.small.give(runtime).await;
        self.unlock();
        given
    }

    /// Is what room there is kept for deletions?
    pub fn is_given(&self) -> bool {
        self.large.is_given()
    }

    /// Is there room for more than deletions? Where it was given away, it is made first.
    ///
    /// # Errors
    /// That the disk is full, which `path` is not written for.
    pub async fn check<R: Runtime>(&self, runtime: &R, path: &Path) -> Result<(), DiskError> {
        self.check_of(runtime, path, &[&self.small, &self.large]).await
    }

    /// Is there room to seal, which makes room in the end?
    ///
    /// # Errors
    /// As [`Reserve::check`].
    pub async fn check_last<R: Runtime>(&self, runtime: &R, path: &Path) -> Result<(), DiskError> {
        self.check_of(runtime, path, &[&self.small]).await
    }

    async fn check_of<R: Runtime>(&self, runtime: &R, path: &Path, parts: &[&Part]) -> Result<(), DiskError> {
        if parts.iter().all(|part| !part.is_given()) {
            return Ok(());
        }
        self.lock(runtime).await;
        let mut all = true;
        for part in parts {
            // Another may have made it meanwhile.
            all = all && (!part.is_given() || part.make(runtime).await);
        }
        self.unlock();
        let why = "the little room there is is kept for deletions";
        if all { Ok(()) } else { Err(DiskError::new(DiskErrorKind::Full, "write", path, why)) }
    }
}
