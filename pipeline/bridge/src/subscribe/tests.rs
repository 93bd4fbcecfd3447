//! Between a broker that does what it is told and a log that does: a PUBACK waits for its record,
//! and a publish that the log refuses comes again.

#[path = "../../../mqtt/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use common::{DISCONNECT, Fake, PUBACK, PUBCOMP};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rollcall_log::{
    Append, BEHIND_HEADER, Error, Log, ManualClock, MemoryLog, OffsetRange, ReadLimit, Stored,
};
use rollcall_model::{Ingress, Millis, Topic};
use rollcall_mqtt::Version;
use rollcall_schemas::Record as _;
use rollcall_schemas::dialect::Prefixes;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Options;

const TOPIC: &str = "redhat/insights/status/c1";

/// A log that asks about every append before it makes it.
struct Asking {
    log: Arc<MemoryLog>,
    asked: mpsc::UnboundedSender<oneshot::Sender<bool>>,
}

impl Log for Asking {
    fn partitions(&self, topic: Topic) -> u32 {
        self.log.partitions(topic)
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Vec<u64>, Error>> {
        let (answer, answered) = oneshot::channel();
        self.asked.send(answer).unwrap();
        let log = self.log.clone();
        async move {
            match answered.await {
                Ok(true) => log.append(append).await,
                _ => Err(Error::Busy {
                    waiting: 1,
                    bytes: 1,
                }),
            }
        }
        .boxed()
    }

    fn read(
        &self,
        topic: Topic,
        at: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        self.log.read(topic, at, from, limit)
    }

    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        self.log.offsets(topic, partition)
    }

    fn position(&self, group: &str, topic: Topic, at: u32) -> Result<Option<u64>, Error> {
        self.log.position(group, topic, at)
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.log.appended()
    }
}

/// A bridge at work between the two.
struct Scene {
    fake: Fake,
    log: Arc<Asking>,
    clock: Arc<ManualClock>,
    asked: mpsc::UnboundedReceiver<oneshot::Sender<bool>>,
    _stop: watch::Sender<bool>,
}

impl Scene {
    async fn start(version: Version) -> Self {
        let fake = Fake::start(version).await;
        let clock = Arc::new(ManualClock::at(Millis(1_700_000_000_000)));
        let (asked_to, asked) = mpsc::unbounded_channel();
        let log = Arc::new(Asking {
            log: Arc::new(MemoryLog::new(1, clock.clone())),
            asked: asked_to,
        });
        let (driver, inbound, _) = rollcall_mqtt::client(fake.options());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(driver.run(stopped));
        let options = Options::subscriber(Prefixes::default(), "client");
        tokio::spawn(super::run(inbound, log.clone(), clock.clone(), options));
        Self {
            fake,
            log,
            clock,
            asked,
            _stop: stop,
        }
    }

    /// The log's next question.
    async fn asked(&mut self) -> oneshot::Sender<bool> {
        self.asked.recv().await.unwrap()
    }

    /// DUP, generation and payload of every record.
    fn stored(&self) -> Vec<(bool, u64, String)> {
        let limit = ReadLimit {
            records: 1_000,
            bytes: usize::MAX,
        };
        let records = self.log.read(Topic::Status, 0, 0, limit).unwrap();
        let ingress = |record: Stored| Ingress::decode(&record.value.unwrap()).unwrap();
        let facts = |ingress: Ingress| {
            let payload = String::from_utf8(ingress.payload).unwrap();
            (ingress.dup, ingress.broker_generation, payload)
        };
        records.into_iter().map(ingress).map(facts).collect()
    }
}

fn play<F: Future<Output = ()>>(scene: impl Fn(Version) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for version in [Version::V4, Version::V5] {
        let played = runtime.block_on(async {
            tokio::time::timeout(std::time::Duration::from_secs(30), scene(version)).await
        });
        assert!(played.is_ok(), "{version:?} takes too long");
    }
}

#[test]
fn a_puback_waits_for_its_record_and_for_those_before() {
    play(|version| async move {
        let mut scene = Scene::start(version).await;
        let mut peer = scene.fake.welcome(false).await;
        for id in 1..=2 {
            peer.publish_to(TOPIC, 1, id, false, b"x").await;
        }
        let (first, second) = (scene.asked().await, scene.asked().await);
        second.send(true).unwrap();
        // Whatever has been let out by now stands before the answer to this.
        peer.send(0x62, &[0, 77]).await;
        assert_eq!(peer.answer(PUBCOMP).await, 77);
        first.send(true).unwrap();
        for id in 1..=2 {
            assert_eq!(peer.answer(PUBACK).await, id);
        }
        assert_eq!(scene.stored().len(), 2);
    });
}

