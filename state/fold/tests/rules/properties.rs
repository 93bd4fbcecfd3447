//! Whatever comes, in whatever order: the invariants hold, nothing panics, and replays agree.

mod life;

use proptest::prelude::*;
use rollcall_fold::{Context, Rows, fire, step};
use rollcall_model::event::{AnswerSource, Offline, Online, TenantAnswer, TenantOutcome};
use rollcall_model::ingress::Dialect;
use rollcall_model::row::OfflineReason;
use rollcall_model::{Arrival, DeliveryState, Derived, Event, Json, Millis, Policy, Topic};

use self::life::{endless, fire_all, inputs, live, live_in};
use crate::world::{Outcome, World, arrival, as_event, as_inventory, at, bare_online};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_life_keeps_the_invariants(inputs in prop::collection::vec(inputs(), 1..60)) {
        live(&inputs);
    }

    #[test]
    fn the_same_life_gives_the_same_rows_and_records(
        inputs in prop::collection::vec(inputs(), 1..40),
    ) {
        let (first, second) = (live(&inputs), live(&inputs));
        prop_assert_eq!(first.world.row, second.world.row);
        prop_assert_eq!(first.world.outbox, second.world.outbox);
        prop_assert_eq!(first.derived, second.derived);
    }

    /// An accepted online with an id, an offline, an answer, a receipt or a request that comes
    /// twice counts once: at-least-once producers do no harm.
    #[test]
    fn the_last_event_again_changes_nothing(inputs in prop::collection::vec(inputs(), 1..40)) {
        let mut life = live(&inputs);
        let Some((event, mut arrival)) = life.last else { return Ok(()) };
        arrival.at.offset += 1_000;
        let is_idempotent = match &event {
            Event::Online(online) => !online.message_id.is_empty(),
            Event::Offline(_) | Event::Receipt(_) | Event::Request(_) => true,
            Event::BrokerLost | Event::RetainedAbsent => true,
            Event::Tenant(answer) => !matches!(
                (&answer.source, &answer.outcome),
                // Sets the due time anew; a directory says again what it said.
                (_, TenantOutcome::Unavailable { .. }) | (AnswerSource::Directory, _)
            ),
            Event::Message(_) => false,
        };
        // Offline by DUP and online by DUP take turns: redelivery goes on until the bridge is
        // heard.
        if is_idempotent && !arrival.is_redelivery {
            let before = (life.world.row.clone(), life.world.outbox.clone());
            let outcome = life.world.apply(&event, &arrival);
            prop_assert_eq!(&outcome.step.derived, &[]);
            prop_assert_eq!((life.world.row, life.world.outbox), before);
        }
    }

    /// Clocks, waits and counts at the ends of their ranges: sums saturate, nothing panics.
    #[test]
    fn any_life_at_the_ends_of_time_keeps_the_invariants(
        begins_at in prop::sample::select(vec![i64::MIN, i64::MAX - 90_000_000, i64::MAX]),
        inputs in prop::collection::vec(inputs(), 1..40),
    ) {
        let world = World { now: Millis(begins_at), policy: endless(), ..World::new() };
        live_in(world, &inputs);
    }

    /// Left alone, a client and its deliveries come to rest within the longest waits of the policy.
    #[test]
    fn an_offline_client_leaves_nothing_behind(inputs in prop::collection::vec(inputs(), 1..40)) {
        let mut life = live(&inputs);
        life.world.policy = Policy::default();
        let offset = 1_000_000;
        let now = life.world.now + 1;
        let gone = Offline {
            dialect: Dialect::Draft,
            message_id: String::new(),
            sent: None,
            epoch: None,
            reason: OfflineReason::Cleared,
        };
        life.world.apply(&Event::Offline(gone), &arrival(Topic::Status, offset, now));
        for hours in 0..200 {
            fire_all(&mut life.world, now + hours * 3_600_000);
        }
        prop_assert_eq!(life.world.row, None);
        prop_assert!(life.world.outbox.is_empty());
    }

    /// Between two losses of its tenant a client is told to inventory at most once per reason.
    #[test]
    fn inventory_messages_never_repeat_a_request_id(
        inputs in prop::collection::vec(inputs(), 1..60),
    ) {
        let life = live(&inputs);
        let mut ids: Vec<_> =
            life.derived.iter().filter_map(as_inventory).map(|m| m.request_id).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), all);
    }
}

