//! The open-file limit: every connection takes a descriptor, and a limit that is too low would show
//! as devices that cannot connect for no visible reason.

use crate::error::Error;

/// Checks that this process may open `clients` connections and `others` files.
///
/// Errors: [`Error::OpenFiles`]. Where the limit cannot be read (no `/proc`), nothing is refused.
pub fn check_open_files(clients: u32, others: u64) -> Result<(), Error> {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else {
        return Ok(());
    };
    match soft_open_files(&limits) {
        Some(limit) => within(limit, clients, others),
        None => Ok(()),
    }
}

fn within(limit: u64, clients: u32, others: u64) -> Result<(), Error> {
    let needed = u64::from(clients).saturating_add(others);
    if limit >= needed {
        return Ok(());
    }
    Err(Error::OpenFiles {
        limit,
        needed,
        clients,
    })
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
