//! A shard's log: frames into pre-zeroed files, one sync each.
//!
//! What always holds: a frame is begun only after the one before it is durable; a page once durable is not
//! written again while its file belongs to the stream; after a failed write or sync nothing more is written.

use crate::error::StoreError;
use crate::names;
use bytes::Bytes;
use postlode_format::limits::PAGE;
use postlode_format::log::{FrameType, PageHeader, encode_frame, pages_for};
use postlode_runtime::{AlignedBuf, DiskError, DiskFile, OpenMode, Runtime};
use std::path::Path;
use std::time::Duration;

/// Bytes that are zeroed at a time.
const ZERO_CHUNK: usize = 1 << 20;
/// The first file of a stream is small, so that opening a store is quick; later ones grow to the full size.
const FIRST_FILE: u64 = 1 << 20;
const GROWTH: u64 = 4;

/// The log of one shard of one writer.
pub struct LogWriter<R: Runtime> {
    runtime: R,
    stream: u64,
    file_bytes: u64,
    next_bytes: u64,
    /// The file that is written to, with its number and next page.
    current: Option<(R::File, u32, u32, u32)>,
    next_file: u32,
    durable_seq: u64,
    /// The highest sequence number that a frame tells to be durable.
    confirmed_seq: u64,
    poisoned: Option<String>,
    /// Files of this stream: number, bytes used.
    files: Vec<(u32, u64)>,
    /// Time all syncs took.
    pub sync_time: Duration,
    /// Frames written.
    pub frames: u64,
}

impl<R: Runtime> LogWriter<R> {
    /// A new stream; its first file is made by the first frame.
    pub fn new(runtime: R, stream: u64, file_bytes: u64, durable_seq: u64) -> Self {
        Self {
            runtime,
            stream,
            file_bytes: file_bytes.max(PAGE as u64),
            next_bytes: FIRST_FILE.min(file_bytes),
            current: None,
            next_file: 0,
            durable_seq,
            confirmed_seq: durable_seq,
            poisoned: None,
            files: Vec::new(),
            sync_time: Duration::ZERO,
            frames: 0,
        }
    }

    /// The stream's id.
    pub fn stream(&self) -> u64 {
        self.stream
    }

    /// Bytes of frames in files that are still needed.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }

    /// The number that the next new file will have.
    pub fn next_file(&self) -> u32 {
        self.next_file
    }

    /// Appends one frame of rows and makes it durable. `rows` are numbered from `first_seq`.
    ///
    /// # Errors
    /// [`StoreError::Full`] where there is no room for a new file (nothing was written; try again later), else
    /// [`StoreError::Poisoned`] from then on.
    pub async fn append(&mut self, first_seq: u64, rows: u64, payload: &[u8]) -> Result<(), StoreError> {
        self.frame(FrameType::Rows, first_seq, payload).await?;
        self.durable_seq = self.durable_seq.max(first_seq.saturating_add(rows).saturating_sub(1));
        Ok(())
    }

