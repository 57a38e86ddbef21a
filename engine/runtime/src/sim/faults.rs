//! What can go wrong on the simulated machine, how often, and how often it did.

use crate::rng::SplitMix64;

/// How the simulated machine behaves. The default has no faults but crashes that are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SimOptions {
    /// Probability that a read fails with EIO.
    pub read_error: f64,
    /// Probability that a write fails with EIO; any part of it may be on the disk.
    pub write_error: f64,
    /// Probability that a sync fails with EIO; what it should have made durable may be dropped and is marked clean.
    pub sync_error: f64,
    /// Probability that a write finds the medium full; a part of it is on the disk.
    pub full: f64,
    /// Probability that one bit of what is read has turned on the medium, and stays so.
    pub bit_rot: f64,
    /// Probability that a page of a write lands elsewhere on the disk, and the write is reported as done.
    pub misdirected_write: f64,
    /// Probability that a page of a write never reaches the disk, and the write is reported as done: what was there stays.
    pub stale_write: f64,
    /// Bytes that fit on the medium, all files together.
    pub capacity: u64,
    /// The longest an operation on the disk takes, microseconds of virtual time.
    pub latency_micros: u64,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            read_error: 0.0,
            write_error: 0.0,
            sync_error: 0.0,
            full: 0.0,
            bit_rot: 0.0,
            misdirected_write: 0.0,
            stale_write: 0.0,
            capacity: u64::MAX,
            latency_micros: 200,
        }
    }
}

/// How often each fault fired, and what crashes took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimCounts {
    /// Operations on the disk, failed ones too.
    pub operations: u64,
    /// Reads that failed.
    pub read_errors: u64,
    /// Writes that failed.
    pub write_errors: u64,
    /// Syncs that failed.
    pub sync_errors: u64,
    /// Writes that found the medium full.
    pub full: u64,
    /// Bits that turned.
    pub bit_rot: u64,
    /// Pages that landed elsewhere.
    pub misdirected_writes: u64,
    /// Pages that never came.
    pub stale_writes: u64,
    /// Failures of the countdown.
    pub countdown: u64,
    /// Crashes.
    pub crashes: u64,
    /// Unsynced page writes that a crash took wholly.
    pub lost_pages: u64,
    /// Pages that a crash left mixed of several versions.
    pub torn_pages: u64,
    /// Creations, removals and renames that a crash undid.
    pub lost_names: u64,
}

/// Which operation on the disk fails, counted from the moment it is set: 0 is the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Countdown {
    /// That one alone.
    Once(u64),
    /// That one and all after it.
    Forever(u64),
}

/// Decides over the faults of one disk.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) options: SimOptions,
    pub(super) counts: SimCounts,
    pub(super) countdown: Option<Countdown>,
    pub(super) random: SplitMix64,
}

impl Faults {
    pub(super) fn new(seed: u64, options: SimOptions) -> Self {
        Self { options, counts: SimCounts::default(), countdown: None, random: SplitMix64::new(seed) }
    }

    /// Counts an operation; true if the countdown makes it fail.
    pub(super) fn operation(&mut self) -> bool {
        self.counts.operations += 1;
        let (fails, next) = match self.countdown {
            None => (false, None),
            Some(Countdown::Once(0)) => (true, None),
            Some(Countdown::Once(left)) => (false, Some(Countdown::Once(left - 1))),
            Some(Countdown::Forever(0)) => (true, Some(Countdown::Forever(0))),
            Some(Countdown::Forever(left)) => (false, Some(Countdown::Forever(left - 1))),
        };
        self.countdown = next;
        self.counts.countdown += u64::from(fails);
        fails
    }

    /// Draws for a fault of that probability.
    pub(super) fn draw(&self, probability: f64) -> bool {
        probability > 0.0 && self.random.chance(probability)
    }

    pub(super) fn coin(&self) -> bool {
        self.random.below(2) == 0
    }
}
