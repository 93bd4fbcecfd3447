//! The decisions: which rule an event or a due timer meets. The modules below compute.

use rollcall_model::event::Message;
use rollcall_model::row::{LookupWhy, OfflineFact, OfflineReason};
use rollcall_model::{
    Arrival, Cause, ClientId, ConnectionRow, DeliveryId, Event, Millis, Received, TimerKind,
};

use crate::context::{Context, Ignored, Rows, Step};
use crate::ordering::Admission;
use crate::work::Work;
use crate::{delivery, message, offline, online, ordering, probe, tenant};

/// The delivery that the caller must load into [`Rows::delivery`] before [`step`]; `None` = none.
pub fn delivery_of(_client: &ClientId, event: &Event, _arrival: &Arrival) -> Option<DeliveryId> {
    match event {
        Event::Request(request) => Some(request.id),
        Event::Receipt(receipt) => Some(receipt.delivery_id),
        Event::Message(message) => message.answers,
        Event::Online(_)
        | Event::Offline(_)
        | Event::BrokerLost
        | Event::RetainedAbsent
        | Event::Tenant(_) => None,
    }
}

/// Folds one event of `client` into its rows.
///
/// Guarantee: pure; an event that has no effect leaves the rows as they were and says so in `note`.
pub fn step(
    ctx: &Context<'_>,
    client: &ClientId,
    rows: Rows,
    event: &Event,
    arrival: &Arrival,
) -> Step {
    let mut work = Work::record(ctx, client, rows, Cause::Record(arrival.at));
    match event {
        Event::Online(online) => match ordering::online(work.row(), online, arrival, ctx.policy) {
            Admission::Create => online::create(&mut work, online, arrival),
            Admission::Accept => online::accept(&mut work, online, arrival),
            Admission::Resume => online::resume(&mut work, arrival),
            Admission::Refuse(why) => work.ignore(why),
        },
        Event::Offline(gone) => match ordering::offline(work.row(), gone, arrival, ctx.policy) {
            Ok(()) => offline::take_offline(&mut work, fact(gone.reason, gone.sent, arrival)),
            Err(why) => {
                if why == Ignored::AlreadyOffline && !arrival.is_retained {
                    offline::take_offline_again(&mut work, arrival.received(), gone.sent);
                }
                work.ignore(why);
            }
        },
        Event::BrokerLost => match ordering::broker_lost(work.row(), arrival, ctx.policy) {
            Ok(()) => offline::doubt(&mut work, arrival.appended_at, arrival.received()),
            Err(why) => work.ignore(why),
        },
        Event::RetainedAbsent => match ordering::retained_absent(work.row()) {
            Ok(()) => {
                offline::take_offline(&mut work, fact(OfflineReason::Unverified, None, arrival));
            }
            Err(why) => work.ignore(why),
        },
        Event::Message(message) => traffic(&mut work, message, arrival),
        Event::Tenant(answer) => tenant::answer(&mut work, answer, arrival.at),
        Event::Receipt(receipt) => delivery::receipt(&mut work, receipt, arrival),
        Event::Request(request) => delivery::request(&mut work, request, arrival),
    }
    work.finish()
}

/// Fires every timer that is due at `ctx.timers_at`: those of `rows.delivery` when it is loaded,
/// else those of `rows.connection`; in the order of [`TimerKind::ALL`], each at most once. A timer
/// counts that was due when the firing began and still is at its turn; one that only comes about in
/// between waits for the next batch, so that every change is told with the revision that has it.
///
/// Guarantee: afterwards the row's `due_at` is what today's policy makes of it. A timer that this
/// policy has put off is set anew and does nothing else; `revision` and `updated_at` stay then.
pub fn fire(ctx: &Context<'_>, client: &ClientId, rows: Rows) -> Step {
    let mut work = Work::timers(ctx, client, rows);
    let is_due = |due_at: &Millis| *due_at <= ctx.timers_at;
    let were_due = TimerKind::ALL.map(|kind| work.due_of(kind).is_some_and(|at| is_due(&at)));
    for (kind, was_due) in TimerKind::ALL.into_iter().zip(were_due) {
        let Some(due_at) = work.due_of(kind).filter(|due_at| was_due && is_due(due_at)) else {
            continue;
        };
        work.cause = Cause::Timer { kind, due_at };
        let received = work.row().map(last_known);
        let gone = |reason| OfflineFact {
            at: due_at,
            received: received.unwrap_or_default(),
            sent: None,
            reason,
            is_by_redelivery: false,
        };
        match kind {
            TimerKind::Retention => offline::forget(&mut work),
            TimerKind::LookupTimeout => tenant::ask_again(&mut work),
            TimerKind::TenantRetry => tenant::ask(&mut work, LookupWhy::Retry),
            TimerKind::Refresh => tenant::ask(&mut work, LookupWhy::Refresh),
            TimerKind::Inactive => offline::fall_silent(&mut work),
            TimerKind::Silent => {
                offline::take_offline(&mut work, gone(OfflineReason::Inactive));
            }
            TimerKind::Unverified => {
                offline::take_offline(&mut work, gone(OfflineReason::Unverified));
            }
            TimerKind::Probe => probe::send(&mut work, due_at),
            TimerKind::DeliveryDeadline => delivery::expire(&mut work),
            TimerKind::DeliveryRetry => delivery::retry(&mut work),
            TimerKind::AnswerWindow => delivery::forget(&mut work),
        }
    }
    work.finish()
}

/// Traffic is a sign of life and perhaps an answer. A retained message is neither: it is the
/// broker's memory.
fn traffic(work: &mut Work<'_>, message: &Message, arrival: &Arrival) {
    if arrival.is_retained {
        return work.ignore(Ignored::Retained);
    }
    match work.row() {
        Some(_) => message::sign_of_life(work, arrival),
        None => message::first_seen(work, message, arrival),
    }
    if message.answers.is_some() {
        delivery::answer(work, message, arrival);
    }
}

/// By what a client that a timer takes offline was last known: whatever came later wakes it.
pub(crate) fn last_known(row: &ConnectionRow) -> Received {
    let activity = || Received::at(row.last_activity_at);
    row.unverified_received
        .or(row.heard)
        .unwrap_or_else(activity)
}

fn fact(reason: OfflineReason, sent: Option<Millis>, arrival: &Arrival) -> OfflineFact {
    OfflineFact {
        at: arrival.appended_at,
        received: arrival.received(),
        sent,
        reason,
        is_by_redelivery: arrival.is_redelivery,
    }
}
