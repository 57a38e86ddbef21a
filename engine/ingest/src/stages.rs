//! How long the stages of a load were busy.

use crate::model::StageTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The file is hashed.
    Hash,
    /// Its items are named.
    List,
    /// Parsers read items.
    Parse,
    /// The store takes what they read.
    Commit,
    /// The file is hashed once more.
    Check,
}

const STAGES: [(Stage, &str); 5] = [
    (Stage::Hash, "hash"),
    (Stage::List, "list"),
    (Stage::Parse, "parse"),
    (Stage::Commit, "commit"),
    (Stage::Check, "check"),
];

/// The time of each stage so far.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    nanos: [AtomicU64; 5],
}

impl Stages {
    /// A stage was busy since `since`, in one of `workers` that share it.
    pub(crate) fn busy(&self, stage: Stage, since: Instant, workers: usize) {
        let nanos = since.elapsed().as_nanos() / u128::try_from(workers.max(1)).unwrap_or(1);
        if let Some(sum) = self.nanos.get(stage as usize) {
            sum.fetch_add(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// All of them.
    pub(crate) fn told(&self) -> Vec<StageTime> {
        let seconds = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed)).as_secs_f64();
        let times = STAGES.iter().zip(&self.nanos);
        times
            .map(|((_, name), nanos)| StageTime { stage: (*name).to_owned(), seconds: seconds(nanos) })
            .collect()
    }
}
