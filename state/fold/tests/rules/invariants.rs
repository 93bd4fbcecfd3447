//! What holds after every step, whatever the event: checked by every test that folds.
//!
//! Written from DESIGN.md section 4, not from the fold's code.

use rollcall_fold::{Context, Ignored, Rows, Step, delivery_due, due};
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{GUARD_IDS_MAX, Kind, OfflineFact, Presence};
use rollcall_model::{
    Cause, ClientId, ConnectionEvent, ConnectionRow, Delivery, DeliveryState, Derived, Event,
    EventKind, LookupId, RequestId, Suppressed, TimerKind,
};

use crate::world::{as_event, as_inventory, as_lookup};

/// After an event.
pub(crate) fn check_event(
    ctx: &Context<'_>,
    client: &ClientId,
    before: &Rows,
    event: &Event,
    step: &Step,
) {
    check(ctx, client, before, step);
    // A message is two things, a sign of life and perhaps an answer; each may be ignored alone.
    if step.note == Some(Ignored::AlreadyOffline) {
        check_gone_again(&before.connection, &step.rows.connection);
        assert!(step.derived.is_empty(), "an ignored event tells nothing");
    } else if step.note.is_some() && !matches!(event, Event::Message(_)) {
        assert_eq!(&step.rows, before, "an ignored event changes nothing");
        assert!(step.derived.is_empty(), "an ignored event tells nothing");
    }
    if let Some(row) = &step.rows.connection {
        assert!(!step.connection_changed || row.due_at == next_due(row, ctx));
    }
    if let Some(delivery) = &step.rows.delivery {
        let due_at = delivery_due(delivery, ctx.policy).map(|(at, _)| at);
        assert!(!step.delivery_changed || delivery.due_at == due_at);
    }
    let is_request = matches!(event, Event::Request(_));
    assert!(before.delivery.is_some() || step.rows.delivery.is_none() || is_request);
    assert!(
        before.connection.is_none() || step.rows.connection.is_some(),
        "only a timer removes"
    );
}

/// After timers.
pub(crate) fn check_timers(ctx: &Context<'_>, client: &ClientId, before: &Rows, step: &Step) {
    check(ctx, client, before, step);
    assert_eq!(step.note, None::<Ignored>);
    match (&before.delivery, &step.rows.delivery) {
        (Some(_), Some(delivery)) => {
            assert_eq!(
                delivery.due_at,
                delivery_due(delivery, ctx.policy).map(|(at, _)| at)
            );
            assert!(step.delivery_changed, "a timer that fires is spent");
        }
        (Some(_), None) => assert!(step.delivery_changed),
        (None, _) => assert!(step.connection_changed, "a timer that fires is spent"),
    }
    if let (None, Some(row)) = (&before.delivery, &step.rows.connection) {
        assert_eq!(row.due_at, next_due(row, ctx));
    }
}

fn next_due(row: &ConnectionRow, ctx: &Context<'_>) -> Option<rollcall_model::Millis> {
    due(row, ctx.policy).map(|(at, _)| at)
}

fn check(ctx: &Context<'_>, client: &ClientId, before: &Rows, step: &Step) {
    assert_eq!(
        step.connection_changed,
        step.rows.connection != before.connection
    );
    assert_eq!(step.delivery_changed, step.rows.delivery != before.delivery);
    if let Some(row) = &step.rows.connection {
        assert_eq!(&row.client_id, client);
        check_row(row, ctx);
        if let Some(before) = &before.connection {
            check_change(before, row, ctx);
        } else {
            assert_eq!((row.revision, row.updated_at), (1, ctx.now));
        }
    }
    if let Some(delivery) = &step.rows.delivery {
        check_delivery(before.delivery.as_ref(), delivery, ctx);
    }
    check_derived(ctx, client, before, step);
}

