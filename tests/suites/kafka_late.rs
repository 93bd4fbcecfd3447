//! Can a request that comes late, or an answer that never comes, make the log lie? Made with a gate
//! before the broker, which delays what ends a transaction.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

#[path = "kafka_log/common.rs"]
mod common;

use std::sync::mpsc::channel;
use std::time::Duration;

use common::{ALL, append, cli, read_all, rows, settings, values, wanted};
use rdkafka::producer::{BaseRecord, Producer};
use rollcall_kafka::{KafkaLog, Settings, topics};
use rollcall_log::conformance::block_on;
use rollcall_log::{Error, Log};
use rollcall_model::Topic;
use rollcall_tests::eventually;
use rollcall_tests::kafka::Kafka;

/// What ends a transaction: the kind of request stands behind its length.
fn is_end_of_transaction(said: &[u8]) -> bool {
    said.get(4..6) == Some(&[0, 26])
}

/// A log whose line to the broker goes through its gate, and who gives a request up in a second.
fn behind_gate(kafka: &Kafka, name: &str) -> (Settings, Settings) {
    let direct = settings(kafka, name);
    let mut gated = direct.clone();
    gated.bootstrap = kafka.gate().unwrap().address.to_string();
    let given = ("socket.timeout.ms".to_owned(), "1000".to_owned());
    gated.properties.extend([given]);
    block_on(topics::apply(&direct, wanted(1))).unwrap();
    (direct, gated)
}

fn wait_for_held(gate: &rollcall_tests::gate::Gate, before: u64) {
    eventually("the end of a transaction to be held", || {
        Ok((gate.held() > before).then_some(()))
    })
    .unwrap();
}

fn committed(log: &dyn Log) -> Vec<String> {
    let read = log.read(Topic::Connections, 0, 0, ALL).unwrap();
    let text = |value: bytes::Bytes| String::from_utf8(value.to_vec()).unwrap();
    read.into_iter()
        .map(|record| text(record.value.unwrap()))
        .collect()
}

/// The danger that the writer's remedy is for (anchors, trap 1): it is Kafka's and librdkafka's,
/// and no part of ours has a share in it. Were it gone, the remedy could go too.
#[test]
fn a_late_end_of_a_transaction_may_end_the_next_one() {
    let kafka = Kafka::builder().gated().start().unwrap();
    let (direct, gated) = behind_gate(&kafka, "danger");
    let gate = kafka.gate().unwrap();
    let reader = KafkaLog::reader(direct).unwrap();
    let producer = common::impatient(&gated, "raw");
    let topic = format!("{}connections", gated.prefix);
    let write = |value: &str| {
        let record = BaseRecord::to(&topic).partition(0).key("k").payload(value);
        producer.begin_transaction().unwrap();
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(Duration::from_secs(30)).unwrap();
    };
    write("first");
    gate.hold_at(is_end_of_transaction);
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| producer.commit_transaction(Duration::from_secs(30)));
        wait_for_held(gate, 0);
        // The second attempt, on another connection, gets through.
        gate.hold_before(gate.connections());
        ending.join().unwrap().unwrap();
    });
    write("second");
    assert_eq!(committed(&reader), ["first"]);
    gate.open();
    // Nobody has asked to commit it.
    assert_eq!(
        values(&reader, Topic::Connections, 0, 2),
        ["first", "second"]
    );
}

#[test]
fn a_late_end_of_a_transaction_meets_a_new_epoch() {
    let kafka = Kafka::builder().gated().start().unwrap();
    let (direct, gated) = behind_gate(&kafka, "remedy");
    let gate = kafka.gate().unwrap();
    let reader = KafkaLog::reader(direct.clone()).unwrap();
    let log = KafkaLog::open(Settings { shards: 1, ..gated }).unwrap();
    append(&log, rows(&["zero"; 2])).unwrap();
    let id = format!("{}one-000", direct.prefix);
    let epoch = cli::epoch(&kafka, &id);
    // A line that is sound keeps its epoch.
    append(&log, rows(&["one"; 2])).unwrap();
    append(&log, rows(&["two"; 2])).unwrap();
    assert_eq!(cli::epoch(&kafka, &id), epoch);
    gate.hold_at(is_end_of_transaction);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| append(&log, rows(&["first", "first"])));
        wait_for_held(gate, 0);
        let mark = gate.connections();
        gate.hold_before(mark);
        first.join().unwrap().unwrap();
        // The next one is open when the late end arrives.
        let before = gate.held();
        gate.hold_at(is_end_of_transaction);
        let second = scope.spawn(|| append(&log, rows(&["second", "second"])));
        wait_for_held(gate, before);
        gate.hold_from(mark);
        assert!(cli::epoch(&kafka, &id) > epoch);
        assert_eq!(committed(&reader)[6..], ["first", "first"]);
        gate.open();
        second.join().unwrap().unwrap();
    });
    let all = ["zero", "one", "two", "first", "second"].map(|value| [value; 2]);
    let found = values(&reader, Topic::Connections, 0, 10);
    assert_eq!(found, all.as_flattened());
    assert_eq!(read_all(&reader, Topic::Connections, 0).len(), 10);
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_out() {
    let kafka = Kafka::builder().gated().start().unwrap();
    let (direct, gated) = behind_gate(&kafka, "unknown");
    let gate = kafka.gate().unwrap();
    let reader = KafkaLog::reader(direct.clone()).unwrap();
    let log = KafkaLog::open(Settings { shards: 1, ..gated }).unwrap();
    append(&log, rows(&["zero", "zero"])).unwrap();
    // It is carried out when its sender has given it up, and another owner follows at once.
    gate.hold_at(is_end_of_transaction);
    let (told, telling) = channel();
    std::thread::scope(|scope| {
        let log = &log;
        scope.spawn(move || told.send(append(log, rows(&["first", "first"]))).unwrap());
        wait_for_held(gate, 0);
        let mark = gate.connections();
        eventually("its sender to give it up", || {
            Ok(gate.has_left().then_some(()))
        })
        .unwrap();
        gate.hold_from(mark);
        assert_eq!(values(&reader, Topic::Connections, 0, 4)[2..], ["first"; 2]);
        assert!(telling.try_recv().is_err(), "nobody has answered yet");
        common::fence(&direct, "one-000");
        gate.open();
        let offsets = telling.recv_timeout(Duration::from_secs(60)).unwrap();
        let offsets = offsets.unwrap();
        let found = read_all(&reader, Topic::Connections, 0);
        assert_eq!(found[2].offset, offsets[0]);
    });
    // Another owner comes first: it is told as aborted, and is.
    let before = gate.held();
    gate.hold_at(is_end_of_transaction);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| append(&log, rows(&["second", "second"])));
        wait_for_held(gate, before);
        // Whichever of the writer's ids it is.
        common::fence(&direct, "one-000");
        common::fence(&direct, "one-000b");
        gate.open();
        let refused = second.join().unwrap();
        assert!(matches!(refused, Err(Error::Aborted { .. })), "{refused:?}");
    });
    append(&log, rows(&["third", "third"])).unwrap();
    let all = ["zero", "zero", "first", "first", "third", "third"];
    assert_eq!(values(&reader, Topic::Connections, 0, 6), all);
    assert_eq!(read_all(&reader, Topic::Connections, 0).len(), 6);
}
