//! Clients that are said to be gone, or in doubt, are asked (docs/rules.md, "Probes").

use rollcall_model::event::RequestBody;
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{OfflineFact, OfflineReason, Presence, Protocol};
use rollcall_model::{
    Arrival, Cause, ClientId, ConnectionRow, DeliveryId, Derived, Json, Millis, OutboundDelivery,
    Policy, Received, TimerKind,
};

use crate::arithmetic::spread_ms;
use crate::oracle::Oracle;
use crate::turn::Said;

/// Since when the client may be there in spite of what the row says.
fn missed_since(row: &ConnectionRow) -> Option<Millis> {
    match (row.presence, row.offline) {
        (Presence::Unverified, _) => row.unverified_at,
        (Presence::Offline, Some(offline)) => match offline.reason {
            OfflineReason::Message | OfflineReason::Inactive => Some(offline.at),
            // It said goodbye, or was asked before.
            OfflineReason::Cleared | OfflineReason::Unverified => None,
        },
        _ => None,
    }
}

/// When the row's probe is due.
pub(crate) fn probe_of(row: &ConnectionRow, policy: &Policy) -> Option<Millis> {
    let since = missed_since(row)?;
    let has_ping = row.dialect == Dialect::Rhc && row.destination.protocol == Protocol::Mqtt;
    let was_asked = row.probed_at.is_some_and(|at| at > since);
    if policy.probe_after_ms <= 0 || !has_ping || was_asked {
        return None;
    }
    let spread_ms = spread_ms(&row.client_id, since, policy.probe_after_ms);
    Some(since + policy.probe_after_ms + spread_ms)
}

fn id_of(client: &ClientId, due_at: Millis) -> DeliveryId {
    let kind = TimerKind::Probe;
    DeliveryId::derive(client, &Cause::Timer { kind, due_at })
}

impl Oracle {
    /// Asks, if that is still what the row wants.
    pub(crate) fn probe(&mut self, client: &ClientId, due_at: Millis, cause: Cause) {
        let (policy, now) = (self.policy.clone(), self.now);
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        if probe_of(row, &policy) != Some(due_at) {
            return;
        }
        row.probed_at = Some(due_at);
        let Ok(arguments) = Json::new("{}") else {
            return;
        };
        let probe = OutboundDelivery {
            delivery_id: id_of(client, due_at),
            client_id: client.clone(),
            dialect: row.dialect,
            destination: row.destination.clone(),
            body: RequestBody::Command {
                command: "ping".to_owned(),
                arguments,
            },
            attempt: 1,
            deadline: now + policy.row_retention_ms,
            cause,
            sent_at: now,
        };
        self.said
            .push(Said::Record(Derived::Delivery(Box::new(probe))));
    }

    /// A probe, perhaps, found no subscriber: then a client in doubt is gone.
    pub(crate) fn not_there(&mut self, client: &ClientId, id: DeliveryId, arrival: &Arrival) {
        let Some(row) = self.connections.get(client) else {
            return;
        };
        let since = missed_since(row).filter(|_| row.presence == Presence::Unverified);
        let (Some(since), Some(probed_at)) = (since, row.probed_at) else {
            return;
        };
        if probed_at > since && id_of(client, probed_at) == id {
            let activity = Received::at(row.last_activity_at);
            let last = row.unverified_received.or(row.heard);
            let fact = OfflineFact {
                at: arrival.appended_at,
                received: last.unwrap_or(activity),
                sent: None,
                reason: OfflineReason::Unverified,
                is_by_redelivery: false,
            };
            self.go_offline(client, fact, Cause::Record(arrival.at));
        }
    }
}
