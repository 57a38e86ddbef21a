//! A shard's log: frames into files that have all their blocks already, one sync each.
//!
//! A file whose rows are all in segments is used again under a new number: its old pages say of which file they were,
//! so none is taken for a new one. What always holds: a frame is begun only after the one before it is durable; a page
//! once durable is not written again while a manifest asks for its file; after a failed write or sync nothing more is
//! written until all rows are in segments and no file of before is left.

use crate::api::SyncTimes;
use crate::error::StoreError;
use crate::names;
use crate::reserve::Reserve;
use bytes::Bytes;
use postlode_format::limits::PAGE;
use postlode_format::log::{FrameType, PageHeader, encode_frame, pages_for};
use postlode_runtime::{AlignedBuf, DiskError, DiskFile, OpenMode, Runtime};
use std::path::Path;
use std::sync::Arc;

/// Bytes that are zeroed at a time.
const ZERO_CHUNK: usize = 1 << 20;
/// The first file of a stream is small, so that opening a store is quick; later ones grow to the full size.
const FIRST_FILE: u64 = 1 << 20;
const GROWTH: u64 = 4;
/// Files that are kept to be used again: as many as fill up while one is being sealed.
const SPARES: usize = 2;

/// What room a frame may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// All that is not kept for deletions.
    Ordinary,
    /// Any, as it is a deletion.
    Reserve,
    /// Any in the current file, as it is small.
    Here,
}

/// Bytes of a file that is made where the disk is full.
const TIGHT_FILE: u64 = 64 << 10;

/// A file of the stream.
#[derive(Clone, Copy)]
struct Part {
    number: u32,
    /// Bytes of frames in it.
    used: u64,
    /// Bytes of the file.
    bytes: u64,
}

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
    /// Files of this stream that are still needed.
    files: Vec<Part>,
    /// Files that nobody needs any more, to be used again.
    spares: Vec<Part>,
    reserve: Arc<Reserve>,
    /// The current file was made in the room that is kept for deletions.
    reserved: bool,
    /// How long frames took until they were durable.
    pub syncs: SyncTimes,
}

