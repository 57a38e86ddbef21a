//! The simulated disk: what programs see of it, what is durable of that, and what lies between.
//!
//! What always holds: a page is durable once a sync after its write has succeeded, a name once its folder was
//! synced (or by publishing); all else is at a crash's mercy (`crash.rs`). Paths are clean: only plain names.

use super::faults::Faults;
use crate::disk::{ALIGN, DirEntry, DiskError, DiskErrorKind, OpenMode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// [`ALIGN`] bytes; `None` are zeros, which take no memory.
pub(super) type Page = Option<Arc<[u8]>>;
const PAGE: u64 = ALIGN as u64;

/// A file's content, now and after a crash.
#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) pages: BTreeMap<u64, Page>,
    pub(super) len: u64,
    pub(super) durable: BTreeMap<u64, Page>,
    pub(super) durable_len: u64,
    /// Writes since the last sync, in order.
    pub(super) unsynced: Vec<(u64, Page)>,
}

/// A change of names that is not durable yet.
#[derive(Debug)]
pub(super) enum NameChange {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, u64),
}

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) faults: Faults,
    /// Folders, always durable: the only way to make one promises that.
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) durable_names: BTreeMap<PathBuf, u64>,
    pub(super) changes: Vec<NameChange>,
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) locks: BTreeSet<PathBuf>,
    next_inode: u64,
    /// Counts the processes that had this disk; what an earlier one holds is void.
    pub(super) life: u64,
}

/// A path of plain names, or an error for one that leads out.
fn clean(operation: &'static str, path: &Path) -> Result<PathBuf, DiskError> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            _ => {
                let reason = "the path leaves the store's folder";
                return Err(DiskError::new(DiskErrorKind::Permission, operation, path, reason));
            }
        }
    }
    Ok(clean)
}

fn missing(operation: &'static str, path: &Path) -> DiskError {
    DiskError::new(DiskErrorKind::NotFound, operation, path, "no such file or folder")
}

/// What the system says of a failed device.
pub(super) fn eio(operation: &'static str, path: &Path) -> DiskError {
    DiskError::new(DiskErrorKind::Io, operation, path, "input/output error (simulated)")
}

fn page_from(bytes: &[u8]) -> Page {
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut page = bytes.to_vec();
    page.resize(ALIGN, 0);
    Some(page.into())
}

