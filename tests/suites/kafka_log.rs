//! Does the log on Kafka promise what every log does, and what only Kafka brings: markers,
//! retention, compaction, topics that are made anew?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

#[path = "kafka_log/common.rs"]
mod common;
#[path = "kafka_log/inventory.rs"]
mod inventory;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{
    append, cli, default_wanted, fresh, keyed, plain, position, read_all, settings, values, wanted,
};
use rollcall_kafka::topics::{self, Difference, OpenError};
use rollcall_kafka::{KafkaLog, Settings};
use rollcall_log::conformance::{self, Setup, Subject, block_on};
use rollcall_log::{Append, Error, Log, ReadLimit, Stored};
use rollcall_model::Topic;
use rollcall_tests::eventually;
use rollcall_tests::kafka::Kafka;

/// A log on the shared broker under test.
struct OnKafka(Arc<KafkaLog>);

impl Subject for OnKafka {
    fn log(&self) -> Arc<dyn Log> {
        self.0.clone()
    }

    fn close(&self) {
        self.0.close();
    }
}

#[test]
fn it_answers_like_every_log() {
    let kafka = Kafka::shared();
    conformance::check_any(|setup: Setup| {
        let log = fresh(kafka, "conforms", wanted(setup.partitions));
        Box::new(OnKafka(Arc::new(log)))
    });
}

#[test]
fn it_keeps_everything_when_it_is_opened_again() {
    let settings = settings(Kafka::shared(), "reopened");
    block_on(topics::apply(&settings, wanted(3))).unwrap();
    conformance::check_any_reopen(|_| {
        let log = KafkaLog::open(settings.clone()).unwrap();
        Box::new(OnKafka(Arc::new(log)))
    });
}

/// Three records as one, and a position: what a batch is.
fn batch(log: &KafkaLog, value: &str, next: u64) -> Vec<u64> {
    let records = vec![
        keyed(Topic::Connections, 0, "a", Some(value)),
        plain(Topic::Schedule, 0, value),
        keyed(Topic::Connections, 0, "b", Some(value)),
    ];
    let positions = vec![position("processor", Topic::Status, 0, next)];
    block_on(log.append(Append { records, positions })).unwrap()
}

#[test]
fn markers_of_transactions_are_passed_over() {
    let log = fresh(Kafka::shared(), "markers", wanted(1));
    let mut offsets = Vec::new();
    for number in 0..20 {
        let made = batch(&log, &number.to_string(), number);
        offsets.extend([made[0], made[2]]);
    }
    // One offset of each transaction is its marker's. The last one comes a moment after the answer.
    let end = eventually("the last marker", || {
        let end = log.settled_end(Topic::Connections, 0)?;
        Ok((end > offsets[39] + 1).then_some(end))
    });
    let end = end.unwrap();
    let found: Vec<u64> = read_all(&log, Topic::Connections, 0)
        .iter()
        .map(|record| record.offset)
        .collect();
    assert_eq!(found, offsets);
    // The end of a page may be anywhere, also before a marker.
    let one = ReadLimit {
        records: 1,
        bytes: 1,
    };
    for pair in offsets.windows(2) {
        let read = log.read(Topic::Connections, 0, pair[0] + 1, one).unwrap();
        assert_eq!(read[0].offset, pair[1]);
    }
    let read = log.read(Topic::Connections, 0, offsets[39] + 1, one);
    assert_eq!(read.unwrap(), []);
    assert_eq!(log.read(Topic::Connections, 0, end, one).unwrap(), []);
    assert_eq!(
        log.position("processor", Topic::Status, 0).unwrap(),
        Some(19)
    );
}

