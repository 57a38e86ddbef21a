//! Files that appear under their name only once they are whole: written beside it with `.tmp` appended,
//! then renamed; removed when something goes wrong.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    partial: PathBuf,
    kept: bool,
}

impl Output {
    /// Begins the file at `path`; one that is there already is an error unless `force`.
    pub(crate) fn create(path: &Path, force: bool) -> Result<Self, Error> {
        if !force && path.symlink_metadata().is_ok() {
            return Err(Error::Exists(path.into()));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".tmp");
        let output = Self { path: path.into(), partial: partial.into(), kept: false };
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&output.partial)
            .map_err(|source| output.error(source))?;
        Ok(output)
    }

    /// The file to write to.
    pub(crate) fn file(&self) -> Result<File, Error> {
        OpenOptions::new().write(true).open(&self.partial).map_err(|source| self.error(source))
    }

    /// `source` as an error about this file.
    pub(crate) fn error(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }

    /// Where the file will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the whole file under its name.
    pub(crate) fn keep(mut self) -> Result<(), Error> {
        std::fs::rename(&self.partial, &self.path).map_err(|source| self.error(source))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing more can be done about a partial file that cannot even be removed.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}
