//! The sender on an in-memory log, with an outlet that says what it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rollcall_log::{Append, Log, ManualClock, MemoryLog, NewRecord, ReadLimit, StageError, Stored};
use rollcall_model::event::{Receipt, ReceiptOutcome, RequestBody};
use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Destination, Protocol};
use rollcall_model::{
    Cause, ClientId, Coordinates, DeadLetter, DeliveryId, Json, Millis, OutboundDelivery, Topic,
};
use rollcall_schemas::Record;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::{Attempt, BoxFuture, GROUP, Outlet, PROBE_GROUP, Prober, Sender};

mod probe;

const NOW: Millis = Millis(1_700_000_000_000);
const EVERYTHING: ReadLimit = ReadLimit {
    records: 10_000,
    bytes: usize::MAX,
};

/// Says what it is told, then `Acknowledged`; keeps what it was given.
#[derive(Default)]
struct Double {
    answers: Mutex<VecDeque<Option<(ReceiptOutcome, u8)>>>,
    taken: Mutex<Vec<(String, String)>>,
    /// When each of them was given to it, and after how long it expires.
    times: Mutex<Vec<(Instant, Option<Duration>)>>,
}

impl Outlet for Double {
    fn publish<'a>(
        &'a self,
        topic: &'a str,
        payload: Bytes,
        expires_after: Option<Duration>,
    ) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let time = (Instant::now(), expires_after);
            self.times.lock().unwrap().push(time);
            let text = String::from_utf8(payload.to_vec()).unwrap();
            self.taken.lock().unwrap().push((topic.to_owned(), text));
            let answer = self.answers.lock().unwrap().pop_front();
            let said = answer.unwrap_or(Some((ReceiptOutcome::Acknowledged, 0)));
            let Some((outcome, reason_code)) = said else {
                return std::future::pending().await;
            };
            Attempt {
                outcome,
                reason_code,
            }
        })
    }
}

struct World {
    log: Arc<MemoryLog>,
    outlet: Arc<Double>,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        Self {
            log: Arc::new(MemoryLog::new(1, clock.clone())),
            outlet: Arc::default(),
            clock,
        }
    }

    async fn append(&self, key: &str, value: Vec<u8>) {
        let record = NewRecord {
            topic: Topic::Deliveries,
            partition: Some(0),
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value: Some(value.into()),
            headers: vec![("traceparent".to_owned(), Bytes::from_static(b"00-1"))],
        };
        let append = Append {
            records: vec![record],
            positions: Vec::new(),
        };
        self.log.append(append).await.unwrap();
    }

    async fn deliver(&self, delivery: &OutboundDelivery) {
        self.append(delivery.client_id.as_str(), delivery.encode())
            .await;
    }

    /// Runs the sender until it has read everything.
    async fn run(&self) {
        let sender = Sender::new(self.log.clone(), self.outlet.clone(), self.clock.clone());
        self.run_as(GROUP, |stop| sender.run(stop)).await;
    }

    /// Runs the prober until it has read everything.
    async fn probe(&self, per_second: u32) {
        let (log, outlet) = (self.log.clone(), self.outlet.clone());
        let prober = Prober::new(log, outlet, self.clock.clone(), per_second);
        self.run_as(PROBE_GROUP, |stop| prober.run(stop)).await;
    }

    async fn run_as<F>(&self, group: &str, run: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = Result<(), StageError>> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(run(stopped));
        let mut appended = self.log.appended();
        let end = self.log.offsets(Topic::Deliveries, 0).unwrap().end;
        while self.log.position(group, Topic::Deliveries, 0).unwrap() != Some(end) {
            // A position alone wakes no one. Where time stands still, this lets it go on.
            let pause = tokio::time::sleep(Duration::from_millis(1));
            tokio::select! {
                changed = appended.changed() => changed.unwrap(),
                () = pause => {}
            }
        }
        stop.send_replace(true);
        running.await.unwrap().unwrap();
    }

    fn read(&self, topic: Topic) -> Vec<Stored> {
        self.log.read(topic, 0, 0, EVERYTHING).unwrap()
    }

    fn receipts(&self) -> Vec<Receipt> {
        let decode = |record: Stored| Receipt::decode(&record.value.unwrap()).unwrap();
        self.read(Topic::Receipts).into_iter().map(decode).collect()
    }

    fn taken(&self) -> Vec<(String, String)> {
        self.outlet.taken.lock().unwrap().clone()
    }
}

fn delivery(client: &str, attempt: u32, dialect: Dialect) -> OutboundDelivery {
    let client_id = ClientId::new(client).unwrap();
    let at = Coordinates {
        topic: Topic::Requests,
        partition: 0,
        offset: u64::from(attempt),
    };
    let cause = Cause::Record(at);
    let mqtt_topic = match dialect {
        Dialect::Draft => format!("redhat/insights/out/{client}"),
        Dialect::Rhc => format!("redhat/insights/{client}/data/in"),
    };
    OutboundDelivery {
        delivery_id: DeliveryId::derive(&client_id, &cause),
        client_id,
        dialect,
        destination: Destination {
            mqtt_topic,
            ..Destination::default()
        },
        body: RequestBody::Data {
            directive: "playbook".to_owned(),
            payload: Json::new("{\"n\":1}").unwrap(),
            metadata: vec![("a".to_owned(), "b".to_owned())],
        },
        attempt,
        deadline: NOW + 60_000,
        cause,
        sent_at: NOW,
    }
}

