//! The runtime of the simulated machine, as the store's tasks see it.

use super::Machine;
use super::disk::{Disk, eio};
use crate::disk::{
    AlignedBuf, AppendFile, DirEntry, DiskError, DiskErrorKind, DiskFile, Lock, OpenMode, SharedFile,
    check_aligned,
};
use crate::folder::{LOCK_PATIENCE, LOCK_PAUSE};
use crate::{Job, LocalFuture, Pace, Runtime};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The wall clock at the start of each simulation: the first moment of 2024, UTC, microseconds.
const START_MICROS: i64 = 1_704_067_200_000_000;

pub(super) type SharedDisk = Arc<Mutex<Disk>>;

pub(super) fn access(disk: &SharedDisk) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a task of a simulated shard has at hand.
#[derive(Clone)]
pub struct SimRuntime {
    pub(super) machine: Rc<Machine>,
    pub(super) shard: u64,
    /// The process it belongs to.
    pub(super) life: u64,
}

impl SimRuntime {
    /// Takes the time that disks take, before or after the effect.
    async fn pause(&self) {
        let most = access(&self.machine.disk).faults.options.latency_micros;
        let time = self.machine.scheduler.random().below(most.saturating_add(1));
        self.machine.scheduler.sleep(Duration::from_micros(time)).await;
    }

    /// An operation on the disk: its effect is at one moment, between its start and its answer.
    async fn operate<T>(
        &self,
        operation: &'static str,
        path: &Path,
        effect: impl FnOnce(&mut Disk) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        self.pause().await;
        let done = {
            let mut disk = access(&self.machine.disk);
            // A dead process may still drop things; what it holds of the disk is void.
            if disk.life == self.life { effect(&mut disk) } else { Err(eio(operation, path)) }
        };
        self.pause().await;
        done
    }
}

impl Runtime for SimRuntime {
    type File = SimFile;

    async fn open(&self, path: &Path, mode: OpenMode) -> Result<SimFile, DiskError> {
        let (inode, path) = self.operate("open", path, |disk| disk.open(path, mode)).await?;
        Ok(SimFile { runtime: self.clone(), inode, path, writable: mode != OpenMode::Read })
    }

    async fn list(&self, dir: &Path) -> Result<Vec<DirEntry>, DiskError> {
        self.operate("list", dir, |disk| disk.list(dir)).await
    }

    async fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError> {
        self.operate("create folder", dir, |disk| disk.create_dir_all(dir)).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.operate("rename", from, |disk| disk.rename(from, to)).await
    }

