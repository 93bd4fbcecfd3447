//! What is due: every timer of every row is worked out anew, from the row and the policy.

use rollcall_model::row::{LookupWhy, OfflineFact, OfflineReason, Presence};
use rollcall_model::{
    Cause, ClientId, ConnectionRow, Delivery, DeliveryId, DeliveryState, Derived, EventKind,
    Millis, Policy, Received, TimerKind,
};

use crate::arithmetic::backoff_ms;
use crate::oracle::Oracle;
use crate::probes::probe_of;
use crate::tenants::qualifies;
use crate::turn::Said;

/// A timer and when it is due.
type Timer = (TimerKind, Millis);

/// Every timer of a row, in the order in which those that are due together fire.
fn of_client(row: &ConnectionRow, policy: &Policy) -> Vec<Timer> {
    let mut timers = Vec::new();
    if let Some(offline) = row.offline {
        timers.push((TimerKind::Retention, offline.at + policy.row_retention_ms));
        timers.extend(probe_of(row, policy).map(|at| (TimerKind::Probe, at)));
        return timers;
    }
    if let Some(lookup) = &row.lookup {
        timers.push((TimerKind::LookupTimeout, lookup.due_at));
    }
    let is_idle = row.lookup.is_none();
    let is_tenantless = row.org_id.is_empty();
    if is_idle
        && is_tenantless
        && row.tenant_lookup_failure_count <= policy.max_failures
        && let Some(at) = row.tenant_lookup_timestamp
    {
        timers.push((TimerKind::TenantRetry, at + policy.retry_after_ms));
    }
    let is_for_inventory = !is_tenantless && row.identity.is_some() && qualifies(row);
    if is_idle
        && is_for_inventory
        && row.presence == Presence::Online
        && let Some(at) = row.refreshed_at
    {
        timers.push((TimerKind::Refresh, at + policy.refresh_after_ms));
    }
    if policy.inactivity_dialects.contains(&row.dialect) {
        let silent_since = row.last_activity_at + policy.activity_step_ms;
        if row.presence == Presence::Online {
            timers.push((TimerKind::Inactive, silent_since + policy.inactive_after_ms));
        }
        if matches!(row.presence, Presence::Online | Presence::Inactive) {
            timers.push((TimerKind::Silent, silent_since + policy.disconnect_after_ms));
        }
    }
    if let Some(at) = row.unverified_at {
        timers.push((TimerKind::Unverified, at + policy.unverified_after_ms));
    }
    timers.extend(probe_of(row, policy).map(|at| (TimerKind::Probe, at)));
    timers
}

/// Every timer of a delivery, in the order in which those that are due together fire.
fn of_delivery(delivery: &Delivery, policy: &Policy) -> Vec<Timer> {
    let (min_ms, max_ms) = (
        policy.delivery_backoff_ms_min,
        policy.delivery_backoff_ms_max,
    );
    let wait_ms = match delivery.state {
        DeliveryState::Queued => backoff_ms(delivery.id.0, delivery.attempt, min_ms, max_ms),
        DeliveryState::Sent => max_ms.max(1),
        _ => {
            let at = delivery.updated_at + policy.answer_window_ms;
            return vec![(TimerKind::AnswerWindow, at)];
        }
    };
    vec![
        (TimerKind::DeliveryDeadline, delivery.deadline),
        (TimerKind::DeliveryRetry, delivery.updated_at + wait_ms),
    ]
}

/// When the row's entry in the time index stands.
pub(crate) fn earliest_of_client(row: &ConnectionRow, policy: &Policy) -> Option<Millis> {
    let timers = of_client(row, policy);
    timers.into_iter().map(|(_, at)| at).min()
}

/// When the delivery's entry in the time index stands.
pub(crate) fn earliest_of_delivery(delivery: &Delivery, policy: &Policy) -> Option<Millis> {
    let timers = of_delivery(delivery, policy);
    timers.into_iter().map(|(_, at)| at).min()
}