#[test]
fn times_far_outside_of_any_calendar_do_no_harm() {
    for (sent, received) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, 0)] {
        let mut world = World::new();
        for (offset, id) in (0_u64..).zip(["a", "b"]) {
            let online = Online {
                sent: Some(Millis(sent)),
                ..bare_online(id)
            };
            let arrival = Arrival {
                received_at: Millis(received),
                ..arrival(Topic::Status, offset, at("12:00:00"))
            };
            world.apply(&Event::Online(Box::new(online)), &arrival);
        }
        assert!(world.row.is_some());
    }
}

/// A damaged changelog may hold any number (-1 decodes as the largest revision): a row that cannot
/// count on must not stop its partition.
#[test]
fn counts_at_their_end_stay_there() {
    let mut world = World::new();
    let online = Event::Online(Box::new(bare_online("a")));
    world.apply(&online, &arrival(Topic::Status, 0, at("12:00:00")));
    let mut row = world.row().clone();
    row.revision = u64::MAX;
    let lookup = row.lookup.as_mut().expect("a look-up is pending");
    lookup.attempt = u32::MAX;
    let ctx = Context {
        policy: &world.policy,
        now: at("13:00:00"),
        timers_at: at("13:00:00"),
    };
    let rows = Rows {
        connection: Some(row),
        delivery: None,
    };
    let asked = fire(&ctx, &world.client, rows);
    let row = asked.rows.connection.as_ref().expect("a row");
    let attempt = row.lookup.as_ref().map(|lookup| lookup.attempt);
    assert_eq!((row.revision, attempt), (u64::MAX, Some(u32::MAX)));
    let newer = Event::Online(Box::new(Online {
        client_version: "2".to_owned(),
        ..bare_online("b")
    }));
    let newer_at = arrival(Topic::Status, 1, at("13:00:00"));
    let updated = step(&ctx, &world.client, asked.rows, &newer, &newer_at);
    let events: Vec<_> = updated.derived.iter().filter_map(as_event).collect();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].revision_after, Some(u64::MAX));
}

/// The same for a running delivery that has lost its body: nothing is sent, and it comes to an end.
#[test]
fn a_delivery_without_a_body_fails() {
    let mut world = World::new();
    let online = Event::Online(Box::new(bare_online("a")));
    world.apply(&online, &arrival(Topic::Status, 0, at("12:00:00")));
    let request = life::request(0, None);
    world.apply(&request, &arrival(Topic::Requests, 0, at("12:00:01")));
    let mut delivery = world.outbox.values().next().cloned().expect("a delivery");
    delivery.body = None;
    let ctx = Context {
        policy: &world.policy,
        now: at("12:01:00"),
        timers_at: at("12:01:00"),
    };
    let rows = Rows {
        connection: world.row.clone(),
        delivery: Some(delivery),
    };
    let step = fire(&ctx, &world.client, rows);
    let state = step.rows.delivery.map(|delivery| delivery.state);
    assert_eq!(state, Some(DeliveryState::Failed));
    assert!(matches!(step.derived.as_slice(), [Derived::Event(_)]));
}

/// The client went to another tenant after somebody of the first one asked for a delivery.
#[test]
fn an_event_of_a_delivery_names_one_tenant() {
    let mut world = World::new();
    let online = Event::Online(Box::new(bare_online("a")));
    world.apply(&online, &arrival(Topic::Status, 0, at("12:00:00")));
    let found = |org: &str, account: &str| {
        Event::Tenant(TenantAnswer {
            source: AnswerSource::Directory,
            outcome: TenantOutcome::Found {
                org_id: org.to_owned(),
                account: account.to_owned(),
                identity: Json::new(r#"{"type":"System"}"#).unwrap(),
            },
        })
    };
    world.apply(
        &found("1", "100"),
        &arrival(Topic::Tenants, 0, at("12:00:01")),
    );
    let request = life::request(0, None);
    let asked = world.apply(&request, &arrival(Topic::Requests, 0, at("12:00:02")));
    world.apply(
        &found("7", "700"),
        &arrival(Topic::Tenants, 1, at("12:00:03")),
    );
    let id = *world.outbox.keys().next().expect("a delivery");
    let again = world.fire_delivery(id, at("12:01:00")).expect("is due");
    let owner = |outcome: &Outcome| {
        let events = outcome.events();
        (events[0].org_id.clone(), events[0].account.clone())
    };
    assert_eq!(owner(&asked), ("1".to_owned(), "100".to_owned()));
    assert_eq!(owner(&again), ("1".to_owned(), String::new()));
}
