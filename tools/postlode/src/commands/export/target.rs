//! A file or folder on its way: under another name beside its own until it is whole. Removed if it never is.

use crate::error::Failure;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file on its way, and the hash of what is in it.
pub struct Target {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    written: u64,
    kept: bool,
}

impl Target {
    /// Begins a file.
    ///
    /// # Errors
    /// Where one of that name is there, or none can be made.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let temporary = of_file(path)?;
        let file = create(&temporary)?;
        Ok(Self { path: path.to_owned(), temporary, file, hash: Sha256::new(), written: 0, kept: false })
    }

    /// Writes.
    ///
    /// # Errors
    /// What the disk said.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hash.update(bytes);
        self.written = self.written.saturating_add(bytes.len() as u64);
        self.file.write_all(bytes).map_err(|error| failed(&self.path, "write", &error))
    }

    /// Bytes that were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Gives it its name. The hash of its bytes comes back, in hex.
    ///
    /// # Errors
    /// Where somebody else took the name, or what the disk said.
    pub fn keep(mut self) -> Result<String, Failure> {
        self.file.flush().map_err(|error| failed(&self.path, "write", &error))?;
        self.file.get_ref().sync_all().map_err(|error| failed(&self.path, "write", &error))?;
        self.kept = name(&self.temporary, &self.path)?;
        Ok(hex(self.hash.clone()))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.kept {
            // It may be gone already; and nobody could be told more than was said.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Gives a file its name, unless there is one of that name. False where the other name is still there, too.
fn name(temporary: &Path, path: &Path) -> Result<bool, Failure> {
    match renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Err(exists(path)),
        // A file system without such a rename; a hard link refuses an existing name too.
        Err(Errno::INVAL | Errno::NOSYS) => {
            std::fs::hard_link(temporary, path).map_err(|error| failed(path, "name", &error))?;
            Ok(false)
        }
        Err(error) => Err(failed(path, "name", &error.into())),
    }
}

/// A file on its way that is not written from its beginning to its end.
pub struct Loose {
    path: PathBuf,
    temporary: PathBuf,
    kept: bool,
}

impl Loose {
    /// Begins a file.
    ///
    /// # Errors
    /// As [`Target::create`].
    pub fn create(path: &Path) -> Result<(Self, BufWriter<File>), Failure> {
        let temporary = of_file(path)?;
        let file = create(&temporary)?;
        Ok((Self { path: path.to_owned(), temporary, kept: false }, file))
    }

    /// Gives it its name. The hash of its bytes, which are read again for it, comes back, in hex.
    ///
    /// # Errors
    /// As [`Target::keep`].
    pub fn keep(mut self, mut file: BufWriter<File>) -> Result<String, Failure> {
        file.flush().map_err(|error| failed(&self.path, "write", &error))?;
        file.get_ref().sync_all().map_err(|error| failed(&self.path, "write", &error))?;
        let mut hash = Sha256::new();
        let again = File::open(&self.temporary).map_err(|error| failed(&self.path, "read", &error))?;
        let mut again = std::io::BufReader::with_capacity(1 << 20, again);
        loop {
            let bytes = again.fill_buf().map_err(|error| failed(&self.path, "read", &error))?;
            if bytes.is_empty() {
                break;
            }
            hash.update(bytes);
            let length = bytes.len();
            again.consume(length);
        }
        self.kept = name(&self.temporary, &self.path)?;
        Ok(hex(hash))
    }
}

impl Drop for Loose {
    fn drop(&mut self) {
        if !self.kept {
            // As of a target.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// A folder on its way.
pub struct Folder {
    path: PathBuf,
    temporary: PathBuf,
    kept: bool,
}

impl Folder {
    /// Begins a folder.
    ///
    /// # Errors
    /// As [`Target::create`].
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let temporary = temporary(path)?;
        DirBuilder::new()
            .mode(0o700)
            .create(&temporary)
            .map_err(|error| Failure::Done(format!("cannot make {}: {error}", temporary.display())))?;
        Ok(Self { path: path.to_owned(), temporary, kept: false })
    }

    /// Where a file of it is, as long as it is on its way.
    pub fn inside(&self, name: &str) -> PathBuf {
        self.temporary.join(name)
    }

    /// Where a file of it will be.
    pub fn later(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Gives it its name, with all of it on the disk.
    ///
    /// # Errors
    /// As [`Target::keep`].
    pub fn keep(mut self) -> Result<(), Failure> {
        let folder = File::open(&self.temporary).map_err(|error| failed(&self.path, "read", &error))?;
        // One by one the files would each wait for the disk.
        rustix::fs::syncfs(&folder).map_err(|error| failed(&self.path, "write", &error.into()))?;
        match renameat_with(CWD, &self.temporary, CWD, &self.path, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(exists(&self.path)),
            // A folder is never renamed over a file, nor over a folder that has something in it.
            Err(Errno::INVAL | Errno::NOSYS) => std::fs::rename(&self.temporary, &self.path)
                .map_err(|error| failed(&self.path, "name", &error))?,
            Err(error) => return Err(failed(&self.path, "name", &error.into())),
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // As of a file.
            let _ = std::fs::remove_dir_all(&self.temporary);
        }
    }
}

/// Begins a file that nobody else has.
pub fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| Failure::Done(format!("cannot write {}: {error}", path.display())))?;
    Ok(BufWriter::with_capacity(256 << 10, file))
}

/// A hash in hex.
pub fn hex(hash: Sha256) -> String {
    postlode_format::id::to_hex(&hash.finalize())
}

/// The name beside a file's own, which is not that of a folder.
fn of_file(path: &Path) -> Result<PathBuf, Failure> {
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(Failure::Usage(format!("{} is the name of a folder: give --out a file", path.display())));
    }
    temporary(path)
}

/// The name beside its own; it must be free.
fn temporary(path: &Path) -> Result<PathBuf, Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    // Another run may have had the number of this process, and been killed.
    let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut name = OsString::from(".");
    name.push(
        path.file_name()
            .ok_or_else(|| Failure::Usage(format!("{} is no name for a file", path.display())))?,
    );
    name.push(format!(".{}-{:x}.tmp", std::process::id(), moment.as_nanos()));
    Ok(path.with_file_name(name))
}

