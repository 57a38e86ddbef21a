//! What this process and its children use: memory and processor time, as Linux counts them.
//!
//! What always holds: measuring never fails; what the system does not tell counts as nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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

/// Seconds of processor time that this process used so far, and the children that have ended, in user and kernel mode.
#[must_use]
pub fn cpu_seconds() -> [f64; 2] {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name may hold blanks and brackets; the fields after it do not.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: Vec<f64> =
        rest.split_ascii_whitespace().skip(11).take(4).filter_map(|n| n.parse().ok()).collect();
    // Linux counts these in hundredths of a second everywhere.
    let sum = |ticks: &[f64]| ticks.iter().sum::<f64>() / 100.0;
    let (own, children) = ticks.split_at_checked(2).unwrap_or((&ticks, &[]));
    [sum(own), sum(children)]
}

/// Bytes that the files in a folder take on the disk, but for those that keep room free.
#[must_use]
pub fn bytes_on_disk(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut folders = vec![folder.to_owned()];
    let mut bytes = 0u64;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                // Room that is kept for deletions is the same for any number of mails.
                Ok(_) if entry.file_name().to_string_lossy().starts_with("RESERVE") => {}
                Ok(metadata) => bytes = bytes.saturating_add(metadata.blocks().saturating_mul(512)),
                Err(_) => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let memory = FamilyMemory::watch();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), [1; 10_000]).unwrap();
        std::fs::File::open(folder.path().join("a")).unwrap().sync_all().unwrap();
        assert!(bytes_on_disk(folder.path()) >= 10_000);
        while memory.peak() == 0 {
            std::thread::yield_now();
        }
        assert!(memory.peak() > 1 << 16);
        assert!(cpu_seconds().iter().all(|seconds| *seconds >= 0.0));
    }
}
