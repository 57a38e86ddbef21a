//! The default runtime: one io_uring executor a shard. The only place that names glommio.
//!
//! What always holds: no operation here holds up the shard's thread. Reads, writes and syncs go through the ring;
//! what glommio has no operation for goes to the executor's own blocking thread.
//!
//! Lessons that shaped it: a read above 1 MiB is cut (glommio #633); a write that is cut short is a full medium
//! (glommio #570); files are closed by an awaited close. Reads of any alignment are aligned here, because
//! glommio's own `read_at` believes bytes beyond the end of a file that ends within the aligned range.

mod file;
mod tasks;

use crate::cpu::CpuPool;
use crate::disk::{AppendFile, DirEntry, DiskError, DiskErrorKind, Lock, OpenMode, SharedFile};
use crate::folder::Folder;
use crate::rng::SplitMix64;
use crate::{
    Executor, Job, LocalFuture, Pace, Runtime, ShardMain, Spawner, background_on, clock, offload_on,
};
use ::glommio::{LocalExecutorBuilder, Placement};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tasks::Tasks;

pub use file::GlommioFile;

/// Memory registered with the ring of each executor. It counts against RLIMIT_MEMLOCK, which is often 8 MiB for all.
const IO_MEMORY: usize = 1 << 20;
/// The longest wait handed to the timer, whose arithmetic has an end.
const LONGEST_SLEEP: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Starts shards on io_uring executors. Ask [`crate::probe::io_uring`] first.
#[derive(Debug, Clone)]
pub struct GlommioSpawner {
    folder: Folder,
    cpu: CpuPool,
}

impl GlommioSpawner {
    /// For the store in `root`, which need not exist yet.
    #[must_use]
    pub fn new(root: PathBuf, cpu: CpuPool) -> Self {
        Self { folder: Folder::new(&root), cpu }
    }
}

impl Spawner for GlommioSpawner {
    type Runtime = GlommioRuntime;

    fn start(&self, name: &str, main: ShardMain<GlommioRuntime>) -> Result<Executor, DiskError> {
        let (folder, cpu) = (self.folder.clone(), self.cpu.clone());
        // The executor is made on its own thread; whether that worked is known before this returns.
        let (ready, made) = std::sync::mpsc::sync_channel(1);
        let executor = crate::thread::start(name, move || {
            let builder = LocalExecutorBuilder::new(Placement::Unbound).io_memory(IO_MEMORY);
            let executor = match builder.make() {
                Ok(executor) => executor,
                Err(error) => return drop(ready.send(Err(std::io::Error::from(error)))),
            };
            drop(ready.send(Ok(())));
            let tasks = Rc::new(Tasks::new());
            let shard = Shard { folder, cpu, random: SplitMix64::from_system(), tasks: Rc::clone(&tasks) };
            let main = main(GlommioRuntime { shard: Rc::new(shard) });
            if let Err(panic) = executor.run(tasks.run(main)) {
                std::panic::resume_unwind(panic);
            }
        })?;
        match made.recv() {
            Ok(Ok(())) => Ok(executor),
            Ok(Err(error)) => Err(DiskError::from_io("start io_uring executor", Path::new(name), &error)),
            // It ended without a word, so by a panic, which the join tells.
            Err(_) => Err(executor.join().err().unwrap_or_else(|| {
                let reason = "its thread ended at once";
                DiskError::new(DiskErrorKind::Io, "start io_uring executor", Path::new(name), reason)
            })),
        }
    }
}

struct Shard {
    folder: Folder,
    cpu: CpuPool,
    random: SplitMix64,
    tasks: Rc<Tasks>,
}

/// What a task on such an executor has at hand.
#[derive(Clone)]
pub struct GlommioRuntime {
    shard: Rc<Shard>,
}

impl GlommioRuntime {
    /// Runs what blocks on the executor's blocking thread.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Folder) -> T + Send + 'static) -> T {
        let folder = self.shard.folder.clone();
        ::glommio::executor().spawn_blocking(move || work(&folder)).await
    }
}

impl Runtime for GlommioRuntime {
    type File = GlommioFile;

    async fn open(&self, path: &Path, mode: OpenMode) -> Result<GlommioFile, DiskError> {
        GlommioFile::open(self.shard.folder.resolve("open", path)?, mode).await
    }

    async fn list(&self, dir: &Path) -> Result<Vec<DirEntry>, DiskError> {
        let dir = dir.to_owned();
        self.blocking(move |folder| folder.list(&dir)).await
    }

    async fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError> {
        let dir = dir.to_owned();
        self.blocking(move |folder| folder.create_dir_all(&dir)).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.blocking(move |folder| folder.rename(&from, &to)).await
    }

    async fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let path = path.to_owned();
        self.blocking(move |folder| folder.remove(&path)).await
    }

    async fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let dir = dir.to_owned();
        self.blocking(move |folder| folder.sync_dir(&dir)).await
    }

    async fn publish(&self, path: &Path, bytes: Vec<u8>) -> Result<(), DiskError> {
        let (path, unique) = (path.to_owned(), self.random_u64());
        self.blocking(move |folder| folder.publish(&path, &bytes, unique)).await
    }

    async fn read_all(&self, path: &Path, limit: u64) -> Result<Vec<u8>, DiskError> {
        let path = path.to_owned();
        self.blocking(move |folder| folder.read_all(&path, limit)).await
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
        ::glommio::timer::sleep(time.min(LONGEST_SLEEP)).await;
    }

    async fn yield_now(&self) {
        ::glommio::executor().yield_now().await;
    }

    fn random_u64(&self) -> u64 {
        self.shard.random.next()
    }

    fn spawn(&self, task: LocalFuture<()>) {
        self.shard.tasks.spawn(task);
    }

    fn offload(&self, job: Job) {
        offload_on(self, &self.shard.cpu, job);
    }

    fn background(&self, nice: u8, job: Job) {
        background_on(self, nice, job);
    }
}