#[tokio::test]
async fn each_dialect_gets_its_own_message_and_a_receipt_follows() {
    let world = World::new();
    let (draft, rhc) = (
        delivery("d", 1, Dialect::Draft),
        delivery("r", 2, Dialect::Rhc),
    );
    world.deliver(&draft).await;
    world.deliver(&rhc).await;
    world.run().await;
    let mut taken = world.taken();
    taken.sort();
    assert_eq!(taken[0].0, "redhat/insights/out/d");
    assert!(
        taken[0].1.contains("\"type\":\"message\""),
        "{}",
        taken[0].1
    );
    assert!(taken[0].1.contains(&draft.delivery_id.to_string()));
    assert_eq!(taken[1].0, "redhat/insights/r/data/in");
    assert!(taken[1].1.contains("\"type\":\"data\""), "{}", taken[1].1);
    let mut receipts = world.receipts();
    receipts.sort_by_key(|receipt| receipt.attempt);
    let expected = [(&draft, 1), (&rhc, 2)].map(|(delivery, attempt)| Receipt {
        delivery_id: delivery.delivery_id,
        attempt,
        outcome: ReceiptOutcome::Acknowledged,
        broker_reason_code: 0,
    });
    assert_eq!(receipts, expected);
    let record = world.read(Topic::Receipts).remove(0);
    let names: Vec<&str> = record.headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["source", "traceparent"]);
}

#[tokio::test]
async fn what_the_broker_says_is_in_the_receipt() {
    let world = World::new();
    let said = [
        Some((ReceiptOutcome::NoSubscriber, 16)),
        Some((ReceiptOutcome::Failed, 0x97)),
    ];
    *world.outlet.answers.lock().unwrap() = said.into();
    world.deliver(&delivery("d", 1, Dialect::Draft)).await;
    world.deliver(&delivery("d", 2, Dialect::Draft)).await;
    world.run().await;
    let said: Vec<_> = world
        .receipts()
        .iter()
        .map(|receipt| (receipt.attempt, receipt.outcome, receipt.broker_reason_code))
        .collect();
    let expected = [
        (1, ReceiptOutcome::NoSubscriber, 16),
        (2, ReceiptOutcome::Failed, 0x97),
    ];
    assert_eq!(said, expected, "in order for one client");
}

#[tokio::test]
async fn broker_that_says_nothing_has_failed() {
    let world = World::new();
    *world.outlet.answers.lock().unwrap() = [None].into();
    world.deliver(&delivery("d", 1, Dialect::Draft)).await;
    let mut sender = Sender::new(world.log.clone(), world.outlet.clone(), world.clock.clone());
    sender.publish_timeout = Duration::from_millis(1);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(sender.run(stopped));
    let mut appended = world.log.appended();
    while world.receipts().is_empty() {
        appended.changed().await.unwrap();
    }
    assert_eq!(world.receipts()[0].outcome, ReceiptOutcome::Failed);
    stop.send_replace(true);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn deliveries_behind_their_deadline_are_not_sent() {
    let world = World::new();
    world.deliver(&delivery("d", 1, Dialect::Draft)).await;
    world.clock.advance(60_000);
    world.run().await;
    assert_eq!(world.taken(), []);
    assert_eq!(world.receipts(), []);
}

#[tokio::test]
async fn what_cannot_be_said_or_sent_fails_its_attempt() {
    let world = World::new();
    let command = |command: &str| RequestBody::Command {
        command: command.to_owned(),
        arguments: Json::new("{}").unwrap(),
    };
    let mut deliveries = Vec::new();
    for (client, dialect, name) in [
        ("draft-ping", Dialect::Draft, "ping"),
        ("draft-disconnect", Dialect::Draft, "disconnect"),
        ("rhc-ping", Dialect::Rhc, "ping"),
    ] {
        deliveries.push(OutboundDelivery {
            body: command(name),
            ..delivery(client, 1, dialect)
        });
    }
    let mut elsewhere = delivery("stomp", 1, Dialect::Draft);
    elsewhere.destination.protocol = Protocol::Stomp;
    deliveries.push(elsewhere);
    for delivery in &deliveries {
        world.deliver(delivery).await;
    }
    world.run().await;
    let topics: Vec<String> = world.taken().into_iter().map(|(topic, _)| topic).collect();
    let expected = [
        "redhat/insights/out/draft-disconnect",
        "redhat/insights/rhc-ping/control/in",
    ];
    assert_eq!(topics, expected);
    let failed: Vec<_> = world
        .receipts()
        .into_iter()
        .filter(|receipt| receipt.outcome == ReceiptOutcome::Failed)
        .map(|receipt| receipt.delivery_id)
        .collect();
    assert_eq!(
        failed,
        [deliveries[0].delivery_id, deliveries[3].delivery_id]
    );
}

#[tokio::test]
async fn record_that_is_no_delivery_is_put_aside() {
    let world = World::new();
    world.append("d", b"no frame".to_vec()).await;
    world.deliver(&delivery("d", 1, Dialect::Draft)).await;
    world.run().await;
    assert_eq!(world.receipts().len(), 1);
    let letters = world.read(Topic::DeadLetters);
    let letter = DeadLetter::decode(letters[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(
        (letter.stage.as_str(), letter.value),
        ("sender", b"no frame".to_vec())
    );
}

#[tokio::test]
async fn a_second_sender_goes_on_where_the_first_has_stopped() {
    let world = World::new();
    world.deliver(&delivery("d", 1, Dialect::Draft)).await;
    world.run().await;
    world.deliver(&delivery("d", 2, Dialect::Draft)).await;
    world.run().await;
    assert_eq!(world.taken().len(), 2);
    assert_eq!(world.receipts().len(), 2);
}
