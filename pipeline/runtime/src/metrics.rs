//! What the processor counts. Names are listed in `docs/spec/metrics.md`.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use rollcall_model::{Millis, ReasonCode, Suppressed, Topic};

use crate::inputs::Lag;
use crate::self_check::Mismatch;

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
/// Messages that inventory would have refused and that were not sent, by reason.
pub const SUPPRESSED: &str = "rollcall_process_inventory_suppressed_total";
/// Input records of a batch.
pub const BATCH_RECORDS: &str = "rollcall_process_batch_records";
/// Input offsets that no batch has read, by partition.
pub const LAG_RECORDS: &str = "rollcall_process_lag_records";
/// How long the oldest record of the newest batch had waited, by partition.
pub const LAG_SECONDS: &str = "rollcall_process_lag_seconds";
/// Time from the start of a batch to its commit.
pub const BATCH_SECONDS: &str = "rollcall_process_batch_seconds";
/// Rows replayed from the changelogs at start.
pub const RESTORED: &str = "rollcall_process_restored_rows_total";
/// Changelog records that a restore has still to read, by partition.
pub const RESTORING: &str = "rollcall_process_restore_remaining_records";
/// Batch of the newest checkpoint that this process wrote, by partition.
pub const CHECKPOINT: &str = "rollcall_process_checkpoint_batch_number";
/// Time of that batch, by partition.
pub const CHECKPOINT_AT: &str = "rollcall_process_checkpoint_timestamp_seconds";
/// Number of the newest batch, by partition.
pub const BATCH_NUMBER: &str = "rollcall_process_batch_number";
/// How long a client was connected without a tenant when it was found, in seconds.
pub const TIME_TO_TENANT: &str = "rollcall_process_time_to_tenant_seconds";
/// When a partition's tables were last compared with their digest, by partition.
pub const COMPARED_AT: &str = "rollcall_self_check_last_timestamp_seconds";
/// How long the last walk through a partition took, by partition.
pub const WALK_SECONDS: &str = "rollcall_self_check_last_duration_seconds";
/// Rows and index entries that the self-check read.
pub const WALKED: &str = "rollcall_self_check_rows_total";
/// 1 while the newest comparison of a partition found something wrong, by partition.
pub const MISMATCH: &str = "rollcall_self_check_mismatch";
/// Findings of all comparisons, by kind.
pub const MISMATCHES: &str = "rollcall_self_check_mismatches_total";
/// Walks given up because the view would have been held too long.
pub const UNFINISHED: &str = "rollcall_self_check_unfinished_total";

/// Describes every metric of this crate; call once, after the recorder is installed.
pub fn describe() {
    begin();
    describe_counter!(RECORDS, "Input records folded, by topic.");
    describe_counter!(IGNORED, "Inputs that changed nothing, by reason.");
    describe_counter!(DEAD_LETTERS, "Inputs refused and dead-lettered, by reason.");
    describe_counter!(TIMERS, "Timers fired.");
    describe_counter!(BATCHES, "Batches committed.");
    describe_counter!(DERIVED, "Records produced, by topic.");
    describe_counter!(
        SUPPRESSED,
        "Messages that inventory would have refused, by reason."
    );
    describe_histogram!(BATCH_RECORDS, "Input records of a batch.");
    describe_gauge!(
        LAG_RECORDS,
        "Input offsets that no batch has read, by partition."
    );
    describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "How long the oldest record of the newest batch had waited, by partition."
    );
    describe_histogram!(
        BATCH_SECONDS,
        "Seconds from the start of a batch to its commit."
    );
    describe_counter!(RESTORED, "Changelog records replayed at start.");
    describe_gauge!(
        RESTORING,
        "Changelog records that a restore has still to read, by partition."
    );
    describe_gauge!(
        CHECKPOINT,
        "Batch of the newest checkpoint written, by partition."
    );
    describe_gauge!(
        CHECKPOINT_AT,
        Unit::Seconds,
        "Time of that batch, Unix time, by partition."
    );
    describe_gauge!(BATCH_NUMBER, "Number of the newest batch, by partition.");
    describe_histogram!(
        TIME_TO_TENANT,
        Unit::Seconds,
        "How long clients were connected without a tenant when it was found."
    );
    describe_gauge!(
        COMPARED_AT,
        Unit::Seconds,
        "When tables were last compared with their digest, Unix time, by partition."
    );
    describe_gauge!(
        WALK_SECONDS,
        Unit::Seconds,
        "How long the last self-check took, by partition."
    );
    describe_counter!(WALKED, "Rows and index entries read by the self-check.");
    describe_gauge!(
        MISMATCH,
        "1 while the newest comparison of the tables found damage, by partition."
    );
    describe_counter!(MISMATCHES, "Findings of the self-check, by kind.");
    describe_counter!(UNFINISHED, "Self-checks that did not get through in time.");
}

