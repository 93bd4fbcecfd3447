//! Makes a history: time goes on, devices act, and the services outside answer what the oracle
//! derives, well or badly.

use rollcall_model::event::{
    AnswerSource, OutboundRequest, Receipt, ReceiptOutcome, RequestBody, TenantAnswer,
    TenantOutcome,
};
use rollcall_model::time::MINUTE_MS;
use rollcall_model::{
    Arrival, ClientId, Coordinates, DeliveryId, Derived, Event, Json, LookupDue, LookupId, Millis,
    OutboundDelivery, Policy, Topic,
};
use uuid::Uuid;

use super::content;
use super::device::{Device, MOVES, Move, Publish, publish};
use super::random::Random;
use super::settings::{self, wait_ms};
use super::{Batch, History, Record};
use crate::Oracle;

/// 2026-01-01 00:00 UTC; now and then the ends of time, where sums must not overflow.
fn begins_at(random: &mut Random) -> Millis {
    match random.below(40) {
        0 => Millis(i64::MIN),
        1 => Millis(i64::MAX - 10 * MINUTE_MS),
        _ => Millis(1_767_225_600_000),
    }
}

/// Something that will be appended when its time has come.
struct Planned {
    at: Millis,
    client: ClientId,
    topic: Topic,
    publish: Publish,
}

struct Maker {
    random: Random,
    oracle: Oracle,
    policy: Policy,
    now: Millis,
    timers_at: Millis,
    devices: Vec<Device>,
    /// Moves that this history knows: some histories do without some, and so get farther elsewhere.
    moves: Vec<Move>,
    planned: Vec<Planned>,
    /// Next offset, and last append time, of each input topic.
    offsets: [u64; Topic::INPUTS.len()],
    appended: [Millis; Topic::INPUTS.len()],
    requests: u128,
}

/// See [`History::of_seed`].
pub(super) fn make(seed: u64) -> History {
    let mut random = Random::new(seed);
    let clients = 1 + random.below(5);
    let devices = (0..clients)
        .filter_map(|number| ClientId::new(&format!("c{number}")).ok())
        .map(|client| Device::new(&mut random, client))
        .collect();
    let begins_at = begins_at(&mut random);
    let mut moves = MOVES.to_vec();
    for _ in 0..random.below(6) {
        moves.remove(random.below(moves.len()));
    }
    let mut maker = Maker {
        policy: settings::policy(&mut random),
        oracle: Oracle::new(),
        now: begins_at,
        timers_at: begins_at,
        devices,
        moves,
        planned: Vec::new(),
        offsets: [0; Topic::INPUTS.len()],
        appended: [begins_at; Topic::INPUTS.len()],
        requests: 0,
        random,
    };
    let batches = 4 + maker.random.below(40);
    History {
        seed,
        batches: (0..batches).map(|_| maker.batch()).collect(),
    }
}

impl Maker {
    fn batch(&mut self) -> Batch {
        if self.random.percent(8) {
            self.policy = settings::policy(&mut self.random);
        }
        let before = self.now;
        self.now = self.next_now();
        let mut due = self.what_is_planned();
        for _ in 0..self.random.below(5) {
            due.extend(self.something());
        }
        let rank = |topic: Topic| {
            let inputs = Topic::INPUTS;
            inputs.iter().position(|input| *input == topic).unwrap_or(0)
        };
        due.sort_by_key(|planned| rank(planned.topic));
        // After a standstill records are old when they are folded.
        let is_standstill = self.random.percent(20);
        let mut records = Vec::new();
        for planned in due {
            let rank = rank(planned.topic);
            let waited_since = match is_standstill {
                true => before - wait_ms(&mut self.random, &self.policy),
                false => before,
            };
            let appended = &mut self.appended[rank];
            *appended = waited_since.max(*appended);
            *appended = *appended + self.random.between(0, self.now - *appended);
            let appended_at = *appended;
            records.push(self.record(planned, rank, appended_at));
        }
        self.timers_at = self.next_timers_at(&records);
        let batch = Batch {
            policy: self.policy.clone(),
            now: self.now,
            timers_at: self.timers_at,
            records,
        };
        self.fold(&batch);
        batch
    }

    /// A step on, or to the moment when something is due, or just before.
    fn next_now(&mut self) -> Millis {
        let connections = self.oracle.connections().filter_map(|(_, row)| row.due_at);
        let outbox = self.oracle.deliveries().filter_map(|(_, row)| row.due_at);
        let mut due: Vec<Millis> = connections.chain(outbox).collect();
        due.retain(|at| *at > self.now && *at - self.now < 366 * 24 * 60 * MINUTE_MS);
        let step_ms = match self.random.below(10) {
            0..3 if !due.is_empty() => return *self.random.pick(&due),
            3 if !due.is_empty() => return *self.random.pick(&due) - 1,
            4 => 0,
            5..8 => self.random.between(0, 3_000),
            _ => wait_ms(&mut self.random, &self.policy),
        };
        self.now + step_ms
    }