#[test]
fn what_was_deleted_is_out_of_range() {
    let kafka = Kafka::shared();
    let settings = settings(kafka, "deleted");
    block_on(topics::apply(&settings, wanted(1))).unwrap();
    let log = KafkaLog::open(settings.clone()).unwrap();
    for number in 0..10 {
        append(&log, vec![plain(Topic::Status, 0, &number.to_string())]).unwrap();
    }
    // A reader that has read some of it, and knows its ends.
    let one = ReadLimit {
        records: 1,
        bytes: 1,
    };
    assert_eq!(log.read(Topic::Status, 0, 2, one).unwrap()[0].offset, 2);
    common::delete_before(&settings, Topic::Status, 0, 6);
    eventually("the new start", || {
        Ok((log.offsets(Topic::Status, 0)?.start == 6).then_some(()))
    })
    .unwrap();
    for from in [0, 5] {
        let read = log.read(Topic::Status, 0, from, one);
        let is_out = matches!(read, Err(Error::OutOfRange { start: 6, .. }));
        assert!(is_out, "{from}: {read:?}");
        let followed = log.follow(Topic::Status, 0, from);
        assert!(matches!(followed, Err(Error::OutOfRange { start: 6, .. })));
    }
    assert_eq!(log.read(Topic::Status, 0, 6, one).unwrap()[0].offset, 6);
    // Somebody who has asked nothing yet meets it too.
    let other = KafkaLog::reader(settings).unwrap();
    let read = other.read(Topic::Status, 0, 0, one);
    assert!(matches!(read, Err(Error::OutOfRange { start: 6, .. })));
    assert_eq!(read_all(&other, Topic::Status, 0).len(), 4);
}

