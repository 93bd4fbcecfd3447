//! How slowly a walk goes: pages and the pauses between them, as numbers. Nobody waits here.

use std::time::Duration;

/// Entries of one page at most: what is read in one go, and what a shutdown waits for.
pub(crate) const PAGE_MAX: usize = 2_000;

/// Pages per second below [`PAGE_MAX`] rows a page: often enough to be smooth, seldom enough to
/// cost nothing.
const PAGES_PER_SECOND: usize = 10;

/// How long a view may be held. The store keeps every version that batches replace meanwhile; at
/// 1,000 changed rows of 1 KiB a second this is 0.6 GiB. At the default pace 4 million rows of one
/// partition, with an entry in both indexes each, take it.
pub(crate) const VIEW_HELD_MAX: Duration = Duration::from_secs(600);

/// The pace of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    rows_per_second: u32,
}

impl Pace {
    /// At most so many rows and index entries a second; 0 counts as 1.
    pub(crate) fn new(rows_per_second: u32) -> Self {
        let rows_per_second = rows_per_second.max(1);
        Self { rows_per_second }
    }

    /// Rows or index entries to read in one go.
    pub(crate) fn page(self) -> usize {
        (self.rows_per_second as usize / PAGES_PER_SECOND).clamp(1, PAGE_MAX)
    }

    /// How long to pause after `read` entries; `None` when the view has been held too long. The
    /// time that reading took is not taken off: slower than asked is allowed, faster is not.
    pub(crate) fn pause(self, read: usize, held: Duration) -> Option<Duration> {
        let seconds = read as f64 / f64::from(self.rows_per_second);
        (held <= VIEW_HELD_MAX).then(|| Duration::from_secs_f64(seconds))
    }
}
