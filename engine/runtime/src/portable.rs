//! The portable runtime: one std thread a shard, a local executor on it, and positioned I/O that blocks.
//!
//! What always holds: it needs nothing of the kernel beyond files and threads, so it runs where io_uring is
//! forbidden; a file operation holds up its own shard until it is done.

mod executor;

use crate::cpu::CpuPool;
use crate::disk::{ALIGN, AlignedBuf, AppendFile, DirEntry, DiskError, DiskFile, Lock, OpenMode, SharedFile};
use crate::folder::{Folder, PIECE, check_length, read_buffered};
use crate::panics::Panics;
use crate::rng::SplitMix64;
use crate::whole::{past_cache, read_direct};
use crate::{
    Executor, Job, LocalFuture, Pace, Runtime, ShardMain, Spawner, background_on, clock, offload_on,
};
use async_executor::LocalExecutor;
use bytes::Bytes;
use executor::Timers;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

/// Starts shards on plain threads.
#[derive(Debug, Clone)]
pub struct PortableSpawner {
    folder: Folder,
    cpu: CpuPool,
}

impl PortableSpawner {
    /// For the store in `root`, which need not exist yet.
    #[must_use]
    pub fn new(root: PathBuf, cpu: CpuPool) -> Self {
        Self { folder: Folder::new(&root), cpu }
    }
}

impl Spawner for PortableSpawner {
    type Runtime = PortableRuntime;

    fn start(&self, name: &str, main: ShardMain<PortableRuntime>) -> Result<Executor, DiskError> {
        let (folder, cpu) = (self.folder.clone(), self.cpu.clone());
        crate::thread::start(name, move || {
            let tasks = Rc::new(LocalExecutor::new());
            let (timers, panics) = (Rc::new(Timers::default()), Rc::new(Panics::new()));
            let shard = Shard {
                folder,
                cpu,
                // Tasks hold the runtime and the executor holds the tasks: a strong handle would be a cycle.
                tasks: Rc::downgrade(&tasks),
                timers: Rc::clone(&timers),
                panics: Rc::clone(&panics),
                random: SplitMix64::from_system(),
            };
            let main = main(PortableRuntime { shard: Rc::new(shard) });
            if let Err(panic) = executor::block_on(&timers, tasks.run(panics.run(main))) {
                std::panic::resume_unwind(panic);
            }
        })
    }
}

struct Shard {
    folder: Folder,
    cpu: CpuPool,
    tasks: Weak<LocalExecutor<'static>>,
    timers: Rc<Timers>,
    panics: Rc<Panics>,
    random: SplitMix64,
}

/// What a task on such a thread has at hand.
#[derive(Clone)]
pub struct PortableRuntime {
    shard: Rc<Shard>,
}

impl Runtime for PortableRuntime {
    type File = PortableFile;

    async fn open(&self, path: &Path, mode: OpenMode) -> Result<PortableFile, DiskError> {
        let (file, path) = self.shard.folder.open(path, mode)?;
        let direct = past_cache(&file);
        Ok(PortableFile { file, path, direct })
    }

    async fn list(&self, dir: &Path) -> Result<Vec<DirEntry>, DiskError> {
        self.shard.folder.list(dir)
    }

    async fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError> {
        self.shard.folder.create_dir_all(dir)
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.shard.folder.rename(from, to)
    }

