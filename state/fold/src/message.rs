//! Traffic as a sign of life: yggd 0.4 sends no online after a reconnect, so any message counts.

use rollcall_model::event::Message;
use rollcall_model::row::{Kind, Presence, Session};
use rollcall_model::{Arrival, ConnectionRow, EventKind, Received};

use crate::context::Ignored;
use crate::work::Work;
use crate::{online, tenant};

/// Reason of the `unverified` event of a row that a message makes.
const FIRST_SEEN: &str = "message";

/// Moves `last_activity_at` and wakes a row that counts as inactive, offline or unverified; the
/// latter two unless the message was received before they came about. Of equal times it is the sign
/// of life that counts: a connected client shown as gone is the worse error.
pub(crate) fn sign_of_life(work: &mut Work<'_>, arrival: &Arrival) {
    touch(work, arrival);
    let Some(row) = work.row() else { return };
    let received = arrival.received();
    let is_no_older =
        |than: Option<Received>| than.is_none_or(|than| !received.is_before(&than, 0));
    let was = row.presence;
    let wakes = match was {
        Presence::Online => false,
        Presence::Inactive => true,
        Presence::Offline => is_no_older(row.offline.map(|offline| offline.received)),
        Presence::Unverified => {
            let lost = row.unverified_at.map(Received::at);
            is_no_older(row.unverified_received.or(lost))
        }
    };
    if !wakes {
        return;
    }
    let farewell = row.offline.and_then(|offline| offline.sent);
    work.edit(|row| {
        online::show_online(row);
        hear(row, arrival);
        if was == Presence::Offline {
            // Another session than the one that ended; of its begin this is all that is known.
            row.session.connected_at = arrival.appended_at;
            row.session.outlived_sent = farewell.max(row.session.outlived_sent);
        }
    });
    work.event(EventKind::Active, was.as_str());
    if was == Presence::Offline {
        tenant::take_up_debt(work);
    }
}

/// A client without a row speaks: its row has expired, or its online was never seen. It makes a row
/// that is unverified, for what was in flight when the client went says the same; whose it is, the
/// look-up says. The next message, or an online, settles it, else the timer.
///
/// A message that somebody replays is no reason.
pub(crate) fn first_seen(work: &mut Work<'_>, message: &Message, arrival: &Arrival) {
    let (now, policy) = (work.ctx.now, work.policy());
    let received = arrival.received();
    if arrival.appended_at - received.at > policy.replayed_after_ms {
        return work.ignore(Ignored::NoRow);
    }
    work.set_row(Some(ConnectionRow {
        due_at: None,
        org_id: String::new(),
        client_id: work.client.clone(),
        dialect: message.dialect,
        kind: Kind::Host,
        presence: Presence::Unverified,
        session: Session {
            epoch: None,
            connected_at: arrival.appended_at,
            online_message_id: String::new(),
            online_sent: None,
            received,
            outlived_sent: None,
            cause: arrival.at,
        },
        guard: Vec::new(),
        last_activity_at: arrival.appended_at,
        heard: Some(received),
        offline: None,
        unverified_received: Some(received),
        unverified_at: Some(arrival.appended_at),
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
        stale_timestamp: now + policy.inventory_stale_after_ms,
        refreshed_at: None,
        destination: message.destination.clone(),
        revision: 0,
        updated_at: now,
    }));
    work.event(EventKind::Unverified, FIRST_SEEN);
    tenant::after_online(work, arrival.at);
}

/// Moves `last_activity_at` to the append time, when that is at least one step later: activity must
/// not flood the changelog. Attempts that found no subscriber count from 0 again.
pub(crate) fn touch(work: &mut Work<'_>, arrival: &Arrival) {
    let step_ms = work.policy().activity_step_ms;
    let at = arrival.appended_at;
    if work.row().is_some_and(|row| row.no_subscriber_count > 0) {
        work.edit(|row| row.no_subscriber_count = 0);
    }
    if work
        .row()
        .is_some_and(|row| at - row.last_activity_at >= step_ms)
    {
        work.edit(|row| {
            row.last_activity_at = at;
            hear(row, arrival);
        });
    }
}

/// Notes the receipt of a sign of life, unless a later one is known.
pub(crate) fn hear(row: &mut ConnectionRow, arrival: &Arrival) {
    let received = arrival.received();
    if row.heard.is_none_or(|heard| !received.is_before(&heard, 0)) {
        row.heard = Some(received);
    }
}
