//! Files, as the store sees them: aligned positioned reads and writes, and errors that say what and where.

use bytes::Bytes;
use std::path::{Path, PathBuf};

/// Alignment of buffers, offsets and lengths of [`DiskFile::write_at`].
pub const ALIGN: usize = 4096;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading.
    Read,
    /// For reading and writing, an existing file.
    Write,
    /// For reading and writing, a file that does not exist yet.
    Create,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// File name.
    pub name: String,
    /// Bytes, for a file.
    pub bytes: u64,
    /// A folder.
    pub is_dir: bool,
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// No such file or folder.
    NotFound,
    /// It is there already.
    Exists,
    /// The medium is full (or a quota is, or a write was cut short).
    Full,
    /// Not allowed.
    Permission,
    /// Another process holds the lock.
    Locked,
    /// The file ends before the bytes asked for.
    Eof,
    /// Any other failure of reading, writing or syncing.
    Io,
}

/// A failed operation on a file: what was done, to which file, and what the system said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation} {}: {reason}", path.display())]
pub struct DiskError {
    /// What kind.
    pub kind: DiskErrorKind,
    /// `open`, `read`, `write`, `sync` …
    pub operation: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub reason: String,
}

impl DiskError {
    /// An error from what the system said.
    #[must_use]
    pub fn from_io(operation: &'static str, path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as E;
        let kind = match error.kind() {
            E::NotFound => DiskErrorKind::NotFound,
            E::AlreadyExists => DiskErrorKind::Exists,
            E::StorageFull | E::QuotaExceeded | E::WriteZero => DiskErrorKind::Full,
            E::PermissionDenied | E::ReadOnlyFilesystem => DiskErrorKind::Permission,
            E::UnexpectedEof => DiskErrorKind::Eof,
            _ => DiskErrorKind::Io,
        };
        Self { kind, operation, path: path.to_owned(), reason: error.to_string() }
    }

    /// An error of a kind of ours.
    #[must_use]
    pub fn new(kind: DiskErrorKind, operation: &'static str, path: &Path, reason: impl Into<String>) -> Self {
        Self { kind, operation, path: path.to_owned(), reason: reason.into() }
    }
}

/// Bytes whose address and length are multiples of [`ALIGN`], as O_DIRECT wants them.
pub struct AlignedBuf {
    pages: Vec<Page>,
}

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; ALIGN]);

impl AlignedBuf {
    /// Zeros, at least `len` bytes of them.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self { pages: vec![Page([0; ALIGN]); len.div_ceil(ALIGN)] }
    }

    /// A copy of `bytes`, padded with zeros.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buf = Self::zeroed(bytes.len());
        for (to, from) in buf.pages.iter_mut().zip(bytes.chunks(ALIGN)) {
            if let Some(head) = to.0.get_mut(..from.len()) {
                head.copy_from_slice(from);
            }
        }
        buf
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages.len() * ALIGN
    }

    /// No bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `Page` is `repr(C)` with exactly ALIGN bytes and no padding (its size equals its alignment), so
        // the vector's pages are `pages.len() * ALIGN` initialised bytes in one allocation, borrowed with `self`.
        unsafe { std::slice::from_raw_parts(self.pages.as_ptr().cast::<u8>(), self.pages.len() * ALIGN) }
    }
}

impl AsMut<[u8]> for AlignedBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_ref`, and the borrow is unique.
        unsafe {
            std::slice::from_raw_parts_mut(self.pages.as_mut_ptr().cast::<u8>(), self.pages.len() * ALIGN)
        }
    }
}

const _: () = assert!(std::mem::size_of::<Page>() == ALIGN && std::mem::align_of::<Page>() == ALIGN);

/// The page that holds byte `offset`, and where in it the byte is.
pub(crate) fn page_of(offset: u64) -> (u64, usize) {
    let skip = offset % ALIGN as u64;
    // Below ALIGN, so it fits.
    (offset - skip, usize::try_from(skip).unwrap_or(0))
}

/// Refuses to write anywhere but at the start of a page.
pub(crate) fn check_aligned(path: &Path, offset: u64) -> Result<(), DiskError> {
    if offset.is_multiple_of(ALIGN as u64) {
        return Ok(());
    }
    let reason = format!("offset {offset} is no multiple of {ALIGN}");
    Err(DiskError::new(DiskErrorKind::Io, "write", path, reason))
}

/// The error for a write of which the system took a part only: the medium is full.
pub(crate) fn cut_short(path: &Path, offset: u64, written: usize, len: usize) -> DiskError {
    let reason = format!("only {written} of {len} bytes were written at {offset}");
    DiskError::new(DiskErrorKind::Full, "write", path, reason)
}

/// An open file of a shard.
#[allow(async_fn_in_trait, reason = "futures of a shard never leave its executor, so they need not be Send")]
pub trait DiskFile: 'static {
    /// Reads exactly `len` bytes at `offset`, of any alignment; [`DiskErrorKind::Eof`] where the file is shorter.
    /// Reads above 1 MiB are cut into several below.
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError>;
    /// Writes all of `buf` at `offset`, a multiple of [`ALIGN`]. A short write is [`DiskErrorKind::Full`].
    async fn write_at(&self, offset: u64, buf: AlignedBuf) -> Result<(), DiskError>;
    /// Makes what was written durable (fdatasync). After an error the file's content is unknown: never retry.
    async fn sync(&self) -> Result<(), DiskError>;
    /// Bytes of the file.
    async fn size(&self) -> Result<u64, DiskError>;
    /// Closes it.
    async fn close(self) -> Result<(), DiskError>;
}

/// A file that any thread may read at any position. Blocks its caller.
pub trait SharedFile: Send + Sync {
    /// Reads exactly `len` bytes at `offset`.
    ///
    /// # Errors
    /// [`DiskErrorKind::Eof`] where the file is shorter, or what the system said.
    fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError>;
}

/// A new file that one thread fills from its start to its end. Blocks its caller; for the CPU pool.
pub trait AppendFile: Send {
    /// Appends bytes, a multiple of [`ALIGN`] of them.
    ///
    /// # Errors
    /// What the system said; the file is of no use then.
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError>;
    /// Makes all of it durable, and leaves nothing of it in the system's cache: who reads it now reads the medium.
    ///
    /// # Errors
    /// What the system said; the file is of no use then.
    fn finish(&mut self) -> Result<(), DiskError>;
}

/// The writer's lock, held while the value lives.
pub trait Lock {}
