//! Names of the broker's metrics, and the one place where each event is logged and counted.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use tracing::{debug, error, warn};

const REFUSED: &str = "rollcall_broker_publishes_refused_total";
const WILLS_LOST: &str = "rollcall_broker_wills_lost_total";
const WILLS_SUPERSEDED: &str = "rollcall_broker_wills_superseded_total";
const DROPPED: &str = "rollcall_broker_messages_dropped_total";
const NOT_RETAINED: &str = "rollcall_broker_messages_not_retained_total";
const RETAINED: &str = "rollcall_broker_retained_messages";
const RETAINED_BYTES: &str = "rollcall_broker_retained_bytes";

/// Describes the metrics of this crate to the installed recorder.
pub fn describe() {
    for name in [REFUSED, WILLS_LOST, WILLS_SUPERSEDED, NOT_RETAINED] {
        counter!(name).increment(0);
    }
    describe_counter!(
        REFUSED,
        "Publishes that the hook refused; their connections were closed"
    );
    describe_counter!(
        WILLS_LOST,
        "Wills that the hook refused until the time for trying was over"
    );
    describe_counter!(
        WILLS_SUPERSEDED,
        "Wills dropped because their client was back already"
    );
    describe_counter!(
        DROPPED,
        "Messages that did not reach a subscriber, by reason"
    );
    describe_counter!(
        NOT_RETAINED,
        "Messages not retained because the store is full"
    );
    describe_gauge!(RETAINED, "Retained messages");
    describe_gauge!(
        RETAINED_BYTES,
        "Bytes of retained topics, payloads and properties"
    );
}

/// The hook refused a publish.
pub(crate) fn refused(client: &str, topic: &str) {
    counter!(REFUSED).increment(1);
    debug!(client, topic, "Publish refused, connection closed.");
}

/// A client named a topic by a number, although none was offered.
pub(crate) fn alias(client: &str) {
    counter!(REFUSED).increment(1);
    warn!(
        client,
        "Publish with a topic alias refused, connection closed: the maximum is 0."
    );
}

/// A will could not be handed over in time: whoever relies on it must find out otherwise.
pub(crate) fn will_lost(client: &str, topic: &str) {
    counter!(WILLS_LOST).increment(1);
    error!(
        client,
        topic, "Will lost: the hook refused it for too long."
    );
}

/// A will came after its client had connected again.
pub(crate) fn will_superseded(client: &str, topic: &str) {
    counter!(WILLS_SUPERSEDED).increment(1);
    warn!(
        client,
        topic, "Will dropped: its client is connected again."
    );
}

/// A message to a device was not queued: the queues hold as much as they may.
pub(crate) fn full(topic: &str) {
    counter!(DROPPED, "reason" => "memory").increment(1);
    debug!(topic, "Message not queued: the queues are full.");
}

/// A message did not reach a subscriber. `total` counts them over all reasons: only its powers of
/// two are logged, a slow subscriber would flood the log otherwise.
pub(crate) fn dropped(to: &str, topic: &str, reason: &'static str, total: u64) {
    counter!(DROPPED, "reason" => reason).increment(1);
    if total.is_power_of_two() {
        warn!(
            to,
            topic, reason, total, "Message dropped before it reached its subscriber."
        );
    }
}

/// The store of retained messages is full.
pub(crate) fn not_retained(topic: &str, count: usize, bytes: usize) {
    counter!(NOT_RETAINED).increment(1);
    warn!(
        topic,
        count, bytes, "Message not retained: the store of retained messages is full."
    );
}

/// How much is retained now.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; both stay far below 2^52"
)]
pub(crate) fn retained(count: usize, bytes: usize) {
    gauge!(RETAINED).set(count as f64);
    gauge!(RETAINED_BYTES).set(bytes as f64);
}
