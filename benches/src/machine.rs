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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_told() {
        assert!(cores() > 0 && told().contains("cores"));
    }
}
