//! The ways down: offline, silent, in doubt, and out of the table.

use rollcall_model::row::{OfflineFact, Presence};
use rollcall_model::{EventKind, Millis};

use crate::work::Work;

/// The client is gone. The row stays for the retention time, without look-up and other timers.
///
/// What is owed to inventory stays owed, though the look-up that it waited for is dropped: sign of
/// life takes it up again ([`crate::tenant::take_up_debt`]), a new online makes its own.
pub(crate) fn take_offline(work: &mut Work<'_>, fact: OfflineFact) {
    work.edit(|row| {
        row.presence = Presence::Offline;
        row.offline = Some(fact);
        row.unverified_at = None;
        row.lookup = None;
    });
    work.event(EventKind::Disconnected, fact.reason.as_str());
}

/// The client has been silent for the first threshold (seed 004).
pub(crate) fn fall_silent(work: &mut Work<'_>) {
    work.edit(|row| row.presence = Presence::Inactive);
    work.event(EventKind::Inactive, "");
}

/// The client's broker was lost: nobody knows whether it is still there.
pub(crate) fn doubt(work: &mut Work<'_>, at: Millis) {
    doubt_because(work, at, "");
}

/// Something says that the client may be gone, and `reason` is what.
pub(crate) fn doubt_because(work: &mut Work<'_>, at: Millis, reason: &str) {
    work.edit(|row| {
        row.presence = Presence::Unverified;
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
