//! The rules' numbers, recorded with every batch that changes them. `docs/policy.md` lists the
//! keys.

use crate::ingress::Dialect;
use crate::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

/// Intervals and limits of the fold (DESIGN.md section 4). Durations in milliseconds, never
/// negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long an offline row stays.
    pub row_retention_ms: i64,
    /// How long a look-up may stay without an answer.
    pub lookup_timeout_ms: i64,
    /// First backoff after Unavailable; doubles per attempt, full jitter by hash.
    pub lookup_backoff_ms_min: i64,
    /// Largest backoff after Unavailable.
    pub lookup_backoff_ms_max: i64,
    /// A tenantless row is tried again after this.
    pub retry_after_ms: i64,
    /// More failures than this, and a row is left alone until a new session.
    pub max_failures: u32,
    /// A tenant confirmed within this is not looked up again by an online.
    pub tenant_confirmed_for_ms: i64,
    /// A row's inventory record is renewed after this.
    pub refresh_after_ms: i64,
    /// Inventory may drop a host after this (deployed: 26 h).
    pub inventory_stale_after_ms: i64,
    /// Dialects in which silence means something (seed 004), without repetition. By default those
    /// with keep-alive traffic; elsewhere silence is legal.
    pub inactivity_dialects: Vec<Dialect>,
    /// Silent for this long: inactive. Only for [`Policy::inactivity_dialects`].
    pub inactive_after_ms: i64,
    /// Silent for this long: offline.
    pub disconnect_after_ms: i64,
    /// An unverified row goes offline after this, unless confirmed.
    pub unverified_after_ms: i64,
    /// A client that went offline or unverified is probed so long after, and up to as long again,
    /// where its dialect has a ping; 0 = never.
    pub probe_after_ms: i64,
    /// So many attempts in a row that found no subscriber put a connected client in doubt; 0 =
    /// never.
    pub no_subscriber_max: u32,
    /// Deadline of a delivery that names none.
    pub delivery_deadline_ms: i64,
    /// Attempts of a delivery.
    pub delivery_attempts_max: u32,
    /// First backoff of a delivery; doubles per attempt, full jitter by hash.
    pub delivery_backoff_ms_min: i64,
    /// Largest backoff of a delivery.
    pub delivery_backoff_ms_max: i64,
    /// A finished delivery stays this long in the outbox, so that answers find it.
    pub answer_window_ms: i64,
    /// Steps of `last_activity_at`.
    pub activity_step_ms: i64,
    /// A `sent` this far in the future is still believed.
    pub future_sent_ms: i64,
    /// Received this long before the stored online: a replayed record.
    pub replayed_after_ms: i64,
    /// Two onlines this close may have swapped places.
    pub reorder_within_ms: i64,
    /// Timers fired per batch.
    pub timers_per_batch_max: u32,
    /// Records per batch.
    pub batch_records_max: u32,
    /// How long a batch may take to read its inputs.
    pub batch_wait_ms: i64,
    /// Bytes of input per batch.
    pub batch_bytes_max: u32,
    /// First MQTT topic level(s) of the `rhc` dialect.
    pub rhc_prefix: String,
    /// First MQTT topic level(s) of the `draft` dialect.
    pub draft_prefix: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            row_retention_ms: 24 * HOUR_MS,
            lookup_timeout_ms: MINUTE_MS,
            lookup_backoff_ms_min: SECOND_MS,
            lookup_backoff_ms_max: 5 * MINUTE_MS,
            retry_after_ms: 30 * MINUTE_MS,
            max_failures: 30,
            tenant_confirmed_for_ms: 10 * MINUTE_MS,
            refresh_after_ms: 25 * HOUR_MS,
            inventory_stale_after_ms: 26 * HOUR_MS,
            inactivity_dialects: Dialect::ALL
                .into_iter()
                .filter(|dialect| dialect.has_keep_alive_traffic())
                .collect(),
            inactive_after_ms: 5 * MINUTE_MS,
            disconnect_after_ms: 10 * MINUTE_MS,
            unverified_after_ms: 10 * MINUTE_MS,
            probe_after_ms: 10 * SECOND_MS,
            no_subscriber_max: 3,
            delivery_deadline_ms: 5 * MINUTE_MS,
            delivery_attempts_max: 1_000,
            delivery_backoff_ms_min: SECOND_MS,
            delivery_backoff_ms_max: 30 * SECOND_MS,
            answer_window_ms: HOUR_MS,
            activity_step_ms: 30 * SECOND_MS,
            future_sent_ms: 0,
            replayed_after_ms: MINUTE_MS,
            reorder_within_ms: 30 * SECOND_MS,
            timers_per_batch_max: 1_000,
            batch_records_max: 10_000,
            batch_wait_ms: 50,
            batch_bytes_max: 8 * 1024 * 1024,
            rhc_prefix: "redhat".to_owned(),
            draft_prefix: "redhat".to_owned(),
        }
    }
}

impl Policy {
    /// What `rollcall dev` uses: the waits that a tour would not sit through are shortened.
    pub fn dev() -> Self {
        Self {
            row_retention_ms: MINUTE_MS,
            retry_after_ms: 10 * SECOND_MS,
            answer_window_ms: MINUTE_MS,
            probe_after_ms: 2 * SECOND_MS,
            ..Self::default()
        }
    }
}
