//! The loop: one partition after the other, slowly, round after round.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_log::{Clock, Log};
use rollcall_model::Millis;
use rollcall_tables::Views;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::{debug, error, warn};

use super::compare::{Compared, compare};
use super::mismatch::Known;
use super::pace::{Pace, VIEW_HELD_MAX};
use crate::error::Error;
use crate::metrics;
use crate::restore::Restored;

/// When, and how slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From the beginning of a round to that of the next.
    pub interval: Duration,
    /// Rows and index entries read per second, at most.
    pub rows_per_second: u32,
}

/// How tables were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// At start: the recorded digests with the newest schedule record. No row was read for it.
    Restore,
    /// While running: rows with digests, indexes and schedule.
    Walk,
}

impl How {
    /// Its name in `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Restore => "restore",
            How::Walk => "walk",
        }
    }
}

/// A comparison that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// When.
    pub at: Millis,
    /// How.
    pub how: How,
    /// The batch compared.
    pub batch: u64,
    /// Rows read.
    pub rows: u64,
    /// Whether the schedule record of that batch was there to compare with.
    pub has_witness: bool,
}

/// News about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The partition.
    pub partition: u32,
    /// `None` when the partition could not be read to its end.
    pub finished: Option<Finished>,
    /// What is wrong and what to do about it, for an operator.
    pub mismatch: Option<String>,
}

/// What to do about a mismatch, whatever it is.
const REMEDY: &str = "stop the node, remove its `tables` folder and start it again: the tables are \
                      restored from the changelog";

/// The self-check of all partitions of a process.
pub struct SelfCheck {
    /// Where the schedule is.
    pub log: Arc<dyn Log>,
    /// Dates reports.
    pub clock: Arc<dyn Clock>,
    /// Partitions and what takes views of them. All must have been restored: half a replay is a
    /// mismatch.
    pub partitions: Vec<(u32, Arc<dyn Views>)>,
    /// When, and how slowly.
    pub settings: Settings,
    /// Gets every report. Must not block.
    pub report: Box<dyn Fn(Report) + Send + Sync>,
}

impl SelfCheck {
    /// Walks until `stop` turns true, and ends within a page then. The first round begins at once:
    /// a restart must not silence an alert for an interval.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut known = Known::default();
        while !*stop.borrow() {
            let begun = Instant::now();
            for (partition, views) in &self.partitions {
                let walk = self.walk(*partition, Arc::clone(views), stop.clone());
                let began = Instant::now();
                // Views and pauses block, so the walk has a thread of its own while it lasts.
                let walked = tokio::task::spawn_blocking(walk).await;
                if *stop.borrow() {
                    return;
                }
                match walked {
                    Ok(walked) => self.tell(*partition, walked, began.elapsed(), &mut known),
                    // A bug of the walk; the next round may fare better, and the fold goes on.
                    Err(error) => error!(partition, %error, "Self-check broke off."),
                }
            }
            let wait = self.settings.interval.saturating_sub(begun.elapsed());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The walk through one partition, to be run on a thread that may block.
    fn walk(
        &self,
        partition: u32,
        views: Arc<dyn Views>,
        mut stop: watch::Receiver<bool>,
    ) -> impl FnOnce() -> Result<Compared, Error> + Send + 'static {
        let log = Arc::clone(&self.log);
        let pace = Pace::new(self.settings.rows_per_second);
        let runtime = Handle::current();
        move || {
            let began = Instant::now();
            let view = views.view().map_err(|source| Error::Tables {
                partition,
                action: "take a view of its tables",
                source,
            })?;
            let go_on = &mut |read| {
                metrics::walked(read);
                let pause = pace.pause(read, began.elapsed());
                pause.is_some_and(|pause| runtime.block_on(is_going_on(&mut stop, pause)))
            };
            compare(view.as_ref(), log.as_ref(), partition, pace.page(), go_on)
        }
    }

    /// Counts, logs and reports how a walk ended that nobody asked to end.
    fn tell(
        &self,
        partition: u32,
        walked: Result<Compared, Error>,
        took: Duration,
        known: &mut Known,
    ) {
        let compared = match walked {
            Ok(compared) => compared,
            Err(error) => return self.tell_unreadable(partition, &error, known),
        };
        if !compared.is_complete {
            metrics::walk_unfinished();
            let held_max_s = VIEW_HELD_MAX.as_secs();
            warn!(
                partition,
                held_max_s,
                "Self-check did not get through in time; raise [self_check] rows_per_second."
            );
            if compared.mismatches.is_empty() {
                return;
            }
        }
        for mismatch in known.news(partition, &compared.mismatches) {
            error!(partition, kind = mismatch.kind(), %mismatch, "Self-check found damage.");
        }
        metrics::found(partition, &compared.mismatches);
        let finished = compared.is_complete.then(|| Finished {
            at: self.clock.now(),
            how: How::Walk,
            batch: compared.batch,
            rows: compared.rows,
            has_witness: compared.has_witness,
        });
        if let Some(finished) = &finished {
            metrics::compared(partition, finished.at, Some(took));
            debug!(
                partition,
                batch = finished.batch,
                rows = finished.rows,
                "Tables compared."
            );
        }
        (self.report)(Report {
            partition,
            finished,
            mismatch: sentence(&compared),
        });
    }

    fn tell_unreadable(&self, partition: u32, error: &Error, known: &mut Known) {
        let text = match error {
            Error::Tables { .. } => format!("{}; {REMEDY}", chain(error)),
            // The log's; removing tables would mend nothing.
            _ => chain(error),
        };
        if known.is_unreadable_news(partition) {
            error!(
                partition,
                kind = "unreadable",
                error = text,
                "Self-check found damage."
            );
        }
        metrics::unreadable(partition);
        (self.report)(Report {
            partition,
            finished: None,
            mismatch: Some(text),
        });
    }
}

impl Report {
    /// The comparison that a restore makes; `None` when there was nothing to compare with.
    pub fn of_restore(partition: u32, restored: Restored, at: Millis) -> Option<Report> {
        restored.is_verified.then_some(Report {
            partition,
            finished: Some(Finished {
                at,
                how: How::Restore,
                batch: restored.batch,
                rows: 0,
                has_witness: true,
            }),
            mismatch: None,
        })
    }
}

/// Waits; false as soon as the process is to stop.
async fn is_going_on(stop: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    // Timed out: nobody asked.
    tokio::time::timeout(pause, stop.wait_for(|is_stopping| *is_stopping))
        .await
        .is_err()
}

/// Everything that was found, in one line; `None` when nothing was.
fn sentence(compared: &Compared) -> Option<String> {
    let (first, rest) = compared.mismatches.split_first()?;
    let mut text = first.to_string();
    for mismatch in rest {
        let _ = write!(text, "; {mismatch}");
    }
    if compared.has_more {
        text.push_str("; and more");
    }
    Some(format!("{text}; {REMEDY}"))
}

/// An error with its sources.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
