//! The store's folder on a real file system, by blocking calls: what is rare enough not to need a ring.
//!
//! What always holds: no path leads out of the folder; files are made with mode 0600 and folders with 0700; every
//! descriptor is closed on exec.

use crate::disk::{AppendFile, DirEntry, DiskError, DiskErrorKind, Lock, OpenMode, SharedFile};
use crate::whole::{self, Pace, WholeFile};
use crate::{Runtime, UNPUBLISHED};
use bytes::Bytes;
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags, RenameFlags, fadvise};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::num::NonZero;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One read or write at most: larger ones are cut.
pub(crate) const PIECE: usize = 1 << 20;
/// How long a locked store is waited for: a writer that is just ending frees it within that time.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries.
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The folder that a runtime was made for. Cheap to clone, sendable to a thread that may block.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: Arc<Path>,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Self {
        // A later change of the working directory must not move the store.
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        Self { root: root.into() }
    }

    /// The full path of one inside the folder.
    pub(crate) fn resolve(&self, operation: &'static str, path: &Path) -> Result<PathBuf, DiskError> {
        if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Ok(self.root.join(path));
        }
        Err(DiskError::new(DiskErrorKind::Permission, operation, path, "the path leaves the store's folder"))
    }

    pub(crate) fn open(&self, path: &Path, mode: OpenMode) -> Result<(File, PathBuf), DiskError> {
        let full = self.resolve("open", path)?;
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => drop(options.write(true)),
            OpenMode::Create => drop(options.write(true).create_new(true)),
        }
        let file = options.open(&full).map_err(|error| DiskError::from_io("open", &full, &error))?;
        Ok((file, full))
    }

    pub(crate) fn list(&self, dir: &Path) -> Result<Vec<DirEntry>, DiskError> {
        let full = self.resolve("list", dir)?;
        let failed = |error: io::Error| DiskError::from_io("list", &full, &error);
        let entries = match std::fs::read_dir(&full) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                // Removed since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            let is_dir = meta.is_dir();
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push(DirEntry { name, bytes: if is_dir { 0 } else { meta.len() }, is_dir });
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(crate) fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError> {
        let full = self.resolve("create folder", dir)?;
        let failed = |error: io::Error| DiskError::from_io("create folder", &full, &error);
        // From the top down: each folder is made durable in the one above it. Folders inside the store are synced
        // even where they exist, because an earlier run may have died between making and syncing them.
        let mut above: Vec<&Path> = full.ancestors().collect();
        above.reverse();
        for pair in above.windows(2) {
            let [parent, child] = pair else { continue };
            let made = match DirBuilder::new().mode(0o700).create(child) {
                Ok(()) => true,
                Err(_) if child.is_dir() => false,
                Err(error) => return Err(failed(error)),
            };
            if made || (child.starts_with(&self.root) && parent.starts_with(&self.root)) {
                sync_folder(parent).map_err(failed)?;
            }
        }
        Ok(())
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let (from, to) = (self.resolve("rename", from)?, self.resolve("rename", to)?);
        std::fs::rename(&from, to).map_err(|error| DiskError::from_io("rename", &from, &error))
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let full = self.resolve("remove", path)?;
        match std::fs::remove_file(&full) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DiskError::from_io("remove", &full, &error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let full = self.resolve("sync", dir)?;
        sync_folder(&full).map_err(|error| DiskError::from_io("sync", &full, &error))
    }

    /// A file without a name is filled, synced and then linked: a crash leaves nothing behind. `unique` names the
    /// temporary file where the file system has no files without names.
    pub(crate) fn publish(&self, path: &Path, bytes: &[u8], unique: u64) -> Result<(), DiskError> {
        let full = self.resolve("publish", path)?;
        let failed = |error: io::Error| DiskError::from_io("publish", &full, &error);
        let parent = full.parent().unwrap_or(&self.root);
        // Spares the writing; the link or the rename decides.
        if full.symlink_metadata().is_ok() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        if !publish_unnamed(parent, &full, bytes).map_err(failed)? {
            publish_renamed(parent, &full, bytes, unique).map_err(failed)?;
        }
        // By its name: whoever sees this fail must not try it again.
        sync_folder(parent).map_err(|error| DiskError::from_io("sync", &full, &error))
    }

    pub(crate) fn read_all(&self, path: &Path, limit: u64) -> Result<Vec<u8>, DiskError> {
        let (file, full) = self.open(path, OpenMode::Read)?;
        let failed = |error: io::Error| DiskError::from_io("read", &full, &error);
        let size = file.metadata().map_err(failed)?.len();
        let mut bytes = Vec::new();
        if size <= limit {
            bytes.reserve_exact(usize::try_from(size).unwrap_or(0));
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        }
        if size > limit || bytes.len() as u64 > limit {
            let reason = format!("it has {} bytes where {limit} are the limit", size.max(bytes.len() as u64));
            return Err(DiskError::new(DiskErrorKind::Io, "read", &full, reason));
        }
        Ok(bytes)
    }

    pub(crate) fn open_shared(&self, path: &Path) -> Result<Arc<dyn SharedFile>, DiskError> {
        let (file, path) = self.open(path, OpenMode::Read)?;
        Ok(Arc::new(PlainFile { file, path }))
    }

    pub(crate) fn open_whole(&self, path: &Path, pace: Pace) -> Result<Arc<dyn SharedFile>, DiskError> {
        let (file, path) = self.open(path, OpenMode::Read)?;
        Ok(Arc::new(WholeFile::new(file, path, pace)))
    }

    /// Blocks for as long as that takes.
    pub(crate) fn remove_whole(&self, path: &Path) -> Result<(), DiskError> {
        if let Ok((file, _)) = self.open(path, OpenMode::Read) {
            whole::forget(&file);
        }
        whole::restfully(|| self.remove(path))
    }

    pub(crate) fn link_out(&self, path: &Path, to: &Path) -> Result<bool, DiskError> {
        let full = self.resolve("link", path)?;
        match rustix::fs::linkat(CWD, &full, CWD, to, AtFlags::empty()) {
            Ok(()) => Ok(true),
            // Another file system, or one without such names, or too many of them.
            Err(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK) => Ok(false),
            Err(error) => Err(DiskError::from_io("link", &full, &error.into())),
        }
    }

    pub(crate) fn create_append(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError> {
        let (file, path) = self.open(path, OpenMode::Create)?;
        Ok(Box::new(GrowingFile { file, path, len: 0, synced: 0 }))
    }

    /// One try for the lock: a locked file, or `None` where another holds it.
    pub(crate) fn try_lock(&self, path: &Path) -> Result<Option<FileLock>, DiskError> {
        let full = self.resolve("lock", path)?;
        let failed = |error: io::Error| DiskError::from_io("lock", &full, &error);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&full);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FileLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub(crate) fn locked(&self, path: &Path) -> DiskError {
        DiskError::new(DiskErrorKind::Locked, "lock", &self.root.join(path), "another process holds it")
    }
}

/// Tries for the lock until [`LOCK_PATIENCE`] is over.
pub(crate) async fn lock<R: Runtime>(
    runtime: &R,
    folder: &Folder,
    path: &Path,
) -> Result<Box<dyn Lock>, DiskError> {
    let give_up = runtime.monotonic() + LOCK_PATIENCE;
    loop {
        if let Some(lock) = folder.try_lock(path)? {
            return Ok(Box::new(lock));
        }
        if runtime.monotonic() >= give_up {
            return Err(folder.locked(path));
        }
        runtime.sleep(LOCK_PAUSE).await;
    }
}

/// A lock that the system frees when the descriptor is closed, by us or by our end.
pub(crate) struct FileLock {
    _file: File,
}

impl Lock for FileLock {}

/// A file read through the page cache.
struct PlainFile {
    file: File,
    path: PathBuf,
}

impl SharedFile for PlainFile {
    fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        check_length(&self.file, &self.path, offset, len)?;
        read_buffered(&self.file, &self.path, offset, len)
    }
}

/// Bytes after which a growing file is synced: one large sync at its end would hold up those of the log.
const SYNC_EVERY: u64 = 2 << 20;

/// A file that is written from start to end.
struct GrowingFile {
    file: File,
    path: PathBuf,
    len: u64,
    synced: u64,
}

impl GrowingFile {
    fn sync(&mut self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(|error| DiskError::from_io("sync", &self.path, &error))?;
        // What cannot be dropped from the cache only takes its place.
        let _ = fadvise(&self.file, self.synced, NonZero::new(self.len - self.synced), Advice::DontNeed);
        self.synced = self.len;
        Ok(())
    }
}

impl AppendFile for GrowingFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        for piece in bytes.chunks(PIECE) {
            self.file.write_all(piece).map_err(|error| DiskError::from_io("write", &self.path, &error))?;
        }
        self.len = self.len.saturating_add(bytes.len() as u64);
        if self.len.saturating_sub(self.synced) >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), DiskError> {
        self.sync()
    }
}

