//! A panic of any task ends its executor: half a shard must not go on as if it were whole.

use crate::LocalFuture;
use futures_lite::FutureExt;
use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

/// What a panic left.
pub(crate) type Panic = Box<dyn Any + Send>;

/// The way from a task that panics to the executor. Both of our executors would let the task vanish.
#[derive(Debug)]
pub(crate) struct Panics {
    sender: async_channel::Sender<Panic>,
    receiver: async_channel::Receiver<Panic>,
}

impl Panics {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = async_channel::bounded(1);
        Self { sender, receiver }
    }

    /// The task, which tells of its panic.
    pub(crate) fn telling(&self, task: LocalFuture<()>) -> impl Future<Output = ()> + 'static {
        let sender = self.sender.clone();
        async move {
            // Unwind safety: nobody on this executor runs on to see what the task left half done.
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                // The first one is told; after it the executor ends anyway.
                drop(sender.try_send(panic));
            }
        }
    }

    /// Runs the main task to its end, or to the first panic of any task.
    pub(crate) async fn run(&self, main: LocalFuture<()>) -> Result<(), Panic> {
        let told = async { self.receiver.recv().await.map_or(Ok(()), Err) };
        AssertUnwindSafe(main).catch_unwind().or(told).await
    }
}