    /// Mostly all read to the end; else what waited holds the timers back.
    fn next_timers_at(&mut self, records: &[Record]) -> Millis {
        let oldest = records
            .iter()
            .map(|record| record.arrival.appended_at)
            .min();
        let at = match oldest {
            Some(oldest) if self.random.percent(40) => oldest,
            _ if self.random.percent(10) => self.timers_at,
            _ => self.now,
        };
        at.clamp(self.timers_at, self.now)
    }

    fn what_is_planned(&mut self) -> Vec<Planned> {
        let now = self.now;
        let planned = std::mem::take(&mut self.planned);
        let (due, later) = planned.into_iter().partition(|planned| planned.at <= now);
        self.planned = later;
        due
    }

    fn record(&mut self, planned: Planned, rank: usize, appended_at: Millis) -> Record {
        let Planned {
            client,
            topic,
            publish,
            ..
        } = planned;
        let offset = &mut self.offsets[rank];
        let at = Coordinates {
            topic,
            partition: 3,
            offset: *offset,
        };
        *offset += 1;
        let received_at = publish.received_at;
        let arrival = Arrival {
            at,
            appended_at,
            received_at: received_at.unwrap_or(appended_at - publish.received_ago_ms),
            bridge: publish.bridge,
            received_order: publish.order,
            is_retained: publish.is_retained,
            is_redelivery: publish.is_redelivery,
        };
        Record {
            client,
            event: publish.event,
            arrival,
        }
    }

    /// What somebody does now.
    fn something(&mut self) -> Vec<Planned> {
        let device = self.random.below(self.devices.len());
        let client = self.devices[device].client.clone();
        let (topic, publishes) = match self.random.below(13) {
            0 | 12 => (Topic::Requests, vec![publish(self.request())]),
            1 if self.random.percent(40) => {
                let outcome = self.outcome(&client);
                let source = match self.random.percent(40) {
                    true => AnswerSource::Operator,
                    false => AnswerSource::Directory,
                };
                let answer = Event::Tenant(TenantAnswer { source, outcome });
                (Topic::Tenants, vec![publish(answer)])
            }
            2 if self.random.percent(40) => {
                let id = self.some_delivery();
                let error = self.some_error();
                let mut answer = self.devices[device].answer(id, error);
                answer.is_retained = self.random.percent(20);
                (self.device_topic(), vec![answer])
            }
            3 if self.random.percent(20) => {
                let id = self.some_delivery();
                let receipt = self.receipt(id, 1);
                (Topic::Receipts, vec![publish(receipt)])
            }
            _ => {
                let what = *self.random.pick(&self.moves);
                let (random, now) = (&mut self.random, self.now);
                let publishes = self.devices[device].act(random, &self.policy, what, now);
                let topic = match what {
                    Move::Message => self.device_topic(),
                    _ => Topic::Status,
                };
                (topic, publishes)
            }
        };
        let at = self.now;
        let plan = |publish| Planned {
            at,
            client: client.clone(),
            topic,
            publish,
        };
        publishes.into_iter().map(plan).collect()
    }

    /// The batch goes through the oracle, and the world outside answers.
    fn fold(&mut self, batch: &Batch) {
        let mut derived = self.oracle.begin(&batch.policy, batch.now, batch.timers_at);
        for record in &batch.records {
            let told = self
                .oracle
                .apply(&record.client, &record.event, &record.arrival);
            derived.extend(told);
        }
        for derived in derived {
            match derived {
                Derived::LookupDue(lookup) => self.look_up(&lookup),
                Derived::Delivery(delivery) => self.deliver(&delivery),
                _ => {}
            }
        }
    }

    /// The resolver answers: soon or late, once, twice or never, now and then with another id.
    fn look_up(&mut self, lookup: &LookupDue) {
        for _ in 0..*self.random.pick(&[0, 1, 1, 1, 1, 1, 1, 2]) {
            let lookup_id = match self.random.percent(5) {
                true => LookupId(Uuid::from_u128(7)),
                false => lookup.lookup_id,
            };
            let outcome = self.outcome(&lookup.client_id);
            let source = AnswerSource::Resolver { lookup_id };
            let answer = Event::Tenant(TenantAnswer { source, outcome });
            self.plan(&lookup.client_id, Topic::Tenants, publish(answer));
        }
    }

