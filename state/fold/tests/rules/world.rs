//! One client's rows under the fold, as the runtime would keep them; every step is checked.

use std::collections::BTreeMap;

use rollcall_fold::{Context, Rows, Step, delivery_of, fire, step};
use rollcall_model::event::Online;
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Destination, Kind};
use rollcall_model::{
    Arrival, ClientId, ConnectionEvent, ConnectionRow, Coordinates, Delivery, DeliveryId, Derived,
    Event, EventKind, InventoryMessage, Json, LookupDue, Millis, Policy, Topic,
};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::invariants;

/// Midnight of 2026-01-01 UTC: the day of every script.
pub(crate) const DAY_MS: i64 = 1_767_225_600_000;

/// One client, its rows, and the policy and clock in force.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) now: Millis,
    pub(crate) client: ClientId,
    pub(crate) row: Option<ConnectionRow>,
    pub(crate) outbox: BTreeMap<DeliveryId, Delivery>,
}

/// What one step did, with the rows before it.
#[derive(Clone)]
pub(crate) struct Outcome {
    pub(crate) before: Rows,
    pub(crate) step: Step,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            policy: Policy::default(),
            now: at("12:00:00"),
            client: ClientId::new("c1").unwrap(),
            row: None,
            outbox: BTreeMap::new(),
        }
    }

    /// The row, which must be there.
    pub(crate) fn row(&self) -> &ConnectionRow {
        self.row.as_ref().expect("a row")
    }

    /// Folds an event; `now` is its append time, and never goes back.
    pub(crate) fn apply(&mut self, event: &Event, arrival: &Arrival) -> Outcome {
        self.now = self.now.max(arrival.appended_at);
        let delivery = delivery_of(&self.client, event, arrival);
        let before = Rows {
            connection: self.row.clone(),
            delivery: delivery.and_then(|id| self.outbox.get(&id).cloned()),
        };
        let ctx = Context {
            policy: &self.policy,
            now: self.now,
            timers_at: self.now,
        };
        let step = step(&ctx, &self.client, before.clone(), event, arrival);
        invariants::check_event(&ctx, &self.client, &before, event, &step);
        self.settle(delivery, Outcome { before, step })
    }

    /// Fires the connection's timers that are due at `now`, when there is one.
    pub(crate) fn fire_connection(&mut self, now: Millis) -> Option<Outcome> {
        self.now = self.now.max(now);
        let row = self
            .row
            .clone()
            .filter(|row| row.due_at.is_some_and(|due| due <= self.now))?;
        Some(self.fire(Rows {
            connection: Some(row),
            delivery: None,
        }))
    }

    /// Fires the timers of delivery `id` that are due at `now`, when there is one.
    pub(crate) fn fire_delivery(&mut self, id: DeliveryId, now: Millis) -> Option<Outcome> {
        self.now = self.now.max(now);
        let delivery = self.outbox.get(&id).cloned();
        let delivery = delivery.filter(|delivery| delivery.due_at <= Some(self.now))?;
        Some(self.fire(Rows {
            connection: self.row.clone(),
            delivery: Some(delivery),
        }))
    }

    /// Fires everything due up to `now` at the times when it is due, and gives what it derived.
    pub(crate) fn pass_time_to(&mut self, now: Millis) -> Vec<Derived> {
        let mut derived = Vec::new();
        for _ in 0..10_000 {
            let due = self
                .row
                .as_ref()
                .and_then(|row| row.due_at)
                .filter(|due| *due <= now);
            let Some(due) = due else {
                self.now = self.now.max(now);
                return derived;
            };
            derived.extend(
                self.fire_connection(due)
                    .into_iter()
                    .flat_map(|o| o.step.derived),
            );
        }
        panic!("timers never come to rest: {:?}", self.row);
    }

    fn fire(&mut self, before: Rows) -> Outcome {
        let ctx = Context {
            policy: &self.policy,
            now: self.now,
            timers_at: self.now,
        };
        let step = fire(&ctx, &self.client, before.clone());
        invariants::check_timers(&ctx, &self.client, &before, &step);
        let delivery = before.delivery.as_ref().map(|delivery| delivery.id);
        self.settle(delivery, Outcome { before, step })
    }

    fn settle(&mut self, delivery: Option<DeliveryId>, outcome: Outcome) -> Outcome {
        self.row.clone_from(&outcome.step.rows.connection);
        match (delivery, outcome.step.rows.delivery.clone()) {
            (Some(id), Some(delivery)) => {
                self.outbox.insert(id, delivery);
            }
            (Some(id), None) => {
                self.outbox.remove(&id);
            }
            (None, _) => {}
        }
        outcome
    }
}

impl Outcome {
    pub(crate) fn events(&self) -> Vec<&ConnectionEvent> {
        self.step.derived.iter().filter_map(as_event).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        self.events().iter().map(|event| event.kind).collect()
    }

