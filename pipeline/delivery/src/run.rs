//! The sender's loop: read deliveries, publish them, append receipts and position as one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use rollcall_log::{Clock, Log, NewRecord, ReadLimit, Stage, StageError, Stored, run_stage};
use rollcall_model::event::{Receipt, ReceiptOutcome};
use rollcall_model::{Coordinates, DeadLetter, OutboundDelivery, ReasonCode, Topic};
use rollcall_schemas::Record;
use tokio::sync::watch;

use crate::message;
use crate::metrics;
use crate::outlet::{Attempt, Outlet};
use crate::probe;

/// The reader's name: its positions are kept under it.
pub const GROUP: &str = "sender";

/// Deliveries of one partition read, sent and receipted as one. Small, because the slowest of them
/// holds the receipts of all.
const READ_LIMIT: ReadLimit = ReadLimit {
    records: 128,
    bytes: 4 * 1024 * 1024,
};

/// Clients of one partition that are sent to at the same time.
const CLIENTS_CONCURRENT_MAX: usize = 64;

/// A broker that says nothing for so long has failed; the fold tries again. Below the fold's own
/// patience with a missing receipt (30 s).
pub(crate) const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

const _: () = assert!(PUBLISH_TIMEOUT.as_secs() < 30);

/// Stage named in dead letters, header with the coordinates of the record behind another one, and
/// trace context, handed on from delivery to receipt.
const STAGE: &str = "sender";
const SOURCE_HEADER: &str = "source";
const TRACE_HEADER: &str = "traceparent";

/// Sends the deliveries of every partition.
pub struct Sender {
    log: Arc<dyn Log>,
    outlet: Arc<dyn Outlet>,
    clock: Arc<dyn Clock>,
    /// [`PUBLISH_TIMEOUT`], but in tests.
    pub(crate) publish_timeout: Duration,
}

impl Sender {
    /// A sender that reads and writes `log` and publishes through `outlet`; `clock` tells what is
    /// too late.
    pub fn new(log: Arc<dyn Log>, outlet: Arc<dyn Outlet>, clock: Arc<dyn Clock>) -> Self {
        Self {
            log,
            outlet,
            clock,
            publish_timeout: PUBLISH_TIMEOUT,
        }
    }

    /// Runs until `stop` shows true or its sender is gone, or the log fails.
    ///
    /// On stop, publishes under way are dropped without a receipt and made again at the next start;
    /// an append under way is waited for.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), StageError> {
        run_stage(self.log.clone(), &self, stop).await
    }

    /// Sends one client's deliveries, one after the other.
    async fn send_all(&self, partition: u32, records: Vec<&Stored>) -> Vec<NewRecord> {
        let mut made = Vec::with_capacity(records.len());
        for record in records {
            let at = Coordinates {
                topic: Topic::Deliveries,
                partition,
                offset: record.offset,
            };
            made.extend(self.send(at, record).await);
        }
        made
    }

    /// Sends one delivery; gives its receipt, or its dead letter.
    async fn send(&self, at: Coordinates, record: &Stored) -> Option<NewRecord> {
        let delivery = match decode(record) {
            Ok(delivery) => delivery,
            Err((reason, text)) => return Some(self.dead_letter(at, record, reason, text)),
        };
        if probe::is_probe(&delivery) {
            return None;
        }
        if delivery.deadline <= self.clock.now() {
            // The fold's timer says that it has expired; a message after that would be a lie.
            metrics::too_late();
            return None;
        }
        let begun = Instant::now();
        let attempt = match message::encode(&delivery) {
            Ok((topic, payload)) => {
                let publish = self.outlet.publish(&topic, payload, None);
                let published = tokio::time::timeout(self.publish_timeout, publish).await;
                published.unwrap_or(FAILED)
            }
            Err(why) => {
                metrics::not_encoded(at, why);
                FAILED
            }
        };
        metrics::sent(attempt.outcome, begun.elapsed().as_secs_f64());
        Some(receipt(at, record, &delivery, attempt))
    }

    /// The dead letter of a record that is no delivery.
    fn dead_letter(
        &self,
        at: Coordinates,
        record: &Stored,
        reason: ReasonCode,
        text: String,
    ) -> NewRecord {
        metrics::refused(at, reason, &text);
        let bytes = |part: &Option<Bytes>| part.as_ref().map(|b| b.to_vec()).unwrap_or_default();
        let letter = DeadLetter {
            source: Some(at),
            key: bytes(&record.key),
            value: bytes(&record.value),
            stage: STAGE.to_owned(),
            reason,
            text,
            at: self.clock.now(),
            mqtt_topic: String::new(),
        };
        let reason = Bytes::from_static(reason.as_str().as_bytes());
        NewRecord {
            topic: Topic::DeadLetters,
            partition: Some(at.partition),
            key: record.key.clone(),
            value: Some(letter.encode().into()),
            headers: source_header(at)
                .into_iter()
                .chain([("reason".to_owned(), reason)])
                .collect(),
        }
    }
}

