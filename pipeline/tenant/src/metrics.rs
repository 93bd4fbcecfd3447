//! The resolver's metrics: names, descriptions, and the functions that count and log together.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use rollcall_model::ReasonCode;
use rollcall_model::event::TenantOutcome;

/// Look-ups answered. Label `outcome`: found, unknown, unavailable.
pub const LOOKUPS: &str = "rollcall_tenant_lookups_total";
/// How long a look-up took, in seconds.
pub const LOOKUP_DURATION: &str = "rollcall_tenant_lookup_duration_seconds";
/// Records of `tenantless` refused. Label `reason`: a code of `docs/errors.md`.
pub const DEAD_LETTERS: &str = "rollcall_tenant_dead_letters_total";
/// Records of `tenantless` that retention took before they were read.
pub const SKIPPED: &str = "rollcall_tenant_skipped_records_total";
/// Times the tenant file was read again. Label `outcome`: loaded, broken, removed.
pub const FILE_RELOADS: &str = "rollcall_tenant_file_reloads_total";

/// Describes every metric of this crate to the installed recorder.
pub fn describe() {
    describe_counter!(
        LOOKUPS,
        Unit::Count,
        "Tenant look-ups answered, by outcome."
    );
    describe_histogram!(
        LOOKUP_DURATION,
        Unit::Seconds,
        "How long a tenant look-up took."
    );
    describe_counter!(DEAD_LETTERS, Unit::Count, "Look-ups refused, by reason.");
    describe_counter!(
        SKIPPED,
        Unit::Count,
        "Look-ups that retention took before they were read."
    );
    describe_counter!(
        FILE_RELOADS,
        Unit::Count,
        "Reads of a changed tenant file, by outcome."
    );
}

/// A look-up was answered after `seconds`.
pub(crate) fn looked_up(outcome: &TenantOutcome, seconds: f64) {
    let label = match outcome {
        TenantOutcome::Found { .. } => "found",
        TenantOutcome::Unknown => "unknown",
        TenantOutcome::Unavailable { .. } => "unavailable",
    };
    counter!(LOOKUPS, "outcome" => label).increment(1);
    histogram!(LOOKUP_DURATION).record(seconds);
}

/// A record was refused and goes to the dead letters.
pub(crate) fn refused(partition: u32, offset: u64, reason: ReasonCode, text: &str) {
    counter!(DEAD_LETTERS, "reason" => reason.as_str()).increment(1);
    tracing::warn!(
        partition,
        offset,
        reason = reason.as_str(),
        text,
        "Look-up refused."
    );
}

/// Retention took records before they were read; the fold asks again by timer.
pub(crate) fn skipped(partition: u32, from: u64, start: u64) {
    counter!(SKIPPED).increment(start.saturating_sub(from));
    tracing::warn!(
        partition,
        from,
        start,
        "Look-ups are gone before they were read."
    );
}

/// A changed tenant file was read, or not.
pub(crate) fn file_reloaded(path: &std::path::Path, clients: usize) {
    counter!(FILE_RELOADS, "outcome" => "loaded").increment(1);
    tracing::info!(path = %path.display(), clients, "Tenant file loaded.");
}

/// A changed tenant file is broken; the last good content stays.
pub(crate) fn file_broken(error: &crate::error::FileError) {
    counter!(FILE_RELOADS, "outcome" => "broken").increment(1);
    tracing::warn!(error = %error.chain(), "Tenant file refused, the last good one stays.");
}

/// The tenant file is gone. `is_kept` tells whether its last content still answers.
pub(crate) fn file_removed(path: &std::path::Path, is_kept: bool) {
    counter!(FILE_RELOADS, "outcome" => "removed").increment(1);
    tracing::warn!(path = %path.display(), is_kept, "Tenant file is gone.");
}