    /// Does a later frame tell that the last rows were acknowledged? A log that cannot be written says so, too.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed_seq >= self.durable_seq || self.current.is_none() || self.poisoned.is_some()
    }

    /// Writes a frame without rows, which tells how far the log is durable: without it, damage to the last frame of rows
    /// could not be told from a frame that was never finished.
    ///
    /// # Errors
    /// As [`LogWriter::append`].
    pub async fn confirm(&mut self, next_seq: u64) -> Result<(), StoreError> {
        self.frame(FrameType::Rows, next_seq, &[]).await
    }

    /// Writes the mark of an orderly end.
    ///
    /// # Errors
    /// As [`LogWriter::append`].
    pub async fn close_cleanly(&mut self, next_seq: u64) -> Result<(), StoreError> {
        if self.current.is_none() {
            return Ok(());
        }
        self.frame(FrameType::CleanClose, next_seq, &[]).await
    }

    async fn frame(
        &mut self,
        frame_type: FrameType,
        first_seq: u64,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        if let Some(reason) = &self.poisoned {
            return Err(StoreError::Poisoned(reason.clone()));
        }
        let pages = u32::try_from(pages_for(payload.len())).unwrap_or(u32::MAX);
        if self.current.as_ref().is_none_or(|(_, _, page, all)| page.saturating_add(pages) > *all) {
            self.next(pages).await?;
        }
        let Some((file, number, page, _)) = &mut self.current else { return Err(StoreError::Closed) };
        let header = PageHeader {
            frame_type,
            used: 0,
            stream: self.stream,
            generation: *number,
            page: *page,
            first_seq,
            durable_seq: self.durable_seq,
            frame_len: 0,
            frame_page: 0,
        };
        let mut buf = AlignedBuf::zeroed(pages as usize * PAGE);
        encode_frame(header, payload, buf.as_mut()).map_err(StoreError::Refused)?;
        let at = u64::from(*page) * PAGE as u64;
        let written = buf.len() as u64;
        let start = self.runtime.monotonic();
        let done = match file.write_at(at, buf).await {
            Ok(()) => file.sync().await,
            Err(error) => Err(error),
        };
        self.sync_time += self.runtime.monotonic().saturating_sub(start);
        if let Err(error) = done {
            // Whether the pages are on the medium is unknown now: a retry could acknowledge what is not there.
            tracing::error!("the log cannot be written: {error}");
            self.poisoned = Some(error.to_string());
            return Err(StoreError::Poisoned(error.to_string()));
        }
        *page = page.saturating_add(pages);
        self.frames += 1;
        self.confirmed_seq = header.durable_seq;
        if let Some((_, bytes)) = self.files.last_mut() {
            *bytes += written;
        }
        Ok(())
    }

    /// Ends the current file, so that what follows is in files of its own.
    ///
    /// # Errors
    /// Where closing fails.
    pub async fn roll(&mut self) -> Result<(), StoreError> {
        if let Some((file, ..)) = self.current.take() {
            file.close().await?;
        }
        Ok(())
    }

    async fn next(&mut self, pages: u32) -> Result<(), StoreError> {
        self.roll().await?;
        let need = u64::from(pages) * PAGE as u64;
        let bytes = self.next_bytes.max(need).next_multiple_of(PAGE as u64);
        let number = self.next_file;
        let path = names::log(self.stream, number);
        let file = match zeroed(&self.runtime, &path, bytes).await {
            Ok(file) => file,
            Err(error) => {
                // Nothing of ours is in it; a later try makes it anew.
                self.runtime.remove(&path).await?;
                return Err(error.into());
            }
        };
        self.next_file = number.saturating_add(1);
        self.next_bytes = self.next_bytes.saturating_mul(GROWTH).min(self.file_bytes);
        let pages = u32::try_from(bytes / PAGE as u64).unwrap_or(u32::MAX);
        self.current = Some((file, number, 0, pages));
        self.files.push((number, 0));
        Ok(())
    }

    /// Removes files before number `first`: their rows are in segments that a manifest names.
    ///
    /// # Errors
    /// Where a file cannot be removed; it is then found and removed at the next opening.
    pub async fn release(&mut self, first: u32) -> Result<(), DiskError> {
        let (old, kept) = std::mem::take(&mut self.files).into_iter().partition(|(n, _)| *n < first);
        self.files = kept;
        let old: Vec<(u32, u64)> = old;
        for (number, _) in old {
            self.runtime.remove(&names::log(self.stream, number)).await?;
        }
        Ok(())
    }
}

/// Makes a file of zeros and makes it, and its name, durable.
async fn zeroed<R: Runtime>(runtime: &R, path: &Path, bytes: u64) -> Result<R::File, DiskError> {
    let file = runtime.open(path, OpenMode::Create).await?;
    let mut at = 0u64;
    while at < bytes {
        let take = usize::try_from(bytes - at).unwrap_or(ZERO_CHUNK).min(ZERO_CHUNK);
        file.write_at(at, AlignedBuf::zeroed(take)).await?;
        at += take as u64;
    }
    file.sync().await?;
    runtime.sync_dir(Path::new(names::LOGS)).await?;
    Ok(file)
}

/// Reads a log file page by page.
///
/// # Errors
/// What the disk says.
pub async fn for_each_page<R: Runtime>(
    runtime: &R,
    path: &Path,
    mut each: impl FnMut(u32, Result<Bytes, DiskError>),
) -> Result<(), DiskError> {
    let file = runtime.open(path, OpenMode::Read).await?;
    let pages = file.size().await? / PAGE as u64;
    const AT_ONCE: u64 = 128;
    let mut page = 0u64;
    while page < pages {
        let take = AT_ONCE.min(pages - page);
        let len = usize::try_from(take).unwrap_or(1) * PAGE;
        match file.read_at(page * PAGE as u64, len).await {
            Ok(bytes) => {
                for n in 0..take {
                    let from = usize::try_from(n).unwrap_or(0) * PAGE;
                    each(u32::try_from(page + n).unwrap_or(u32::MAX), Ok(bytes.slice(from..from + PAGE)));
                }
            }
            // One bad page must not hide its neighbours.
            Err(_) => {
                for n in page..page + take {
                    let mut one = file.read_at(n * PAGE as u64, PAGE).await;
                    if one.is_err() {
                        // A fault that passes must not become a loss that stays.
                        one = file.read_at(n * PAGE as u64, PAGE).await;
                    }
                    each(u32::try_from(n).unwrap_or(u32::MAX), one);
                }
            }
        }
        page += take;
    }
    file.close().await
}