    async fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.operate("remove", path, |disk| disk.remove(path)).await
    }

    async fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        self.operate("sync", dir, |disk| disk.sync_dir(dir)).await
    }

    async fn publish(&self, path: &Path, bytes: Vec<u8>) -> Result<(), DiskError> {
        self.operate("publish", path, |disk| disk.publish(path, &bytes)).await
    }

    async fn read_all(&self, path: &Path, limit: u64) -> Result<Vec<u8>, DiskError> {
        self.operate("read", path, |disk| {
            let (inode, path) = disk.open(path, OpenMode::Read)?;
            let size = disk.len(inode);
            if size > limit {
                let reason = format!("it has {size} bytes where {limit} are the limit");
                return Err(DiskError::new(DiskErrorKind::Io, "read", &path, reason));
            }
            disk.read(&path, inode, 0, usize::try_from(size).unwrap_or(usize::MAX))
        })
        .await
    }

    fn open_shared(&self, path: &Path) -> Result<Arc<dyn SharedFile>, DiskError> {
        let mut disk = access(&self.machine.disk);
        let (inode, path) = disk.open(path, OpenMode::Read)?;
        Ok(Arc::new(SimSharedFile { disk: Arc::clone(&self.machine.disk), inode, path, life: disk.life }))
    }

    fn open_whole(&self, path: &Path, _pace: Pace) -> Result<Arc<dyn SharedFile>, DiskError> {
        self.open_shared(path)
    }

    async fn remove_whole(&self, path: &Path) -> Result<(), DiskError> {
        self.remove(path).await
    }

    /// What is outside is a real disk.
    fn link_out(&self, path: &Path, _to: &Path) -> Result<bool, DiskError> {
        self.open_shared(path).map(|_| false)
    }

    fn create_append(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError> {
        let mut disk = access(&self.machine.disk);
        if disk.life != self.life {
            return Err(eio("open", path));
        }
        let (inode, path) = disk.open(path, OpenMode::Create)?;
        Ok(Box::new(SimAppendFile {
            disk: Arc::clone(&self.machine.disk),
            inode,
            path,
            life: self.life,
            len: 0,
        }))
    }

    async fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, DiskError> {
        let give_up = self.monotonic() + LOCK_PATIENCE;
        loop {
            let taken = self.operate("lock", path, |disk| disk.try_lock(path)).await?;
            if let Some(path) = taken {
                return Ok(Box::new(SimLock { disk: Arc::clone(&self.machine.disk), path, life: self.life }));
            }
            if self.monotonic() >= give_up {
                return Err(DiskError::new(DiskErrorKind::Locked, "lock", path, "another process holds it"));
            }
            self.sleep(LOCK_PAUSE).await;
        }
    }

    fn now_micros(&self) -> i64 {
        START_MICROS.saturating_add(i64::try_from(self.monotonic().as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.machine.scheduler.now()
    }

    async fn sleep(&self, time: Duration) {
        self.machine.scheduler.sleep(time).await;
    }

    async fn yield_now(&self) {
        futures_lite::future::yield_now().await;
    }

    fn random_u64(&self) -> u64 {
        self.machine.random.next()
    }

    fn spawn(&self, task: LocalFuture<()>) {
        if access(&self.machine.disk).life == self.life {
            self.machine.scheduler.spawn(self.shard, task);
        }
    }

    /// The job is done at one moment, some time later; a crash before that takes it.
    fn offload(&self, job: Job) {
        let runtime = self.clone();
        self.spawn(Box::pin(async move {
            runtime.pause().await;
            if access(&runtime.machine.disk).life == runtime.life {
                crate::cpu::contained(job);
            }
        }));
    }

    fn background(&self, _: u8, job: Job) {
        self.offload(job);
    }
}

/// A file of the simulated disk.
pub struct SimFile {
    runtime: SimRuntime,
    inode: u64,
    path: PathBuf,
    writable: bool,
}

impl DiskFile for SimFile {
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        if len == 0 {
            return Ok(Bytes::new());
        }
        let read = |disk: &mut Disk| disk.read(&self.path, self.inode, offset, len);
        self.runtime.operate("read", &self.path, read).await.map(Bytes::from)
    }

    async fn write_at(&self, offset: u64, buf: AlignedBuf) -> Result<(), DiskError> {
        check_aligned(&self.path, offset)?;
        if !self.writable {
            return Err(DiskError::new(DiskErrorKind::Io, "write", &self.path, "bad file descriptor"));
        }
        let write = |disk: &mut Disk| disk.write(&self.path, self.inode, offset, buf.as_ref());
        self.runtime.operate("write", &self.path, write).await
    }

    async fn sync(&self) -> Result<(), DiskError> {
        self.runtime.operate("sync", &self.path, |disk| disk.sync(&self.path, self.inode)).await
    }

    async fn size(&self) -> Result<u64, DiskError> {
        self.runtime.operate("stat", &self.path, |disk| Ok(disk.len(self.inode))).await
    }

    async fn close(self) -> Result<(), DiskError> {
        Ok(())
    }
}

struct SimSharedFile {
    disk: SharedDisk,
    inode: u64,
    path: PathBuf,
    life: u64,
}

impl SharedFile for SimSharedFile {
    fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        let mut disk = access(&self.disk);
        if disk.life != self.life {
            return Err(eio("read", &self.path));
        }
        disk.read(&self.path, self.inode, offset, len).map(Bytes::from)
    }
}

struct SimAppendFile {
    disk: SharedDisk,
    inode: u64,
    path: PathBuf,
    life: u64,
    len: u64,
}

impl AppendFile for SimAppendFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let mut disk = access(&self.disk);
        if disk.life != self.life {
            return Err(eio("write", &self.path));
        }
        disk.write(&self.path, self.inode, self.len, bytes)?;
        self.len = self.len.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), DiskError> {
        let mut disk = access(&self.disk);
        if disk.life != self.life {
            return Err(eio("sync", &self.path));
        }
        disk.sync(&self.path, self.inode)
    }
}

struct SimLock {
    disk: SharedDisk,
    path: PathBuf,
    life: u64,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = access(&self.disk);
        // The locks of a process that is gone went with it.
        if disk.life == self.life {
            disk.locks.remove(&self.path);
        }
    }
}
