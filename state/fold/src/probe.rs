//! Asking a client that is said to be gone, or in doubt, for a sign of life: one ping.
//!
//! A will may come from the end of a connection that has a successor, or from a broker that ends
//! and takes a whole fleet with it. What a probe finds is told by others: an answer is traffic, and
//! wakes the row as any traffic does. A probe is no delivery and has no row in the outbox; the row
//! knows by the time when it was due that it went out, and its id follows from that.

use rollcall_model::event::RequestBody;
use rollcall_model::row::{OfflineFact, OfflineReason, Presence, Protocol};
use rollcall_model::{
    Arrival, Cause, ConnectionRow, DeliveryId, Derived, Millis, OutboundDelivery, Policy, TimerKind,
};

use crate::context::Ignored;
use crate::work::Work;
use crate::{jitter, offline, step};

/// When the row's probe is due; `None` when there is nothing to ask, no way to ask it, or when it
/// was asked since it went.
///
/// Clients of one broker go at the same time, so each waits up to as long again, by its hash.
pub(crate) fn due_at(row: &ConnectionRow, policy: &Policy) -> Option<Millis> {
    let since = since(row)?;
    let is_probed = row.probed_at.is_some_and(|probed_at| probed_at > since);
    let can_answer = row.dialect.has_ping() && row.destination.protocol == Protocol::Mqtt;
    let wait_ms = policy.probe_after_ms;
    let is_wanted = wait_ms > 0 && can_answer && !is_probed;
    is_wanted.then(|| since + wait_ms + jitter::spread_ms(&row.client_id, since, wait_ms))
}

/// Sends the probe that was due at `due_at`: useful for as long as the row stays.
pub(crate) fn send(work: &mut Work<'_>, due_at: Millis) {
    let Some(row) = work.row() else { return };
    let probe = OutboundDelivery {
        delivery_id: id(work, due_at),
        client_id: work.client.clone(),
        dialect: row.dialect,
        destination: row.destination.clone(),
        body: RequestBody::ping(),
        attempt: 1,
        deadline: work.ctx.now + work.policy().row_retention_ms,
        cause: work.cause,
        sent_at: work.ctx.now,
    };
    work.edit(|row| row.probed_at = Some(due_at));
    work.emit(Derived::Delivery(Box::new(probe)));
}

/// Whether `delivery` is the client's last probe.
pub(crate) fn is_of(work: &Work<'_>, delivery: DeliveryId) -> bool {
    let probed_at = work.row().and_then(|row| row.probed_at);
    probed_at.is_some_and(|probed_at| id(work, probed_at) == delivery)
}

/// The probe found no subscriber: that settles a doubt that it was sent for. Whatever was received
/// since the doubt began wakes the client all the same: a device may speak before it subscribes.
pub(crate) fn found_no_subscriber(work: &mut Work<'_>, arrival: &Arrival) {
    let Some(row) = work.row() else { return };
    match (row.presence, since(row)) {
        (Presence::Unverified, Some(since)) if row.probed_at > Some(since) => {
            let fact = OfflineFact {
                at: arrival.appended_at,
                received: step::last_known(row),
                sent: None,
                reason: OfflineReason::Unverified,
                is_by_redelivery: false,
            };
            offline::take_offline(work, fact);
        }
        (Presence::Offline, _) => work.ignore(Ignored::AlreadyOffline),
        _ => work.ignore(Ignored::NotInDoubt),
    }
}

/// Since when the row is in a state that a probe may settle. A handshake that its device cleared
/// is a farewell; a row that went offline unconfirmed was probed while it was in doubt.
fn since(row: &ConnectionRow) -> Option<Millis> {
    match row.presence {
        Presence::Online | Presence::Inactive => None,
        Presence::Unverified => Some(row.unverified_at.unwrap_or(row.updated_at)),
        Presence::Offline => row.offline.and_then(|offline| match offline.reason {
            OfflineReason::Message | OfflineReason::Inactive => Some(offline.at),
            OfflineReason::Cleared | OfflineReason::Unverified => None,
        }),
    }
}

fn id(work: &Work<'_>, due_at: Millis) -> DeliveryId {
    let kind = TimerKind::Probe;
    DeliveryId::derive(work.client, &Cause::Timer { kind, due_at })
}
