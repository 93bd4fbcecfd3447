//! The inventory gate, and what comes of passing it: a message, or an event that says why not.

use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Kind, Presence};
use rollcall_model::{Cause, ConnectionRow, Derived, EventKind, InventoryMessage, RequestId, host};

use crate::work::Work;

/// A deployed client that runs none of these has nothing that inventory could start
/// (anchors/cloud-connector.md section 4).
const RHC_DISPATCHERS: [&str; 3] = [
    "rhc-worker-playbook",
    "package-manager",
    "rhc-worker-script",
];

/// Whether the client is one that inventory wants to hear of, once its tenant is known: a host with
/// facts. In `draft` the handshake says what is a host; in `rhc` one of the known dispatchers does,
/// also of a client that is a proxy besides.
pub(crate) fn qualifies(row: &ConnectionRow) -> bool {
    let is_host = || match row.dialect {
        Dialect::Draft => row.kind == Kind::Host,
        Dialect::Rhc => row
            .dispatchers
            .as_ref()
            .is_some_and(|names| names.has_any_key(&RHC_DISPATCHERS)),
    };
    row.canonical_facts
        .as_ref()
        .is_some_and(|facts| facts.is_filled_object())
        && is_host()
}

/// Tells inventory, if the row has a tenant with an identity, is not offline and [`qualifies`];
/// otherwise nothing happens. What was owed is paid.
///
/// What inventory would refuse is not sent: it would drop the message, and nobody would hear of it.
/// The client's history says why instead. The row counts as told all the same, so it is looked at
/// again by the next refresh, which may bring a better identity, or by the next online.
pub(crate) fn send(work: &mut Work<'_>, cause: Cause) {
    let now = work.ctx.now;
    let Some(row) = work.row() else { return };
    if row.org_id.is_empty() || row.presence == Presence::Offline || !qualifies(row) {
        return;
    }
    let (Some(identity), Some(canonical_facts)) = (&row.identity, &row.canonical_facts) else {
        return;
    };
    let verdict = host::check(&row.org_id, identity, canonical_facts);
    let message = verdict.map(|()| InventoryMessage {
        client_id: work.client.clone(),
        org_id: row.org_id.clone(),
        account: row.account.clone(),
        identity: identity.clone(),
        canonical_facts: canonical_facts.clone(),
        tags: row.tags.clone(),
        request_id: RequestId::derive(work.client, &cause),
        stale_timestamp: now + work.policy().inventory_stale_after_ms,
        cause,
    });
    work.edit(|row| {
        row.inventory_owed = None;
        row.refreshed_at = Some(now);
    });
    match message {
        Ok(message) => work.emit(Derived::Inventory(Box::new(message))),
        Err(why) => work.event(EventKind::InventorySuppressed, why.as_str()),
    }
}
