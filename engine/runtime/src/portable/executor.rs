//! Running one future on the current thread, with timers: the thread sleeps until a waker or the next timer.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// When, and which of those at that time.
type Key = (Instant, u64);

/// The timers of one thread, by time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    waiting: RefCell<BTreeMap<Key, Waker>>,
    numbers: Cell<u64>,
}

impl Timers {
    /// Waits; for ever where the clock cannot count that far.
    pub(super) fn sleep(&self, time: Duration) -> Sleep<'_> {
        let number = self.numbers.get();
        self.numbers.set(number.wrapping_add(1));
        Sleep { timers: self, key: Instant::now().checked_add(time).map(|until| (until, number)) }
    }

    /// Wakes whoever is due.
    fn fire(&self) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let now = Instant::now();
        loop {
            let mut waiting = self.waiting.borrow_mut();
            let due = waiting.first_entry().filter(|first| first.key().0 <= now).map(|first| first.remove());
            // A waker may run code of others: not while the map is borrowed.
            drop(waiting);
            match due {
                Some(waker) => waker.wake(),
                None => return,
            }
        }
    }

    fn next(&self) -> Option<Instant> {
        self.waiting.borrow().keys().next().map(|key| key.0)
    }
}

/// Ends at its time. Dropped, it is forgotten.
#[derive(Debug)]
pub(super) struct Sleep<'a> {
    timers: &'a Timers,
    key: Option<Key>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(key) = self.key else { return Poll::Pending };
        if key.0 <= Instant::now() {
            return Poll::Ready(());
        }
        self.timers.waiting.borrow_mut().insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let forgotten = self.timers.waiting.borrow_mut().remove(&key);
            drop(forgotten);
        }
    }
}

/// Wakes a parked thread. The flag is what counts: a park may end without reason, and code in between may use up
/// the thread's one token.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

/// Runs a future to its end on this thread.
pub(super) fn block_on<T>(timers: &Timers, future: impl Future<Output = T>) -> T {
    let unpark = Arc::new(Unpark { thread: std::thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        timers.fire();
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        while !unpark.woken.swap(false, Ordering::AcqRel) {
            match timers.next().map(|at| at.saturating_duration_since(Instant::now())) {
                None => std::thread::park(),
                Some(Duration::ZERO) => break,
                Some(time) => std::thread::park_timeout(time),
            }
        }
    }
}
