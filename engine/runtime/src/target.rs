//! A folder outside the store that takes a copy of it. Blocks its caller; for the CPU pool.
//!
//! What always holds: nothing that was there is overwritten; a file is durable when it was taken.

use crate::disk::{DiskError, DiskErrorKind, SharedFile};
use crate::folder::{Folder, PIECE};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder.
#[derive(Debug, Clone)]
pub struct Target {
    folder: Folder,
    root: PathBuf,
}

impl Target {
    /// Makes the folder, or takes one that is there and empty.
    ///
    /// # Errors
    /// [`DiskErrorKind::Exists`] for one that is not empty, or what the system said.
    pub fn create(root: &Path) -> Result<Self, DiskError> {
        let folder = Folder::new(root);
        folder.create_dir_all(Path::new(""))?;
        if !folder.list(Path::new(""))?.is_empty() {
            let reason = "the folder is not empty: name one that is, or a new one";
            return Err(DiskError::new(DiskErrorKind::Exists, "copy to", root, reason));
        }
        Ok(Self { folder, root: root.to_owned() })
    }

    /// Makes a folder in it.
    ///
    /// # Errors
    /// What the system said.
    pub fn create_dir(&self, dir: &Path) -> Result<(), DiskError> {
        self.folder.create_dir_all(dir)
    }

    /// Where a file of that name lies.
    #[must_use]
    pub fn path(&self, name: &Path) -> PathBuf {
        self.root.join(name)
    }

    /// Copies the first `bytes` of a file.
    ///
    /// # Errors
    /// What the system said, of either file.
    pub fn copy(&self, name: &Path, from: &dyn SharedFile, bytes: u64) -> Result<(), DiskError> {
        let mut file = self.folder.create_append(name)?;
        let mut at = 0u64;
        while at < bytes {
            let take = usize::try_from(bytes.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            file.append(&from.read_at(at, take)?)?;
            at = at.saturating_add(take as u64);
        }
        file.finish()
    }

    /// Opens a file in it.
    ///
    /// # Errors
    /// What the system said.
    pub fn open(&self, name: &Path) -> Result<Arc<dyn SharedFile>, DiskError> {
        self.folder.open_shared(name)
    }

    /// Creates a file with this content, all of it or nothing, and makes the names in `dirs` durable before.
    ///
    /// # Errors
    /// What the system said.
    pub fn publish(&self, name: &Path, bytes: &[u8], dirs: &[&Path]) -> Result<(), DiskError> {
        dirs.iter().try_for_each(|dir| self.folder.sync_dir(dir))?;
        self.folder.publish(name, bytes, 0)
    }

    /// Removes folders in it, and itself, as far as they are empty.
    pub fn remove_empty(&self, dirs: &[&Path]) {
        for dir in dirs.iter().map(|dir| self.root.join(dir)).chain([self.root.clone()]) {
            // One that is not empty stays.
            drop(std::fs::remove_dir(dir));
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    /// What the system said.
    pub fn remove(&self, name: &Path) -> Result<(), DiskError> {
        self.folder.remove(name)
    }
}
