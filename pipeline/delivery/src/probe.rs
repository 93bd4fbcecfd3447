//! The prober: sends the pings that ask clients for a sign of life, at a rate that a broker stands
//! even when a whole fleet is asked at once.
//!
//! It reads the same topic as the sender, under a name of its own, so that probes wait for their
//! turn and deliveries do not wait behind them. An answer is the device's, and comes as its traffic
//! does; the prober itself only tells that nobody is subscribed.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use rollcall_log::{Clock, Log, NewRecord, Pace, ReadLimit, Stage, StageError, Stored, run_stage};
use rollcall_model::event::ReceiptOutcome;
use rollcall_model::{Cause, Coordinates, OutboundDelivery, TimerKind, Topic};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::outlet::{Attempt, Outlet};
use crate::run::{FAILED, PUBLISH_TIMEOUT, decode, receipt};
use crate::{message, metrics};

/// The reader's name: its positions are kept under it.
pub const PROBE_GROUP: &str = "prober";

/// Records of one partition read as one.
const READ_LIMIT: ReadLimit = ReadLimit {
    records: 512,
    bytes: 4 * 1024 * 1024,
};

/// Probes of one partition under way at a time.
const PROBES_CONCURRENT_MAX: usize = 64;

/// What a device hears of a probe after it was away for so long says nothing of then.
const EXPIRES_AFTER: Duration = Duration::from_secs(30);

/// A broker that does not answer is asked again for so long; what follows from no answer at all is
/// the fold's affair.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// Pause before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

const _: () = assert!(PAUSE.as_secs() < GIVE_UP_AFTER.as_secs());

/// Whether a delivery is a probe, and so the prober's.
pub(crate) fn is_probe(delivery: &OutboundDelivery) -> bool {
    let probe = TimerKind::Probe;
    matches!(delivery.cause, Cause::Timer { kind, .. } if kind == probe)
}

/// Sends the probes of every partition.
pub struct Prober {
    log: Arc<dyn Log>,
    outlet: Arc<dyn Outlet>,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

impl Prober {
    /// A prober that reads and writes `log` and publishes at most `per_second` pings a second
    /// through `outlet`; `clock` tells what is too late.
    pub fn new(
        log: Arc<dyn Log>,
        outlet: Arc<dyn Outlet>,
        clock: Arc<dyn Clock>,
        per_second: u32,
    ) -> Self {
        Self {
            log,
            outlet,
            clock,
            pace: Pace::new(per_second),
        }
    }

    /// Runs until `stop` shows true or its sender is gone, or the log fails.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), StageError> {
        run_stage(self.log.clone(), &self, stop).await
    }

    /// Sends one probe, if the record is one; gives the receipt of one that nobody subscribed to.
    async fn send(&self, at: Coordinates, record: &Stored) -> Option<NewRecord> {
        // What cannot be read is the sender's to refuse.
        let delivery = decode(record).ok().filter(is_probe)?;
        self.pace.turn().await;
        if delivery.deadline <= self.clock.now() {
            metrics::probe_too_late();
            return None;
        }
        let (topic, payload) = match message::encode(&delivery) {
            Ok(encoded) => encoded,
            Err(why) => {
                metrics::not_encoded(at, why);
                return None;
            }
        };
        let give_up = Instant::now() + GIVE_UP_AFTER;
        let attempt = loop {
            let publish = self
                .outlet
                .publish(&topic, payload.clone(), Some(EXPIRES_AFTER));
            let attempt = timeout(PUBLISH_TIMEOUT, publish).await.unwrap_or(FAILED);
            if !is_unanswered(attempt) || Instant::now() >= give_up {
                break attempt;
            }
            sleep(PAUSE).await;
        };
        metrics::probed(attempt.outcome);
        let is_absent = attempt.outcome == ReceiptOutcome::NoSubscriber;
        is_absent.then(|| receipt(at, record, &delivery, attempt))
    }
}

impl Stage for Prober {
    fn group(&self) -> &'static str {
        PROBE_GROUP
    }

    fn topics(&self) -> &'static [Topic; 1] {
        &[Topic::Deliveries]
    }

    fn limit(&self) -> ReadLimit {
        READ_LIMIT
    }

    fn work<'a>(&'a self, partition: u32, records: &'a [Stored]) -> BoxFuture<'a, Vec<NewRecord>> {
        let probes = records.iter().map(move |record| {
            let at = Coordinates {
                topic: Topic::Deliveries,
                partition,
                offset: record.offset,
            };
            self.send(at, record)
        });
        let probes: Vec<_> = probes.collect();
        let sent = stream::iter(probes).buffer_unordered(PROBES_CONCURRENT_MAX);
        sent.filter_map(std::future::ready).collect().boxed()
    }

    /// The sender counts what is gone before it was read.
    fn skipped(&self, _partition: u32, _from: u64, _start: u64) {}
}

/// Whether the broker said nothing: one that refuses says why.
fn is_unanswered(attempt: Attempt) -> bool {
    attempt.outcome == ReceiptOutcome::Failed && attempt.reason_code == 0
}
