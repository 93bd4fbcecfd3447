//! The sender's metrics: names, descriptions, and the functions that count and log together.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use rollcall_model::event::ReceiptOutcome;
use rollcall_model::{Coordinates, ReasonCode};

/// Attempts made. Label `outcome`: acknowledged, no_subscriber, failed, too_late.
pub const ATTEMPTS: &str = "rollcall_delivery_attempts_total";
/// How long a publish to a device's topic took, in seconds.
pub const PUBLISH_DURATION: &str = "rollcall_delivery_publish_duration_seconds";
/// Records of `deliveries` refused. Label `reason`: a code of `docs/errors.md`.
pub const DEAD_LETTERS: &str = "rollcall_delivery_dead_letters_total";
/// Records of `deliveries` that retention took before they were read.
pub const SKIPPED: &str = "rollcall_delivery_skipped_records_total";

/// Probes sent. Label `outcome`: acknowledged, no_subscriber, failed, too_late.
pub const PROBES: &str = "rollcall_delivery_probes_total";

/// Describes every metric of this crate to the installed recorder.
pub fn describe() {
    begin();
    describe_counter!(ATTEMPTS, Unit::Count, "Delivery attempts, by outcome.");
    describe_histogram!(
        PUBLISH_DURATION,
        Unit::Seconds,
        "How long a publish to a device's topic took."
    );
    describe_counter!(
        PROBES,
        Unit::Count,
        "Pings that asked clients for a sign of life, by outcome."
    );
    describe_counter!(DEAD_LETTERS, Unit::Count, "Deliveries refused, by reason.");
    describe_counter!(
        SKIPPED,
        Unit::Count,
        "Deliveries that retention took before they were read."
    );
}

/// What attempts come to, and deliveries that are refused, before there were any.
fn begin() {
    for outcome in ["acknowledged", "no_subscriber", "failed", "too_late"] {
        counter!(ATTEMPTS, "outcome" => outcome).increment(0);
        counter!(PROBES, "outcome" => outcome).increment(0);
    }
    for reason in ReasonCode::ALL {
        counter!(DEAD_LETTERS, "reason" => reason.as_str()).increment(0);
    }
    counter!(SKIPPED).increment(0);
}

/// An attempt ended after `seconds`.
pub(crate) fn sent(outcome: ReceiptOutcome, seconds: f64) {
    counter!(ATTEMPTS, "outcome" => label(outcome)).increment(1);
    histogram!(PUBLISH_DURATION).record(seconds);
}

/// A probe went out, or could not.
pub(crate) fn probed(outcome: ReceiptOutcome) {
    counter!(PROBES, "outcome" => label(outcome)).increment(1);
}

/// A probe was read when the row that it asks for had gone.
pub(crate) fn probe_too_late() {
    counter!(PROBES, "outcome" => "too_late").increment(1);
}

fn label(outcome: ReceiptOutcome) -> &'static str {
    match outcome {
        ReceiptOutcome::Acknowledged => "acknowledged",
        ReceiptOutcome::NoSubscriber => "no_subscriber",
        ReceiptOutcome::Failed => "failed",
    }
}

/// A delivery was read behind its deadline and not sent.
pub(crate) fn too_late() {
    counter!(ATTEMPTS, "outcome" => "too_late").increment(1);
}

/// A delivery cannot be said in its client's dialect; its attempt counts as failed.
pub(crate) fn not_encoded(at: Coordinates, why: &'static str) {
    tracing::warn!(%at, why, "Delivery cannot be sent.");
}

/// A record was refused and goes to the dead letters.
pub(crate) fn refused(at: Coordinates, reason: ReasonCode, text: &str) {
    counter!(DEAD_LETTERS, "reason" => reason.as_str()).increment(1);
    tracing::warn!(%at, reason = reason.as_str(), text, "Delivery refused.");
}

/// Retention took records before they were read; the fold tries again by timer.
pub(crate) fn skipped(partition: u32, from: u64, start: u64) {
    counter!(SKIPPED).increment(start.saturating_sub(from));
    tracing::warn!(
        partition,
        from,
        start,
        "Deliveries are gone before they were read."
    );
}
