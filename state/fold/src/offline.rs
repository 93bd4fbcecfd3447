//! The ways down: offline, silent, in doubt, and out of the table.

use rollcall_model::row::{OfflineFact, Presence};
use rollcall_model::{EventKind, Millis, Received};

use crate::work::Work;

/// The client is gone. The row stays for the retention time, without look-up and other timers.
///
/// What is owed to inventory stays owed, though the look-up that it waited for is dropped: sign of
/// life takes it up again ([`crate::tenant::take_up_debt`]), a new online makes its own.
pub(crate) fn take_offline(work: &mut Work<'_>, fact: OfflineFact) {
    work.edit(|row| {
        row.presence = Presence::Offline;
        row.offline = Some(fact);
        row.unverified_received = None;
        row.unverified_at = None;
        row.lookup = None;
    });
    work.event(EventKind::Disconnected, fact.reason.as_str());
}

/// Another record says that the client is gone. When and how it went stays; but what was received
/// before this record is no sign of life any more.
pub(crate) fn take_offline_again(work: &mut Work<'_>, received: Received, sent: Option<Millis>) {
    let known = work.row().and_then(|row| row.offline);
    if known.is_some_and(|known| known.received.is_before(&received, 0)) {
        work.edit(|row| {
            if let Some(offline) = &mut row.offline {
                offline.received = received;
                offline.sent = sent.or(offline.sent);
            }
        });
    }
}

/// The client has been silent for the first threshold (seed 004).
pub(crate) fn fall_silent(work: &mut Work<'_>) {
    work.edit(|row| row.presence = Presence::Inactive);
    work.event(EventKind::Inactive, "");
}

/// The client's broker was lost: nobody knows whether it is still there.
pub(crate) fn doubt(work: &mut Work<'_>, at: Millis, received: Received) {
    doubt_because(work, at, received, "");
}

/// Something says that the client may be gone, and `reason` is what.
pub(crate) fn doubt_because(work: &mut Work<'_>, at: Millis, received: Received, reason: &str) {
    work.edit(|row| {
        row.presence = Presence::Unverified;
        row.unverified_received = Some(received);
        row.unverified_at = Some(at);
        row.no_subscriber_count = 0;
    });
    work.event(EventKind::Unverified, reason);
}

/// The retention time of an offline row is over.
pub(crate) fn forget(work: &mut Work<'_>) {
    let reason = work
        .row()
        .and_then(|row| row.offline)
        .map(|offline| offline.reason.as_str());
    work.expired(reason.unwrap_or_default());
    work.set_row(None);
}
