//! Names of the bridge's metrics, and the one place where each event is logged and counted.

use std::sync::atomic::{AtomicU64, Ordering};

use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use rollcall_model::{DeadLetter, ReasonCode, Topic};
use tracing::{debug, error, info, trace};

use crate::facts::Outcome;

const PUBLISHES: &str = "rollcall_bridge_publishes_total";
const STORED: &str = "rollcall_bridge_records_total";
const DEAD_LETTERS: &str = "rollcall_bridge_dead_letters_total";
const LEADER: &str = "rollcall_bridge_is_leader";
const APPEND: &str = "rollcall_bridge_append_duration_seconds";

/// Publishes that the log did not take since it last took one.
static FAILED_IN_A_ROW: AtomicU64 = AtomicU64::new(0);

/// Describes the metrics of this crate to the installed recorder.
pub fn describe() {
    describe_counter!(
        PUBLISHES,
        "Publishes by outcome: stored, not_ours, dead_lettered, failed"
    );
    describe_counter!(STORED, "Publishes stored, by topic of the log");
    describe_counter!(DEAD_LETTERS, "Publishes refused, by reason");
    describe_gauge!(
        LEADER,
        "1 while this bridge takes publishes, 0 while it stands by"
    );
    describe_histogram!(APPEND, "Time from a publish to its record being durable");
    for outcome in Outcome::ALL {
        counter!(PUBLISHES, "outcome" => outcome.as_str()).increment(0);
    }
    for topic in [Topic::Status, Topic::Messages] {
        counter!(STORED, "topic" => topic.as_str()).increment(0);
    }
    for reason in ReasonCode::ALL {
        counter!(DEAD_LETTERS, "reason" => reason.as_str()).increment(0);
    }
}

/// Whether this bridge takes publishes, of several that could.
pub fn leads(is_leader: bool) {
    gauge!(LEADER).set(f64::from(u8::from(is_leader)));
}

/// A publish is in the log.
pub(crate) fn stored(topic: Topic, seconds: f64) {
    counted(Outcome::Stored);
    counter!(STORED, "topic" => topic.as_str()).increment(1);
    histogram!(APPEND).record(seconds);
    match FAILED_IN_A_ROW.swap(0, Ordering::Relaxed) {
        0 => {}
        times => info!(times, "Publishes are stored again."),
    }
    trace!(%topic, "Publish stored.");
}

/// A publish is none of ours.
pub(crate) fn not_ours(mqtt_topic: &str) {
    counted(Outcome::NotOurs);
    trace!(mqtt_topic, "Publish on a topic of no dialect, not stored.");
}

/// A publish is in the dead letters.
pub(crate) fn dead_lettered(letter: &DeadLetter) {
    counted(Outcome::DeadLettered);
    let reason = letter.reason.as_str();
    counter!(DEAD_LETTERS, "reason" => reason).increment(1);
    // One line per message of a looping device would fill the disk that holds the log.
    debug!(
        mqtt_topic = letter.mqtt_topic,
        reason,
        text = letter.text,
        "Publish refused."
    );
}

/// The log did not take a record: its publish stays unacknowledged. Told once: what a broker brings
/// at once is a thousand publishes, and they come again until the log takes them.
pub(crate) fn failed(topic: Topic, error: &rollcall_log::Error) {
    counted(Outcome::Failed);
    let source = std::error::Error::source(error).map(ToString::to_string);
    match FAILED_IN_A_ROW.fetch_add(1, Ordering::Relaxed) {
        0 => error!(%topic, %error, source, "Publish not stored, so not acknowledged."),
        _ => debug!(%topic, %error, source, "Publish not stored, so not acknowledged."),
    }
}

fn counted(outcome: Outcome) {
    counter!(PUBLISHES, "outcome" => outcome.as_str()).increment(1);
}