#[test]
fn what_the_log_refuses_comes_again_with_all_behind_it() {
    play(|version| async move {
        let mut scene = Scene::start(version).await;
        let mut peer = scene.fake.welcome(false).await;
        for (id, payload) in [(1, b"1"), (2, b"2"), (3, b"3")] {
            peer.publish_to(TOPIC, 1, id, false, payload).await;
        }
        for answer in [true, false, true] {
            scene.asked().await.send(answer).unwrap();
        }
        assert_eq!(peer.answer(PUBACK).await, 1);
        peer.expect(DISCONNECT).await;
        let mut peer = scene.fake.welcome(true).await;
        for (id, payload) in [(2, b"2"), (3, b"3")] {
            peer.publish_to(TOPIC, 1, id, true, payload).await;
            scene.asked().await.send(true).unwrap();
            assert_eq!(peer.answer(PUBACK).await, id);
        }
        let stored: Vec<_> = scene
            .stored()
            .into_iter()
            .map(|(dup, _, text)| (dup, text))
            .collect();
        let expected = [(false, "1"), (false, "3"), (true, "2"), (true, "3")];
        assert_eq!(stored, expected.map(|(dup, text)| (dup, text.to_owned())));
    });
}

#[test]
fn a_lost_session_begins_a_new_generation() {
    play(|version| async move {
        let mut scene = Scene::start(version).await;
        for (session_present, id) in [(false, 1), (true, 2), (false, 3)] {
            scene.clock.advance(1);
            let mut peer = scene.fake.welcome(session_present).await;
            peer.publish_to(TOPIC, 1, id, false, b"x").await;
            scene.asked().await.send(true).unwrap();
            assert_eq!(peer.answer(PUBACK).await, id);
        }
        let generations: Vec<u64> = scene.stored().into_iter().map(|stored| stored.1).collect();
        assert_eq!(generations[0], generations[1]);
        assert!(generations[1] < generations[2], "{generations:?}");
    });
}

#[test]
fn records_are_appended_in_the_order_of_receipt() {
    play(|version| async move {
        let mut scene = Scene::start(version).await;
        let mut peer = scene.fake.welcome(false).await;
        for id in 1..=500_u16 {
            let payload = id.to_string();
            peer.publish_to(TOPIC, 1, id, false, payload.as_bytes())
                .await;
        }
        for id in 1..=500 {
            // The log asks in the order of the calls.
            scene.asked().await.send(true).unwrap();
            assert_eq!(peer.answer(PUBACK).await, id);
        }
        let stored: Vec<String> = scene.stored().into_iter().map(|stored| stored.2).collect();
        let expected: Vec<String> = (1..=500).map(|id| id.to_string()).collect();
        assert_eq!(stored, expected);
    });
}

/// Every record of `status`, then of `messages`: its number and what it says that it is behind.
fn receipts(scene: &Scene) -> Vec<(i64, Option<String>)> {
    let limit = ReadLimit {
        records: 1_000,
        bytes: usize::MAX,
    };
    let of_topic = |topic| scene.log.read(topic, 0, 0, limit).unwrap();
    let receipt = |record: Stored| {
        let ingress = Ingress::decode(&record.value.unwrap()).unwrap();
        let behind = record
            .headers
            .iter()
            .find(|(name, _)| name == BEHIND_HEADER);
        let behind = behind.map(|(_, end)| String::from_utf8(end.to_vec()).unwrap());
        (ingress.received_order, behind)
    };
    let topics = [Topic::Status, Topic::Messages];
    topics.into_iter().flat_map(of_topic).map(receipt).collect()
}

#[test]
fn a_message_waits_for_the_will_before_it() {
    play(|version| async move {
        let mut scene = Scene::start(version).await;
        let mut peer = scene.fake.welcome(false).await;
        let (status, data) = (
            "redhat/insights/c1/control/out",
            "redhat/insights/c1/data/out",
        );
        peer.publish_to(status, 1, 1, false, b"will").await;
        peer.publish_to(data, 1, 2, false, b"").await;
        peer.publish_to("redhat/insights/c2/data/out", 1, 3, false, b"")
            .await;
        let will = scene.asked().await;
        // Another client's message goes past both.
        scene.asked().await.send(true).unwrap();
        assert!(scene.asked.try_recv().is_err(), "the message did not wait");
        will.send(true).unwrap();
        scene.asked().await.send(true).unwrap();
        for id in 1..=3 {
            assert_eq!(peer.answer(PUBACK).await, id);
        }
        let receipts = receipts(&scene);
        let first = receipts[0].0;
        let behind = |end: &str| Some(end.to_owned());
        assert_eq!(
            receipts,
            [(first, None), (first + 2, None), (first + 1, behind("1"))]
        );
    });
}

#[test]
fn the_count_goes_on_when_a_session_is_lost() {
    play(|version| async move {
        let mut scene = Scene::start(version).await;
        for id in 1..=3 {
            let mut peer = scene.fake.welcome(false).await;
            peer.publish_to(TOPIC, 1, id, false, b"x").await;
            scene.asked().await.send(true).unwrap();
            assert_eq!(peer.answer(PUBACK).await, id);
        }
        // The clock stands still.
        let numbers: Vec<i64> = receipts(&scene).into_iter().map(|one| one.0).collect();
        assert_eq!(numbers, [0, 1, 2].map(|n| 1_700_000_000_000_000 + n));
    });
}
