//! The receiving end of a queue of requests, each with somebody who waits for its answer.
//!
//! What always holds: when the task that owns it ends, however it ends, requests still queued are dropped with
//! their reply channels, so that whoever waits hears that the store is closed instead of waiting for ever. (A
//! channel alone keeps queued messages as long as any sender lives.)

use async_channel::{Receiver, RecvError, TryRecvError};

/// A queue that empties itself when its owner ends.
pub struct Inbox<T> {
    queue: Receiver<T>,
}

impl<T> Inbox<T> {
    /// Takes the receiving end.
    pub fn new(queue: Receiver<T>) -> Self {
        Self { queue }
    }

    /// The next request.
    ///
    /// # Errors
    /// Where nobody can send one any more.
    pub async fn recv(&self) -> Result<T, RecvError> {
        self.queue.recv().await
    }

    /// The next request, if one waits.
    ///
    /// # Errors
    /// Where none does.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.queue.try_recv()
    }

    /// Requests that wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Nobody can send any more.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.queue.close();
        while let Ok(request) = self.queue.try_recv() {
            drop(request);
        }
    }
}
