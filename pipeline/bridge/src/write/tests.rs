//! Each outcome, on the log in memory.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use rollcall_log::{Clock, Log, ManualClock, MemoryLog, ReadLimit, Stored};
use rollcall_model::ingress::{Dialect, IngressKind, PAYLOAD_BYTES_MAX};
use rollcall_model::{DeadLetter, Ingress, Millis, ReasonCode, Topic};
use rollcall_schemas::Record;
use rollcall_schemas::dialect::Prefixes;
use rollcall_schemas::partition;

use crate::refuse::{PAYLOAD_BYTES_KEPT, PROPERTY_BYTES_MAX};
use crate::{IngressWriter, Options, Outcome, PublishFacts, Source};

const PARTITIONS: u32 = 4;
const NOW: Millis = Millis(1_700_000_000_123);
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Fixture {
    log: Arc<MemoryLog>,
    writer: IngressWriter,
}

impl Fixture {
    fn new(options: Options) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
        let log = Arc::new(MemoryLog::new(PARTITIONS, clock.clone()));
        let writer = IngressWriter::new(log.clone(), clock, options);
        Self { log, writer }
    }

    fn embedded() -> Self {
        Self::new(Options::embedded(Prefixes::default()))
    }

    /// Writes and gives the outcome; the log in memory is never waited for.
    fn write(&self, facts: PublishFacts) -> Outcome {
        self.writer.write(facts).now_or_never().unwrap()
    }

    /// Every record of `topic` with its partition.
    fn records(&self, topic: Topic) -> Vec<(u32, Stored)> {
        let limit = ReadLimit {
            records: 100,
            bytes: 100_000_000,
        };
        let read = |at| {
            self.log
                .read(topic, at, 0, limit)
                .unwrap()
                .into_iter()
                .map(move |r| (at, r))
        };
        (0..PARTITIONS).flat_map(read).collect()
    }

    /// The only record of `topic`, and that no other topic holds one.
    fn only(&self, topic: Topic) -> (u32, Stored) {
        let all: usize = Topic::ALL
            .into_iter()
            .map(|topic| self.records(topic).len())
            .sum();
        assert_eq!(all, 1, "one record in all topics");
        self.records(topic).remove(0)
    }
}

fn publish(topic: &str, payload: impl Into<Bytes>) -> PublishFacts {
    PublishFacts {
        topic: topic.into(),
        payload: payload.into(),
        qos: 1,
        ..PublishFacts::default()
    }
}

