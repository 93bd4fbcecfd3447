//! What readers of the log count. Names are listed in `docs/spec/metrics.md`.

use std::time::Duration;

use ::metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tracing::warn;

/// Looks that found records which nobody had told of, by reader.
const MISSED: &str = "rollcall_log_missed_wakeups_total";

/// How long ago a reader looked that has looked longest ago, by reader.
const AGE: &str = "rollcall_log_reader_age_seconds";

/// Describes the metrics of this crate to the installed recorder.
pub fn describe() {
    describe_counter!(
        MISSED,
        "Looks that found records which nobody had told of, by reader"
    );
    describe_gauge!(
        AGE,
        Unit::Seconds,
        "How long ago the reader looked that has looked longest ago, by reader"
    );
}

/// There is a reader: what is shown of it before anything has happened.
pub(crate) fn begin(reader: &'static str) {
    counter!(MISSED, "reader" => reader).increment(0);
}

/// A reader, of all those of its name, looked `age` ago and no other longer.
pub fn age(reader: &'static str, age: Duration) {
    gauge!(AGE, "reader" => reader).set(age.as_secs_f64());
}

/// A reader found records by itself.
pub(crate) fn missed(reader: &'static str) {
    counter!(MISSED, "reader" => reader).increment(1);
    warn!(
        reader,
        "Records were found that nobody had told of; the reader goes on."
    );
}
