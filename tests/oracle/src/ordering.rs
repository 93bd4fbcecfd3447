//! Which onlines and offlines count (DESIGN.md section 4, "Ordering").

use rollcall_model::event::{Offline, Online};
use rollcall_model::row::Presence;
use rollcall_model::{Arrival, ConnectionRow, Millis, Policy, Received};

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

/// Whether `one` came to its bridge before `other` came to its own. A bridge's count settles it
/// where both were counted by one bridge; else the clocks do, if they differ by more than
/// `allowance_ms`.
pub(crate) fn came_before(one: Received, other: Received, allowance_ms: i64) -> bool {
    let is_one_bridge = one.bridge == other.bridge && one.bridge != 0;
    match (one.order, other.order) {
        (1.., 1..) if is_one_bridge => one.order < other.order,
        _ => one.at.0.saturating_add(allowance_ms) < other.at.0,
    }
}

/// Whether somebody replays an old record: received more than a minute before the stored online, or
/// before the client was heard last.
pub(crate) fn is_replayed(row: &ConnectionRow, arrival: &Arrival, policy: &Policy) -> bool {
    let received = arrival.received();
    let known = [Some(row.session.received), row.heard];
    known
        .into_iter()
        .flatten()
        .any(|known| came_before(received, known, policy.replayed_after_ms))
}

/// Whether the client is in doubt because its broker was lost, and not because it spoke without
/// having a row.
fn lost_its_broker(row: &ConnectionRow) -> bool {
    let spoke = row.heard.is_some() && row.heard == row.unverified_received;
    row.presence == Presence::Unverified && !spoke
}

/// Whether a re-read without a handshake of the client ends its session.
pub(crate) fn is_settled_by_absence(row: &ConnectionRow) -> bool {
    lost_its_broker(row)
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
    if arrival.is_redelivery && was_folded_before(row, online) {
        return Verdict::Refused;
    }
    if is_late(row, online, arrival, policy) {
        return Verdict::Refused;
    }
    if let Some(offline) = row.offline
        && !is_of_newer_epoch(row, online)
        && came_before(
            arrival.received(),
            offline.received,
            policy.reorder_within_ms,
        )
    {
        return Verdict::Refused;
    }
    if arrival.is_retained && is_known(row, online) {
        return Verdict::Refused;
    }
    Verdict::Accepted
}

fn is_of_newer_epoch(row: &ConnectionRow, online: &Online) -> bool {
    match (row.session.epoch, online.epoch) {
        (Some(stored), Some(new)) => new > stored,
        _ => false,
    }
}

/// Whether a redelivered online is an old one: the device says that it is older than the stored
/// one, or as old, and it tells nothing that the row of a connected client does not say.
fn was_folded_before(row: &ConnectionRow, online: &Online) -> bool {
    if is_of_newer_epoch(row, online) {
        return false;
    }
    match (online.sent, row.session.online_sent) {
        (Some(new), Some(stored)) if new == stored => {
            row.presence != Presence::Offline && is_equal(row, online)
        }
        (Some(new), Some(stored)) => new < stored,
        _ => false,
    }
}

fn is_late(row: &ConnectionRow, online: &Online, arrival: &Arrival, policy: &Policy) -> bool {
    let (stored, new) = (row.session.received, arrival.received());
    let is_old = came_before(new, stored, policy.replayed_after_ms);
    match (row.session.epoch, online.epoch) {
        (Some(stored), Some(new)) if new != stored => return new < stored,
        (Some(_), Some(_)) => return is_old,
        _ if is_old => return true,
        _ => {}
    }
    let stored_online = row.session.online_sent;
    let stored_sent = believed(stored_online, stored.at, policy);
    let new_sent = believed(online.sent, new.at, policy);
    let older_by_ms = stored_sent - new_sent;
    let within_ms = policy.reorder_within_ms;
    let later_by_ms = new.at - stored.at;
    if later_by_ms > within_ms {
        return false;
    }
    if later_by_ms < -within_ms {
        let is_counted =
            stored.bridge == new.bridge && stored.bridge != 0 && stored.order > 0 && new.order > 0;
        let is_newer = match (stored_online, online.sent) {
            (Some(stored), Some(new)) => new >= stored,
            _ => false,
        };
        return !is_newer && !is_counted;
    }
    (1..=within_ms).contains(&older_by_ms)
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
    let was_over = match (online.sent, row.offline.and_then(|offline| offline.sent)) {
        (Some(begun), Some(ended)) => begun <= ended,
        _ => false,
    };
    was_over || (is_same_epoch && is_same_id && is_same_sent && is_equal(row, online))
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
        (Some(stored), Some(ended)) => {
            ended == stored && !(arrival.is_retained && is_outlived(row, offline))
        }
        _ if is_replayed(row, arrival, policy) => false,
        _ => !arrival.is_retained || is_newer_memory(row, offline),
    }
}

/// Whether the broker remembers an offline of which the row does not know.
fn is_newer_memory(row: &ConnectionRow, offline: &Offline) -> bool {
    let (Some(sent), Some(online_sent)) = (offline.sent, row.session.online_sent) else {
        return lost_its_broker(row);
    };
    sent > online_sent && !is_outlived(row, offline)
}

/// Whether the client was there after it had said so.
fn is_outlived(row: &ConnectionRow, offline: &Offline) -> bool {
    match (offline.sent, row.session.outlived_sent) {
        (Some(sent), Some(outlived)) => sent <= outlived,
        _ => false,
    }
}
