//! What is counted of the registry; docs/spec/metrics.md lists it.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use rollcall_model::Topic;

const REQUESTS: &str = "rollcall_registry_requests_total";
const WAITING: &str = "rollcall_registry_waiting";
const UP: &str = "rollcall_registry_up";
const STATE_CHANGES: &str = "rollcall_registry_state_changes_total";
const TRANSLATED: &str = "rollcall_registry_values_translated_total";

/// Describes them; the metrics of the crate do so with their own.
pub(crate) fn describe() {
    describe_counter!(
        REQUESTS,
        "questions to the schema registry, by what they ask and how they ended"
    );
    describe_gauge!(
        WAITING,
        "1 while a partition waits for the schema registry, else 0"
    );
    describe_gauge!(UP, "1 while the schema registry answers, else 0");
    describe_counter!(
        STATE_CHANGES,
        "times the schema registry stopped or began to answer, by which"
    );
    describe_counter!(
        TRANSLATED,
        "values of somebody else's schema that were read as ours"
    );
}

/// A log with a registry: what is shown of it before anything has happened.
pub(crate) fn begin() {
    waiting(false);
    gauge!(UP).set(0.0);
    for call in ["id", "find", "latest", "register", "compatible", "probe"] {
        for outcome in ["found", "unknown", "refused", "unanswered"] {
            counter!(REQUESTS, "call" => call, "outcome" => outcome).increment(0);
        }
    }
    for state in ["down", "up"] {
        counter!(STATE_CHANGES, "state" => state).increment(0);
    }
    for topic in Topic::INPUTS {
        counter!(TRANSLATED, "topic" => topic.as_str()).increment(0);
    }
}

/// It answers, or not; `is_news`: it did not before, or did.
pub(crate) fn reached(is_up: bool, is_news: bool) {
    gauge!(UP).set(f64::from(u8::from(is_up)));
    if is_news {
        let state = if is_up { "up" } else { "down" };
        counter!(STATE_CHANGES, "state" => state).increment(1);
    }
}

/// A question to the registry ended.
pub(crate) fn asked(call: &'static str, outcome: &'static str) {
    counter!(REQUESTS, "call" => call, "outcome" => outcome).increment(1);
}

/// A reader waits for the registry, or waits no more.
pub(crate) fn waiting(is_waiting: bool) {
    gauge!(WAITING).set(f64::from(u8::from(is_waiting)));
}

/// A value was written with a schema that is not ours.
pub(crate) fn translated(topic: Topic) {
    counter!(TRANSLATED, "topic" => topic.as_str()).increment(1);
}