/// Refuses a long read beyond the end before memory is taken for it; a short one finds out by itself.
pub(crate) fn check_length(file: &File, path: &Path, offset: u64, len: usize) -> Result<(), DiskError> {
    // No file has bytes from 2^63 on: the system counts offsets with a sign.
    let limit = if len > PIECE {
        file.metadata().map_err(|error| DiskError::from_io("read", path, &error))?.len()
    } else {
        i64::MAX.cast_unsigned()
    };
    match offset.checked_add(len as u64) {
        Some(end) if end <= limit => Ok(()),
        _ => Err(past_end(path, offset, len)),
    }
}

/// The error for bytes that the file does not have.
pub(crate) fn past_end(path: &Path, offset: u64, len: usize) -> DiskError {
    let reason = format!("the file ends before byte {offset} + {len}");
    DiskError::new(DiskErrorKind::Eof, "read", path, reason)
}

/// Reads through the page cache, exactly.
pub(crate) fn read_buffered(file: &File, path: &Path, offset: u64, len: usize) -> Result<Bytes, DiskError> {
    let mut bytes = vec![0; len];
    let mut at = offset;
    for piece in bytes.chunks_mut(PIECE) {
        file.read_exact_at(piece, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => past_end(path, offset, len),
            _ => DiskError::from_io("read", path, &error),
        })?;
        at = at.saturating_add(piece.len() as u64);
    }
    Ok(bytes.into())
}

