//! Which onlines and offlines count (DESIGN.md section 4, "Ordering"). Decides, changes nothing.
//!
//! Order is arrival in the log, fenced by epoch and by receipt: what was received before counts as
//! before, however late it stands in the log. A device's clock only breaks ties between onlines
//! that arrive close together, because a will carries an old, fixed `sent`, and clocks get set; and
//! it tells what a broker sends once more, or remembers, from what is new.

use rollcall_model::event::{Offline, Online};
use rollcall_model::row::{GUARD_IDS_MAX, Presence, Session};
use rollcall_model::{Arrival, ConnectionRow, Millis, Policy, Received};
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
    if arrival.is_redelivery && is_old_copy(row, online) {
        return Admission::Refuse(Ignored::Duplicate);
    }
    if is_late(&row.session, online, arrival, policy) || is_over(row, online, arrival, policy) {
        return Admission::Refuse(Ignored::Late);
    }
    if arrival.is_retained && repeats(row, online) {
        return Admission::Refuse(Ignored::Retained);
    }
    Admission::Accept
}

/// Judges an offline. A will repeats an old id and an old `sent`, so neither is looked at, but
/// where the broker's memory speaks: it never ends a session that is newer than what it remembers.
pub(crate) fn offline(
    row: Option<&ConnectionRow>,
    offline: &Offline,
    arrival: &Arrival,
    policy: &Policy,
) -> Result<(), Ignored> {
    let row = row.ok_or(Ignored::NoRow)?;
    match (offline.epoch, row.session.epoch) {
        (Some(ended), Some(stored)) if ended != stored => return Err(Ignored::OtherSession),
        (Some(_), Some(_)) if arrival.is_retained && is_outlived(row, offline) => {
            return Err(Ignored::Retained);
        }
        (Some(_), Some(_)) => {}
        _ if is_replayed(row, arrival, policy) => return Err(Ignored::Replayed),
        _ if row.presence == Presence::Offline => {}
        _ if arrival.is_retained && is_outdated(row, offline) => return Err(Ignored::Retained),
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
    if is_replayed(row, arrival, policy) {
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
    match row.ok_or(Ignored::NoRow)? {
        row if is_lost(row) => Ok(()),
        _ => Err(Ignored::NotInDoubt),
    }
}

/// Whether the client has been silent since its broker was lost. A row that a message made is
/// unverified too, but its client has just spoken: no memory of the broker's settles that.
fn is_lost(row: &ConnectionRow) -> bool {
    let was_heard = row.heard.is_some() && row.heard == row.unverified_received;
    row.presence == Presence::Unverified && !was_heard
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
    let received = arrival.received();
    let is_replayed = received.is_before(&stored.received, policy.replayed_after_ms);
    if let (Some(epoch), Some(stored_epoch)) = (online.epoch, stored.epoch) {
        return epoch < stored_epoch || (epoch == stored_epoch && is_replayed);
    }
    if is_replayed {
        return true;
    }
    let after_ms = received.at - stored.received.at;
    let older_by_ms = believed(stored.online_sent, stored.received.at, policy)
        - believed(online.sent, received.at, policy);
    if after_ms < -policy.reorder_within_ms {
        // Another bridge's clock is behind, or somebody replays: the device's clock decides, and
        // without one it is the older record.
        let is_newer = stored.online_sent.is_some() && online.sent >= stored.online_sent;
        return !received.is_counted_with(&stored.received) && !is_newer;
    }
    after_ms <= policy.reorder_within_ms
        && older_by_ms > 0
        && older_by_ms <= policy.reorder_within_ms
}

/// Received before the offline that ended its session: a record that was refused and is replayed
/// must not raise the dead. A session with a newer epoch is another one.
fn is_over(row: &ConnectionRow, online: &Online, arrival: &Arrival, policy: &Policy) -> bool {
    let is_newer = row.session.epoch.is_some() && online.epoch > row.session.epoch;
    let ended = row.offline.filter(|_| !is_newer);
    ended.is_some_and(|offline| {
        let received = arrival.received();
        received.is_before(&offline.received, policy.reorder_within_ms)
    })
}

/// Whether a broker that lost its acknowledgements sends an old online once more.
///
/// It sends everything that was in flight, however much, and in order; so the newest of them comes
/// last, and an online that says to be older than the stored one has been folded before. The clocks
/// compared are one device's. Of the same `sent`, only what says nothing new is known to be old.
fn is_old_copy(row: &ConnectionRow, online: &Online) -> bool {
    let stored = &row.session;
    if stored.epoch.is_some() && online.epoch > stored.epoch {
        return false;
    }
    let (Some(sent), Some(stored_sent)) = (online.sent, stored.online_sent) else {
        return false;
    };
    let is_there = row.presence != Presence::Offline;
    sent < stored_sent || (sent == stored_sent && is_there && !content_differs(row, online))
}

/// Received before the stored online, or before the client's last sign of life: somebody replays a
/// record.
fn is_replayed(row: &ConnectionRow, arrival: &Arrival, policy: &Policy) -> bool {
    let received = arrival.received();
    let is_before = |other: &Received| received.is_before(other, policy.replayed_after_ms);
    is_before(&row.session.received) || row.heard.as_ref().is_some_and(is_before)
}

/// Whether a retained offline is no news to a row that counts as connected. It is, when it was said
/// behind the stored online and behind every offline that the client has outlived. Where a clock is
/// missing it only settles what the loss of a broker left open.
fn is_outdated(row: &ConnectionRow, offline: &Offline) -> bool {
    match (offline.sent, row.session.online_sent) {
        (Some(sent), Some(online_sent)) => sent <= online_sent || is_outlived(row, offline),
        _ => !is_lost(row),
    }
}

/// Whether the client has given a sign of life since it, or a later one, was said.
fn is_outlived(row: &ConnectionRow, offline: &Offline) -> bool {
    offline.sent.is_some() && offline.sent <= row.session.outlived_sent
}

/// A device's clock as far as it is believed: missing or in the future counts as the arrival.
fn believed(sent: Option<Millis>, received: Millis, policy: &Policy) -> Millis {
    sent.filter(|sent| *sent <= received + policy.future_sent_ms)
        .unwrap_or(received)
}

/// Whether a retained online only says again what the row says. To an offline row it must also be
/// of a session that has ended: by its epoch, then whatever it says; without epochs by the same id
/// and `sent`, or because the device dates it before the offline. Another one is a session that
/// nobody saw begin.
fn repeats(row: &ConnectionRow, online: &Online) -> bool {
    let session = &row.session;
    let is_same_content = session.epoch == online.epoch && !content_differs(row, online);
    match (row.presence, session.epoch) {
        (Presence::Offline, Some(_)) => session.epoch == online.epoch,
        (Presence::Offline, None) => {
            let is_same_online = session.online_message_id == online.message_id
                && session.online_sent == online.sent;
            let ended_at = row.offline.and_then(|offline| offline.sent);
            let is_before = online.sent.is_some() && online.sent <= ended_at;
            (is_same_content && is_same_online) || is_before
        }
        (Presence::Online | Presence::Inactive | Presence::Unverified, _) => is_same_content,
    }
}
