//! How a restore gets on, for whoever waits for it.

use std::time::{Duration, Instant};

use rollcall_tables::Table;
use tracing::info;

use super::Progress;
use crate::metrics;

/// Time between two lines in the log.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Next offset behind each changelog, in the order of [`Table::ALL`].
type Ends = [u64; Table::ALL.len()];

/// How far a restore has to go.
pub(super) struct Pace<'a> {
    partition: u32,
    /// Hears how much is left.
    told_left: &'a dyn Fn(u64),
    pub(super) ends: Ends,
    /// Changelog offsets to go through in all.
    total: u64,
    /// Records read.
    pub(super) records: u64,
    begun: Instant,
    told: Instant,
}

impl<'a> Pace<'a> {
    /// Begins where the tables are now.
    pub(super) fn new(
        partition: u32,
        progress: &Progress,
        ends: Ends,
        told_left: &'a dyn Fn(u64),
    ) -> Self {
        let total = left(progress, ends);
        metrics::restoring(partition, total);
        told_left(total);
        let begun = Instant::now();
        Self {
            partition,
            told_left,
            ends,
            total,
            records: 0,
            begun,
            told: begun,
        }
    }

    /// Changelog offsets to go through in all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Says how far it is; in the log now and then only.
    pub(super) fn tell(&mut self, progress: &Progress) {
        let left = left(progress, self.ends);
        metrics::restoring(self.partition, left);
        (self.told_left)(left);
        if self.told.elapsed() < TELL_EVERY {
            return;
        }
        self.told = Instant::now();
        let done = self.total.saturating_sub(left).max(1);
        let seconds = self.begun.elapsed().as_secs_f64();
        // Offsets that compaction took go by in no time: they count as done, in both.
        let per_second = done as f64 / seconds;
        info!(
            partition = self.partition,
            done,
            left,
            per_second = per_second.round(),
            seconds_left = (left as f64 / per_second).round(),
            "Restoring."
        );
    }

    /// Records read in all; nothing is left.
    pub(super) fn end(self) -> u64 {
        metrics::restoring(self.partition, 0);
        (self.told_left)(0);
        self.records
    }
}

/// Changelog offsets still to go through.
fn left(progress: &Progress, ends: Ends) -> u64 {
    let from = progress.changelogs.into_iter();
    from.zip(ends)
        .map(|(from, end)| end.saturating_sub(from))
        .sum()
}
