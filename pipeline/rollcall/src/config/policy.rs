//! `[policy]`: the rules' numbers as people write them. Keys are the fields of the recorded policy
//! without their unit (docs/policy.md).

use rollcall_model::Policy;
use rollcall_model::ingress::Dialect;
use serde::{Deserialize, Serialize};

use super::Invalid;
use super::units::Span;

/// Records or timers of a batch at most: all of it is one transaction.
const BATCH_COUNT_MAX: u32 = 1_000_000;

/// The longest that a batch may take to read its inputs.
const BATCH_WAIT_MS_MAX: i64 = 60_000;

/// `[policy]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyConfig {
    row_retention: Span,
    lookup_timeout: Span,
    lookup_backoff_min: Span,
    lookup_backoff_max: Span,
    retry_after: Span,
    max_failures: u32,
    tenant_confirmed_for: Span,
    refresh_after: Span,
    inventory_stale_after: Span,
    inactivity_dialects: Vec<DialectName>,
    inactive_after: Span,
    disconnect_after: Span,
    unverified_after: Span,
    probe_after: Span,
    no_subscriber_max: u32,
    delivery_deadline: Span,
    delivery_attempts_max: u32,
    delivery_backoff_min: Span,
    delivery_backoff_max: Span,
    answer_window: Span,
    activity_step: Span,
    future_sent: Span,
    replayed_after: Span,
    reorder_within: Span,
    timers_per_batch_max: u32,
    batch_records_max: u32,
    batch_wait: Span,
    batch_bytes_max: u32,
}

impl PolicyConfig {
    /// The recorded form; prefixes stand in `[dialect]`.
    pub(crate) fn to_policy(&self) -> Policy {
        Policy {
            row_retention_ms: self.row_retention.ms(),
            lookup_timeout_ms: self.lookup_timeout.ms(),
            lookup_backoff_ms_min: self.lookup_backoff_min.ms(),
            lookup_backoff_ms_max: self.lookup_backoff_max.ms(),
            retry_after_ms: self.retry_after.ms(),
            max_failures: self.max_failures,
            tenant_confirmed_for_ms: self.tenant_confirmed_for.ms(),
            refresh_after_ms: self.refresh_after.ms(),
            inventory_stale_after_ms: self.inventory_stale_after.ms(),
            inactivity_dialects: self.inactivity_dialects(),
            inactive_after_ms: self.inactive_after.ms(),
            disconnect_after_ms: self.disconnect_after.ms(),
            unverified_after_ms: self.unverified_after.ms(),
            probe_after_ms: self.probe_after.ms(),
            no_subscriber_max: self.no_subscriber_max,
            delivery_deadline_ms: self.delivery_deadline.ms(),
            delivery_attempts_max: self.delivery_attempts_max,
            delivery_backoff_ms_min: self.delivery_backoff_min.ms(),
            delivery_backoff_ms_max: self.delivery_backoff_max.ms(),
            answer_window_ms: self.answer_window.ms(),
            activity_step_ms: self.activity_step.ms(),
            future_sent_ms: self.future_sent.ms(),
            replayed_after_ms: self.replayed_after.ms(),
            reorder_within_ms: self.reorder_within.ms(),
            timers_per_batch_max: self.timers_per_batch_max,
            batch_records_max: self.batch_records_max,
            batch_wait_ms: self.batch_wait.ms(),
            batch_bytes_max: self.batch_bytes_max,
            ..Policy::default()
        }
    }

    /// Each dialect once, in a fixed order: the policy's bytes are compared.
    fn inactivity_dialects(&self) -> Vec<Dialect> {
        let named = |dialect: &Dialect| {
            self.inactivity_dialects
                .iter()
                .any(|name| name.0 == *dialect)
        };
        Dialect::ALL.into_iter().filter(named).collect()
    }

    /// Refuses numbers under which the fold would stand still or spin.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let positive = [
            ("row_retention", self.row_retention),
            ("lookup_timeout", self.lookup_timeout),
            ("lookup_backoff_min", self.lookup_backoff_min),
            ("retry_after", self.retry_after),
            ("refresh_after", self.refresh_after),
            ("inactive_after", self.inactive_after),
            ("unverified_after", self.unverified_after),
            ("delivery_deadline", self.delivery_deadline),
            ("delivery_backoff_min", self.delivery_backoff_min),
            ("activity_step", self.activity_step),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, span)| span.ms() == 0) {
            return Err(Invalid(format!(
                "[policy] {key} = \"0s\": give more than nothing"
            )));
        }
        let counts = [
            ("timers_per_batch_max", self.timers_per_batch_max),
            ("batch_records_max", self.batch_records_max),
            ("batch_bytes_max", self.batch_bytes_max),
            ("delivery_attempts_max", self.delivery_attempts_max),
        ];
        if let Some((key, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(Invalid(format!("[policy] {key} = 0: give at least 1")));
        }
        let most = [
            ("timers_per_batch_max", self.timers_per_batch_max),
            ("batch_records_max", self.batch_records_max),
        ];
        if let Some((key, count)) = most.iter().find(|(_, count)| *count > BATCH_COUNT_MAX) {
            return Err(Invalid(format!(
                "[policy] {key} = {count}: give at most {BATCH_COUNT_MAX}"
            )));
        }
        if self.batch_wait.ms() > BATCH_WAIT_MS_MAX {
            return Err(Invalid(format!(
                "[policy] batch_wait = \"{}\": give at most \"1m\"; nothing is folded meanwhile",
                String::from(self.batch_wait)
            )));
        }
        let ordered = [
            (
                "lookup_backoff_min",
                self.lookup_backoff_min,
                self.lookup_backoff_max,
            ),
            (
                "delivery_backoff_min",
                self.delivery_backoff_min,
                self.delivery_backoff_max,
            ),
            ("inactive_after", self.inactive_after, self.disconnect_after),
            ("probe_after", self.probe_after, self.unverified_after),
            (
                "refresh_after",
                self.refresh_after,
                self.inventory_stale_after,
            ),
        ];
        match ordered.iter().find(|(_, low, high)| low.ms() > high.ms()) {
            Some((key, low, high)) => Err(Invalid(format!(
                "[policy] {key} = \"{}\" is longer than what must follow it, \"{}\"",
                String::from(*low),
                String::from(*high)
            ))),
            None => Ok(()),
        }
    }
}

/// A dialect by its name in rows and metrics.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct DialectName(Dialect);

impl TryFrom<String> for DialectName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let named = Dialect::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == text);
        let known = Dialect::ALL.map(Dialect::as_str).join(", ");
        named
            .map(DialectName)
            .ok_or_else(|| format!("{text:?} is no dialect; known: {known}"))
    }
}

impl From<DialectName> for String {
    fn from(name: DialectName) -> String {
        name.0.as_str().to_owned()
    }
}
