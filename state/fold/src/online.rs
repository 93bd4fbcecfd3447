//! An online that counts: the row it makes or changes, and the event that says so.

use rollcall_model::event::Online;
use rollcall_model::row::{Presence, Session};
use rollcall_model::{Arrival, ConnectionRow, EventKind};

use crate::work::Work;
use crate::{message, ordering, tenant};

/// A client that has no row comes online.
pub(crate) fn create(work: &mut Work<'_>, online: &Online, arrival: &Arrival) {
    let now = work.ctx.now;
    let mut row = ConnectionRow {
        due_at: None,
        org_id: String::new(),
        client_id: work.client.clone(),
        dialect: online.dialect,
        kind: online.kind,
        presence: Presence::Online,
        session: session(online, arrival),
        guard: Vec::new(),
        last_activity_at: arrival.appended_at,
        heard: (!arrival.is_retained).then(|| arrival.received()),
        offline: None,
        unverified_received: None,
        unverified_at: None,
        probed_at: None,
        no_subscriber_count: 0,
        account: String::new(),
        identity: None,
        tenant_confirmed_at: None,
        tenant_lookup_timestamp: None,
        tenant_lookup_failure_count: 0,
        lookup: None,
        inventory_owed: None,
        canonical_facts: None,
        dispatchers: None,
        tags: None,
        catalog_service_facts: None,
        client_name: String::new(),
        client_version: String::new(),
        stale_timestamp: now + work.policy().inventory_stale_after_ms,
        refreshed_at: None,
        destination: online.destination.clone(),
        revision: 0,
        updated_at: now,
    };
    take_over(&mut row, online, arrival);
    work.set_row(Some(row));
    work.event(EventKind::Connected, "");
    tenant::after_online(work, arrival.at);
}

/// A client that has a row says that it is online; the ordering rules let it pass.
///
/// A retained handshake is the broker's memory: it brings content and ends an offline that it
/// outdates, but it proves no life, so an unverified or inactive row stays what it is.
pub(crate) fn accept(work: &mut Work<'_>, online: &Online, arrival: &Arrival) {
    let Some(row) = work.row() else { return };
    let was = row.presence;
    let farewell = row.offline.and_then(|offline| offline.sent);
    let is_updated = ordering::content_differs(row, online);
    let shows_life = !arrival.is_retained || was == Presence::Offline;
    work.edit(|row| {
        let connected_at = row.session.connected_at;
        take_over(row, online, arrival);
        if was == Presence::Offline {
            row.session.outlived_sent = farewell;
            row.tenant_lookup_failure_count = 0;
        } else {
            row.session.connected_at = connected_at;
        }
        if shows_life {
            show_online(row);
        }
    });
    if shows_life {
        message::touch(work, arrival);
    }
    if !arrival.is_retained {
        work.edit(|row| message::hear(row, arrival));
    }
    match was {
        Presence::Offline => work.event(EventKind::Connected, ""),
        Presence::Inactive | Presence::Unverified if shows_life => {
            work.event(EventKind::Active, was.as_str());
        }
        Presence::Online | Presence::Inactive | Presence::Unverified => {}
    }
    if is_updated && was != Presence::Offline {
        work.event(EventKind::Updated, "");
    }
    tenant::after_online(work, arrival.at);
}

/// The stored online comes again after a redelivered offline: the session goes on as it was.
///
/// No look-up and no inventory message, for the first delivery has seen to both; only a debt that
/// the offline cut off is taken up.
pub(crate) fn resume(work: &mut Work<'_>, arrival: &Arrival) {
    work.edit(|row| {
        show_online(row);
        message::hear(row, arrival);
    });
    message::touch(work, arrival);
    work.event(EventKind::Connected, "redelivery");
    tenant::take_up_debt(work);
}

/// Presence online, and nothing left of the state before.
pub(crate) fn show_online(row: &mut ConnectionRow) {
    row.presence = Presence::Online;
    row.offline = None;
    row.unverified_received = None;
    row.unverified_at = None;
}

fn session(online: &Online, arrival: &Arrival) -> Session {
    Session {
        epoch: online.epoch,
        connected_at: arrival.appended_at,
        online_message_id: online.message_id.clone(),
        online_sent: online.sent,
        received: arrival.received(),
        outlived_sent: None,
        cause: arrival.at,
    }
}

/// What an accepted online says replaces what the row said; null and absent replace too.
fn take_over(row: &mut ConnectionRow, online: &Online, arrival: &Arrival) {
    let outlived_sent = row.session.outlived_sent;
    row.session = session(online, arrival);
    row.session.outlived_sent = outlived_sent;
    ordering::remember(&mut row.guard, &online.message_id);
    row.dialect = online.dialect;
    row.kind = online.kind;
    row.canonical_facts.clone_from(&online.canonical_facts);
    row.dispatchers.clone_from(&online.dispatchers);
    row.tags.clone_from(&online.tags);
    row.catalog_service_facts
        .clone_from(&online.catalog_service_facts);
    row.client_name.clone_from(&online.client_name);
    row.client_version.clone_from(&online.client_version);
    row.destination.clone_from(&online.destination);
}
