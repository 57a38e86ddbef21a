//! Large files read and removed while others wait for the same disk.
//!
//! What always holds: reads go past the page cache where the file system allows that, in pieces. Who has time rests
//! after each for longer than the piece took, so that most of the disk's time stays for those who wait for an answer.

use crate::disk::{AlignedBuf, DiskError, DiskErrorKind, SharedFile, page_of};
use crate::folder::{Folder, check_length, past_end, read_buffered};
use crate::{Runtime, background};
use bytes::Bytes;
use rustix::fs::{Advice, OFlags, fadvise, fcntl_getfl, fcntl_setfl};
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How fast a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Nobody waits for it: small pieces, with rests between them.
    Rests,
    /// Somebody waits for it.
    Goes,
}

/// One read: what a read of somebody else waits behind.
const PIECE: usize = 128 << 10;
/// One read of somebody who is waited for.
const LARGE_PIECE: usize = 1 << 20;
/// Rests for so many times what the work before it took, but never for longer than this: the machine may have stood still.
const REST: u32 = 2;
const LONGEST_REST: Duration = Duration::from_millis(100);
/// Steps behind the others of a thread that removes.
const NICE: u8 = 10;
/// Bytes whose cached pages are given up at once.
const FORGET: u64 = 4 << 20;

/// Lets a file be read past the page cache. (Not asked for when it is opened, because a create with O_DIRECT leaves a file
/// behind where the file system refuses it.)
pub(crate) fn past_cache(file: &File) -> bool {
    fcntl_getfl(file).and_then(|flags| fcntl_setfl(file, flags | OFlags::DIRECT)).is_ok()
}

/// Reads whole pages around the bytes asked for, and gives a view of the bytes: no copy. `between` is called after each
/// piece with how long it took.
pub(crate) fn read_direct(
    file: &File,
    path: &Path,
    (offset, len): (u64, usize),
    piece: usize,
    mut between: impl FnMut(Duration),
) -> Result<Bytes, DiskError> {
    let (first, skip) = page_of(offset);
    let needed = len.checked_add(skip).ok_or_else(|| past_end(path, offset, len))?;
    let mut pages = AlignedBuf::zeroed(needed);
    let (mut at, mut got) = (first, 0);
    for piece in pages.as_mut().chunks_mut(piece) {
        let since = Instant::now();
        let read = loop {
            match file.read_at(piece, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = read.map_err(|error| DiskError::from_io("read", path, &error))?;
        between(since.elapsed());
        got += read;
        at += read as u64;
        // Reads of a regular file past the cache are short at its end alone.
        if read < piece.len() {
            break;
        }
    }
    if got < needed {
        return Err(past_end(path, offset, len));
    }
    Ok(Bytes::from_owner(pages).slice(skip..needed))
}

fn rest(after: Duration) {
    std::thread::sleep(after.saturating_mul(REST).min(LONGEST_REST));
}

/// Does something, and rests.
pub(crate) fn restfully<T>(work: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    let done = work();
    rest(since.elapsed());
    done
}

/// A file that is read from its start to its end.
pub(crate) struct WholeFile {
    file: File,
    path: PathBuf,
    direct: bool,
    pace: Pace,
}

impl WholeFile {
    pub(crate) fn new(file: File, path: PathBuf, pace: Pace) -> Self {
        let direct = past_cache(&file);
        Self { file, path, direct, pace }
    }
}

impl SharedFile for WholeFile {
    fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        check_length(&self.file, &self.path, offset, len)?;
        match (self.pace, self.direct && len > 0) {
            (Pace::Rests, true) => read_direct(&self.file, &self.path, (offset, len), PIECE, rest),
            (Pace::Rests, false) => restfully(|| read_buffered(&self.file, &self.path, offset, len)),
            (Pace::Goes, true) => read_direct(&self.file, &self.path, (offset, len), LARGE_PIECE, |_| {}),
            (Pace::Goes, false) => read_buffered(&self.file, &self.path, offset, len),
        }
    }
}

/// Gives up the cached pages of a file that is about to go, a piece at a time: the removal itself would do it in one go.
pub(crate) fn forget(file: &File) {
    let len = file.metadata().map_or(0, |meta| meta.len());
    let mut at = 0;
    while at < len {
        // What cannot be dropped from the cache goes with the file.
        let _ = restfully(|| fadvise(file, at, NonZero::new(FORGET), Advice::DontNeed));
        at = at.saturating_add(FORGET);
    }
}

/// Removes it on a thread that gives way to all others.
pub(crate) async fn remove<R: Runtime>(runtime: &R, folder: &Folder, path: &Path) -> Result<(), DiskError> {
    let (folder, own) = (folder.clone(), path.to_owned());
    let removed = background(runtime, NICE, move || folder.remove_whole(&own)).await;
    removed.unwrap_or_else(|| {
        Err(DiskError::new(DiskErrorKind::Io, "remove", path, "removing it was broken off"))
    })
}
