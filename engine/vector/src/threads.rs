//! How work is spread: the crate starts no threads but through this.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs parts of one piece of work, beside each other or one by one. Returns when all are done.
pub trait Parallel: Sync {
    /// Calls `work` once for each number below `parts`, in any order.
    fn each(&self, parts: usize, work: &(dyn Fn(usize) + Sync));
}

/// One by one, on the thread that asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sequential;

impl Parallel for Sequential {
    fn each(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..parts).for_each(work);
    }
}

/// On so many threads, that of the caller among them.
#[derive(Debug, Clone, Copy)]
pub struct Threads(pub usize);

impl Parallel for Threads {
    fn each(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let take = || {
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= parts {
                    break;
                }
                work(part);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.0.min(parts) {
                // Where no thread is to be had, the others do its part.
                let _ = std::thread::Builder::new().name("vectors".into()).spawn_scoped(scope, take);
            }
            take();
        });
    }
}
