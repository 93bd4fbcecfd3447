//! The timers of a row, derived from the row alone: nothing is scheduled, so nothing can be lost.
//!
//! A row has one entry in the time index, at the earliest of its timers under the policy of its
//! last change. A policy that has put a timer off since then makes that entry fire early;
//! [`crate::fire`] asks again what is due and sets the entry anew.

use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, Delivery, DeliveryState, Millis, Policy, TimerKind};

use crate::{inventory, jitter, probe};

/// The earliest timer of a connection row; of several at the same time the first of
/// [`TimerKind::ALL`]. `None` = the row has none.
pub fn due(row: &ConnectionRow, policy: &Policy) -> Option<(Millis, TimerKind)> {
    earliest(|kind| connection_due_of(kind, row, policy))
}

/// The earliest timer of a delivery; every delivery has one, so that none stays for ever.
pub fn delivery_due(delivery: &Delivery, policy: &Policy) -> Option<(Millis, TimerKind)> {
    earliest(|kind| delivery_due_of(kind, delivery, policy))
}

/// When a connection row's timer `kind` is due. An offline row has its retention and its probe.
pub(crate) fn connection_due_of(
    kind: TimerKind,
    row: &ConnectionRow,
    policy: &Policy,
) -> Option<Millis> {
    if row.presence == Presence::Offline {
        let since = row.offline.map_or(row.updated_at, |offline| offline.at);
        return match kind {
            TimerKind::Retention => Some(since + policy.row_retention_ms),
            TimerKind::Probe => probe::due_at(row, policy),
            _ => None,
        };
    }
    match kind {
        TimerKind::LookupTimeout => row.lookup.as_ref().map(|lookup| lookup.due_at),
        TimerKind::TenantRetry => tenant_retry(row, policy),
        TimerKind::Refresh => refresh(row, policy),
        TimerKind::Inactive => (row.presence == Presence::Online)
            .then(|| silent_since(row, policy))
            .flatten()
            .map(|since| since + policy.inactive_after_ms),
        TimerKind::Silent => (row.presence != Presence::Unverified)
            .then(|| silent_since(row, policy))
            .flatten()
            .map(|since| since + policy.disconnect_after_ms),
        TimerKind::Unverified => (row.presence == Presence::Unverified)
            .then(|| row.unverified_at.unwrap_or(row.updated_at) + policy.unverified_after_ms),
        TimerKind::Probe => probe::due_at(row, policy),
        TimerKind::Retention
        | TimerKind::DeliveryDeadline
        | TimerKind::DeliveryRetry
        | TimerKind::AnswerWindow => None,
    }
}

/// When a delivery's timer `kind` is due.
pub(crate) fn delivery_due_of(
    kind: TimerKind,
    delivery: &Delivery,
    policy: &Policy,
) -> Option<Millis> {
    let is_running = match delivery.state {
        DeliveryState::Queued | DeliveryState::Sent => true,
        DeliveryState::Acknowledged
        | DeliveryState::Answered
        | DeliveryState::Failed
        | DeliveryState::Expired => false,
    };
    match kind {
        TimerKind::DeliveryDeadline => is_running.then_some(delivery.deadline),
        TimerKind::DeliveryRetry => delivery_retry(delivery, policy),
        TimerKind::AnswerWindow => {
            (!is_running).then(|| delivery.updated_at + policy.answer_window_ms)
        }
        TimerKind::Retention
        | TimerKind::LookupTimeout
        | TimerKind::TenantRetry
        | TimerKind::Refresh
        | TimerKind::Inactive
        | TimerKind::Silent
        | TimerKind::Unverified
        | TimerKind::Probe => None,
    }
}

fn earliest(due_of: impl Fn(TimerKind) -> Option<Millis>) -> Option<(Millis, TimerKind)> {
    let due = TimerKind::ALL
        .into_iter()
        .filter_map(|kind| Some((due_of(kind)?, kind)));
    // `min_by_key` gives the first of equals.
    due.min_by_key(|(due_at, _)| *due_at)
}

/// A tenantless row is tried again, until it has failed too often. A migrated row has no timestamp,
/// hence no timer (seed 002, "MIGRATION").
fn tenant_retry(row: &ConnectionRow, policy: &Policy) -> Option<Millis> {
    let is_waiting = row.org_id.is_empty()
        && row.lookup.is_none()
        && row.tenant_lookup_failure_count <= policy.max_failures;
    let since = row.tenant_lookup_timestamp.filter(|_| is_waiting)?;
    Some(since + policy.retry_after_ms)
}

/// An online row with a tenant is told to inventory anew before its record goes stale there. Gate
/// and identity are asked here too: a row that cannot be told would otherwise be due for ever.
fn refresh(row: &ConnectionRow, policy: &Policy) -> Option<Millis> {
    let told_at = row.refreshed_at?;
    let wants = row.presence == Presence::Online
        && row.identity.is_some()
        && row.lookup.is_none()
        && inventory::qualifies(row);
    wants.then(|| told_at + policy.refresh_after_ms)
}

/// From when on silence counts, where it counts at all: the end of the step that `last_activity_at`
/// begins, because traffic within a step is not recorded, and no live client may be called silent.
fn silent_since(row: &ConnectionRow, policy: &Policy) -> Option<Millis> {
    let counts = policy.inactivity_dialects.contains(&row.dialect);
    counts.then(|| row.last_activity_at + policy.activity_step_ms)
}

/// A queued delivery waits out its backoff; one that was sent waits as long as the longest backoff
/// for its receipt, because the sender may be slow, and a device should not get it twice.
fn delivery_retry(delivery: &Delivery, policy: &Policy) -> Option<Millis> {
    let wait_ms = match delivery.state {
        DeliveryState::Queued => jitter::backoff_ms(
            delivery.id.0,
            delivery.attempt,
            policy.delivery_backoff_ms_min,
            policy.delivery_backoff_ms_max,
        ),
        DeliveryState::Sent => policy.delivery_backoff_ms_max.max(1),
        DeliveryState::Acknowledged
        | DeliveryState::Answered
        | DeliveryState::Failed
        | DeliveryState::Expired => return None,
    };
    Some(delivery.updated_at + wait_ms)
}
