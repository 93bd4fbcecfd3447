//! What is counted of the registry; docs/spec/metrics.md lists it.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use rollcall_model::Topic;

const REQUESTS: &str = "rollcall_registry_requests_total";
const WAITING: &str = "rollcall_registry_waiting";
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
    describe_counter!(
        TRANSLATED,
        "values of somebody else's schema that were read as ours"
    );
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