fn check_row(row: &ConnectionRow, ctx: &Context<'_>) {
    let is_offline = row.presence == Presence::Offline;
    assert_eq!(row.offline.is_some(), is_offline);
    assert_eq!(
        row.unverified_at.is_some(),
        row.presence == Presence::Unverified
    );
    if is_offline {
        assert!(
            row.lookup.is_none(),
            "an offline row has no pending look-up"
        );
        let kind = due(row, ctx.policy).map(|(_, kind)| kind);
        assert!(
            matches!(kind, Some(TimerKind::Retention | TimerKind::Probe)),
            "an offline row only waits to leave, and for its probe"
        );
    }
    if row.org_id.is_empty() {
        let rest = (&row.identity, row.account.as_str(), row.tenant_confirmed_at);
        assert_eq!(rest, (&None, "", None), "nothing is left of a tenant");
    } else {
        assert_eq!(
            row.tenant_lookup_timestamp, None,
            "null while the tenant is known"
        );
    }
    let is_waited_for = row.lookup.is_some() || is_offline || row.identity.is_none();
    assert!(
        row.inventory_owed.is_none() || is_waited_for,
        "a debt to inventory has a look-up that will pay it"
    );
    assert!(row.guard.len() <= GUARD_IDS_MAX);
    let mut guard = row.guard.clone();
    guard.sort_unstable();
    guard.dedup();
    assert_eq!(guard.len(), row.guard.len(), "an id is accepted once");
}

/// Bookkeeping: revision and `updated_at` move with the rest of the row, and only with it.
fn check_change(before: &ConnectionRow, row: &ConnectionRow, ctx: &Context<'_>) {
    let stripped = |row: &ConnectionRow| ConnectionRow {
        due_at: None,
        revision: 0,
        updated_at: ctx.now,
        ..row.clone()
    };
    if stripped(before) == stripped(row) {
        assert_eq!(
            (row.revision, row.updated_at),
            (before.revision, before.updated_at)
        );
    } else {
        assert_eq!(
            (row.revision, row.updated_at),
            (before.revision + 1, ctx.now)
        );
    }
    assert_eq!(
        row.stale_timestamp, before.stale_timestamp,
        "set when the row is created"
    );
    assert!(row.last_activity_at >= before.last_activity_at);
    if before.presence != Presence::Offline {
        assert_eq!(row.session.connected_at, before.session.connected_at);
    }
}

/// Of a client that is gone already, only the receipt that it is known by may change.
fn check_gone_again(before: &Option<ConnectionRow>, after: &Option<ConnectionRow>) {
    let (Some(before), Some(after)) = (before, after) else {
        panic!("a client without a row is not offline");
    };
    let (Some(was), Some(is)) = (before.offline, after.offline) else {
        panic!("an offline row says since when");
    };
    let same = OfflineFact {
        received: was.received,
        sent: was.sent,
        ..is
    };
    let same = ConnectionRow {
        offline: Some(same),
        due_at: before.due_at,
        revision: before.revision,
        updated_at: before.updated_at,
        ..after.clone()
    };
    assert_eq!(&same, before);
    assert!(!is.received.is_before(&was.received, 0));
}

fn check_delivery(before: Option<&Delivery>, delivery: &Delivery, ctx: &Context<'_>) {
    let is_running = matches!(delivery.state, DeliveryState::Queued | DeliveryState::Sent);
    assert_eq!(
        delivery.body.is_some(),
        is_running,
        "the body goes when nothing is left to send"
    );
    assert!(delivery.due_at.is_some(), "no delivery stays for ever");
    if let Some(before) = before {
        let is_same = before.state == delivery.state && before.attempt == delivery.attempt;
        let moved = u64::from(!is_same);
        let is_tried = delivery.attempt != before.attempt;
        assert!(!is_tried || before.attempt < ctx.policy.delivery_attempts_max);
        assert_eq!(delivery.revision, before.revision + moved);
    }
}

