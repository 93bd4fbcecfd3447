//! Which onlines and offlines count (DESIGN.md section 4, "Ordering"). Decides, changes nothing.
//!
//! Order is arrival in the log, fenced by epoch. A device's clock only breaks ties between onlines
//! that arrive close together, because a will carries an old, fixed `sent`, and clocks get set.

use rollcall_model::event::{Offline, Online};
use rollcall_model::row::{GUARD_IDS_MAX, Presence, Session};
use rollcall_model::{Arrival, ConnectionRow, Millis, Policy};
use xxhash_rust::xxh3::xxh3_64;

use crate::context::Ignored;

/// What becomes of an online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There is no row: it makes one.
    Create,
    /// It counts.
    Accept,
    /// It is the stored online, redelivered after a redelivered offline: the row is online again.
    Resume,
    /// It does not count.
    Refuse(Ignored),
}

/// Judges an online against the client's row. Presence plays no part: a refusal holds for an
/// offline row too, so that a replayed online does not raise the dead.
pub(crate) fn online(
    row: Option<&ConnectionRow>,
    online: &Online,
    arrival: &Arrival,
    policy: &Policy,
) -> Admission {
    let Some(row) = row else {
        return Admission::Create;
    };
    if is_known(row, &online.message_id) {
        return if is_cut_off_by_redelivery(row, &online.message_id, arrival) {
            Admission::Resume
        } else {
            Admission::Refuse(Ignored::Duplicate)
        };
    }
    if is_late(&row.session, online, arrival, policy) {
        return Admission::Refuse(Ignored::Late);
    }
    if arrival.is_retained && repeats(row, online) {
        return Admission::Refuse(Ignored::Retained);
    }
    Admission::Accept
}

/// Judges an offline. A will repeats an old id and an old `sent`, so neither is looked at.
pub(crate) fn offline(
    row: Option<&ConnectionRow>,
    offline: &Offline,
    arrival: &Arrival,
    policy: &Policy,
) -> Result<(), Ignored> {
    let row = row.ok_or(Ignored::NoRow)?;
    match (offline.epoch, row.session.epoch) {
        (Some(ended), Some(stored)) if ended != stored => return Err(Ignored::OtherSession),
        (Some(_), Some(_)) => {}
        _ if is_replayed(&row.session, arrival, policy) => return Err(Ignored::Replayed),
        _ => {}
    }
    match row.presence {
        Presence::Offline => Err(Ignored::AlreadyOffline),
        Presence::Online | Presence::Inactive | Presence::Unverified => Ok(()),
    }
}

/// Judges the loss of a client's broker.
pub(crate) fn broker_lost(
    row: Option<&ConnectionRow>,
    arrival: &Arrival,
    policy: &Policy,
) -> Result<(), Ignored> {
    let row = row.ok_or(Ignored::NoRow)?;
    if is_replayed(&row.session, arrival, policy) {
        return Err(Ignored::Replayed);
    }
    match row.presence {
        Presence::Online | Presence::Inactive => Ok(()),
        Presence::Offline | Presence::Unverified => Err(Ignored::NotInDoubt),
    }
}

/// Judges a re-read of retained messages that brought no handshake: it settles a doubt, else
/// nothing.
pub(crate) fn retained_absent(row: Option<&ConnectionRow>) -> Result<(), Ignored> {
    match row.ok_or(Ignored::NoRow)?.presence {
        Presence::Unverified => Ok(()),
        Presence::Online | Presence::Inactive | Presence::Offline => Err(Ignored::NotInDoubt),
    }
}

/// When the bridge received the record, capped at its append time: a bridge's clock may be ahead.
pub(crate) fn received_at(arrival: &Arrival) -> Millis {
    arrival.received_at.min(arrival.appended_at)
}

/// Remembers the id of an accepted online; the oldest makes room. An empty id matches nothing.
pub(crate) fn remember(guard: &mut Vec<u64>, message_id: &str) {
    if message_id.is_empty() {
        return;
    }
    if guard.len() >= GUARD_IDS_MAX {
        guard.drain(..=guard.len() - GUARD_IDS_MAX);
    }
    guard.push(xxh3_64(message_id.as_bytes()));
}

/// Whether facts, dispatchers, tags or version differ: what an `updated` event tells of.
pub(crate) fn content_differs(row: &ConnectionRow, online: &Online) -> bool {
    row.canonical_facts != online.canonical_facts
        || row.dispatchers != online.dispatchers
        || row.tags != online.tags
        || row.catalog_service_facts != online.catalog_service_facts
        || row.client_name != online.client_name
        || row.client_version != online.client_version
}

/// A row that an older build wrote may hold an id without its hash, so both are compared.
fn is_known(row: &ConnectionRow, message_id: &str) -> bool {
    !message_id.is_empty()
        && (row.session.online_message_id == message_id
            || row.guard.contains(&xxh3_64(message_id.as_bytes())))
}

/// Redelivery keeps the order: will, online and then both again leaves the client online.
fn is_cut_off_by_redelivery(row: &ConnectionRow, message_id: &str, arrival: &Arrival) -> bool {
    arrival.is_redelivery
        && row.session.online_message_id == message_id
        && row.offline.is_some_and(|offline| offline.is_by_redelivery)
}

fn is_late(stored: &Session, online: &Online, arrival: &Arrival, policy: &Policy) -> bool {
    if let (Some(epoch), Some(stored_epoch)) = (online.epoch, stored.epoch) {
        return epoch < stored_epoch;
    }
    if is_replayed(stored, arrival, policy) {
        return true;
    }
    let received = received_at(arrival);
    let apart_ms = (received - stored.received_at).saturating_abs();
    let older_by_ms = believed(stored.online_sent, stored.received_at, policy)
        - believed(online.sent, received, policy);
    apart_ms <= policy.reorder_within_ms
        && older_by_ms > 0
        && older_by_ms <= policy.reorder_within_ms
}

/// Received long before the stored online: somebody replays a topic.
fn is_replayed(stored: &Session, arrival: &Arrival, policy: &Policy) -> bool {
    stored.received_at - received_at(arrival) > policy.replayed_after_ms
}

/// A device's clock as far as it is believed: missing or in the future counts as the arrival.
fn believed(sent: Option<Millis>, received: Millis, policy: &Policy) -> Millis {
    sent.filter(|sent| *sent <= received + policy.future_sent_ms)
        .unwrap_or(received)
}

/// Whether a retained online only says again what the row says. To an offline row it must also be
/// of the session that has ended: by its epoch, then whatever it says; without epochs by the same
/// id and `sent`, for another one is a session that nobody saw begin.
fn repeats(row: &ConnectionRow, online: &Online) -> bool {
    let session = &row.session;
    let is_same_content = session.epoch == online.epoch && !content_differs(row, online);
    match (row.presence, session.epoch) {
        (Presence::Offline, Some(_)) => session.epoch == online.epoch,
        (Presence::Offline, None) => {
            let is_same_online = session.online_message_id == online.message_id
                && session.online_sent == online.sent;
            is_same_content && is_same_online
        }
        (Presence::Online | Presence::Inactive | Presence::Unverified, _) => is_same_content,
    }
}
