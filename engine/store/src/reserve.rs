//! Room on the disk that is kept for deletions, and for opening a store: who has a full disk must be able to make room.
//!
//! It is a file of zeros. Where the disk is full, it is removed for what may use its room; as soon as it can be made
//! again, all may write again. What always holds: while it is gone, nothing but deletions makes new files of the log, and
//! nothing is sealed.

use postlode_runtime::{AlignedBuf, DiskError, DiskErrorKind, DiskFile, OpenMode, Runtime};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The file.
const FILE: &str = "RESERVE";
/// Where there was no room for it, that is found out again after this time: it costs writing what there is room for.
const AGAIN: Duration = Duration::from_secs(5);
/// Bytes that are written at a time.
const CHUNK: u64 = 1 << 20;

/// The reserve of a store.
pub struct Reserve {
    bytes: u64,
    /// Its room was given away.
    given: AtomicBool,
    /// Somebody makes it.
    making: AtomicBool,
    /// When that failed last, milliseconds of the runtime's clock; 0: it never did.
    failed: AtomicU64,
}

impl Reserve {
    /// One of so many bytes, which is taken to be there.
    pub fn new(bytes: u64) -> Self {
        Self {
            bytes,
            given: AtomicBool::new(false),
            making: AtomicBool::new(false),
            failed: AtomicU64::new(0),
        }
    }

    /// Makes it, if it is not there. False where there is no room for it.
    pub async fn make<R: Runtime>(&self, runtime: &R) -> bool {
        let now = u64::try_from(runtime.monotonic().as_millis()).unwrap_or(u64::MAX).max(1);
        let failed = self.failed.load(Ordering::Acquire);
        let lately = failed > 0 && now.saturating_sub(failed) < AGAIN.as_millis() as u64;
        if lately || self.making.swap(true, Ordering::AcqRel) {
            return !self.given.load(Ordering::Acquire);
        }
        let made = match self.try_make(runtime).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("no room is kept for deletions: {error}");
                // What is there of it takes the room that others need.
                drop(runtime.remove(Path::new(FILE)).await);
                false
            }
        };
        self.given.store(!made, Ordering::Release);
        self.failed.store(if made { 0 } else { now }, Ordering::Release);
        self.making.store(false, Ordering::Release);
        made
    }

    async fn try_make<R: Runtime>(&self, runtime: &R) -> Result<(), DiskError> {
        let path = Path::new(FILE);
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
    pub async fn give<R: Runtime>(&self, runtime: &R) -> bool {
        if self.given.swap(true, Ordering::AcqRel) {
            return false;
        }
        tracing::warn!("the disk is full: the room that was kept for deletions is used now");
        match runtime.remove(Path::new(FILE)).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!("{error}");
                false
            }
        }
    }

    /// Is what room there is kept for deletions?
    pub fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }

    /// Is there room for more than deletions? Where it was given away, it is made first.
    ///
    /// # Errors
    /// That the disk is full, which `path` is not written for.
    pub async fn check<R: Runtime>(&self, runtime: &R, path: &Path) -> Result<(), DiskError> {
        if !self.is_given() || self.make(runtime).await {
            return Ok(());
        }
        let why = "the little room there is is kept for deletions";
        Err(DiskError::new(DiskErrorKind::Full, "write", path, why))
    }
}
