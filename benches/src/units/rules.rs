//! The fold's step alone: parsed events of clients whose rows are at hand.

use rollcall_fold::{Context, Rows};
use rollcall_model::{
    Arrival, ClientId, ConnectionRow, Coordinates, Event, Ingress, Policy, Topic,
};
use rollcall_schemas::{Record, dialect};

use super::{Sizes, Unit};
use crate::fleet::{Fleet, START, client};

/// Events of each client in the ring: a row remembers eight online ids, and must have forgotten
/// them when they come round again, or they would be duplicates.
const EVENTS_PER_CLIENT: usize = 32;

/// The clients' clocks all say this: coming round again must not look like the past.
const AT_MS: i64 = 60_000;

struct Steps {
    policy: Policy,
    rows: Vec<Option<ConnectionRow>>,
    events: Vec<(usize, ClientId, Event)>,
    at: usize,
    offset: u64,
}

pub(super) fn fold(sizes: &Sizes) -> Box<dyn Unit> {
    let clients = (sizes.ring / EVENTS_PER_CLIENT).max(1);
    let mut fleet = Fleet::new(clients);
    let mut steps = Steps {
        policy: Policy::default(),
        rows: vec![None; clients],
        events: Vec::new(),
        at: 0,
        offset: 0,
    };
    for n in 0..clients {
        let [online, answer] = fleet
            .arrival(n)
            .map(|record| record.value.expect("a value"));
        let answer = Record::decode(&answer).expect("an answer");
        for event in [event(&client(n), &online), Event::Tenant(answer)] {
            steps.step(n, &client(n), &event);
        }
    }
    for _ in 0..EVENTS_PER_CLIENT {
        for n in 0..clients {
            let value = fleet.next_of(n).value.expect("a value");
            let client = client(n);
            let event = event(&client, &value);
            steps.events.push((n, client, event));
        }
    }
    Box::new(steps)
}

impl Steps {
    fn step(&mut self, n: usize, client: &ClientId, event: &Event) {
        let now = START + AT_MS;
        let ctx = Context {
            policy: &self.policy,
            now,
            timers_at: now,
        };
        let arrival = Arrival {
            at: Coordinates {
                topic: Topic::Status,
                partition: 0,
                offset: self.offset,
            },
            appended_at: now,
            received_at: now,
            bridge: 0,
            received_order: 0,
            is_retained: false,
            is_redelivery: false,
        };
        self.offset += 1;
        let rows = Rows {
            connection: self.rows[n].take(),
            delivery: None,
        };
        let step = rollcall_fold::step(&ctx, client, rows, event, &arrival);
        std::hint::black_box(&step.derived);
        self.rows[n] = step.rows.connection;
    }
}

impl Unit for Steps {
    fn run(&mut self, events: usize) {
        let ring = std::mem::take(&mut self.events);
        for _ in 0..events {
            let (n, client, event) = &ring[self.at];
            self.step(*n, client, event);
            self.at = (self.at + 1) % ring.len();
        }
        self.events = ring;
    }
}

fn event(client: &ClientId, value: &[u8]) -> Event {
    let ingress = Ingress::decode(value).expect("an ingress");
    let mut event = dialect::parse(&ingress, client).expect("an event");
    if let Event::Online(online) = &mut event {
        online.sent = Some(START + AT_MS);
    }
    event
}
