//! The CPU pool: threads for work that would hold up a shard (compression, graph builds, text search).
//!
//! What always holds: the queue has a bound; a job that panics ends alone, and its thread goes on; dropping the
//! last handle lets the threads finish what is queued and end.

use crate::Job;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Jobs that may wait in the queue, for each thread.
const QUEUED_PER_THREAD: usize = 64;

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
    /// A future dropped earlier does not stop a job that is queued.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.start(Box::new(move || {
            // The receiver may be gone: nobody waits any more, and the result is dropped.
            drop(sender.send(job()));
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