    pub(crate) fn inventory(&self) -> Vec<&InventoryMessage> {
        self.step.derived.iter().filter_map(as_inventory).collect()
    }

    pub(crate) fn lookups(&self) -> Vec<&LookupDue> {
        self.step.derived.iter().filter_map(as_lookup).collect()
    }
}

pub(crate) fn as_event(derived: &Derived) -> Option<&ConnectionEvent> {
    match derived {
        Derived::Event(event) => Some(event),
        _ => None,
    }
}

pub(crate) fn as_inventory(derived: &Derived) -> Option<&InventoryMessage> {
    match derived {
        Derived::Inventory(message) => Some(message),
        _ => None,
    }
}

pub(crate) fn as_lookup(derived: &Derived) -> Option<&LookupDue> {
    match derived {
        Derived::LookupDue(lookup) => Some(lookup),
        _ => None,
    }
}

/// A time of the scripts' day: `12:00:00`, `12:00:00.250`, or `1d12:00:00` for a later day.
pub(crate) fn parse_at(text: &str) -> Option<Millis> {
    let (days, clock) = match text.split_once('d') {
        Some((days, clock)) => (days.parse::<i64>().ok()?, clock),
        None => (0, text),
    };
    let mut parts = clock.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (seconds, millis) = parts
        .next()?
        .split_once('.')
        .map_or_else(|| Some((clock.rsplit(':').next()?, "0")), Some)?;
    let seconds: i64 = seconds.parse().ok()?;
    let millis: i64 = millis.parse().ok()?;
    let total_ms = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + millis;
    Some(Millis(DAY_MS + total_ms))
}

/// [`parse_at`] of a text that is one.
pub(crate) fn at(text: &str) -> Millis {
    parse_at(text).unwrap_or_else(|| panic!("no time of day: {text}"))
}

/// Writes a time as [`parse_at`] reads it.
pub(crate) fn show_at(at: Millis) -> String {
    let total_ms = at.0 - DAY_MS;
    let (days, rest_ms) = (
        total_ms.div_euclid(86_400_000),
        total_ms.rem_euclid(86_400_000),
    );
    let (seconds, millis) = (rest_ms / 1_000, rest_ms % 1_000);
    let day = if days == 0 {
        String::new()
    } else {
        format!("{days}d")
    };
    let fraction = if millis == 0 {
        String::new()
    } else {
        format!(".{millis:03}")
    };
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{day}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

/// The record at `offset` of partition 0 of `topic`, received when it was appended.
pub(crate) fn arrival(topic: Topic, offset: u64, appended_at: Millis) -> Arrival {
    Arrival {
        at: Coordinates {
            topic,
            partition: 0,
            offset,
        },
        appended_at,
        received_at: appended_at,
        bridge: 0,
        received_order: 0,
        is_retained: false,
        is_redelivery: false,
    }
}

/// An online that says nothing but its id.
pub(crate) fn bare_online(message_id: &str) -> Online {
    Online {
        dialect: Dialect::Draft,
        kind: Kind::Host,
        message_id: message_id.to_owned(),
        sent: None,
        epoch: None,
        canonical_facts: None,
        dispatchers: None,
        tags: None,
        catalog_service_facts: None,
        client_name: String::new(),
        client_version: String::new(),
        destination: Destination {
            mqtt_topic: "redhat/insights/out/c1".to_owned(),
            ..Destination::default()
        },
    }
}

/// Facts of the host `name`, by which inventory would know it.
pub(crate) fn host_facts(name: &str) -> Json {
    let id = Uuid::from_u128(xxh3_128(name.as_bytes()));
    Json::new(&format!(r#"{{"insights_id":"{id}","fqdn":"{name}"}}"#)).unwrap()
}

/// The identity of a System of `org_id`, as inventory takes it.
pub(crate) fn system_identity(org_id: &str) -> Json {
    let system = r#"{"cn":"cabb61b6-e61d-4d70-b475-01f5c009e93c","cert_type":"system"}"#;
    let proof = format!(r#""type":"System","auth_type":"cert-auth","system":{system}"#);
    Json::new(&format!(
        r#"{{"identity":{{"org_id":"{org_id}",{proof}}}}}"#
    ))
    .unwrap()
}

/// A row as it decodes from the v0 changelog: no timestamp, no failures, and nothing that v0
/// lacked.
pub(crate) fn v0_row(client: &ClientId, org_id: &str, facts: Option<Json>) -> ConnectionRow {
    let mut world = World::new();
    let mut online = bare_online("v0");
    online.canonical_facts = facts;
    let begun = arrival(Topic::Status, 0, at("09:00:00"));
    world.apply(&Event::Online(Box::new(online)), &begun);
    let mut row = world.row().clone();
    row.client_id = client.clone();
    row.org_id = org_id.to_owned();
    row.due_at = None;
    row.lookup = None;
    row.inventory_owed = None;
    row.tenant_lookup_timestamp = None;
    row.tenant_lookup_failure_count = 0;
    row.guard = Vec::new();
    row
}
