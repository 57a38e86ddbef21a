//! How often something is tried, and how long to wait in between.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Tries of somebody who has time.
const TRIES: u32 = 5;
/// For one try of somebody who has time.
const WHOLE: Duration = Duration::from_secs(60);
/// For all that somebody waits for.
const SHORT: Duration = Duration::from_secs(5);
/// Who waits tries again only where it was told so early that it has failed.
const SOON: Duration = Duration::from_secs(1);
/// Before the second try, at most; twice as long before each further one.
const FIRST: Duration = Duration::from_millis(500);
/// Longest wait, whatever the endpoint asks for.
const LONGEST: Duration = Duration::from_secs(60);
/// Between two looks whether anybody still wants it.
const LOOK: Duration = Duration::from_millis(50);

/// How much time somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Somebody waits: all must be over by then.
    Until(Instant),
    /// Nobody waits, but once is enough: a model that is read first may take its time.
    Once,
    /// Nobody waits.
    Long,
}

impl Patience {
    /// Of somebody who waits.
    pub fn short() -> Self {
        Self::Until(Instant::now() + SHORT)
    }

    /// Is there another try after so many, which took so long together, and before which one has to wait? A connection that
    /// was kept may have been closed on the other side meanwhile: then the second try is a matter of milliseconds.
    pub fn tries_again(self, tried: u32, took: Duration, pause: Duration) -> bool {
        match self {
            Self::Until(end) => tried < 2 && took < SOON && Instant::now() + pause < end && pause < SOON,
            Self::Once => false,
            Self::Long => tried < TRIES,
        }
    }

    /// For the whole of one try; `None` where there is no time left.
    pub fn within(self) -> Option<Duration> {
        match self {
            Self::Until(end) => end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()),
            Self::Once | Self::Long => Some(WHOLE),
        }
    }
}

/// How long to wait after a try that failed, the first having number 0. `asked`: what the endpoint wants. Those who fail
/// together do not come back together.
pub fn pause(tried: u32, asked: Option<Duration>) -> Duration {
    let most = FIRST.saturating_mul(1 << tried.min(10)).min(LONGEST);
    let part = (RandomState::new().hash_one(tried) % 1000) as u32;
    let own = most / 2 + most / 2 * part / 1000;
    own.max(asked.unwrap_or_default().min(LONGEST))
}

/// Waits; false where nobody wants it any more.
pub fn wait(time: Duration, stop: &AtomicBool) -> bool {
    let since = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let left = time.saturating_sub(since.elapsed());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        for tried in 0..20 {
            let most = FIRST.saturating_mul(1 << tried.min(10)).min(LONGEST);
            let pause = pause(tried, None);
            assert!(pause >= most / 2 && pause <= most, "{tried}: {pause:?}");
        }
        assert_eq!(pause(0, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(pause(0, Some(Duration::from_secs(7_000))), LONGEST);
    }

    #[test]
    fn who_stops_does_not_wait() {
        let stop = AtomicBool::new(true);
        let since = Instant::now();
        assert!(!wait(Duration::from_secs(60), &stop));
        assert!(since.elapsed() < Duration::from_secs(5));
    }
}
