//! What this process used, and the machine it ran on.

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

/// Seconds of processor time this process used so far, in user and kernel mode together.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name may hold blanks and brackets; the fields after it do not.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_ascii_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
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