#[test]
fn a_start_that_moves_between_question_and_fetch_is_out_of_range() {
    let settings = settings(Kafka::shared(), "moving");
    block_on(topics::apply(&settings, wanted(1))).unwrap();
    let log = KafkaLog::open(settings.clone()).unwrap();
    for number in 0..10 {
        append(&log, vec![plain(Topic::Status, 0, &number.to_string())]).unwrap();
    }
    let all = ReadLimit {
        records: 100,
        bytes: 1_000,
    };
    // The ends are known now, and that somebody stands at the end.
    assert_eq!(log.read(Topic::Status, 0, 10, all).unwrap(), []);
    assert_eq!(log.offsets(Topic::Status, 0).unwrap().start, 0);
    common::delete_before(&settings, Topic::Status, 0, 6);
    let began = Instant::now();
    let read = log.read(Topic::Status, 0, 1, all);
    let is_out = matches!(read, Err(Error::OutOfRange { start: 6, .. }));
    assert!(is_out, "{read:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn compacted_keys_leave_gaps_that_are_passed_over() {
    let kafka = Kafka::shared();
    let settings = settings(kafka, "compacted");
    block_on(topics::apply(&settings, wanted(1))).unwrap();
    let topic = format!("{}connections", settings.prefix);
    // Small segments that are cleaned as soon as they are full.
    cli::set(
        kafka,
        &topic,
        "segment.bytes=1048576,min.cleanable.dirty.ratio=0.0001,max.compaction.lag.ms=1,\
         segment.ms=500",
    );
    let log = KafkaLog::open(settings).unwrap();
    let row = |key: &str, value: &str| keyed(Topic::Connections, 0, key, Some(value));
    let first = append(
        &log,
        vec![row("kept", "first"), row("a", "1"), row("a", "2")],
    )
    .unwrap();
    let mut number = 0;
    eventually("a compaction", || {
        // Only segments that are not written any more are compacted.
        number += 1;
        append(&log, vec![row("a", &number.to_string()), row("b", "x")])?;
        let other = KafkaLog::reader(log_settings(&topic, kafka))?;
        let found = read_all(&other, Topic::Connections, 0);
        Ok((!found.iter().any(|record| record.offset == first[1])).then_some(()))
    })
    .unwrap();
    let other = KafkaLog::reader(log_settings(&topic, kafka)).unwrap();
    let found = read_all(&other, Topic::Connections, 0);
    assert_eq!(found[0].offset, first[0]);
    let last: BTreeMap<_, _> = found
        .into_iter()
        .map(|record| (record.key.unwrap(), record.value.unwrap()))
        .collect();
    assert_eq!(last[&b"kept"[..]], "first");
    assert_eq!(last[&b"a"[..]], number.to_string());
    // A reader that stands in the gap goes on behind it.
    let one = ReadLimit {
        records: 1,
        bytes: 1,
    };
    let read = other.read(Topic::Connections, 0, first[1], one).unwrap();
    assert!(read[0].offset > first[1]);
}

fn log_settings(topic: &str, kafka: &Kafka) -> Settings {
    let prefix = topic.trim_end_matches("connections").to_owned();
    Settings {
        prefix,
        ..settings(kafka, "reader")
    }
}

#[test]
fn a_settled_end_waits_for_a_transaction_that_is_open() {
    let settings = settings(Kafka::shared(), "open");
    block_on(topics::apply(&settings, wanted(1))).unwrap();
    let log = KafkaLog::open(settings.clone()).unwrap();
    append(
        &log,
        vec![keyed(Topic::Connections, 0, "a", Some("before"))],
    )
    .unwrap();
    let connections = format!("{}connections", settings.prefix);
    let open = common::OpenTransaction::begin(&settings, "somebody", &connections, 2);
    // What is committed ends before it, and what was known of the end stays known.
    assert_eq!(values(&log, Topic::Connections, 0, 1), ["before"]);
    assert_eq!(log.offsets(Topic::Connections, 0).unwrap().end, 1);
    let all = ReadLimit {
        records: 100,
        bytes: 1_000,
    };
    assert_eq!(log.read(Topic::Connections, 0, 1, all).unwrap(), []);
    std::thread::scope(|scope| {
        let (told, telling) = std::sync::mpsc::channel();
        let log = &log;
        scope.spawn(move || {
            let end = log.settled_end(Topic::Connections, 0);
            // A read right behind it must not believe what was known before.
            let read = log.read(Topic::Connections, 0, 1, all);
            told.send((end, read)).unwrap();
        });
        let early = telling.recv_timeout(Duration::from_millis(300));
        assert!(early.is_err(), "{early:?}");
        open.commit();
        let (end, read) = telling.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(end.unwrap(), 3);
        let offsets: Vec<u64> = read.unwrap().iter().map(|record| record.offset).collect();
        assert_eq!(offsets[0], 1);
    });
}

#[test]
fn what_was_aborted_is_seen_by_nobody() {
    let settings = settings(Kafka::shared(), "aborted");
    block_on(topics::apply(&settings, wanted(1))).unwrap();
    let log = KafkaLog::open(settings.clone()).unwrap();
    let connections = format!("{}connections", settings.prefix);
    for round in 0..3 {
        common::OpenTransaction::begin(&settings, "somebody", &connections, 5).abort();
        let value = round.to_string();
        append(
            &log,
            vec![keyed(Topic::Connections, 0, "a", Some(&value)); 2],
        )
        .unwrap();
    }
    common::OpenTransaction::begin(&settings, "somebody", &connections, 5).abort();
    let found: Vec<String> = read_all(&log, Topic::Connections, 0)
        .into_iter()
        .map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap())
        .collect();
    assert_eq!(found, ["0", "0", "1", "1", "2", "2"]);
    // The end is behind what was aborted: reading there is empty, at once.
    let began = Instant::now();
    let last = Stored::clone(read_all(&log, Topic::Connections, 0).last().unwrap());
    let all = ReadLimit {
        records: 100,
        bytes: 1_000,
    };
    let rest = log.read(Topic::Connections, 0, last.offset + 1, all);
    assert_eq!(rest.unwrap(), []);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_topic_made_anew_is_told_and_not_waited_for() {
    let kafka = Kafka::shared();
    let settings = settings(kafka, "anew");
    block_on(topics::apply(&settings, wanted(1))).unwrap();
    let log = KafkaLog::open(settings.clone()).unwrap();
    for number in 0..10 {
        append(&log, vec![plain(Topic::Status, 0, &number.to_string())]).unwrap();
    }
    assert_eq!(read_all(&log, Topic::Status, 0).len(), 10);
    log.follow(Topic::Status, 0, 10).unwrap();
    let status = format!("{}status", settings.prefix);
    cli::delete(kafka, &status);
    // Brokers show it for a moment yet.
    eventually("the topic to be made anew", || {
        let done = block_on(topics::apply(&settings, wanted(1)))?;
        Ok((!done.is_empty()).then_some(()))
    })
    .unwrap();
    // Whoever stood behind its end is told, by whatever it asks: it would skip what comes.
    let told = eventually("somebody to be told", || {
        let asked = log.offsets(Topic::Status, 0).map(|_| ());
        let read = log.read(Topic::Status, 0, 10, common::ALL).map(|_| ());
        // While it is made, brokers may not know it.
        let said = asked.and(read).err().map(|error| common::chain(&error));
        Ok(said.filter(|said| said.contains("made anew")))
    })
    .unwrap();
    assert!(told.contains("read up to 10"), "{told}");
    let again = KafkaLog::open(settings).unwrap();
    let began = Instant::now();
    let followed = again.follow(Topic::Status, 0, 10).unwrap_err();
    assert!(common::chain(&followed).contains("made anew"));
    let read = again.read(Topic::Status, 0, 10, common::ALL).unwrap_err();
    assert!(common::chain(&read).contains("made anew"));
    assert!(began.elapsed() < Duration::from_secs(20));
    append(&again, vec![plain(Topic::Status, 0, "new")]).unwrap();
    assert_eq!(values(&again, Topic::Status, 0, 1), ["new"]);
}

#[test]
fn more_readers_than_lanes_still_read_everything() {
    let log = fresh(Kafka::shared(), "readers", wanted(1));
    for number in 0..50 {
        append(&log, vec![plain(Topic::Status, 0, &number.to_string())]).unwrap();
    }
    let page = ReadLimit {
        records: 5,
        bytes: 1_000,
    };
    std::thread::scope(|scope| {
        for reader in 0..10 {
            let log = &log;
            scope.spawn(move || {
                let mut next = reader;
                while next < 50 {
                    let read = log.read(Topic::Status, 0, next, page).unwrap();
                    for record in read {
                        assert_eq!(record.offset, next);
                        assert_eq!(record.value.unwrap(), next.to_string());
                        next += 1;
                    }
                }
            });
        }
    });
}

#[test]
fn large_records_come_back_and_do_not_stop_the_reader() {
    let log = fresh(Kafka::shared(), "large", wanted(1));
    // More than a stream holds unread: it is paused, and goes on.
    let value = "x".repeat(rollcall_log::RECORD_BYTES_MAX);
    for _ in 0..20 {
        append(&log, vec![plain(Topic::Events, 0, &value)]).unwrap();
    }
    let found = read_all(&log, Topic::Events, 0);
    let sizes: Vec<usize> = found
        .iter()
        .map(|record| record.value.as_ref().unwrap().len())
        .collect();
    assert_eq!(sizes, [value.len(); 20]);
}

#[test]
fn a_log_that_is_only_read_takes_nothing() {
    let settings = settings(Kafka::shared(), "read-only");
    block_on(topics::apply(&settings, wanted(1))).unwrap();
    let log = KafkaLog::reader(settings).unwrap();
    let refused = append(&log, vec![plain(Topic::Status, 0, "v")]);
    assert!(matches!(refused, Err(Error::ReadOnly { .. })));
    log.close();
    let joined = log.assigned("processor", &Topic::INPUTS);
    assert!(matches!(joined, Err(Error::Closed)));
}

#[test]
fn topics_are_made_once_and_keep_what_others_set() {
    let kafka = Kafka::shared();
    let settings = settings(kafka, "topics");
    let made = block_on(topics::apply(&settings, default_wanted())).unwrap();
    let is_missing = |one: &Difference| matches!(one, Difference::Missing { .. });
    assert_eq!(made.len(), Topic::ALL.len());
    assert!(made.iter().all(is_missing), "{made:?}");
    // Metadata of a topic that is just made may be a moment late.
    eventually("nothing to do", || {
        let left = block_on(topics::diff(&settings, default_wanted()))?;
        Ok(left.is_empty().then_some(()))
    })
    .unwrap();
    assert_eq!(
        block_on(topics::apply(&settings, default_wanted())).unwrap(),
        []
    );
    // Somebody sets something of theirs, and something of ours.
    let connections = format!("{}connections", settings.prefix);
    cli::set(
        kafka,
        &connections,
        "segment.ms=123456,cleanup.policy=delete",
    );
    let changed = eventually("what they set", || {
        let changed = block_on(topics::diff(&settings, default_wanted()))?;
        Ok((!changed.is_empty()).then_some(changed))
    });
    let changed = changed.unwrap();
    let expected = Difference::Setting {
        name: connections.clone(),
        property: "cleanup.policy",
        found: "delete".to_owned(),
        wanted: "compact".to_owned(),
    };
    assert_eq!(changed, std::slice::from_ref(&expected));
    let mended = block_on(topics::apply(&settings, default_wanted())).unwrap();
    assert_eq!(mended, [expected]);
    eventually("ours to be mended", || {
        let said = cli::describe(kafka, &connections);
        anyhow::ensure!(said.contains("segment.ms=123456"), "{said}");
        Ok(said.contains("cleanup.policy=compact").then_some(()))
    })
    .unwrap();
    // The number of partitions is told, and left alone.
    let more = topics::Wanted {
        partitions: 4,
        ..default_wanted()
    };
    let told = block_on(topics::apply(&settings, more)).unwrap();
    assert_eq!(told, []);
    let told = block_on(topics::diff(&settings, more)).unwrap();
    assert_eq!(told.len(), Topic::ALL.len());
    assert!(told.iter().all(|one| !one.can_be_mended()), "{told:?}");
}

#[test]
fn topics_that_do_not_fit_are_refused_with_the_remedy() {
    let kafka = Kafka::shared();
    let settings = settings(kafka, "unfit");
    let opened = KafkaLog::open(settings.clone()).err().unwrap();
    assert!(matches!(&opened, OpenError::Missing { names } if names.len() == Topic::ALL.len()));
    assert!(opened.to_string().contains("rollcall topics apply"));
    let messages = format!("{}messages", settings.prefix);
    kafka.create_topic(&messages, 3).unwrap();
    block_on(topics::apply(&settings, wanted(2))).unwrap();
    let opened = eventually("all topics", || match KafkaLog::open(settings.clone()) {
        Err(OpenError::Missing { .. }) => Ok(None),
        Err(other) => Ok(Some(other)),
        Ok(_) => anyhow::bail!("it was opened"),
    })
    .unwrap();
    let said = opened.to_string();
    assert!(matches!(opened, OpenError::Unequal { .. }), "{said}");
    assert!(
        said.contains(&messages) && said.contains("has 3 partitions"),
        "{said}"
    );
}

#[test]
fn nobody_behind_the_address_is_told_within_the_deadline() {
    let address = rollcall_tests::ports::free().unwrap();
    let settings = Settings {
        bootstrap: address.to_string(),
        ..settings(Kafka::shared(), "nobody")
    };
    let began = Instant::now();
    let opened = KafkaLog::open(settings).err().unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(45), "{took:?}");
    let OpenError::Log(error) = opened else {
        panic!("{opened}");
    };
    let said = common::chain(&error);
    assert!(said.contains(&address.to_string()), "{said}");
}
