//! The CPU pool: threads for work that would hold up a shard (compression, graph builds, text search).
//!
//! What always holds: the queue has a bound; a job that panics ends alone, and its thread goes on; dropping the
//! last handle lets the threads finish what is queued and end; a job that nobody waits for any more is not begun, and one that
//! runs can tell ([`is_given_up`]).

use crate::Job;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Jobs that may wait in the queue, for each thread.
const QUEUED_PER_THREAD: usize = 64;

thread_local! {
    /// Whether anybody waits for the job that this thread runs.
    static GIVEN_UP: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Does nobody wait any more for the job of a [`CpuPool`] that this thread runs? Whoever does something long in one asks from
/// time to time, and ends it: what it gives then nobody sees. False elsewhere.
#[must_use]
pub fn is_given_up() -> bool {
    GIVEN_UP.with_borrow(|own| own.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)))
}

/// Says that nobody waits any more, when it goes.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A handle to the pool: cheap to clone, usable from any thread and from any async runtime.
#[derive(Clone, Debug)]
pub struct CpuPool {
    queue: async_channel::Sender<Job>,
    threads: usize,
}

impl CpuPool {
    /// A pool of that many threads, at least one.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let (queue, jobs) = async_channel::bounded::<Job>(threads.saturating_mul(QUEUED_PER_THREAD));
        for number in 0..threads {
            let jobs = jobs.clone();
            std::thread::Builder::new().name(format!("cpu-{number}")).spawn(move || {
                while let Ok(job) = jobs.recv_blocking() {
                    contained(job);
                }
            })?;
        }
        Ok(Self { queue, threads })
    }

    /// Threads of the pool.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `job` and waits for its result; `None` if it panicked. Waits for a place in the queue first.
    /// Where the future is dropped earlier, the job is not begun, or ends when it asks ([`is_given_up`]).
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        let flag = Arc::new(AtomicBool::new(false));
        let _waiting = Waiting(Arc::clone(&flag));
        self.start(Box::new(move || {
            if flag.load(Ordering::Relaxed) {
                return;
            }
            GIVEN_UP.set(Some(flag));
            // A job that panics leaves its flag behind; the next one sets its own.
            let done = job();
            GIVEN_UP.set(None);
            // The receiver may be gone: nobody waits any more, and the result is dropped.
            drop(sender.send(done));
        }))
        .await;
        receiver.await.ok()
    }

    /// Queues a job; waits while the queue is full.
    pub async fn start(&self, job: Job) {
        // The channel closes only with its receivers, and each thread keeps one for as long as there is a sender.
        drop(self.queue.send(job).await);
    }

    /// Queues a job if the queue has a place for it.
    ///
    /// # Errors
    /// The job itself, where the queue is full.
    pub fn try_start(&self, job: Job) -> Result<(), Job> {
        self.queue.try_send(job).map_err(async_channel::TrySendError::into_inner)
    }
}

/// Runs a job whose panic ends here.
pub(crate) fn contained(job: Job) {
    // Unwind safety: the job owns all it touches and is gone afterwards; what it shares guards itself.
    drop(catch_unwind(AssertUnwindSafe(job)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn results_come_back_and_panics_stay_in() {
        let pool = CpuPool::new(2).unwrap();
        assert_eq!(block_on(pool.run(|| 6 * 7)), Some(42));
        for _ in 0..8 {
            assert_eq!(block_on(pool.run(|| panic!("a job that fails on purpose"))), None::<()>);
        }
        assert_eq!(
            block_on(pool.run(|| std::thread::current().name().map(str::to_owned)))
                .flatten()
                .as_deref()
                .map(|n| &n[..4]),
            Some("cpu-")
        );
    }

    /// Who went away left a search behind that ran to its end, and nine more in the queue.
    #[test]
    fn what_nobody_waits_for_is_not_begun_and_can_end() {
        let pool = CpuPool::new(1).unwrap();
        let (began, begun) = std::sync::mpsc::channel();
        let (ended, end) = std::sync::mpsc::channel();
        let long = pool.run(move || {
            assert!(!is_given_up());
            began.send(()).unwrap();
            while !is_given_up() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
        });
        let queued = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&queued);
        let next = pool.run(move || count.fetch_add(1, Ordering::SeqCst));
        let (mut long, mut next) = (Box::pin(long), Box::pin(next));
        block_on(async {
            assert!(futures_lite::future::poll_once(&mut long).await.is_none());
            assert!(futures_lite::future::poll_once(&mut next).await.is_none());
        });
        begun.recv().unwrap();
        drop((long, next));
        end.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        // Behind them comes one that somebody waits for.
        assert_eq!(block_on(pool.run(is_given_up)), Some(false));
        assert_eq!(queued.load(Ordering::SeqCst), 0);
        assert!(!is_given_up());
    }

    #[test]
    fn the_queue_is_bounded_and_drains_after_the_last_handle() {
        let pool = CpuPool::new(1).unwrap();
        let (gate, wait) = std::sync::mpsc::channel::<()>();
        let done = Arc::new(AtomicUsize::new(0));
        block_on(pool.start(Box::new(move || wait.recv().unwrap())));
        let mut queued = 0;
        loop {
            let done = Arc::clone(&done);
            if pool
                .try_start(Box::new(move || {
                    done.fetch_add(1, Ordering::SeqCst);
                }))
                .is_err()
            {
                break;
            }
            queued += 1;
            assert!(queued <= QUEUED_PER_THREAD + 1);
        }
        drop(pool);
        gate.send(()).unwrap();
        let start = std::time::Instant::now();
        while done.load(Ordering::SeqCst) < queued {
            assert!(start.elapsed().as_secs() < 10, "{} of {queued}", done.load(Ordering::SeqCst));
            std::thread::yield_now();
        }
    }
}
