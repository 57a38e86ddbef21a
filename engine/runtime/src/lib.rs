//! The runtime seam: everything the store needs from the machine, as traits, and three ways to give it.
//!
//! * [`glommio`]: one io_uring executor a shard; the default. The only place that names glommio.
//! * [`portable`]: one std thread a shard, positioned I/O; where io_uring is forbidden.
//! * [`sim`]: seeded, single-threaded, deterministic, with faults; for the store's tests.
//!
//! What always holds: the store reaches disk, clock, randomness and threads through [`Runtime`] and [`Spawner`]
//! alone, so that a test that owns them owns all that can happen.

mod choice;
mod clock;
mod cpu;
mod disk;
mod folder;
pub mod glommio;
mod open_files;
mod panics;
pub mod portable;
pub mod probe;
mod rng;
pub mod sim;
mod target;
mod thread;
mod whole;

pub use choice::{Choice, VARIABLE, choose};
pub use cpu::{CpuPool, is_given_up};
pub use disk::{
    ALIGN, AlignedBuf, AppendFile, DirEntry, DiskError, DiskErrorKind, DiskFile, Lock, OpenMode, SharedFile,
};
pub use open_files::raise_open_files;
pub use target::Target;
pub use whole::Pace;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How the name of a file begins that is being published, where the system has no files without names.
pub const UNPUBLISHED: &str = ".publish-";

/// A future that stays on its executor.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;
/// Work for the CPU pool.
pub type Job = Box<dyn FnOnce() + Send>;

/// What a task on a shard's executor may ask of the machine. A cheap handle; it stays on its executor.
///
/// Paths are relative to the store's folder; the runtime was made for that folder and leaves it for nothing.
#[allow(async_fn_in_trait, reason = "futures of a shard never leave its executor, so they need not be Send")]
pub trait Runtime: Clone + 'static {
    /// An open file.
    type File: DiskFile;

    /// Opens a file. [`OpenMode::Create`] fails if it exists.
    async fn open(&self, path: &Path, mode: OpenMode) -> Result<Self::File, DiskError>;
    /// The entries of a folder, sorted by name; none where it does not exist.
    async fn list(&self, dir: &Path) -> Result<Vec<DirEntry>, DiskError>;
    /// Makes a folder and those above it, and makes that durable.
    async fn create_dir_all(&self, dir: &Path) -> Result<(), DiskError>;
    /// Renames a file over whatever has that name. Durable only after [`Runtime::sync_dir`].
    async fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;
    /// Removes a file; one that is not there is no error.
    async fn remove(&self, path: &Path) -> Result<(), DiskError>;
    /// Makes the names in a folder durable.
    async fn sync_dir(&self, dir: &Path) -> Result<(), DiskError>;
    /// Creates a file with this content, durably and at once, and only if no file has that name: all of it is
    /// there afterwards, or nothing. [`DiskErrorKind::Exists`] where there is one.
    async fn publish(&self, path: &Path, bytes: Vec<u8>) -> Result<(), DiskError>;
    /// Reads a whole small file of at most `limit` bytes.
    async fn read_all(&self, path: &Path, limit: u64) -> Result<Vec<u8>, DiskError>;
    /// Opens a file for positioned reads from any thread (the CPU pool's text search).
    fn open_shared(&self, path: &Path) -> Result<Arc<dyn SharedFile>, DiskError>;
    /// Opens a file to be read once from its start to its end, past the page cache: what is read is what the medium
    /// has, and what others read often stays cached. Blocks; for [`Runtime::background`] and the CPU pool.
    fn open_whole(&self, path: &Path, pace: Pace) -> Result<Arc<dyn SharedFile>, DiskError>;
    /// Removes a large file, in no hurry either; one that is not there is no error.
    async fn remove_whole(&self, path: &Path) -> Result<(), DiskError>;
    /// Gives a file a second name outside of the store's folder, an absolute one; false where the system cannot.
    fn link_out(&self, path: &Path, to: &Path) -> Result<bool, DiskError>;
    /// Makes a file to be filled from any thread. [`DiskErrorKind::Exists`] where there is one.
    fn create_append(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError>;
    /// Takes the writer's lock, trying for two seconds. It is freed with the value, and not inherited by children.
    async fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, DiskError>;

    /// Wall clock, microseconds since 1970 UTC.
    fn now_micros(&self) -> i64;
    /// Monotonic time since some moment of this process.
    fn monotonic(&self) -> Duration;
    /// Waits.
    async fn sleep(&self, time: Duration);
    /// Lets other tasks of the executor run.
    async fn yield_now(&self);
    /// A random number (seeded in the simulated runtime).
    fn random_u64(&self) -> u64;

    /// Starts a task on this executor; it runs on when the caller is gone. It is dropped when the executor's main
    /// task ends; a panic in it ends the executor, which [`Executor::join`] tells.
    fn spawn(&self, task: LocalFuture<()>);
    /// Runs a job on the CPU pool. A job that panics is contained; its channel closes, which the caller sees.
    fn offload(&self, job: Job);
    /// Runs a long job on a thread of its own, `nice` steps behind the others (setpriority(2)): it gets what they
    /// leave. A panic as in [`Runtime::offload`].
    fn background(&self, nice: u8, job: Job);
}

