//! One thread, many tasks, and a clock that jumps: the seed decides who runs next.
//!
//! What always holds: nothing here looks at the machine's clock or at an address, so the same seed and the same
//! program give the same run. Time passes a little with each step, and otherwise jumps to the next timer.

use crate::LocalFuture;
use crate::rng::SplitMix64;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Nothing can run and no timer is set.
#[derive(Debug)]
pub(super) struct Stuck;

type Ready = Arc<Mutex<BTreeSet<u64>>>;

struct Task {
    shard: u64,
    future: LocalFuture<()>,
}

/// The shard of what belongs to none.
pub(super) const NO_SHARD: u64 = 0;

pub(super) struct Scheduler {
    random: SplitMix64,
    now: Cell<Duration>,
    numbers: Cell<u64>,
    /// Tasks that are not being polled.
    tasks: RefCell<BTreeMap<u64, Task>>,
    /// All that may still be polled: those tasks, and those being polled right now, by an outer run too.
    alive: RefCell<BTreeSet<u64>>,
    shards: RefCell<BTreeSet<u64>>,
    ready: Ready,
    timers: RefCell<BTreeMap<(Duration, u64), Waker>>,
}

impl Scheduler {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64::new(seed),
            now: Cell::default(),
            numbers: Cell::new(NO_SHARD + 1),
            tasks: RefCell::default(),
            alive: RefCell::default(),
            shards: RefCell::new(BTreeSet::from([NO_SHARD])),
            ready: Ready::default(),
            timers: RefCell::default(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.now.get()
    }

    pub(super) fn random(&self) -> &SplitMix64 {
        &self.random
    }

    fn number(&self) -> u64 {
        let number = self.numbers.get();
        self.numbers.set(number.wrapping_add(1));
        number
    }

    /// A new shard, for tasks that end with it.
    pub(super) fn open_shard(&self) -> u64 {
        let shard = self.number();
        self.shards.borrow_mut().insert(shard);
        shard
    }

    /// Drops the tasks of a shard; it takes no more.
    pub(super) fn close_shard(&self, shard: u64) {
        self.shards.borrow_mut().remove(&shard);
        self.drop_tasks(|task| task.shard == shard);
    }

    /// Drops every task, shard and timer: the process is gone.
    pub(super) fn clear(&self) {
        self.shards.borrow_mut().clear();
        self.drop_tasks(|_| true);
        let timers = self.timers.take();
        drop(timers);
        self.shards.borrow_mut().insert(NO_SHARD);
    }

    fn drop_tasks(&self, which: impl Fn(&Task) -> bool) {
        let dropped: BTreeMap<u64, Task> =
            self.tasks.borrow_mut().extract_if(.., |_, task| which(task)).collect();
        self.alive.borrow_mut().retain(|number| !dropped.contains_key(number));
        // Here, where nothing is borrowed: what a task drops may come back to us.
        drop(dropped);
    }

    /// Starts a task, unless its shard has ended.
    pub(super) fn spawn(&self, shard: u64, future: LocalFuture<()>) {
        if self.shards.borrow().contains(&shard) {
            let number = self.number();
            self.tasks.borrow_mut().insert(number, Task { shard, future });
            self.alive.borrow_mut().insert(number);
            wake(&self.ready, number);
        }
    }

    /// Waits in virtual time; for ever where the clock cannot count that far.
    pub(super) fn sleep(&self, time: Duration) -> Sleep<'_> {
        Sleep { scheduler: self, key: self.now().checked_add(time).map(|until| (until, self.number())) }
    }

    /// Runs everything until this future has ended. It may be called from within a task.
    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, Stuck> {
        let own = self.number();
        let waker = self.waker(own);
        let mut future = pin!(future);
        self.alive.borrow_mut().insert(own);
        wake(&self.ready, own);
        let ended = loop {
            match self.pick(own) {
                Some(number) if number == own => {
                    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        break Ok(output);
                    }
                }
                Some(number) => self.poll(number),
                None if self.jump() => {}
                None => break Err(Stuck),
            }
        };
        self.alive.borrow_mut().remove(&own);
        ended
    }

    /// One of those that are ready, off the list.
    fn pick(&self, own: u64) -> Option<u64> {
        self.now.set(self.now() + Duration::from_micros(1 + self.random.below(5)));
        self.fire();
        let (tasks, alive) = (self.tasks.borrow(), self.alive.borrow());
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.retain(|number| alive.contains(number));
        // What an outer run is polling waits for that run.
        let able = || ready.iter().copied().filter(|number| *number == own || tasks.contains_key(number));
        let which = self.random.below(able().count() as u64);
        let picked = able().nth(usize::try_from(which).unwrap_or(0));
        if let Some(number) = picked {
            ready.remove(&number);
        }
        picked
    }

    fn poll(&self, number: u64) {
        let taken = self.tasks.borrow_mut().remove(&number);
        let Some(mut task) = taken else { return };
        let waker = self.waker(number);
        let ended = task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        // Its shard may have ended meanwhile, by its own doing.
        if !ended && self.shards.borrow().contains(&task.shard) {
            self.tasks.borrow_mut().insert(number, task);
            return;
        }
        self.alive.borrow_mut().remove(&number);
        drop(task);
    }

    /// Moves the clock to the next timer; false where there is none.
    fn jump(&self) -> bool {
        let next = self.timers.borrow().keys().next().map(|key| key.0);
        if let Some(next) = next {
            self.now.set(self.now().max(next));
            self.fire();
        }
        next.is_some()
    }

    fn fire(&self) {
        let due = {
            let mut timers = self.timers.borrow_mut();
            let later = timers.split_off(&(self.now(), u64::MAX));
            std::mem::replace(&mut *timers, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    fn waker(&self, number: u64) -> Waker {
        Waker::from(Arc::new(TaskWaker { ready: Arc::clone(&self.ready), number }))
    }
}

fn wake(ready: &Ready, number: u64) {
    ready.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
}

struct TaskWaker {
    ready: Ready,
    number: u64,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        wake(&self.ready, self.number);
    }
}

/// Ends at its time. Dropped, it is forgotten.
pub(super) struct Sleep<'a> {
    scheduler: &'a Scheduler,
    key: Option<(Duration, u64)>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(key) = self.key else { return Poll::Pending };
        if key.0 <= self.scheduler.now() {
            return Poll::Ready(());
        }
        self.scheduler.timers.borrow_mut().insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let forgotten = self.scheduler.timers.borrow_mut().remove(&key);
            drop(forgotten);
        }
    }
}
