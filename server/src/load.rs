//! Loading, as the front end sees it: whoever can load plugs in as a [`Loader`].
//!
//! Requests, events and reports are those of [`postlode_ingest::model`]; each event is one line of the answer to
//! `POST /local/load`. What always holds: the last line is `done` or `failed`.

use async_channel::Sender;
pub use postlode_ingest::model::{LoadEvent, LoadProgress, LoadReport, LoadRequest};
use std::future::Future;
use std::pin::Pin;

/// Events that may wait for a slow reader.
pub const EVENTS: usize = 64;

/// A running load.
pub type Loading = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The load pipeline.
pub trait Loader: Send + Sync {
    /// Starts a load, which tells on `events` how far it is, and ends with [`LoadEvent::Done`] or
    /// [`LoadEvent::Failed`] (also where another load is running).
    ///
    /// The future is run to its end in a task of its own, also when the caller goes away; then `events` is closed,
    /// and the load should stop at the next place where it can. It must not block its thread. Progress is to be
    /// sent by `try_send`, so that a slow reader does not hold up the load.
    fn load(&self, request: LoadRequest, events: Sender<LoadEvent>) -> Loading;
}
