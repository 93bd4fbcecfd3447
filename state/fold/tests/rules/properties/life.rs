//! Random lives: what may come to a client, drawn from small alphabets, and how it is folded.

use proptest::prelude::*;
use rollcall_model::event::{
    AnswerSource, Message, Offline, Online, OutboundRequest, Receipt, ReceiptOutcome, RequestBody,
    TenantAnswer, TenantOutcome,
};
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Destination, Kind, OfflineReason};
use rollcall_model::{Arrival, DeliveryId, Derived, Event, Json, LookupId, Millis, Policy, Topic};
use uuid::Uuid;

use crate::world::{World, arrival, bare_online, host_facts, system_identity};

/// One line of a random life. Small alphabets, so that ids and times meet.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Online {
        id: u8,
        sent_ago: Option<i64>,
        epoch: Option<i64>,
        content: u8,
        at: At,
    },
    Offline {
        epoch: Option<i64>,
        at: At,
    },
    Message {
        answers: Option<u8>,
        is_error: bool,
        at: At,
    },
    BrokerLost(At),
    RetainedAbsent(At),
    /// `asked`: the pending look-up, when there is one; else some other look-up, or a directory.
    Tenant {
        asked: Asked,
        outcome: u8,
        at: At,
    },
    Receipt {
        delivery: u8,
        attempt: u32,
        outcome: u8,
        at: At,
    },
    Request {
        delivery: u8,
        deadline_in: Option<i64>,
        at: At,
    },
    /// Fires what is due after this long.
    Timers {
        after: i64,
    },
    /// From now on another policy.
    Policy(u8),
}

/// How a record arrives: how long after the one before, how long after the bridge got it, and
/// flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    after: i64,
    received_ago: i64,
    is_retained: bool,
    is_redelivery: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Pending,
    Other,
    Directory,
    Operator,
}

fn durations() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        1..2_000_i64,
        Just(30_000),
        Just(60_001),
        1..700_000_i64,
        Just(1_800_000),
        Just(90_000_000),
    ]
}

fn ats() -> impl Strategy<Value = At> {
    let received_ago = prop_oneof![4 => Just(0_i64), 1 => durations(), 1 => Just(-5_000_i64)];
    (
        durations(),
        received_ago,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(after, received_ago, is_retained, is_redelivery)| At {
            after,
            received_ago,
            is_retained,
            is_redelivery,
        })
}

fn epochs() -> impl Strategy<Value = Option<i64>> {
    prop::option::weighted(0.3, 0..3_i64)
}

/// One input, onlines and answers more often than the rest.
pub(crate) fn inputs() -> impl Strategy<Value = Input> {
    let sent = prop::option::weighted(0.7, prop_oneof![durations(), Just(-86_400_000_i64)]);
    let asked = prop_oneof![
        6 => Just(Asked::Pending),
        1 => Just(Asked::Other),
        1 => Just(Asked::Directory),
        1 => Just(Asked::Operator),
    ];
    prop_oneof![
        5 => (0..12_u8, sent, epochs(), 0..6_u8, ats()).prop_map(
            |(id, sent_ago, epoch, content, at)| Input::Online { id, sent_ago, epoch, content, at }
        ),
        2 => (epochs(), ats()).prop_map(|(epoch, at)| Input::Offline { epoch, at }),
        2 => (prop::option::of(0..3_u8), prop::bool::ANY, ats())
            .prop_map(|(answers, is_error, at)| Input::Message { answers, is_error, at }),
        1 => ats().prop_map(Input::BrokerLost),
        1 => ats().prop_map(Input::RetainedAbsent),
        4 => (asked, 0..7_u8, ats())
            .prop_map(|(asked, outcome, at)| Input::Tenant { asked, outcome, at }),
        2 => (0..3_u8, 0..4_u32, 0..5_u8, ats()).prop_map(|(delivery, attempt, outcome, at)| {
            Input::Receipt { delivery, attempt, outcome, at }
        }),
        2 => (0..3_u8, prop::option::of(-1_000..100_000_i64), ats())
            .prop_map(|(delivery, deadline_in, at)| Input::Request { delivery, deadline_in, at }),
        4 => durations().prop_map(|after| Input::Timers { after }),
        1 => (0..4_u8).prop_map(Input::Policy),
    ]
}

/// A life as it went: what was derived, and the last event with its arrival, if an event came last.
pub(crate) struct Life {
    pub(crate) world: World,
    pub(crate) derived: Vec<Derived>,
    pub(crate) last: Option<(Event, Arrival)>,
}

/// Runs a life; the world checks the invariants at every step.
pub(crate) fn live(inputs: &[Input]) -> Life {
    live_in(World::new(), inputs)
}