/// What a shard's thread runs, given its runtime.
pub type ShardMain<R> = Box<dyn FnOnce(R) -> LocalFuture<()> + Send>;

/// Starts executors. Each call of [`Spawner::start`] is one shard with an executor of its own.
pub trait Spawner: 'static {
    /// The runtime of the executors.
    type Runtime: Runtime;
    /// Starts an executor named `name` that runs `main` to its end.
    ///
    /// # Errors
    /// Where no thread or ring could be had.
    fn start(&self, name: &str, main: ShardMain<Self::Runtime>) -> Result<Executor, DiskError>;
}

/// A running executor.
pub struct Executor {
    join: Option<Box<dyn FnOnce() -> Result<(), DiskError> + Send>>,
}

impl Executor {
    /// Wraps the way to wait for an executor's end.
    #[must_use]
    pub fn new(join: impl FnOnce() -> Result<(), DiskError> + Send + 'static) -> Self {
        Self { join: Some(Box::new(join)) }
    }

    /// Blocks until its main task has ended. Call it from no executor.
    ///
    /// # Errors
    /// Where the thread ended by a panic.
    pub fn join(mut self) -> Result<(), DiskError> {
        self.join.take().map_or(Ok(()), |join| join())
    }
}

/// Runs `job` on the CPU pool and waits for its result; `None` if it panicked.
pub async fn offload<R: Runtime, T: Send + 'static>(
    runtime: &R,
    job: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    runtime.offload(Box::new(move || {
        // The receiver may be gone: nobody waits any more, and the result is dropped.
        drop(sender.send(job()));
    }));
    receiver.await.ok()
}

/// Runs `job` by [`Runtime::background`] and waits for its result; `None` if it panicked.
pub async fn background<R: Runtime, T: Send + 'static>(
    runtime: &R,
    nice: u8,
    job: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    runtime.background(
        nice,
        Box::new(move || {
            // As above.
            drop(sender.send(job()));
        }),
    );
    receiver.await.ok()
}

/// [`Runtime::background`] where there are threads; where there is none to be had, the pool does it.
fn background_on<R: Runtime>(runtime: &R, nice: u8, job: Job) {
    // A job is given up by a failed spawn, so it waits here for whoever takes it.
    let slot = Arc::new(Mutex::new(Some(job)));
    let take = |slot: &Mutex<Option<Job>>| slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let own = Arc::clone(&slot);
    let started = std::thread::Builder::new().name("background".into()).spawn(move || {
        thread::give_way(nice);
        if let Some(job) = take(&own) {
            cpu::contained(job);
        }
    });
    if started.is_err()
        && let Some(job) = take(&slot)
    {
        runtime.offload(job);
    }
}

/// [`Runtime::offload`] where there is a pool: where its queue is full, a task of the shard waits for a place, so
/// that the shard itself does not.
fn offload_on<R: Runtime>(runtime: &R, pool: &CpuPool, job: Job) {
    if let Err(job) = pool.try_start(job) {
        let pool = pool.clone();
        runtime.spawn(Box::pin(async move { pool.start(job).await }));
    }
}
