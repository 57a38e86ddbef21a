//! A bundle as a folder of files that can only be read.
//!
//! What always holds: bytes come from checked blocks; the first damage that was met is remembered, so that an
//! error that went through the search library can be told as what it was.

use crate::build::{FIXED_ID, META};
use crate::bundle::{Table, read_table};
use crate::error::TextError;
use crate::schema::schema;
use postlode_store::{Missing, SectionRead};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{FileHandle, OwnedBytes, WatchCallback, WatchHandle, WritePtr};
use tantivy::{Directory, HasLen};

/// The first damage that was met.
#[derive(Clone, Default)]
pub struct Damage(Arc<Mutex<Option<Missing>>>);

impl Damage {
    fn note(&self, missing: Missing) -> io::Error {
        let error = io::Error::other(missing.to_string());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(missing);
        error
    }

    /// What it was, if there was any.
    pub fn met(&self) -> Option<Missing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The files of one bundle.
#[derive(Clone)]
pub struct BundleDirectory {
    section: Arc<dyn SectionRead>,
    table: Arc<Table>,
    damage: Damage,
}

impl BundleDirectory {
    /// Reads the table of the bundle in `section`.
    pub fn open(section: Arc<dyn SectionRead>, damage: Damage) -> Result<Self, TextError> {
        let table = read_table(section.len(), |at, len| {
            Ok(section.read(at, len).map_err(|m| damage.note(m))?.to_vec())
        })?;
        Ok(Self { section, table: Arc::new(table), damage })
    }

    /// Has its index all fields that there are now?
    pub fn is_current(&self) -> bool {
        self.table.is_current()
    }

    fn file(&self, path: &Path) -> Option<BundleFile> {
        let name = path.to_str()?;
        let name = match name.strip_prefix(FIXED_ID).and_then(|rest| rest.strip_prefix('.')) {
            Some(extension) => extension,
            None => Some(name).filter(|n| *n == META)?,
        };
        let (at, len) = self.table.get(name)?;
        let len = usize::try_from(len).ok()?;
        Some(BundleFile { section: Arc::clone(&self.section), damage: self.damage.clone(), at, len })
    }
}

impl std::fmt::Debug for BundleDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleDirectory").field("table", &self.table).finish_non_exhaustive()
    }
}

/// The list of an older bundle, with the fields that came later: they are last, and no document has anything in them.
fn with_all_fields(meta: &[u8]) -> io::Result<Vec<u8>> {
    let mut meta: serde_json::Value = serde_json::from_slice(meta)?;
    if let Some(fields) = meta.get_mut("schema") {
        *fields = serde_json::to_value(schema())?;
    }
    Ok(serde_json::to_vec(&meta)?)
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a text section is never changed")
}

impl Directory for BundleDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let file = self.file(path).ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))?;
        Ok(Arc::new(file))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(read_only()), filepath: path.to_owned() })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.file(path).is_some())
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.to_owned()))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let file = self.file(path).ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))?;
        let bytes =
            file.read_bytes(0..file.len).map_err(|e| OpenReadError::wrap_io_error(e, path.to_owned()))?;
        if path.to_str() == Some(META) && !self.table.is_current() {
            return with_all_fields(&bytes).map_err(|e| OpenReadError::wrap_io_error(e, path.to_owned()));
        }
        Ok(bytes.as_slice().to_vec())
    }

    fn atomic_write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

struct BundleFile {
    section: Arc<dyn SectionRead>,
    damage: Damage,
    at: u64,
    len: usize,
}

impl std::fmt::Debug for BundleFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BundleFile({} bytes at {})", self.len, self.at)
    }
}

impl HasLen for BundleFile {
    fn len(&self) -> usize {
        self.len
    }
}

impl FileHandle for BundleFile {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        let wanted = range.end.checked_sub(range.start).filter(|_| range.end <= self.len);
        let wanted = wanted.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "outside the file"))?;
        if wanted == 0 {
            return Ok(OwnedBytes::empty());
        }
        let at = self.at.saturating_add(range.start as u64);
        let bytes = self.section.read(at, wanted).map_err(|m| self.damage.note(m))?;
        Ok(OwnedBytes::new(Vec::from(bytes)))
    }
}
