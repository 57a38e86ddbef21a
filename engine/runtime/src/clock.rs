//! The machine's two clocks, for the runtimes that use the real ones.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What [`monotonic`] counts from: its first use in this process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Wall clock, microseconds since 1970 UTC; negative before.
pub(crate) fn now_micros() -> i64 {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => micros(before.duration()).saturating_neg(),
    }
}

/// Time since the first call in this process.
pub(crate) fn monotonic() -> Duration {
    START.elapsed()
}