    async fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.shard.folder.remove(path)
    }

    async fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        self.shard.folder.sync_dir(dir)
    }

    async fn publish(&self, path: &Path, bytes: Vec<u8>) -> Result<(), DiskError> {
        self.shard.folder.publish(path, &bytes, self.random_u64())
    }

    async fn read_all(&self, path: &Path, limit: u64) -> Result<Vec<u8>, DiskError> {
        self.shard.folder.read_all(path, limit)
    }

    fn open_shared(&self, path: &Path) -> Result<Arc<dyn SharedFile>, DiskError> {
        self.shard.folder.open_shared(path)
    }

    fn open_whole(&self, path: &Path, pace: Pace) -> Result<Arc<dyn SharedFile>, DiskError> {
        self.shard.folder.open_whole(path, pace)
    }

    async fn remove_whole(&self, path: &Path) -> Result<(), DiskError> {
        crate::whole::remove(self, &self.shard.folder, path).await
    }

    fn link_out(&self, path: &Path, to: &Path) -> Result<bool, DiskError> {
        self.shard.folder.link_out(path, to)
    }

    fn create_append(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError> {
        self.shard.folder.create_append(path)
    }

    async fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, DiskError> {
        crate::folder::lock(self, &self.shard.folder, path).await
    }

    fn now_micros(&self) -> i64 {
        clock::now_micros()
    }

    fn monotonic(&self) -> Duration {
        clock::monotonic()
    }

    async fn sleep(&self, time: Duration) {
        self.shard.timers.sleep(time).await;
    }

    async fn yield_now(&self) {
        futures_lite::future::yield_now().await;
    }

    fn random_u64(&self) -> u64 {
        self.shard.random.next()
    }

    fn spawn(&self, task: LocalFuture<()>) {
        // None while the executor is being dropped with its tasks: nothing runs any more.
        if let Some(tasks) = self.shard.tasks.upgrade() {
            tasks.spawn(self.shard.panics.telling(task)).detach();
        }
    }

    fn offload(&self, job: Job) {
        offload_on(self, &self.shard.cpu, job);
    }

    fn background(&self, nice: u8, job: Job) {
        background_on(self, nice, job);
    }
}

/// A file read and written past the page cache where the file system allows that.
#[derive(Debug)]
pub struct PortableFile {
    file: File,
    path: PathBuf,
    direct: bool,
}

impl DiskFile for PortableFile {
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        if len == 0 {
            return Ok(Bytes::new());
        }
        check_length(&self.file, &self.path, offset, len)?;
        if self.direct {
            read_direct(&self.file, &self.path, (offset, len), PIECE, |_| {})
        } else {
            read_buffered(&self.file, &self.path, offset, len)
        }
    }

    async fn write_at(&self, offset: u64, buf: AlignedBuf) -> Result<(), DiskError> {
        crate::disk::check_aligned(&self.path, offset)?;
        let mut at = offset;
        for piece in buf.as_ref().chunks(PIECE) {
            let written = loop {
                match self.file.write_at(piece, at) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            let written = written.map_err(|error| DiskError::from_io("write", &self.path, &error))?;
            if written < piece.len() {
                return Err(crate::disk::cut_short(&self.path, at, written, piece.len()));
            }
            at += written as u64;
        }
        Ok(())
    }

    async fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(|error| DiskError::from_io("sync", &self.path, &error))
    }

    async fn size(&self) -> Result<u64, DiskError> {
        let meta = self.file.metadata().map_err(|error| DiskError::from_io("stat", &self.path, &error))?;
        Ok(meta.len())
    }

    async fn close(self) -> Result<(), DiskError> {
        // Dropping it closes it. Linux reports nothing here for local file systems that a sync did not report.
        Ok(())
    }
}

const _: () = assert!(PIECE.is_multiple_of(ALIGN));

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;

    /// Few file systems refuse O_DIRECT today, so the way through the page cache is tried by itself.
    #[test]
    fn through_the_page_cache() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = Folder::new(dir.path()).open(Path::new("f"), OpenMode::Create).unwrap();
        let file = PortableFile { file, path, direct: false };
        let bytes: Vec<u8> = (0..3 * PIECE).map(|at| (at / 7) as u8).collect();
        block_on(file.write_at(0, AlignedBuf::copy_of(&bytes))).unwrap();
        block_on(file.sync()).unwrap();
        for (offset, len) in [(0, 1), (4097, 9000), (5, 2 * PIECE + 9), (3 * PIECE - 1, 1)] {
            assert!(block_on(file.read_at(offset as u64, len)).unwrap() == bytes[offset..offset + len]);
        }
        for (offset, len) in [(3 * PIECE, 1), (0, 3 * PIECE + 1), (3 * PIECE - 5, 6)] {
            let error = block_on(file.read_at(offset as u64, len)).unwrap_err();
            assert_eq!(error.kind, crate::DiskErrorKind::Eof);
        }
    }
}