    /// The sender and the device answer, or do not.
    fn deliver(&mut self, delivery: &OutboundDelivery) {
        let (client, id) = (&delivery.client_id, delivery.delivery_id);
        for _ in 0..*self.random.pick(&[0, 1, 1, 1, 2]) {
            let attempt = match self.random.below(10) {
                0 => delivery.attempt + 1,
                1 => delivery.attempt.saturating_sub(1),
                _ => delivery.attempt,
            };
            let receipt = self.receipt(id, attempt);
            self.plan(client, Topic::Receipts, publish(receipt));
        }
        for _ in 0..*self.random.pick(&[0, 0, 1, 2]) {
            let error = self.some_error();
            let topic = self.device_topic();
            let device = self.devices.iter().find(|device| device.client == *client);
            if let Some(answer) = device.map(|device| device.answer(id, error)) {
                self.plan(client, topic, answer);
            }
        }
    }

    fn plan(&mut self, client: &ClientId, topic: Topic, publish: Publish) {
        let wait_ms = match self.random.percent(70) {
            true => self.random.between(0, 2_000),
            false => wait_ms(&mut self.random, &self.policy),
        };
        self.planned.push(Planned {
            at: self.now + wait_ms,
            client: client.clone(),
            topic,
            publish,
        });
    }

    /// Mostly the organisation that the client belongs to.
    fn outcome(&mut self, client: &ClientId) -> TenantOutcome {
        let own = format!("org-{client}");
        let org_id = match self.random.below(20) {
            0..4 => return TenantOutcome::Unknown,
            4..8 => {
                return TenantOutcome::Unavailable {
                    cause: "timeout".to_owned(),
                };
            }
            8 => String::new(),
            9 => "org-other".to_owned(),
            10 => "o".repeat(35 + self.random.below(3)),
            _ => own,
        };
        let account = (*self.random.pick(&["1", "1", "1", "2", ""])).to_owned();
        match Json::new(&content::identity(&mut self.random, &org_id)) {
            Ok(identity) => TenantOutcome::Found {
                org_id,
                account,
                identity,
            },
            Err(_) => TenantOutcome::Unknown,
        }
    }

    /// A new one, or the last one again.
    fn request(&mut self) -> Event {
        self.requests += u128::from(self.random.percent(85));
        let deadline = match self.random.below(16) {
            0 => Some(self.now),
            1 => Some(self.now - 1),
            2 => Some(self.now + self.random.between(0, 5_000)),
            3 => Some(self.now + wait_ms(&mut self.random, &self.policy)),
            _ => None,
        };
        let Ok(empty) = Json::new("{}") else {
            return Event::BrokerLost;
        };
        let body = match self.random.percent(50) {
            true => RequestBody::Command {
                command: (*self.random.pick(&["ping", "disconnect"])).to_owned(),
                arguments: empty,
            },
            false => RequestBody::Data {
                directive: "play".to_owned(),
                payload: empty,
                metadata: vec![("a".to_owned(), "b".to_owned())],
            },
        };
        Event::Request(Box::new(OutboundRequest {
            id: DeliveryId(Uuid::from_u128(self.requests)),
            body,
            deadline,
            idempotency_key: String::new(),
            requester: "somebody".to_owned(),
        }))
    }

    fn receipt(&mut self, delivery_id: DeliveryId, attempt: u32) -> Event {
        let outcomes = [
            ReceiptOutcome::Acknowledged,
            ReceiptOutcome::Acknowledged,
            ReceiptOutcome::NoSubscriber,
            ReceiptOutcome::NoSubscriber,
            ReceiptOutcome::NoSubscriber,
            ReceiptOutcome::Failed,
        ];
        Event::Receipt(Receipt {
            delivery_id,
            attempt,
            outcome: *self.random.pick(&outcomes),
            broker_reason_code: *self.random.pick(&[0, 0, 0, 0x80, 0x82, 0x95]),
        })
    }

    /// One that was asked for, or one that never was; perhaps of another client.
    fn some_delivery(&mut self) -> DeliveryId {
        let asked = usize::try_from(self.requests).unwrap_or(0);
        DeliveryId(Uuid::from_u128(self.random.below(asked + 2) as u128))
    }

    fn some_error(&mut self) -> Option<String> {
        let texts = ["no such directive", "no_receipt", ""];
        match self.random.below(10) {
            0..6 => None,
            6 => Some(format!("x{}", "é".repeat(600))),
            _ => Some((*self.random.pick(&texts)).to_owned()),
        }
    }

    /// Traffic comes on either log, by dialect.
    fn device_topic(&mut self) -> Topic {
        *self
            .random
            .pick(&[Topic::Messages, Topic::Messages, Topic::Status])
    }
}