/// [`live`], with the clock and the policy of `world` at the beginning.
pub(crate) fn live_in(world: World, inputs: &[Input]) -> Life {
    let mut life = Life {
        world,
        derived: Vec::new(),
        last: None,
    };
    for (offset, input) in (0_u64..).zip(inputs) {
        let world = &mut life.world;
        match event(world, input, offset) {
            Some((event, arrival)) => {
                life.derived
                    .extend(world.apply(&event, &arrival).step.derived);
                life.last = Some((event, arrival));
            }
            None => {
                life.last = None;
                match input {
                    Input::Timers { after } => {
                        let now = world.now + *after;
                        life.derived.extend(fire_all(world, now));
                    }
                    Input::Policy(which) => world.policy = policy(*which),
                    _ => {}
                }
            }
        }
    }
    life
}

/// Fires once whatever is due at `now`.
pub(crate) fn fire_all(world: &mut World, now: Millis) -> Vec<Derived> {
    let connection = world.fire_connection(now);
    let mut derived: Vec<Derived> = connection
        .into_iter()
        .flat_map(|o| o.step.derived)
        .collect();
    for id in world.outbox.keys().copied().collect::<Vec<_>>() {
        derived.extend(
            world
                .fire_delivery(id, now)
                .into_iter()
                .flat_map(|o| o.step.derived),
        );
    }
    derived
}

/// Every wait and count as large as can be.
pub(crate) fn endless() -> Policy {
    Policy {
        row_retention_ms: i64::MAX,
        lookup_timeout_ms: i64::MAX,
        lookup_backoff_ms_min: i64::MAX,
        lookup_backoff_ms_max: i64::MAX,
        retry_after_ms: i64::MAX,
        max_failures: u32::MAX,
        tenant_confirmed_for_ms: i64::MAX,
        refresh_after_ms: i64::MAX,
        inventory_stale_after_ms: i64::MAX,
        inactivity_dialects: Dialect::ALL.to_vec(),
        inactive_after_ms: i64::MAX,
        disconnect_after_ms: i64::MAX,
        unverified_after_ms: i64::MAX,
        probe_after_ms: i64::MAX,
        no_subscriber_max: u32::MAX,
        delivery_deadline_ms: i64::MAX,
        delivery_attempts_max: u32::MAX,
        delivery_backoff_ms_min: i64::MAX,
        delivery_backoff_ms_max: i64::MAX,
        answer_window_ms: i64::MAX,
        activity_step_ms: i64::MAX,
        future_sent_ms: i64::MAX,
        replayed_after_ms: i64::MAX,
        reorder_within_ms: i64::MAX,
        ..Policy::default()
    }
}

fn policy(which: u8) -> Policy {
    let every = Dialect::ALL.to_vec();
    match which {
        0 => Policy::default(),
        1 => Policy {
            inactivity_dialects: every,
            ..Policy::default()
        },
        2 => Policy {
            max_failures: 0,
            delivery_attempts_max: 1,
            ..Policy::dev()
        },
        // Nothing takes any time: whatever may be due is due.
        _ => Policy {
            row_retention_ms: 0,
            lookup_timeout_ms: 0,
            lookup_backoff_ms_min: 0,
            lookup_backoff_ms_max: 0,
            retry_after_ms: 0,
            refresh_after_ms: 0,
            inactivity_dialects: every,
            inactive_after_ms: 0,
            disconnect_after_ms: 0,
            unverified_after_ms: 0,
            probe_after_ms: 1,
            no_subscriber_max: 1,
            delivery_deadline_ms: 0,
            delivery_backoff_ms_min: 0,
            delivery_backoff_ms_max: 0,
            answer_window_ms: 0,
            activity_step_ms: 0,
            ..Policy::default()
        },
    }
}

