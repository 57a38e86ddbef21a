//! What this process and its children used, and the machine it ran on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Cores that this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A field of `/proc/self/status` that is given in kB, in bytes; 0 where there is none.
fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1024)
}

/// The most memory that this process ever had resident, in bytes.
#[must_use]
pub fn peak_rss() -> u64 {
    status("VmHWM")
}

/// How much memory this process and its children have resident together, looked at a hundred times a second. Pages
/// that they share are counted once for each of them, so that it is rather too much than too little.
#[derive(Debug)]
pub struct FamilyMemory {
    peak: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl FamilyMemory {
    /// Looks from now on, until it is dropped.
    #[must_use]
    pub fn watch() -> Self {
        let (peak, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, end) = (Arc::clone(&peak), Arc::clone(&ended));
        std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                seen.fetch_max(family_rss(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { peak, ended }
    }

    /// The most that was seen, in bytes.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for FamilyMemory {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn family_rss() -> u64 {
    let mut sum = rss("self");
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists: Vec<PathBuf> = threads.map(|thread| thread.path().join("children")).collect();
    for list in lists {
        let children = std::fs::read_to_string(list).unwrap_or_default();
        sum = children.split_ascii_whitespace().fold(sum, |sum, child| sum.saturating_add(rss(child)));
    }
    sum
}

/// Resident bytes of a process; 0 of one that has ended.
fn rss(process: &str) -> u64 {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let pages = text.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0).saturating_mul(PAGE)
}

/// Seconds of processor time this process and the children that have ended used so far, in user and kernel mode.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name may hold blanks and brackets; the fields after it do not.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_ascii_whitespace().skip(11).take(4).filter_map(|n| n.parse::<f64>().ok());
    // Linux counts these in hundredths of a second everywhere.
    ticks.sum::<f64>() / 100.0
}

/// One line: cores, their load now, and the build.
#[must_use]
pub fn told() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_ascii_whitespace().next().unwrap_or("?");
    let build = if cfg!(debug_assertions) { "a DEBUG build: figures mean nothing" } else { "release build" };
    format!("{} cores, load average {load}, {build}", cores())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        assert!(peak_rss() > 1 << 16);
        assert!(cores() > 0 && cpu_seconds() >= 0.0 && told().contains("cores"));
    }
}
