//! The simulated runtime: one thread, a virtual clock, a disk in memory, and faults, all by one seed.
//!
//! What always holds: a run depends on its seed, its options and the program alone, so that a failure comes back by
//! its seed. What is durable survives [`Sim::crash`]; what is not may be lost, kept, torn or mixed.
//!
//! ```
//! use postlode_runtime::sim::{Sim, SimOptions};
//! use postlode_runtime::{AlignedBuf, DiskFile, OpenMode, Runtime};
//! use std::path::Path;
//!
//! let sim = Sim::new(42, SimOptions::default());
//! let runtime = sim.runtime();
//! sim.run(async move {
//!     let file = runtime.open(Path::new("f"), OpenMode::Create).await?;
//!     file.write_at(0, AlignedBuf::copy_of(b"hello")).await?;
//!     file.sync().await?;
//!     runtime.sync_dir(Path::new("")).await
//! })?;
//! sim.crash();
//! let runtime = sim.runtime();
//! let bytes = sim.run(async move { runtime.read_all(Path::new("f"), 4096).await })?;
//! assert!(bytes.starts_with(b"hello"));
//! # Ok::<(), postlode_runtime::DiskError>(())
//! ```

mod crash;
mod disk;
mod faults;
mod runtime;
mod scheduler;

pub use faults::{Countdown, SimCounts, SimOptions};
pub use runtime::{SimFile, SimRuntime};

use crate::disk::{DiskError, DiskErrorKind};
use crate::rng::SplitMix64;
use crate::{Executor, ShardMain, Spawner};
use disk::Disk;
use faults::Faults;
use runtime::{SharedDisk, access};
use scheduler::{NO_SHARD, Scheduler};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Numbers of the simulations of this process. They only tell one from another and reach no program.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The simulations of this thread: an [`Executor`] may be sent about, so it knows its own by number.
    static MACHINES: RefCell<BTreeMap<u64, Weak<Machine>>> = const { RefCell::new(BTreeMap::new()) };
}

struct Machine {
    number: u64,
    scheduler: Scheduler,
    disk: SharedDisk,
    random: SplitMix64,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // At the end of the thread there may be no list any more.
        drop(MACHINES.try_with(|machines| machines.borrow_mut().remove(&self.number)));
    }
}

/// A simulated machine. It stays on its thread. Dropped, it drops its tasks.
pub struct Sim {
    machine: Rc<Machine>,
}

impl Sim {
    /// A machine with an empty disk.
    #[must_use]
    pub fn new(seed: u64, options: SimOptions) -> Self {
        // Three sequences, so that a fault more does not change the order of tasks.
        let seeds = SplitMix64::new(seed);
        let machine = Rc::new(Machine {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            scheduler: Scheduler::new(seeds.next()),
            disk: Arc::new(Mutex::new(Disk::new(Faults::new(seeds.next(), options)))),
            random: seeds,
        });
        let weak = Rc::downgrade(&machine);
        MACHINES.with(|machines| machines.borrow_mut().insert(machine.number, weak));
        Self { machine }
    }

    /// Starts shards on this machine. After a crash or a kill, take a new one.
    #[must_use]
    pub fn spawner(&self) -> SimSpawner {
        SimSpawner { machine: Rc::clone(&self.machine), life: access(&self.machine.disk).life }
    }

    /// A runtime of no shard, for the test itself.
    #[must_use]
    pub fn runtime(&self) -> SimRuntime {
        let life = access(&self.machine.disk).life;
        SimRuntime { machine: Rc::clone(&self.machine), shard: NO_SHARD, life }
    }

    /// Runs all shards and tasks until this future has ended. Those that are left run on in the next call.
    ///
    /// # Panics
    /// Where nothing can run any more and no timer is set: the program waits for ever. And where a task panics.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        match self.machine.scheduler.run(future) {
            Ok(output) => output,
            #[expect(clippy::panic, reason = "a simulated program that waits for ever is a failed test")]
            Err(_) => panic!("the simulated program waits for ever: no task is ready and no timer is set"),
        }
    }

    /// The power fails: all tasks are gone, and of the disk what was durable is left, and of the rest what the seed
    /// says. Call it from outside [`Sim::run`].
    pub fn crash(&self) {
        access(&self.machine.disk).crash();
        self.machine.scheduler.clear();
    }

    /// The process is killed: all tasks are gone, and the disk has all that was written.
    pub fn kill(&self) {
        access(&self.machine.disk).kill();
        self.machine.scheduler.clear();
    }

    /// How often each fault fired.
    #[must_use]
    pub fn counts(&self) -> SimCounts {
        access(&self.machine.disk).faults.counts
    }

    /// Other faults from now on.
    pub fn set_options(&self, options: SimOptions) {
        access(&self.machine.disk).faults.options = options;
    }

    /// Makes an operation on the disk fail, counted from now; `None` takes that back. Count the operations of a run
    /// without faults by [`SimCounts::operations`], then fail each of them in turn.
    pub fn set_countdown(&self, countdown: Option<Countdown>) {
        access(&self.machine.disk).faults.countdown = countdown;
    }

    /// Turns one bit of a file, on the medium. No effect where no file has that name.
    pub fn flip_bit(&self, path: &Path, byte: u64, bit: u8) {
        let mut disk = access(&self.machine.disk);
        if let Some(inode) = disk.names.get(path).copied() {
            disk.rot(inode, byte, u64::from(bit % 8));
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // Tasks hold the machine and the machine holds the tasks.
        self.kill();
    }
}

fn failed(shard: &str, reason: &str) -> DiskError {
    DiskError::new(DiskErrorKind::Io, "run shard", Path::new(shard), reason)
}

/// Starts shards on a simulated machine.
#[derive(Clone)]
pub struct SimSpawner {
    machine: Rc<Machine>,
    life: u64,
}

impl Spawner for SimSpawner {
    type Runtime = SimRuntime;

    /// The executor's join runs the simulation until the shard has ended, from wherever it is called on this thread.
    fn start(&self, name: &str, main: ShardMain<SimRuntime>) -> Result<Executor, DiskError> {
        let name = name.to_owned();
        if access(&self.machine.disk).life != self.life {
            return Err(failed(&name, "the machine of this spawner has crashed"));
        }
        let shard = self.machine.scheduler.open_shard();
        let runtime = SimRuntime { machine: Rc::clone(&self.machine), shard, life: self.life };
        let (ended, end) = async_channel::bounded::<()>(1);
        let task = async move {
            let machine = Rc::clone(&runtime.machine);
            main(runtime).await;
            machine.scheduler.close_shard(shard);
            // Nobody may be waiting.
            let _ = ended.try_send(());
        };
        self.machine.scheduler.spawn(shard, Box::pin(task));
        let number = self.machine.number;
        Ok(Executor::new(move || {
            let machine = MACHINES.with(|machines| machines.borrow().get(&number).and_then(Weak::upgrade));
            // A shard that has ended needs no machine to say so.
            let ended = match machine {
                Some(machine) => machine.scheduler.run(end.recv()),
                None => Ok(end.try_recv().map_err(|_| async_channel::RecvError)),
            };
            match ended {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(failed(&name, "the machine crashed before it ended")),
                Err(_) => Err(failed(&name, "it waits for ever")),
            }
        }))
    }
}