impl Disk {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            faults,
            folders: BTreeSet::from([PathBuf::new()]),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            inodes: BTreeMap::new(),
            locks: BTreeSet::new(),
            next_inode: 0,
            life: 0,
        }
    }

    /// Counts an operation on a clean path, and fails it if the countdown says so.
    fn begin(&mut self, operation: &'static str, path: &Path) -> Result<PathBuf, DiskError> {
        let path = clean(operation, path)?;
        if self.faults.operation() { Err(eio(operation, &path)) } else { Ok(path) }
    }

    fn file_at(&self, operation: &'static str, path: &Path) -> Result<u64, DiskError> {
        self.names.get(path).copied().ok_or_else(|| missing(operation, path))
    }

    fn parent_exists(&self, operation: &'static str, path: &Path) -> Result<(), DiskError> {
        match path.parent() {
            Some(parent) if self.folders.contains(parent) => Ok(()),
            _ => Err(missing(operation, path)),
        }
    }

    fn create(&mut self, path: &Path) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::default());
        self.names.insert(path.to_owned(), inode);
        self.changes.push(NameChange::Link(path.to_owned(), inode));
        inode
    }

    pub(super) fn open(&mut self, path: &Path, mode: OpenMode) -> Result<(u64, PathBuf), DiskError> {
        let path = self.begin("open", path)?;
        if mode != OpenMode::Create {
            return Ok((self.file_at("open", &path)?, path));
        }
        self.parent_exists("open", &path)?;
        if self.names.contains_key(&path) || self.folders.contains(&path) {
            return Err(DiskError::new(DiskErrorKind::Exists, "open", &path, "file exists"));
        }
        Ok((self.create(&path), path))
    }

    pub(super) fn len(&self, inode: u64) -> u64 {
        self.inodes.get(&inode).map_or(0, |inode| inode.len)
    }

    pub(super) fn read(
        &mut self,
        path: &Path,
        number: u64,
        at: u64,
        len: usize,
    ) -> Result<Vec<u8>, DiskError> {
        let operation = "read";
        if self.faults.operation() {
            return Err(eio(operation, path));
        }
        if at.checked_add(len as u64).is_none_or(|end| end > self.len(number)) {
            return Err(crate::folder::past_end(path, at, len));
        }
        if self.faults.draw(self.faults.options.read_error) {
            self.faults.counts.read_errors += 1;
            return Err(eio(operation, path));
        }
        if len > 0 && self.faults.draw(self.faults.options.bit_rot) {
            let byte = at + self.faults.random.below(len as u64);
            let bit = self.faults.random.below(8);
            self.rot(number, byte, bit);
        }
        let mut bytes = Vec::with_capacity(len);
        let Some(inode) = self.inodes.get(&number) else { return Err(missing(operation, path)) };
        while bytes.len() < len {
            let (page, skip) = crate::disk::page_of(at + bytes.len() as u64);
            let part = (ALIGN - skip).min(len - bytes.len());
            match inode.pages.get(&(page / PAGE)).and_then(Option::as_deref) {
                Some(page) => bytes.extend_from_slice(page.get(skip..skip + part).unwrap_or_default()),
                None => bytes.resize(bytes.len() + part, 0),
            }
        }
        Ok(bytes)
    }

    /// Turns one bit of the medium, and of what is seen of it.
    pub(super) fn rot(&mut self, number: u64, byte: u64, bit: u64) {
        let Some(inode) = self.inodes.get_mut(&number) else { return };
        let (page, skip) = (byte / PAGE, usize::try_from(byte % PAGE).unwrap_or(0));
        for pages in [&mut inode.pages, &mut inode.durable] {
            let mut bytes =
                pages.get(&page).and_then(Option::as_deref).map_or_else(|| vec![0; ALIGN], <[u8]>::to_vec);
            if let Some(byte) = bytes.get_mut(skip) {
                *byte ^= 1 << bit;
            }
            pages.insert(page, page_from(&bytes));
        }
        self.faults.counts.bit_rot += 1;
    }

    pub(super) fn write(
        &mut self,
        path: &Path,
        inode: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        let mut result = Ok(());
        let mut pages = bytes.chunks(ALIGN).count() as u64;
        let end = offset.saturating_add(bytes.len() as u64);
        let growth = end.saturating_sub(self.len(inode));
        let broken = self.faults.operation();
        if broken || self.faults.draw(self.faults.options.write_error) {
            self.faults.counts.write_errors += u64::from(!broken);
            result = Err(eio("write", path));
        } else if self.used().saturating_add(growth) > self.faults.options.capacity
            || self.faults.draw(self.faults.options.full)
        {
            self.faults.counts.full += 1;
            result = Err(DiskError::new(
                DiskErrorKind::Full,
                "write",
                path,
                "no space left on device (simulated)",
            ));
        }
        if result.is_err() {
            // A part of it may have come through, of a write that grows a full disk only what it had already.
            pages = self.faults.random.below(pages + 1);
            if growth > 0 && !broken {
                pages = pages.min(self.len(inode).saturating_sub(offset) / PAGE);
            }
        }
        for (number, page) in bytes.chunks(ALIGN).enumerate().take(usize::try_from(pages).unwrap_or(0)) {
            self.write_page(inode, offset / PAGE + number as u64, page_from(page));
        }
        result
    }

    fn write_page(&mut self, mut inode: u64, mut number: u64, page: Page) {
        if self.faults.draw(self.faults.options.misdirected_write) {
            let victims: Vec<u64> =
                self.inodes.iter().filter(|(_, inode)| inode.len > 0).map(|(number, _)| *number).collect();
            let which = self.faults.random.below(victims.len() as u64);
            if let Some(victim) = victims.get(usize::try_from(which).unwrap_or(0)) {
                // The file it was meant for grows as if it had come there.
                self.grow(inode, (number + 1) * PAGE);
                inode = *victim;
                number = self.faults.random.below(self.len(inode).div_ceil(PAGE));
                self.faults.counts.misdirected_writes += 1;
            }
        }
        self.grow(inode, (number + 1) * PAGE);
        if self.faults.draw(self.faults.options.stale_write) {
            self.faults.counts.stale_writes += 1;
            return;
        }
        if let Some(inode) = self.inodes.get_mut(&inode) {
            inode.pages.insert(number, page.clone());
            inode.unsynced.push((number, page));
        }
    }

    fn grow(&mut self, inode: u64, len: u64) {
        if let Some(inode) = self.inodes.get_mut(&inode) {
            inode.len = inode.len.max(len);
        }
    }

    /// Bytes of all files that have a name.
    fn used(&self) -> u64 {
        self.names.values().map(|inode| self.len(*inode)).sum()
    }

    pub(super) fn sync(&mut self, path: &Path, number: u64) -> Result<(), DiskError> {
        let broken = self.faults.operation();
        let fails = broken || self.faults.draw(self.faults.options.sync_error);
        // Of a failed sync each page may have come through; the rest is not tried again, as Linux does it.
        let lost = |faults: &Faults| fails && faults.coin();
        let forgets = fails && self.faults.coin();
        let Some(inode) = self.inodes.get_mut(&number) else { return Err(missing("sync", path)) };
        for (page, bytes) in std::mem::take(&mut inode.unsynced) {
            if !lost(&self.faults) {
                inode.durable.insert(page, bytes);
            } else if forgets {
                // The cache drops the page too; else it shows what will be gone after a crash.
                let old = inode.durable.get(&page).cloned().flatten();
                inode.pages.insert(page, old);
            }
        }
        if fails {
            self.faults.counts.sync_errors += u64::from(!broken);
            return Err(eio("sync", path));
        }
        inode.durable_len = inode.len;
        Ok(())
    }

    pub(super) fn list(&mut self, dir: &Path) -> Result<Vec<DirEntry>, DiskError> {
        let dir = self.begin("list", dir)?;
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let inside = |path: &&PathBuf| path.parent() == Some(dir.as_path());
        let folders = self
            .folders
            .iter()
            .filter(inside)
            .filter_map(|path| Some(DirEntry { name: name(path)?, bytes: 0, is_dir: true }));
        let files = self.names.iter().filter(|(path, _)| inside(path)).filter_map(|(path, inode)| {
            Some(DirEntry { name: name(path)?, bytes: self.len(*inode), is_dir: false })
        });
        let mut entries: Vec<DirEntry> = folders.chain(files).collect();
        entries.sort_unstable();
        Ok(entries)
    }

    pub(super) fn create_dir_all(&mut self, dir: &Path) -> Result<(), DiskError> {
        let dir = self.begin("create folder", dir)?;
        if let Some(file) = dir.ancestors().find(|path| self.names.contains_key(*path)) {
            return Err(DiskError::new(DiskErrorKind::Exists, "create folder", file, "it is a file"));
        }
        self.folders.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let to = clean("rename", to)?;
        let from = self.begin("rename", from)?;
        let inode = self.file_at("rename", &from)?;
        self.parent_exists("rename", &to)?;
        if self.folders.contains(&to) {
            return Err(DiskError::new(DiskErrorKind::Exists, "rename", &to, "it is a folder"));
        }
        self.names.remove(&from);
        self.names.insert(to.clone(), inode);
        self.changes.push(NameChange::Rename(from, to, inode));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> Result<(), DiskError> {
        let path = self.begin("remove", path)?;
        if self.names.remove(&path).is_some() {
            self.changes.push(NameChange::Unlink(path));
        }
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> Result<(), DiskError> {
        let dir = self.begin("sync", dir)?;
        if !self.folders.contains(&dir) {
            return Err(missing("sync", &dir));
        }
        if self.faults.draw(self.faults.options.sync_error) {
            self.faults.counts.sync_errors += 1;
            return Err(eio("sync", &dir));
        }
        self.settle(&dir);
        Ok(())
    }

    /// Makes the changes in a folder durable; a rename between folders with either of them, as one.
    fn settle(&mut self, dir: &Path) {
        let mut settled: BTreeSet<PathBuf> = BTreeSet::new();
        loop {
            let before = self.changes.len();
            self.changes.retain(|change| {
                let paths = match change {
                    NameChange::Link(path, _) | NameChange::Unlink(path) => vec![path],
                    NameChange::Rename(from, to, _) => vec![from, to],
                };
                let here = paths.iter().any(|path| path.parent() == Some(dir) || settled.contains(*path));
                if here {
                    settled.extend(paths.into_iter().cloned());
                }
                !here
            });
            // A rename may have settled a name elsewhere, and with it that name's earlier changes.
            if self.changes.len() == before {
                break;
            }
        }
        for path in settled {
            match self.names.get(&path) {
                Some(inode) => drop(self.durable_names.insert(path, *inode)),
                None => drop(self.durable_names.remove(&path)),
            }
        }
    }

    pub(super) fn publish(&mut self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let path = clean("publish", path)?;
        self.parent_exists("publish", &path)?;
        let broken = self.faults.operation();
        if self.names.contains_key(&path) || self.folders.contains(&path) {
            return Err(DiskError::new(DiskErrorKind::Exists, "publish", &path, "file exists"));
        }
        let mut result = Ok(());
        if broken || self.faults.draw(self.faults.options.sync_error) {
            self.faults.counts.sync_errors += u64::from(!broken);
            result = Err(eio("publish", &path));
        } else if self.used().saturating_add(bytes.len() as u64) > self.faults.options.capacity
            || self.faults.draw(self.faults.options.full)
        {
            self.faults.counts.full += 1;
            return Err(DiskError::new(
                DiskErrorKind::Full,
                "publish",
                &path,
                "no space left on device (simulated)",
            ));
        }
        // A failed one may have come through as a whole.
        if result.is_ok() || self.faults.coin() {
            let number = self.create(&path);
            if let Some(inode) = self.inodes.get_mut(&number) {
                inode.pages = (0..).zip(bytes.chunks(ALIGN).map(page_from)).collect();
                inode.durable = inode.pages.clone();
                inode.len = bytes.len() as u64;
                inode.durable_len = inode.len;
            }
            if let (Ok(()), Some(parent)) = (&result, path.parent()) {
                self.settle(parent);
            }
        }
        result
    }

    /// Takes the lock; `None` where it is held.
    pub(super) fn try_lock(&mut self, path: &Path) -> Result<Option<PathBuf>, DiskError> {
        let path = clean("lock", path)?;
        self.parent_exists("lock", &path)?;
        if !self.names.contains_key(&path) {
            self.create(&path);
        }
        Ok(self.locks.insert(path.clone()).then_some(path))
    }
}