fn header(record: &Stored, name: &str) -> Option<String> {
    let (_, value) = record.headers.iter().find(|(found, _)| found == name)?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn a_publish_is_stored_as_it_is() {
    let fixture = Fixture::embedded();
    let facts = PublishFacts {
        dup: true,
        user_properties: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
        ..publish("redhat/insights/status/c1", &b"\xff\x00{"[..])
    };
    assert_eq!(fixture.write(facts), Outcome::Stored);

    let (at, record) = fixture.only(Topic::Status);
    assert_eq!(record.key.as_deref(), Some(&b"c1"[..]));
    assert_eq!(at, partition::for_key(b"c1", PARTITIONS));
    let expected = Ingress {
        kind: IngressKind::Publish,
        dialect: Dialect::Draft,
        mqtt_topic: "redhat/insights/status/c1".into(),
        payload: b"\xff\x00{".to_vec(),
        qos: 1,
        retain: false,
        dup: true,
        user_properties: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
        received_at: NOW,
        bridge: "embedded".into(),
        broker_generation: 1_700_000_000_123,
        received_order: 1_700_000_000_123_000,
    };
    assert_eq!(Ingress::decode(&record.value.unwrap()).unwrap(), expected);
}

#[test]
fn the_topic_alone_picks_dialect_and_log() {
    let check = |mqtt_topic: &str, topic: Topic, dialect: Dialect| {
        let fixture = Fixture::embedded();
        assert_eq!(fixture.write(publish(mqtt_topic, "x")), Outcome::Stored);
        let (_, record) = fixture.only(topic);
        assert_eq!(record.key.as_deref(), Some(&b"c1"[..]));
        assert_eq!(
            Ingress::decode(&record.value.unwrap()).unwrap().dialect,
            dialect
        );
    };
    check("redhat/insights/status/c1", Topic::Status, Dialect::Draft);
    check("redhat/insights/in/c1", Topic::Status, Dialect::Draft);
    check(
        "redhat/insights/c1/control/out",
        Topic::Status,
        Dialect::Rhc,
    );
    check("redhat/insights/c1/data/out", Topic::Messages, Dialect::Rhc);
}

#[test]
fn retain_means_stored_state_only_in_a_subscription() {
    for (source, expected) in [(Source::Hook, false), (Source::Subscription, true)] {
        let fixture = Fixture::new(Options {
            source,
            ..Options::embedded(Prefixes::default())
        });
        let facts = PublishFacts {
            retain: true,
            ..publish("redhat/insights/status/c1", "x")
        };
        assert_eq!(fixture.write(facts), Outcome::Stored);
        let (_, record) = fixture.only(Topic::Status);
        let ingress = Ingress::decode(&record.value.unwrap()).unwrap();
        assert_eq!(ingress.retain, expected, "{source:?}");
    }
}

#[test]
fn a_topic_of_no_dialect_is_not_stored() {
    for topic in [
        "home/kitchen/temperature",
        "redhat/insights/out/c1",
        "other/insights/status/c1",
    ] {
        let fixture = Fixture::embedded();
        assert_eq!(
            fixture.write(publish(topic, "x")),
            Outcome::NotOurs,
            "{topic}"
        );
        assert!(
            Topic::ALL
                .into_iter()
                .all(|topic| fixture.records(topic).is_empty())
        );
    }
}

#[test]
fn a_payload_at_the_bound_is_stored_and_one_over_it_is_a_dead_letter() {
    let fixture = Fixture::embedded();
    let topic = "redhat/insights/c1/data/out";
    assert_eq!(
        fixture.write(publish(topic, vec![b'a'; PAYLOAD_BYTES_MAX])),
        Outcome::Stored
    );
    let (_, record) = fixture.only(Topic::Messages);
    let ingress = Ingress::decode(&record.value.unwrap()).unwrap();
    assert_eq!(ingress.payload.len(), PAYLOAD_BYTES_MAX);

    let fixture = Fixture::embedded();
    let payload = vec![b'a'; PAYLOAD_BYTES_MAX + 1];
    let hash = xxhash_rust::xxh3::xxh3_128(&payload);
    assert_eq!(
        fixture.write(publish(topic, payload)),
        Outcome::DeadLettered
    );
    let (_, record) = fixture.only(Topic::DeadLetters);
    assert_eq!(record.key.as_deref(), Some(&b"c1"[..]));
    let letter = DeadLetter::decode(record.value.as_deref().unwrap()).unwrap();
    assert_eq!(letter.value, vec![b'a'; PAYLOAD_BYTES_KEPT]);
    assert_eq!(
        (letter.reason, letter.stage.as_str()),
        (ReasonCode::TooLarge, "bridge")
    );
    assert_eq!(header(&record, "reason").as_deref(), Some("too_large"));
    let kind = header(&record, "ce_type");
    assert_eq!(kind.as_deref(), Some("io.rollcall.dead-letter.v1"));
    assert_eq!(
        (letter.source, letter.at, letter.mqtt_topic.as_str()),
        (None, NOW, topic)
    );
    assert!(letter.text.contains("1048577") && letter.text.contains(&format!("{hash:032x}")));
}

#[test]
fn a_payload_too_large_to_be_held_is_told_by_its_length() {
    let fixture = Fixture::embedded();
    let facts = PublishFacts {
        unread_bytes: 9_000_000,
        ..publish("redhat/insights/status/c1", vec![b'a'; 5_000])
    };
    assert_eq!(fixture.write(facts), Outcome::DeadLettered);
    let letter = DeadLetter::decode(&fixture.only(Topic::DeadLetters).1.value.unwrap()).unwrap();
    assert_eq!(letter.reason, ReasonCode::TooLarge);
    assert_eq!(letter.value, vec![b'a'; PAYLOAD_BYTES_KEPT]);
    assert!(letter.text.contains("9005000"), "{}", letter.text);
}

#[test]
fn user_properties_are_bounded() {
    let write = |bytes: usize| {
        let fixture = Fixture::embedded();
        let outcome = fixture.write(PublishFacts {
            user_properties: vec![("k".into(), "v".repeat(bytes - 1))],
            ..publish("redhat/insights/status/c1", "x")
        });
        (fixture, outcome)
    };
    assert_eq!(write(PROPERTY_BYTES_MAX).1, Outcome::Stored);
    let (fixture, outcome) = write(PROPERTY_BYTES_MAX + 1);
    assert_eq!(outcome, Outcome::DeadLettered);
    let letter = DeadLetter::decode(&fixture.only(Topic::DeadLetters).1.value.unwrap()).unwrap();
    assert_eq!(
        (letter.reason, letter.value.as_slice()),
        (ReasonCode::TooLarge, &b"x"[..])
    );
}

#[test]
fn a_device_topic_without_a_valid_client_is_a_dead_letter() {
    let fixture = Fixture::embedded();
    let topic = format!("redhat/insights/status/{}", "c".repeat(257));
    assert_eq!(fixture.write(publish(&topic, "{}")), Outcome::DeadLettered);
    let (_, record) = fixture.only(Topic::DeadLetters);
    assert_eq!(record.key, None);
    let letter = DeadLetter::decode(&record.value.unwrap()).unwrap();
    assert_eq!(
        (letter.reason, letter.value.as_slice()),
        (ReasonCode::Misplaced, &b"{}"[..])
    );
    assert_eq!(letter.mqtt_topic, topic);
    assert!(letter.text.contains("257"), "{}", letter.text);
}

#[test]
fn a_log_that_refuses_fails_the_publish() {
    let fixture = Fixture::embedded();
    fixture.log.close();
    let stored = publish("redhat/insights/status/c1", "x");
    assert_eq!(fixture.write(stored), Outcome::Failed);
    let buried = publish("redhat/insights/status/c1", vec![0; PAYLOAD_BYTES_MAX + 1]);
    assert_eq!(fixture.write(buried), Outcome::Failed);
    assert_eq!(fixture.write(publish("elsewhere", "x")), Outcome::NotOurs);
}

#[test]
fn headers_are_a_cloud_event_with_its_trace() {
    let fixture = Fixture::new(Options {
        bridge: "b1".into(),
        broker_generation: Some(7),
        ..Options::embedded(Prefixes::default())
    });
    let traced = PublishFacts {
        user_properties: vec![("traceparent".into(), TRACE.into())],
        ..publish("redhat/insights/status/c1", "x")
    };
    assert_eq!(fixture.write(traced), Outcome::Stored);
    let (_, record) = fixture.only(Topic::Status);
    let check = |name: &str, expected: &str| {
        assert_eq!(header(&record, name).as_deref(), Some(expected), "{name}");
    };
    check("ce_specversion", "1.0");
    check("ce_id", "7-0");
    check("ce_source", "/rollcall/bridge/b1");
    check("ce_type", "io.rollcall.mqtt.publish.v1");
    check("ce_subject", "c1");
    check("ce_time", "2023-11-14T22:13:20.123Z");
    check("traceparent", TRACE);

    assert_eq!(
        fixture.write(publish("redhat/insights/status/c1", "x")),
        Outcome::Stored
    );
    let second = &fixture.records(Topic::Status)[1].1;
    assert_eq!(header(second, "ce_id").as_deref(), Some("7-1"));
    assert_eq!(header(second, "traceparent"), None);
}

#[test]
fn a_trace_that_is_none_is_left_out() {
    for bad in [
        "",
        "00-xyz-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
    ] {
        let fixture = Fixture::embedded();
        let facts = PublishFacts {
            user_properties: vec![("traceparent".into(), bad.into())],
            ..publish("redhat/insights/status/c1", "x")
        };
        assert_eq!(fixture.write(facts), Outcome::Stored);
        assert_eq!(
            header(&fixture.only(Topic::Status).1, "traceparent"),
            None,
            "{bad:?}"
        );
    }
}