fn event(world: &World, input: &Input, offset: u64) -> Option<(Event, Arrival)> {
    let (topic, at, event) = match input {
        Input::Online {
            id,
            sent_ago,
            epoch,
            content,
            at,
        } => {
            let sent = sent_ago.map(|ago| world.now + at.after - ago);
            let online = Online {
                sent,
                epoch: *epoch,
                ..content_of(*id, *content)
            };
            (Topic::Status, at, Event::Online(Box::new(online)))
        }
        Input::Offline { epoch, at } => {
            let (dialect, message_id) = (Dialect::Draft, "w".to_owned());
            let reason = OfflineReason::Message;
            let offline = Offline {
                dialect,
                message_id,
                sent: None,
                epoch: *epoch,
                reason,
            };
            (Topic::Status, at, Event::Offline(offline))
        }
        Input::Message {
            answers,
            is_error,
            at,
        } => (Topic::Messages, at, message(*answers, *is_error)),
        Input::BrokerLost(at) => (Topic::Status, at, Event::BrokerLost),
        Input::RetainedAbsent(at) => (Topic::Status, at, Event::RetainedAbsent),
        Input::Tenant { asked, outcome, at } => (
            Topic::Tenants,
            at,
            Event::Tenant(answer(world, *asked, *outcome)),
        ),
        Input::Receipt {
            delivery,
            attempt,
            outcome,
            at,
        } => (Topic::Receipts, at, receipt(*delivery, *attempt, *outcome)),
        Input::Request {
            delivery,
            deadline_in,
            at,
        } => {
            let deadline = deadline_in.map(|after| world.now + after);
            (Topic::Requests, at, request(*delivery, deadline))
        }
        Input::Timers { .. } | Input::Policy(_) => return None,
    };
    let appended_at = world.now + at.after;
    let arrival = Arrival {
        received_at: appended_at - at.received_ago,
        is_retained: at.is_retained,
        is_redelivery: at.is_redelivery,
        ..arrival(topic, offset, appended_at)
    };
    Some((event, arrival))
}

fn message(answers: Option<u8>, is_error: bool) -> Event {
    Event::Message(Message {
        dialect: Dialect::Draft,
        message_id: String::new(),
        answers: answers.map(delivery_id),
        // Longer than what is kept, with a character across the cut.
        error: is_error.then(|| format!("x{}", "é".repeat(600))),
        destination: Destination::default(),
    })
}

fn receipt(delivery: u8, attempt: u32, outcome: u8) -> Event {
    let outcomes = [
        (ReceiptOutcome::Acknowledged, 0),
        (ReceiptOutcome::NoSubscriber, 0),
        (ReceiptOutcome::Failed, 0),
        (ReceiptOutcome::Failed, Receipt::PACKET_TOO_LARGE),
        (ReceiptOutcome::Failed, Receipt::CONNECTION_CLOSED),
    ];
    let (outcome, broker_reason_code) = outcomes[usize::from(outcome)];
    Event::Receipt(Receipt {
        delivery_id: delivery_id(delivery),
        attempt,
        outcome,
        broker_reason_code,
    })
}

pub(crate) fn request(delivery: u8, deadline: Option<Millis>) -> Event {
    let arguments = Json::new("{}").unwrap();
    Event::Request(Box::new(OutboundRequest {
        id: delivery_id(delivery),
        body: RequestBody::Command {
            command: if delivery == 0 { "disconnect" } else { "ping" }.to_owned(),
            arguments,
        },
        deadline,
        idempotency_key: String::new(),
        requester: String::new(),
    }))
}

fn content_of(id: u8, content: u8) -> Online {
    let json = |text: &str| Some(Json::new(text).unwrap());
    let id = if id == 0 {
        String::new()
    } else {
        id.to_string()
    };
    let mut online = Online {
        canonical_facts: Some(host_facts("h")),
        ..bare_online(&id)
    };
    match content {
        0 => {}
        1 => online.canonical_facts = None,
        2 => online.tags = json(r#"{"a":"b"}"#),
        3 => online.kind = Kind::Proxy,
        4 => online.dialect = Dialect::Rhc,
        _ => {
            online.dialect = Dialect::Rhc;
            online.dispatchers = json(r#"{"package-manager":{}}"#);
        }
    }
    online
}

fn answer(world: &World, asked: Asked, outcome: u8) -> TenantAnswer {
    let pending = world
        .row
        .as_ref()
        .and_then(|row| row.lookup.as_ref())
        .map(|lookup| lookup.id);
    let other = LookupId(Uuid::nil());
    let source = match asked {
        Asked::Pending => AnswerSource::Resolver {
            lookup_id: pending.unwrap_or(other),
        },
        Asked::Other => AnswerSource::Resolver { lookup_id: other },
        Asked::Directory => AnswerSource::Directory,
        Asked::Operator => AnswerSource::Operator,
    };
    let found = |org_id: &str, identity: Json| TenantOutcome::Found {
        org_id: org_id.to_owned(),
        account: "2".to_owned(),
        identity,
    };
    let outcome = match outcome {
        0 | 1 => found("1", system_identity("1")),
        2 => found("7", system_identity("7")),
        3 => found("", system_identity("")),
        4 => found("1", Json::new("{}").unwrap()),
        5 => TenantOutcome::Unknown,
        _ => TenantOutcome::Unavailable {
            cause: String::new(),
        },
    };
    TenantAnswer { source, outcome }
}

fn delivery_id(which: u8) -> DeliveryId {
    DeliveryId(Uuid::from_u128(u128::from(which) + 1))
}
