//! The machine that figures were taken on.

/// Cores that this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// One line: cores, their load now, and the build.
#[must_use]
pub fn told() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_ascii_whitespace().next().unwrap_or("?");
    let build = if cfg!(debug_assertions) { "a DEBUG build: figures mean nothing" } else { "release build" };
    format!("{} cores, load average {load}, {build}", cores())
}

/// Seconds of processors that this process has used; 0 where the system does not tell.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name may hold blanks and brackets; the fields after it do not.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_ascii_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
    // Linux counts these in hundredths of a second everywhere.
    ticks.sum::<f64>() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_told() {
        assert!(cpu_seconds() >= 0.0 && cores() > 0 && told().contains("cores"));
    }
}