impl Stage for Sender {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn topics(&self) -> &'static [Topic; 1] {
        &[Topic::Deliveries]
    }

    fn limit(&self) -> ReadLimit {
        READ_LIMIT
    }

    /// Sends to many clients at a time, to each in order.
    fn work<'a>(&'a self, partition: u32, records: &'a [Stored]) -> BoxFuture<'a, Vec<NewRecord>> {
        let mut by_client: HashMap<&[u8], usize> = HashMap::new();
        let mut clients: Vec<Vec<&Stored>> = Vec::new();
        for record in records {
            let key = record.key.as_deref().unwrap_or_default();
            let at = *by_client.entry(key).or_insert(clients.len());
            match clients.get_mut(at) {
                Some(client) => client.push(record),
                None => clients.push(vec![record]),
            }
        }
        let sending: Vec<_> = clients
            .into_iter()
            .map(|records| self.send_all(partition, records))
            .collect();
        let made = stream::iter(sending).buffer_unordered(CLIENTS_CONCURRENT_MAX);
        made.concat().boxed()
    }

    fn skipped(&self, partition: u32, from: u64, start: u64) {
        metrics::skipped(partition, from, start);
    }
}

/// The record that tells how the attempt behind `record` ended.
pub(crate) fn receipt(
    at: Coordinates,
    record: &Stored,
    delivery: &OutboundDelivery,
    attempt: Attempt,
) -> NewRecord {
    let receipt = Receipt {
        delivery_id: delivery.delivery_id,
        attempt: delivery.attempt,
        outcome: attempt.outcome,
        broker_reason_code: attempt.reason_code,
    };
    let trace = record.headers.iter().find(|(name, _)| name == TRACE_HEADER);
    NewRecord {
        topic: Topic::Receipts,
        partition: None,
        key: Some(Bytes::copy_from_slice(delivery.client_id.as_bytes())),
        value: Some(receipt.encode().into()),
        headers: source_header(at)
            .into_iter()
            .chain(trace.cloned())
            .collect(),
    }
}

/// Nobody took the message.
pub(crate) const FAILED: Attempt = Attempt {
    outcome: ReceiptOutcome::Failed,
    reason_code: 0,
};

/// Reads a delivery, or says why it is none.
pub(crate) fn decode(record: &Stored) -> Result<OutboundDelivery, (ReasonCode, String)> {
    let Some(value) = &record.value else {
        let text = "the delivery has no value".to_owned();
        return Err((ReasonCode::Undecodable, text));
    };
    OutboundDelivery::decode(value).map_err(|error| (error.reason(), error.to_string()))
}

/// The coordinates of the record that another one is made from.
fn source_header(at: Coordinates) -> [(String, Bytes); 1] {
    [(SOURCE_HEADER.to_owned(), at.to_string().into())]
}
