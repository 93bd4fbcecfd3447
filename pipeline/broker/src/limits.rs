//! The open-file limit: every connection takes a descriptor, and a low limit shows as clients that
//! hang.

use tracing::warn;

/// Below this many descriptors a fleet of ten thousand does not fit; the demo's fleet is smaller.
const OPEN_FILES_WANTED: u64 = 4_096;

/// Warns when this process may open too few files.
pub(crate) fn check_open_files() {
    // Not on Linux, or without /proc: nothing is known, and nothing is said.
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else {
        return;
    };
    if let Some(open_files_max) = soft_open_files(&limits)
        && open_files_max < OPEN_FILES_WANTED
    {
        warn!(
            open_files_max,
            "Open-file limit is low: raise it (ulimit -n), each client takes one."
        );
    }
}

/// Soft limit in the text of `/proc/self/limits`; `None` when it is unlimited or not there.
fn soft_open_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests;
