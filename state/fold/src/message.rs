//! Traffic as a sign of life: yggd 0.4 sends no online after a reconnect, so any message counts.

use rollcall_model::row::Presence;
use rollcall_model::{Arrival, EventKind, Millis};

use crate::work::Work;
use crate::{online, ordering, tenant};

/// Moves `last_activity_at` and wakes a row that counts as inactive, offline or unverified; the
/// latter two only when the message was received after they came about.
pub(crate) fn sign_of_life(work: &mut Work<'_>, arrival: &Arrival) {
    touch(work, arrival);
    let Some(row) = work.row() else { return };
    let received = ordering::received_at(arrival);
    let is_after = |since: Option<Millis>| since.is_none_or(|since| received > since);
    let was = row.presence;
    let wakes = match was {
        Presence::Online => false,
        Presence::Inactive => true,
        Presence::Offline => is_after(row.offline.map(|offline| offline.at)),
        Presence::Unverified => is_after(row.unverified_at),
    };
    if wakes {
        work.edit(online::show_online);
        work.event(EventKind::Active, was.as_str());
        if was == Presence::Offline {
            tenant::take_up_debt(work);
        }
    }
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
        work.edit(|row| row.last_activity_at = at);
    }
}