fn check_derived(ctx: &Context<'_>, client: &ClientId, before: &Rows, step: &Step) {
    let row = step.rows.connection.as_ref();
    let revision = |row: Option<&ConnectionRow>| row.map(|row| row.revision);
    for event in step.derived.iter().filter_map(as_event) {
        assert_eq!((&event.client_id, event.at), (client, ctx.now));
        let (was, is) = match event.kind {
            EventKind::Delivery => (
                before.delivery.as_ref().map(|delivery| delivery.revision),
                step.rows
                    .delivery
                    .as_ref()
                    .map(|delivery| delivery.revision),
            ),
            _ => (revision(before.connection.as_ref()), revision(row)),
        };
        assert_eq!(
            (event.revision_before, event.revision_after),
            (was, is),
            "{event:?}"
        );
        assert_ne!(was, is, "an event tells of a change: {event:?}");
        check_owner(event, [row, before.connection.as_ref()]);
    }
    check_inventory(ctx, client, step);
    let lookups: Vec<_> = step.derived.iter().filter_map(as_lookup).collect();
    assert!(lookups.len() <= 1, "one look-up at most");
    for lookup in lookups {
        assert_eq!(lookup.lookup_id, LookupId::derive(client, &lookup.cause));
        let pending = row.and_then(|row| row.lookup.as_ref());
        // In one firing a silent client may be asked for and then go offline.
        let is_offline = row.is_some_and(|row| row.presence == Presence::Offline);
        assert!(is_offline || pending.is_some_and(|pending| pending.id == lookup.lookup_id));
    }
    for derived in &step.derived {
        let cause = derived.cause().expect("the fold names its causes");
        let is_due = |due_at| due_at <= ctx.timers_at;
        assert!(
            matches!(cause, Cause::Record(_))
                || matches!(cause, Cause::Timer { due_at, .. } if is_due(due_at))
        );
        assert!(
            !matches!(derived, Derived::DeadLetter(_)),
            "the fold refuses nothing"
        );
    }
}

/// Inventory is told once at most, or the history says why not.
fn check_inventory(ctx: &Context<'_>, client: &ClientId, step: &Step) {
    let row = step.rows.connection.as_ref();
    let messages: Vec<_> = step.derived.iter().filter_map(as_inventory).collect();
    let suppressed = step.derived.iter().filter_map(as_event);
    let suppressed = suppressed.filter(|event| event.kind == EventKind::InventorySuppressed);
    let suppressed: Vec<_> = suppressed.map(|event| event.reason.as_str()).collect();
    let told = messages.len() + suppressed.len();
    assert!(told <= 1, "one inventory message at most, or why not");
    for why in suppressed {
        assert!(Suppressed::from_name(why).is_some(), "{why}");
        let row = row.expect("a row is told of");
        assert!(row.kind == Kind::Host || row.dialect == Dialect::Rhc);
        assert!(row.canonical_facts.is_some());
        assert!(!row.org_id.is_empty() && row.presence != Presence::Offline);
        assert_eq!(
            (row.refreshed_at, row.inventory_owed),
            (Some(ctx.now), None)
        );
    }
    for message in messages {
        let row = row.expect("inventory is told of rows");
        assert!(!message.org_id.is_empty(), "a tenantless row is never sent");
        assert!(message.identity.is_filled_object(), "an empty identity");
        assert_eq!(
            (&message.org_id, &message.account),
            (&row.org_id, &row.account)
        );
        assert_ne!(
            row.presence,
            Presence::Offline,
            "an offline row is never sent"
        );
        assert_eq!(
            (row.refreshed_at, row.inventory_owed),
            (Some(ctx.now), None)
        );
        assert_eq!(
            message.request_id,
            RequestId::derive(client, &message.cause)
        );
    }
}

/// Of one tenant: never the organisation of one with the account of another.
fn check_owner(event: &ConnectionEvent, rows: [Option<&ConnectionRow>; 2]) {
    let is_owner = |row: &ConnectionRow| row.org_id == event.org_id && row.account == event.account;
    let has_owner = rows.into_iter().flatten().any(is_owner);
    assert!(event.account.is_empty() || has_owner, "{event:?}");
}
