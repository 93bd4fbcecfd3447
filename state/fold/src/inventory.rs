//! The inventory gate, and the message that passes it.

use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Kind, Presence};
use rollcall_model::{Cause, ConnectionRow, Derived, InventoryMessage, RequestId};

use crate::work::Work;

/// A deployed client that runs none of these has nothing that inventory could start
/// (anchors/cloud-connector.md section 4).
const RHC_DISPATCHERS: [&str; 3] = [
    "rhc-worker-playbook",
    "package-manager",
    "rhc-worker-script",
];

/// Whether the client is one that inventory wants to hear of, once its tenant is known: a host with
/// facts, and for `rhc` with one of the known dispatchers.
pub(crate) fn qualifies(row: &ConnectionRow) -> bool {
    let has_dispatcher = || match row.dialect {
        Dialect::Draft => true,
        Dialect::Rhc => row
            .dispatchers
            .as_ref()
            .is_some_and(|names| names.has_any_key(&RHC_DISPATCHERS)),
    };
    row.kind == Kind::Host
        && row
            .canonical_facts
            .as_ref()
            .is_some_and(|facts| facts.is_filled_object())
        && has_dispatcher()
}

/// Tells inventory, if the row has a tenant with an identity, is not offline and [`qualifies`];
/// otherwise nothing happens. What was owed is paid.
pub(crate) fn send(work: &mut Work<'_>, cause: Cause) {
    let now = work.ctx.now;
    let Some(row) = work.row() else { return };
    if row.org_id.is_empty() || row.presence == Presence::Offline || !qualifies(row) {
        return;
    }
    let (Some(identity), Some(canonical_facts)) = (&row.identity, &row.canonical_facts) else {
        return;
    };
    let message = InventoryMessage {
        client_id: work.client.clone(),
        org_id: row.org_id.clone(),
        account: row.account.clone(),
        identity: identity.clone(),
        canonical_facts: canonical_facts.clone(),
        tags: row.tags.clone(),
        request_id: RequestId::derive(work.client, &cause),
        stale_timestamp: now + work.policy().inventory_stale_after_ms,
        cause,
    };
    work.emit(Derived::Inventory(Box::new(message)));
    work.edit(|row| {
        row.inventory_owed = None;
        row.refreshed_at = Some(now);
    });
}
