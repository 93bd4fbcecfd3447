//! Policies, and the waits that matter under them.

use rollcall_model::Policy;
use rollcall_model::ingress::Dialect;
use rollcall_model::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

use super::random::Random;

/// A policy: ours, that of `dev`, short ones so that everything happens in one history, or one at
/// the end of the range.
pub(super) fn policy(random: &mut Random) -> Policy {
    let mut policy = match random.below(10) {
        0..3 => Policy::default(),
        3 => Policy::dev(),
        4..8 => short(random),
        8 => at_once(),
        _ => endless(),
    };
    if random.percent(50) {
        policy.inactivity_dialects = match random.below(3) {
            0 => vec![Dialect::Rhc],
            1 => vec![Dialect::Draft],
            _ => Dialect::ALL.to_vec(),
        };
    }
    if random.percent(40) {
        policy.timers_per_batch_max = *random.pick(&[1, 2, 3, 5]);
    }
    if random.percent(20) {
        policy.future_sent_ms = 5 * SECOND_MS;
    }
    if random.percent(30) {
        policy.max_failures = *random.pick(&[0, 1, 2]);
    }
    if random.percent(30) {
        policy.delivery_attempts_max = *random.pick(&[0, 1, 2, 3]);
    }
    if random.percent(40) {
        policy.no_subscriber_max = *random.pick(&[0, 1, 2]);
    }
    policy
}

/// A wait that lies at, just before or just behind one that `policy` names, or any other.
pub(super) fn wait_ms(random: &mut Random, policy: &Policy) -> i64 {
    let named = [
        policy.row_retention_ms,
        policy.lookup_timeout_ms,
        policy.retry_after_ms,
        policy.tenant_confirmed_for_ms,
        policy.refresh_after_ms,
        policy
            .inactive_after_ms
            .saturating_add(policy.activity_step_ms),
        policy
            .disconnect_after_ms
            .saturating_add(policy.activity_step_ms),
        policy.unverified_after_ms,
        policy.probe_after_ms,
        policy.delivery_deadline_ms,
        policy.delivery_backoff_ms_max,
        policy.answer_window_ms,
        policy.activity_step_ms,
        policy.replayed_after_ms,
        policy.reorder_within_ms,
    ];
    // A year; beyond it only the ends of time are interesting, and those have a test of their own.
    let named_ms = (*random.pick(&named)).clamp(0, 365 * 24 * HOUR_MS);
    match random.below(6) {
        0 => named_ms,
        1 => named_ms + 1,
        2 => named_ms.max(1) - 1,
        3 => random.between(0, 2 * SECOND_MS),
        4 => random.between(0, 2 * MINUTE_MS),
        _ => random.between(0, named_ms),
    }
}

/// Every wait a few seconds or minutes, each drawn anew.
fn short(random: &mut Random) -> Policy {
    let mut some = || {
        let unit_ms = *random.pick(&[SECOND_MS, 10 * SECOND_MS, MINUTE_MS]);
        random.between(1, 12) * unit_ms
    };
    Policy {
        row_retention_ms: some(),
        lookup_timeout_ms: some(),
        lookup_backoff_ms_min: some() / 10,
        lookup_backoff_ms_max: some(),
        retry_after_ms: some(),
        tenant_confirmed_for_ms: some(),
        refresh_after_ms: some(),
        inventory_stale_after_ms: some(),
        inactive_after_ms: some(),
        disconnect_after_ms: some(),
        unverified_after_ms: some(),
        probe_after_ms: some(),
        delivery_deadline_ms: some(),
        delivery_backoff_ms_min: some() / 10,
        delivery_backoff_ms_max: some(),
        answer_window_ms: some(),
        activity_step_ms: some() / 10,
        replayed_after_ms: some(),
        reorder_within_ms: some(),
        ..Policy::default()
    }
}

/// Nothing takes any time: whatever may be due is due.
fn at_once() -> Policy {
    Policy {
        row_retention_ms: 0,
        lookup_timeout_ms: 0,
        lookup_backoff_ms_min: 0,
        lookup_backoff_ms_max: 0,
        retry_after_ms: 0,
        tenant_confirmed_for_ms: 0,
        refresh_after_ms: 0,
        inactive_after_ms: 0,
        disconnect_after_ms: 0,
        unverified_after_ms: 0,
        probe_after_ms: 1,
        delivery_deadline_ms: 0,
        delivery_backoff_ms_min: 0,
        delivery_backoff_ms_max: 0,
        answer_window_ms: 0,
        activity_step_ms: 0,
        ..Policy::default()
    }
}

/// Every wait and count as large as can be.
fn endless() -> Policy {
    Policy {
        row_retention_ms: i64::MAX,
        lookup_timeout_ms: i64::MAX,
        lookup_backoff_ms_min: i64::MAX,
        lookup_backoff_ms_max: i64::MAX,
        retry_after_ms: i64::MAX,
        max_failures: u32::MAX,
        tenant_confirmed_for_ms: i64::MAX,
        refresh_after_ms: i64::MAX,
        inventory_stale_after_ms: i64::MAX,
        inactive_after_ms: i64::MAX,
        disconnect_after_ms: i64::MAX,
        unverified_after_ms: i64::MAX,
        probe_after_ms: i64::MAX,
        no_subscriber_max: u32::MAX,
        delivery_deadline_ms: i64::MAX,
        delivery_attempts_max: u32::MAX,
        delivery_backoff_ms_min: i64::MAX,
        delivery_backoff_ms_max: i64::MAX,
        answer_window_ms: i64::MAX,
        activity_step_ms: i64::MAX,
        future_sent_ms: i64::MAX,
        replayed_after_ms: i64::MAX,
        reorder_within_ms: i64::MAX,
        ..Policy::default()
    }
}
