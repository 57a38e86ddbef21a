//! The load pipeline as the front end wants it.

use crate::allocator;
use async_channel::Sender;
use postlode_ingest::{LoadEvent, LoadRequest, Loader, Parsers, Stop};
use postlode_server::Loading;
use postlode_store::Store;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The command by which this program becomes a parser. It is for the loader, and in no help text.
pub const PARSER_COMMAND: &str = "parse-for-loader";

/// Loads into the store that this process holds, and knows which loads are running.
pub struct StoreLoader {
    loader: Loader,
    running: Arc<Running>,
}

struct Running {
    /// Loads that are running, each with a number.
    loads: Mutex<Vec<(u64, Stop)>>,
    /// Their number, to be waited for.
    count: watch::Sender<usize>,
    /// No further load may begin.
    ended: Mutex<bool>,
}

impl StoreLoader {
    /// A loader into `store`.
    pub fn new(store: Store) -> Arc<Self> {
        let running =
            Running { loads: Mutex::default(), count: watch::Sender::new(0), ended: Mutex::new(false) };
        // Parsers are this program again: see `main`.
        let parsers = Parsers::Processes {
            program: "/proc/self/exe".into(),
            arguments: vec![PARSER_COMMAND.into()],
            environment: allocator::of_parsers(),
        };
        Arc::new(Self { loader: Loader::new(store, parsers), running: Arc::new(running) })
    }

    /// Stops all loads at the end of the batches they are at, and begins no new one.
    pub fn stop(&self) {
        *self.running.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        for (_, stop) in self.running.loads.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            stop.stop();
        }
    }

    /// Waits until no load is running.
    pub async fn ended(&self) {
        // The sender lives in `self`, so the wait ends by a value alone.
        drop(self.running.count.subscribe().wait_for(|count| *count == 0).await);
    }
}

impl Running {
    fn begin(&self, stop: Stop) -> u64 {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        let number = loads.last().map_or(0, |(number, _)| number.wrapping_add(1));
        loads.push((number, stop));
        self.count.send_replace(loads.len());
        number
    }

    fn end(&self, number: u64) {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        loads.retain(|(other, _)| *other != number);
        self.count.send_replace(loads.len());
    }
}

impl postlode_server::Loader for StoreLoader {
    fn load(&self, request: LoadRequest, events: Sender<LoadEvent>) -> Loading {
        let loader = self.loader.clone();
        let running = Arc::clone(&self.running);
        Box::pin(async move {
            if *running.ended.lock().unwrap_or_else(PoisonError::into_inner) {
                let error = "the process that holds the store is stopping: load again when it has".to_owned();
                drop(events.send(LoadEvent::Failed { error }).await);
                return;
            }
            let load = match loader.start(request) {
                Ok(load) => load,
                Err(error) => {
                    drop(events.send(LoadEvent::Failed { error: error.to_string() }).await);
                    return;
                }
            };
            let stop = load.stop_handle();
            let number = running.begin(stop.clone());
            while let Some(event) = load.next().await {
                let progress = matches!(event, LoadEvent::Progress(_));
                // Progress is left out for a slow reader; a reader who has gone stops the load, and its last batches
                // are waited for all the same.
                let gone = if progress {
                    matches!(events.try_send(event), Err(async_channel::TrySendError::Closed(_)))
                } else {
                    events.send(event).await.is_err()
                };
                if gone {
                    stop.stop();
                }
            }
            running.end(number);
        })
    }
}
