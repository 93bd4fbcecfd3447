//! The self-check as a role: its partitions from the store, its reports to `/readyz`.

use std::sync::Arc;

use anyhow::Context as _;
use rollcall_api::{Comparison, Comparisons};
use rollcall_log::{Clock, Log};
use rollcall_rocks::RocksStore;
use rollcall_runtime::self_check::{Finished, Report, SelfCheck, Settings};
use rollcall_tables::Views;

#[cfg(test)]
mod tests;

/// A self-check of every partition of `store`, all of which must have been restored.
pub(crate) fn of(
    store: &RocksStore,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    comparisons: Comparisons,
) -> anyhow::Result<SelfCheck> {
    let mut partitions: Vec<(u32, Arc<dyn Views>)> = Vec::new();
    for partition in 0..store.partitions() {
        let views = store
            .views(partition)
            .context("cannot look at a partition's tables")?;
        partitions.push((partition, Arc::new(views)));
    }
    Ok(SelfCheck {
        log,
        clock,
        partitions,
        settings,
        report: Box::new(move |report| tell(&comparisons, report)),
    })
}

/// Passes a report on to the probes.
pub(crate) fn tell(comparisons: &Comparisons, report: Report) {
    let comparison = |finished: Finished| Comparison {
        compared_at: finished.at,
        how: finished.how.as_str(),
        batch: finished.batch,
        rows: finished.rows,
        with_schedule: finished.has_witness,
    };
    comparisons.report(
        report.partition,
        report.finished.map(comparison),
        report.mismatch,
    );
}
