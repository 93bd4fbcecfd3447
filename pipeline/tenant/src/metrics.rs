//! The resolver's metrics: names, descriptions, and the functions that count and log together.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use rollcall_model::ReasonCode;
use rollcall_model::event::TenantOutcome;

use crate::gateway::State;

/// Look-ups done with. Label `outcome`: found, unknown, unavailable, repeated.
pub const LOOKUPS: &str = "rollcall_tenant_lookups_total";
/// How long a look-up took, in seconds.
pub const LOOKUP_DURATION: &str = "rollcall_tenant_lookup_duration_seconds";
/// Records of `tenantless` refused. Label `reason`: a code of `docs/errors.md`.
pub const DEAD_LETTERS: &str = "rollcall_tenant_dead_letters_total";
/// Records of `tenantless` that retention took before they were read.
pub const SKIPPED: &str = "rollcall_tenant_skipped_records_total";
/// Times the tenant file was read again. Label `outcome`: loaded, broken, removed.
pub const FILE_RELOADS: &str = "rollcall_tenant_file_reloads_total";

/// What became of look-ups at the gateway. Label `step`: cached, refused, timed_out, unreachable,
/// or the status of the answer.
pub const GATEWAY: &str = "rollcall_tenant_gateway_total";
/// How long a request to the gateway took, in seconds.
pub const GATEWAY_DURATION: &str = "rollcall_tenant_gateway_duration_seconds";
/// Whether the gateway is asked: 0 = yes, 1 = one request is trying, 2 = no.
pub const BREAKER: &str = "rollcall_tenant_gateway_breaker";

/// 1 while the gateway can be reached, else 0.
pub const GATEWAY_UP: &str = "rollcall_tenant_gateway_up";
/// Times the gateway went or came back. Label `state`: down, up.
pub const GATEWAY_CHANGES: &str = "rollcall_tenant_gateway_state_changes_total";

/// Describes every metric of this crate to the installed recorder.
pub fn describe() {
    for outcome in ["found", "unknown", "unavailable"] {
        counter!(LOOKUPS, "outcome" => outcome).increment(0);
    }
    for reason in ReasonCode::ALL {
        counter!(DEAD_LETTERS, "reason" => reason.as_str()).increment(0);
    }
    for outcome in ["loaded", "broken", "removed"] {
        counter!(FILE_RELOADS, "outcome" => outcome).increment(0);
    }
    counter!(SKIPPED).increment(0);
    describe_counter!(
        LOOKUPS,
        Unit::Count,
        "Tenant look-ups done with, by outcome."
    );
    describe_histogram!(
        LOOKUP_DURATION,
        Unit::Seconds,
        "How long a tenant look-up took."
    );
    describe_counter!(
        GATEWAY,
        Unit::Count,
        "Look-ups at the auth gateway, by what became of them."
    );
    describe_histogram!(
        GATEWAY_DURATION,
        Unit::Seconds,
        "How long a request to the auth gateway took."
    );
    describe_gauge!(
        BREAKER,
        "Whether the auth gateway is asked: 0 yes, 1 one request tries, 2 no."
    );
    describe_gauge!(
        GATEWAY_UP,
        "1 while the auth gateway can be reached, else 0."
    );
    describe_counter!(
        GATEWAY_CHANGES,
        Unit::Count,
        "Times the auth gateway went or came back, by which."
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

/// What became of a look-up at the gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// It was answered a moment ago.
    Cached,
    /// The breaker let nobody through.
    Refused,
    /// No answer came in time.
    TimedOut,
    /// No connection, or it broke.
    Unreachable,
    /// An answer with this status.
    Answered(u16),
}

pub(crate) fn gateway(step: Step) {
    let label = match step {
        Step::Cached => "cached".to_owned(),
        Step::Refused => "refused".to_owned(),
        Step::TimedOut => "timed_out".to_owned(),
        Step::Unreachable => "unreachable".to_owned(),
        Step::Answered(status) => status.to_string(),
    };
    counter!(GATEWAY, "step" => label).increment(1);
}

pub(crate) fn gateway_took(took: Duration) {
    histogram!(GATEWAY_DURATION).record(took.as_secs_f64());
}

pub(crate) fn breaker(state: State) {
    gauge!(BREAKER).set(match state {
        State::Closed => 0.0,
        State::HalfOpen => 1.0,
        State::Open => 2.0,
    });
}

/// There is a gateway: what is shown of it before anything has happened.
pub fn begin() {
    gauge!(GATEWAY_UP).set(0.0);
    for step in ["cached", "refused", "timed_out", "unreachable", "200"] {
        counter!(GATEWAY, "step" => step).increment(0);
    }
    gauge!(BREAKER).set(0.0);
    for state in ["down", "up"] {
        counter!(GATEWAY_CHANGES, "state" => state).increment(0);
    }
}

/// The gateway can be reached, or not; `is_news`: it could not before, or could.
pub fn reached(is_up: bool, is_news: bool) {
    gauge!(GATEWAY_UP).set(f64::from(u8::from(is_up)));
    if is_news {
        let state = if is_up { "up" } else { "down" };
        counter!(GATEWAY_CHANGES, "state" => state).increment(1);
    }
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

/// A look-up was not asked again, as an earlier attempt of it was answered or is being asked.
pub(crate) fn repeated() {
    counter!(LOOKUPS, "outcome" => "repeated").increment(1);
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