/// What the disk said.
pub fn failed(path: &Path, what: &str, error: &std::io::Error) -> Failure {
    Failure::Done(format!("cannot {what} {}: {error}; nothing was kept", path.display()))
}

fn exists(path: &Path) -> Failure {
    Failure::Usage(format!("{} is there already: choose another name, or remove it", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let list = || std::fs::read_dir(dir.path()).unwrap().count();
        drop(Target::create(&path).unwrap());
        assert_eq!(list(), 0);
        let mut target = Target::create(&path).unwrap();
        target.write(b"x\n").unwrap();
        assert!(!path.exists());
        assert_eq!(
            target.keep().unwrap(),
            "73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac"
        );
        assert_eq!((std::fs::read(&path).unwrap(), list()), (b"x\n".to_vec(), 1));
        assert_eq!(Target::create(&path).err().unwrap().exit_code(), 2);
        // Somebody else was faster.
        std::fs::remove_file(&path).unwrap();
        let target = Target::create(&path).unwrap();
        std::fs::write(&path, "other").unwrap();
        assert!(target.keep().is_err());
        assert_eq!((std::fs::read(&path).unwrap(), list()), (b"other".to_vec(), 1));
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let list = || std::fs::read_dir(dir.path()).unwrap().count();
        let folder = Folder::create(&path).unwrap();
        std::fs::write(folder.inside("a"), "x").unwrap();
        assert!(!path.exists());
        drop(folder);
        assert_eq!(list(), 0);
        let folder = Folder::create(&path).unwrap();
        std::fs::write(folder.inside("a"), "x").unwrap();
        folder.keep().unwrap();
        assert_eq!((std::fs::read(path.join("a")).unwrap(), list()), (b"x".to_vec(), 1));
        assert_eq!(Folder::create(&path).err().unwrap().exit_code(), 2);
        // Somebody else was faster.
        let other = dir.path().join("other");
        let folder = Folder::create(&other).unwrap();
        std::fs::create_dir(&other).unwrap();
        assert!(folder.keep().is_err());
        assert_eq!(list(), 2);
    }
}