fn sync_folder(dir: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).custom_flags(OFlags::DIRECTORY.bits().cast_signed()).open(dir)?.sync_all()
}

/// False where this file system (or a missing /proc) does not allow it.
fn publish_unnamed(parent: &Path, full: &Path, bytes: &[u8]) -> io::Result<bool> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(parent, flags, Mode::from_raw_mode(0o600)) {
        Ok(file) => File::from(file),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    file.write_all(bytes)?;
    file.sync_all()?;
    let unnamed = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    match rustix::fs::linkat(CWD, unnamed.as_str(), CWD, full, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::XDEV | Errno::OPNOTSUPP | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn publish_renamed(parent: &Path, full: &Path, bytes: &[u8], unique: u64) -> io::Result<()> {
    let temporary = parent.join(format!("{UNPUBLISHED}{unique:016x}.tmp"));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match rustix::fs::renameat_with(CWD, &temporary, CWD, full, RenameFlags::NOREPLACE) {
            // No such rename here; a hard link refuses an existing name as well.
            Err(Errno::INVAL | Errno::NOSYS) => {
                std::fs::hard_link(&temporary, full)?;
                std::fs::remove_file(&temporary)
            }
            other => other.map_err(io::Error::from),
        }
    })();
    if written.is_err() {
        // What failed is reported; a temporary file that cannot be removed either would only hide it.
        drop(std::fs::remove_file(&temporary));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        for bad in ["/etc/passwd", "../x", "a/../../x"] {
            let error = folder.resolve("open", Path::new(bad)).unwrap_err();
            assert_eq!(error.kind, DiskErrorKind::Permission, "{bad}");
        }
        assert_eq!(folder.resolve("open", Path::new("a/b")).unwrap(), dir.path().join("a/b"));
    }

    #[test]
    fn publishing_by_rename_is_exclusive_and_leaves_no_rest() {
        let dir = tempfile::tempdir().unwrap();
        let full = dir.path().join("42");
        publish_renamed(dir.path(), &full, b"one", 1).unwrap();
        let again = publish_renamed(dir.path(), &full, b"two", 2).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&full).unwrap(), b"one");
        assert_eq!(Folder::new(dir.path()).list(Path::new("")).unwrap().len(), 1);
    }

    #[test]
    fn publishing_without_a_name_is_exclusive() {
        let dir = tempfile::tempdir().unwrap();
        let full = dir.path().join("42");
        if publish_unnamed(dir.path(), &full, b"one").unwrap() {
            let again = publish_unnamed(dir.path(), &full, b"two").unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(&full).unwrap(), b"one");
        }
    }

    #[test]
    fn modes_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(&dir.path().join("deep/store"));
        folder.create_dir_all(Path::new("a/b")).unwrap();
        folder.publish(Path::new("a/b/p"), b"x", 0).unwrap();
        drop(folder.open(Path::new("a/b/f"), OpenMode::Create).unwrap());
        drop(folder.try_lock(Path::new("a/b/l")).unwrap());
        let mode =
            |path: &str| std::fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("deep/store"), mode("deep/store/a"), mode("deep/store/a/b")), (0o700, 0o700, 0o700));
        assert_eq!(
            [mode("deep/store/a/b/p"), mode("deep/store/a/b/f"), mode("deep/store/a/b/l")],
            [0o600; 3]
        );
    }
}
