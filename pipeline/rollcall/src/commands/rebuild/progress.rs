//! How far a rebuild is: a bar on a terminal, a line now and then elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tracing::info;

/// Time between two lines where there is no terminal.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Counts batches and records over all partitions.
pub(super) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    records: AtomicU64,
    told: Mutex<Instant>,
}

impl Progress {
    /// `total` = batches of all partitions.
    pub(super) fn new(total: u64) -> Self {
        let bar = ProgressBar::new(total);
        let template = "rebuilding {wide_bar} {pos}/{len} batches, {msg}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message("0 records/s");
        Self {
            bar,
            begun: Instant::now(),
            records: AtomicU64::new(0),
            told: Mutex::new(Instant::now()),
        }
    }

    /// One batch more.
    pub(super) fn step(&self, records: u64) {
        let records = self.records.fetch_add(records, Ordering::Relaxed) + records;
        self.bar.inc(1);
        // Whoever finds it taken is not the one who tells.
        let Some(mut told) = self.told.try_lock() else {
            return;
        };
        let rate = records as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{rate:.0} records/s"));
        } else if told.elapsed() >= TOLD_EVERY {
            *told = Instant::now();
            let (batches, of) = (self.bar.position(), self.bar.length().unwrap_or_default());
            let left_s = self.bar.eta().as_secs();
            info!(batches, of, records, rate, left_s, "Rebuilding.");
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
