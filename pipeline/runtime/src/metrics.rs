//! What the processor counts. Names are listed in `docs/spec/metrics.md`.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use rollcall_model::{ReasonCode, Topic};

/// Input records folded, by topic.
pub const RECORDS: &str = "rollcall_process_records_total";
/// Inputs that changed nothing, by reason.
pub const IGNORED: &str = "rollcall_process_ignored_total";
/// Inputs refused, by reason.
pub const DEAD_LETTERS: &str = "rollcall_process_dead_letters_total";
/// Timers fired.
pub const TIMERS: &str = "rollcall_process_timers_total";
/// Batches committed.
pub const BATCHES: &str = "rollcall_process_batches_total";
/// Records that went out, by topic.
pub const DERIVED: &str = "rollcall_process_derived_total";
/// Time from the start of a batch to its commit.
pub const BATCH_SECONDS: &str = "rollcall_process_batch_seconds";
/// Rows replayed from the changelogs at start.
pub const RESTORED: &str = "rollcall_process_restored_rows_total";
/// Number of the newest batch, by partition.
pub const BATCH_NUMBER: &str = "rollcall_process_batch_number";

/// Describes every metric of this crate; call once, after the recorder is installed.
pub fn describe() {
    describe_counter!(RECORDS, "Input records folded, by topic.");
    describe_counter!(IGNORED, "Inputs that changed nothing, by reason.");
    describe_counter!(DEAD_LETTERS, "Inputs refused and dead-lettered, by reason.");
    describe_counter!(TIMERS, "Timers fired.");
    describe_counter!(BATCHES, "Batches committed.");
    describe_counter!(DERIVED, "Records produced, by topic.");
    describe_histogram!(
        BATCH_SECONDS,
        "Seconds from the start of a batch to its commit."
    );
    describe_counter!(RESTORED, "Changelog records replayed at start.");
    describe_gauge!(BATCH_NUMBER, "Number of the newest batch, by partition.");
}

pub(crate) fn ignored(reason: &'static str) {
    counter!(IGNORED, "reason" => reason).increment(1);
}

pub(crate) fn dead_letter(reason: ReasonCode) {
    counter!(DEAD_LETTERS, "reason" => reason.as_str()).increment(1);
}

pub(crate) fn folded(topic: Topic, records: u64) {
    counter!(RECORDS, "topic" => topic.as_str()).increment(records);
}

pub(crate) fn derived(topic: Topic, records: u64) {
    counter!(DERIVED, "topic" => topic.as_str()).increment(records);
}

pub(crate) fn committed(partition: u32, number: u64, timers: u64, seconds: f64) {
    counter!(BATCHES).increment(1);
    counter!(TIMERS).increment(timers);
    histogram!(BATCH_SECONDS).record(seconds);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; exact below 2^53 batches"
    )]
    gauge!(BATCH_NUMBER, "partition" => partition.to_string()).set(number as f64);
}

pub(crate) fn restored(rows: u64) {
    counter!(RESTORED).increment(rows);
}
