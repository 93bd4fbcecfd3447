//! Which onlines and offlines count (DESIGN.md section 4, "Ordering").

use rollcall_model::event::{Offline, Online};
use rollcall_model::row::Presence;
use rollcall_model::{Arrival, ConnectionRow, Millis, Policy};

use crate::arithmetic::guard_of;

/// What becomes of an online of a client that has a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It changes nothing.
    Refused,
    /// It is the stored online once more, behind the will that came once more.
    Again,
    /// It counts.
    Accepted,
}

/// When the bridge had it; a bridge whose clock is ahead had it when it was appended.
pub(crate) fn received(arrival: &Arrival) -> Millis {
    arrival.received_at.min(arrival.appended_at)
}

/// Whether somebody replays an old record: received more than a minute before the stored online.
pub(crate) fn is_replayed(row: &ConnectionRow, arrival: &Arrival, policy: &Policy) -> bool {
    row.session.received_at - received(arrival) > policy.replayed_after_ms
}

/// Judges an online against the row.
pub(crate) fn judge(
    row: &ConnectionRow,
    online: &Online,
    arrival: &Arrival,
    policy: &Policy,
) -> Verdict {
    if !online.message_id.is_empty() {
        let is_stored = online.message_id == row.session.online_message_id;
        let ended_by_dup = row.offline.is_some_and(|offline| offline.is_by_redelivery);
        if is_stored && arrival.is_redelivery && ended_by_dup {
            return Verdict::Again;
        }
        if is_stored || row.guard.contains(&guard_of(&online.message_id)) {
            return Verdict::Refused;
        }
    }
    if is_late(row, online, arrival, policy) {
        return Verdict::Refused;
    }
    if arrival.is_retained && is_known(row, online) {
        return Verdict::Refused;
    }
    Verdict::Accepted
}

fn is_late(row: &ConnectionRow, online: &Online, arrival: &Arrival, policy: &Policy) -> bool {
    if let (Some(stored), Some(new)) = (row.session.epoch, online.epoch) {
        return new < stored;
    }
    if is_replayed(row, arrival, policy) {
        return true;
    }
    let (stored_at, new_at) = (row.session.received_at, received(arrival));
    let apart_ms = (new_at - stored_at).saturating_abs();
    let stored_sent = believed(row.session.online_sent, stored_at, policy);
    let new_sent = believed(online.sent, new_at, policy);
    let older_by_ms = stored_sent - new_sent;
    apart_ms <= policy.reorder_within_ms
        && older_by_ms >= 1
        && older_by_ms <= policy.reorder_within_ms
}

/// A `sent` that is missing or in the future counts as the arrival.
fn believed(sent: Option<Millis>, arrived: Millis, policy: &Policy) -> Millis {
    match sent {
        Some(sent) if sent <= arrived + policy.future_sent_ms => sent,
        _ => arrived,
    }
}

/// Whether a retained handshake says what the row says, or is of the session that has ended.
fn is_known(row: &ConnectionRow, online: &Online) -> bool {
    let is_same_epoch = row.session.epoch == online.epoch;
    if row.presence != Presence::Offline {
        return is_same_epoch && is_equal(row, online);
    }
    if row.session.epoch.is_some() {
        return is_same_epoch;
    }
    let is_same_id = row.session.online_message_id == online.message_id;
    let is_same_sent = row.session.online_sent == online.sent;
    is_same_epoch && is_same_id && is_same_sent && is_equal(row, online)
}

/// Whether an online says of the client what the row says.
pub(crate) fn is_equal(row: &ConnectionRow, online: &Online) -> bool {
    row.canonical_facts == online.canonical_facts
        && row.dispatchers == online.dispatchers
        && row.tags == online.tags
        && row.catalog_service_facts == online.catalog_service_facts
        && row.client_name == online.client_name
        && row.client_version == online.client_version
}

/// Whether an offline counts.
pub(crate) fn ends_session(
    row: &ConnectionRow,
    offline: &Offline,
    arrival: &Arrival,
    policy: &Policy,
) -> bool {
    if row.presence == Presence::Offline {
        return false;
    }
    match (row.session.epoch, offline.epoch) {
        (Some(stored), Some(ended)) => ended == stored,
        _ => !is_replayed(row, arrival, policy),
    }
}