impl Oracle {
    pub(crate) fn fire_what_is_due(&mut self) -> Vec<Derived> {
        let mut due: Vec<(Millis, u8, ClientId, Option<DeliveryId>)> = Vec::new();
        for (client, row) in &self.connections {
            due.extend(row.due_at.map(|at| (at, 1, client.clone(), None)));
        }
        for ((client, id), delivery) in &self.outbox {
            due.extend(delivery.due_at.map(|at| (at, 2, client.clone(), Some(*id))));
        }
        due.retain(|(at, ..)| *at <= self.timers_at);
        due.sort();
        due.truncate(self.policy.timers_per_batch_max as usize);
        let mut derived = Vec::new();
        for (_, _, client, id) in due {
            derived.extend(match id {
                None => self.fire_client(&client),
                Some(id) => self.fire_delivery(&client, id),
            });
        }
        derived
    }

    fn fire_client(&mut self, client: &ClientId) -> Vec<Derived> {
        let turn = self.open(client, None);
        let Some(row) = self.connections.get(client) else {
            return Vec::new();
        };
        for (kind, due_at) in of_client(row, &self.policy) {
            if due_at <= self.timers_at {
                self.fire_client_timer(client, kind, due_at);
            }
        }
        let derived = self.close(&turn);
        // The entry is spent, even if nothing else came of it.
        if let Some(row) = self.connections.get_mut(client) {
            row.due_at = earliest_of_client(row, &self.policy);
        }
        derived
    }

    fn fire_client_timer(&mut self, client: &ClientId, kind: TimerKind, due_at: Millis) {
        let cause = Cause::Timer { kind, due_at };
        let last = self.connections.get(client).map(|row| {
            let activity = Received::at(row.last_activity_at);
            row.unverified_received.or(row.heard).unwrap_or(activity)
        });
        let went = |reason| OfflineFact {
            at: due_at,
            received: last.unwrap_or_default(),
            sent: None,
            reason,
            is_by_redelivery: false,
        };
        match kind {
            TimerKind::Retention => {
                let row = self.connections.remove(client);
                let offline = row.and_then(|row| row.offline);
                let reason = offline.map_or("", |offline| offline.reason.as_str());
                let reason = reason.to_owned();
                self.said
                    .push(Said::Client(EventKind::Expired, reason, cause));
            }
            TimerKind::LookupTimeout => self.ask_again(client),
            TimerKind::TenantRetry => self.ask(client, LookupWhy::Retry, cause),
            TimerKind::Refresh => self.ask(client, LookupWhy::Refresh, cause),
            TimerKind::Inactive => {
                if let Some(row) = self.connections.get_mut(client) {
                    row.presence = Presence::Inactive;
                }
                self.said
                    .push(Said::Client(EventKind::Inactive, String::new(), cause));
            }
            TimerKind::Silent => self.go_offline(client, went(OfflineReason::Inactive), cause),
            TimerKind::Unverified => {
                self.go_offline(client, went(OfflineReason::Unverified), cause);
            }
            TimerKind::Probe => self.probe(client, due_at, cause),
            TimerKind::DeliveryDeadline | TimerKind::DeliveryRetry | TimerKind::AnswerWindow => {}
        }
    }

    fn fire_delivery(&mut self, client: &ClientId, id: DeliveryId) -> Vec<Derived> {
        let turn = self.open(client, Some(id));
        let Some(delivery) = self.delivery(client, id) else {
            return Vec::new();
        };
        let timers = of_delivery(delivery, &self.policy);
        // One is enough: what it does ends the delivery, or begins its next wait.
        let due = timers.into_iter().find(|(_, at)| *at <= self.timers_at);
        if let Some((kind, due_at)) = due {
            let cause = Cause::Timer { kind, due_at };
            match kind {
                TimerKind::DeliveryDeadline => self.expire(client, id, cause),
                TimerKind::DeliveryRetry => self.try_again(client, id, cause),
                _ => {
                    self.outbox.remove(&(client.clone(), id));
                }
            }
        }
        let derived = self.close(&turn);
        let policy = self.policy.clone();
        if let Some(delivery) = self.delivery_mut(client, id) {
            delivery.due_at = earliest_of_delivery(delivery, &policy);
        }
        derived
    }
}