impl<R: Runtime> LogWriter<R> {
    /// A new stream; its first file is made by the first frame.
    pub fn new(runtime: R, stream: u64, file_bytes: u64, durable_seq: u64, reserve: Arc<Reserve>) -> Self {
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
            spares: Vec::new(),
            reserve,
            reserved: false,
            syncs: SyncTimes::default(),
        }
    }

    /// The stream's id.
    pub fn stream(&self) -> u64 {
        self.stream
    }

    /// Bytes of frames in files that are still needed.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|part| part.used).sum()
    }

    /// Bytes of all files, those that wait to be used again among them.
    pub fn bytes_on_disk(&self) -> u64 {
        self.files.iter().chain(&self.spares).map(|part| part.bytes).sum()
    }

    /// The number that the next new file will have.
    pub fn next_file(&self) -> u32 {
        self.next_file
    }

    /// Has a write or a sync failed?
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.is_some()
    }

    /// Goes on after a failure, in a new file: for who has made all rows durable elsewhere and keeps no file of before.
    pub fn go_on(&mut self) {
        self.poisoned = None;
        self.confirmed_seq = self.durable_seq;
    }

    /// Appends one frame of rows and makes it durable. `rows` are numbered from `first_seq`.
    ///
    /// # Errors
    /// [`StoreError::Full`] where there is no room for a new file (nothing was written; try again later), else
    /// [`StoreError::Poisoned`] from then on.
    pub async fn append(
        &mut self,
        first_seq: u64,
        rows: u64,
        payload: &[u8],
        room: Room,
    ) -> Result<(), StoreError> {
        self.frame(FrameType::Rows, first_seq, payload, room).await?;
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
        self.frame(FrameType::Rows, next_seq, &[], Room::Here).await
    }

    /// Writes the mark of an orderly end.
    ///
    /// # Errors
    /// As [`LogWriter::append`].
    pub async fn close_cleanly(&mut self, next_seq: u64) -> Result<(), StoreError> {
        if self.current.is_none() {
            return Ok(());
        }
        self.frame(FrameType::CleanClose, next_seq, &[], Room::Here).await
    }

    async fn frame(
        &mut self,
        frame_type: FrameType,
        first_seq: u64,
        payload: &[u8],
        room: Room,
    ) -> Result<(), StoreError> {
        if let Some(reason) = &self.poisoned {
            return Err(StoreError::Poisoned(reason.clone()));
        }
        let pages = u32::try_from(pages_for(payload.len())).unwrap_or(u32::MAX);
        let kept = self.reserved && room == Room::Ordinary;
        if kept || self.current.as_ref().is_none_or(|(_, _, page, all)| page.saturating_add(pages) > *all) {
            self.next(pages, room).await?;
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
        self.syncs.add(self.runtime.monotonic().saturating_sub(start));
        if let Err(error) = done {
            // Whether the pages are on the medium is unknown now: a retry could acknowledge what is not there.
            tracing::error!("the log cannot be written: {error}");
            self.poisoned = Some(error.to_string());
            return Err(StoreError::Poisoned(error.to_string()));
        }
        *page = page.saturating_add(pages);
        self.confirmed_seq = header.durable_seq;
        if let Some(part) = self.files.last_mut() {
            part.used += written;
        }
        Ok(())
    }

    /// Ends the current file, which is full as far as the memtable goes. The frame that confirms the last one is still
    /// written there, if there is room: no other may come for a long time.
    ///
    /// # Errors
    /// As [`LogWriter::append`], and where closing fails.
    pub async fn end_file(&mut self, next_seq: u64) -> Result<(), StoreError> {
        self.confirm_here(next_seq).await?;
        self.roll().await
    }

    /// [`LogWriter::confirm`], where that is still to be done and needs no new file.
    ///
    /// # Errors
    /// As [`LogWriter::append`].
    pub async fn confirm_here(&mut self, next_seq: u64) -> Result<(), StoreError> {
        let room = self.current.as_ref().is_some_and(|(_, _, page, all)| page < all);
        if room && !self.is_confirmed() { self.confirm(next_seq).await } else { Ok(()) }
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

    async fn next(&mut self, pages: u32, room: Room) -> Result<(), StoreError> {
        let made = self.try_next(pages, room).await;
        match &made {
            Ok(()) => self.reserved = room == Room::Reserve && self.reserve.is_given(),
            // What would confirm the last frame has no room: it must not be tried for ever.
            Err(_) if room == Room::Here => self.roll().await?,
            Err(_) => {}
        }
        made
    }

    async fn try_next(&mut self, pages: u32, room: Room) -> Result<(), StoreError> {
        if room != Room::Reserve {
            self.reserve.check(&self.runtime, &names::log(self.stream, self.next_file)).await?;
            return self.next_of(pages, false).await;
        }
        let mut made = self.next_of(pages, self.reserve.is_given()).await;
        while matches!(made, Err(StoreError::Full(_))) && self.reserve.give(&self.runtime).await {
            made = self.next_of(pages, true).await;
        }
        made
    }

    /// The next file, as small as can be where there is hardly any room.
    async fn next_of(&mut self, pages: u32, tight: bool) -> Result<(), StoreError> {
        // The frame that confirms this one fits behind it.
        let need = (u64::from(pages) + 1) * PAGE as u64;
        let wanted = if tight { TIGHT_FILE.min(self.next_bytes) } else { self.next_bytes };
        let bytes = wanted.max(need).next_multiple_of(PAGE as u64);
        let number = self.next_file;
        let path = names::log(self.stream, number);
        let spare = self.spares.pop_if(|spare| spare.bytes >= need);
        let made = match spare {
            Some(spare) => reused(&self.runtime, &names::log(self.stream, spare.number), &path).await,
            None => zeroed(&self.runtime, &path, bytes).await,
        };
        let bytes = spare.map_or(bytes, |spare| spare.bytes);
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                // No frame of this number is in it; a later try makes it anew. A spare one that has kept its old name is
                // removed at the next opening.
                self.runtime.remove(&path).await?;
                return Err(error.into());
            }
        };
        self.next_file = number.saturating_add(1);
        // Only now: where there is no other file, what confirms the last frame may still go into this one.
        self.roll().await?;
        if !tight {
            self.next_bytes = self.next_bytes.saturating_mul(GROWTH).min(self.file_bytes);
        }
        let pages = u32::try_from(bytes / PAGE as u64).unwrap_or(u32::MAX);
        self.current = Some((file, number, 0, pages));
        self.files.push(Part { number, used: 0, bytes });
        Ok(())
    }

    /// Files before number `first` are not needed any more: their rows are in segments that a manifest names. A few are
    /// kept to be used again.
    ///
    /// # Errors
    /// Where a file cannot be removed; it is then found and removed at the next opening.
    pub async fn release(&mut self, first: u32) -> Result<(), DiskError> {
        let (old, kept): (Vec<Part>, Vec<Part>) =
            self.files.iter().copied().partition(|part| part.number < first);
        self.files = kept;
        for part in old {
            if part.bytes == self.file_bytes && self.spares.len() < SPARES {
                self.spares.push(part);
            } else {
                self.runtime.remove(&names::log(self.stream, part.number)).await?;
            }
        }
        Ok(())
    }

    /// Removes all files before number `first`, and those that wait to be used again: nothing that was ever written into
    /// them is left.
    ///
    /// # Errors
    /// As [`LogWriter::release`].
    pub async fn scrub(&mut self, first: u32) -> Result<(), DiskError> {
        self.release(first).await?;
        for part in std::mem::take(&mut self.spares) {
            self.runtime.remove(&names::log(self.stream, part.number)).await?;
        }
        Ok(())
    }
}

/// Gives a file that nobody needs its new name, and makes that durable.
async fn reused<R: Runtime>(runtime: &R, old: &Path, new: &Path) -> Result<R::File, DiskError> {
    runtime.rename(old, new).await?;
    runtime.sync_dir(Path::new(names::LOGS)).await?;
    runtime.open(new, OpenMode::Write).await
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