/// Counters before there was anything to count.
fn begin() {
    for topic in Topic::INPUTS {
        counter!(RECORDS, "topic" => topic.as_str()).increment(0);
    }
    for reason in rollcall_fold::Ignored::ALL {
        counter!(IGNORED, "reason" => reason.as_str()).increment(0);
    }
    for reason in ReasonCode::ALL {
        counter!(DEAD_LETTERS, "reason" => reason.as_str()).increment(0);
    }
    for topic in [
        Topic::Events,
        Topic::Inventory,
        Topic::Tenantless,
        Topic::Deliveries,
    ] {
        counter!(DERIVED, "topic" => topic.as_str()).increment(0);
    }
    for reason in Suppressed::ALL {
        counter!(SUPPRESSED, "reason" => reason.as_str()).increment(0);
    }
    for name in [TIMERS, BATCHES, RESTORED, WALKED, UNFINISHED] {
        counter!(name).increment(0);
    }
    for kind in Mismatch::KINDS.into_iter().chain(["unreadable"]) {
        counter!(MISMATCHES, "kind" => kind).increment(0);
    }
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

pub(crate) fn suppressed(why: Suppressed) {
    counter!(SUPPRESSED, "reason" => why.as_str()).increment(1);
}

/// A connected client without a tenant got one, `ms` after its session began.
#[expect(
    clippy::cast_precision_loss,
    reason = "a histogram takes floats; exact below 2^53 milliseconds"
)]
pub(crate) fn tenant_found(ms: i64) {
    histogram!(TIME_TO_TENANT).record(ms.max(0) as f64 / 1_000.0);
}

/// How far a partition is behind.
#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats; exact below 2^53 records"
)]
pub(crate) fn lag(partition: u32, lag: Lag) {
    let label = partition.to_string();
    gauge!(LAG_RECORDS, "partition" => label.clone()).set(lag.records as f64);
    gauge!(LAG_SECONDS, "partition" => label).set(lag.ms as f64 / 1_000.0);
}

/// The log has not answered for so long: what is known of its ends is as old.
pub(crate) fn unanswered(partition: u32, silent: Duration) {
    let label = partition.to_string();
    gauge!(LAG_SECONDS, "partition" => label).set(silent.as_secs_f64());
}

pub(crate) fn committed(partition: u32, number: u64, timers: u64, records: usize, seconds: f64) {
    counter!(BATCHES).increment(1);
    // No batch has 2^32 records.
    histogram!(BATCH_RECORDS).record(u32::try_from(records).unwrap_or(u32::MAX));
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

/// A restore has this many records before it.
pub(crate) fn restoring(partition: u32, records: u64) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; exact below 2^53 records"
    )]
    gauge!(RESTORING, "partition" => partition.to_string()).set(records as f64);
}

/// A checkpoint of `batch`, whose clock was `at`, is on the disk.
pub fn checkpointed(partition: u32, batch: u64, at: Millis) {
    let label = partition.to_string();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; exact below 2^53 batches"
    )]
    gauge!(CHECKPOINT, "partition" => label.clone()).set(batch as f64);
    gauge!(CHECKPOINT_AT, "partition" => label).set(at.0 as f64 / 1_000.0);
}

/// A partition's tables were compared to the end; `took` is `None` when a restore did it.
pub(crate) fn compared(partition: u32, at: Millis, took: Option<Duration>) {
    let label = partition.to_string();
    // Milliseconds of any date people live to see are exact in a float.
    gauge!(COMPARED_AT, "partition" => label.clone()).set(at.0 as f64 / 1_000.0);
    if let Some(took) = took {
        gauge!(WALK_SECONDS, "partition" => label).set(took.as_secs_f64());
    }
}

/// What the newest comparison found.
pub(crate) fn found(partition: u32, mismatches: &[Mismatch]) {
    for mismatch in mismatches {
        counter!(MISMATCHES, "kind" => mismatch.kind()).increment(1);
    }
    let alert = if mismatches.is_empty() { 0.0 } else { 1.0 };
    gauge!(MISMATCH, "partition" => partition.to_string()).set(alert);
}

/// A partition's tables could not be read to their end.
pub(crate) fn unreadable(partition: u32) {
    counter!(MISMATCHES, "kind" => "unreadable").increment(1);
    gauge!(MISMATCH, "partition" => partition.to_string()).set(1.0);
}

/// The self-check read so many rows and index entries.
pub(crate) fn walked(entries: usize) {
    counter!(WALKED).increment(entries as u64);
}

/// A walk was given up.
pub(crate) fn walk_unfinished() {
    counter!(UNFINISHED).increment(1);
}
