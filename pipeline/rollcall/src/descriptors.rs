//! File descriptors: as many as the system allows, and a part of them that no connection gets, so
//! that stores can open their files however many callers and devices there are.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// What is kept for everything but connections: three stores with 512 files each, brokers of the
/// log, and some. Half of what there is when that is not much.
const KEPT_MAX: u64 = 2048;

/// What is asked for where the system names no bound: the kernel's own default.
const WANTED_MAX: u64 = 1 << 20;

/// Raises the process's limit to what the system allows. Gives the number of the first descriptor
/// that no connection may have.
pub(crate) fn raise() -> u64 {
    let found = getrlimit(Resource::Nofile);
    let wanted = found.maximum.unwrap_or(WANTED_MAX);
    let limit = match found.current {
        Some(current) if current < wanted => {
            let raised = Rlimit {
                current: Some(wanted),
                maximum: found.maximum,
            };
            match setrlimit(Resource::Nofile, raised) {
                Ok(()) => wanted,
                Err(error) => {
                    warn!(current, wanted, %error, "Open files limit not raised.");
                    current
                }
            }
        }
        current => current.unwrap_or(u64::MAX),
    };
    let for_connections = for_connections(limit);
    info!(limit, for_connections, "Open files limit.");
    for_connections
}

fn for_connections(limit: u64) -> u64 {
    limit - KEPT_MAX.min(limit / 2)
}

#[cfg(test)]
mod tests {
    use super::for_connections;

    #[test]
    fn half_of_few_and_most_of_many_are_for_connections() {
        for (limit, expected) in [(0, 0), (1024, 512), (4096, 2048), (20_000, 17_952)] {
            assert_eq!(for_connections(limit), expected);
        }
    }
}
