//! What an append does: places, all or nothing, the order of its caller.

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_model::{Millis, Topic};
use rollcall_schemas::partition::for_key;

use super::super::{block_on, keyed, plain, position};
use super::Any;
use crate::{Append, Error, NewRecord, OffsetRange, Position, RECORD_BYTES_MAX};

pub(super) fn an_empty_log_has_nothing(fixture: Any) {
    for topic in Topic::ALL {
        assert_eq!(fixture.log.partitions(topic), 3, "{topic}");
        for partition in 0..3 {
            assert_eq!(
                fixture.range(topic, partition),
                OffsetRange { start: 0, end: 0 }
            );
            assert_eq!(fixture.all(topic, partition), []);
            assert_eq!(fixture.position("group", topic, partition), None);
        }
        let range = fixture.log.offsets(topic, 3);
        let read = fixture.try_read(topic, 3, 0);
        let position = fixture.log.position("group", topic, 3);
        assert!(matches!(
            range,
            Err(Error::NoPartition {
                partition: 3,
                partitions: 3,
                ..
            })
        ));
        assert!(matches!(read, Err(Error::NoPartition { partition: 3, .. })));
        assert!(matches!(
            position,
            Err(Error::NoPartition { partition: 3, .. })
        ));
    }
    let nothing = fixture.try_append(Append::default());
    assert_eq!(nothing.expect("an empty append is one"), [0_u64; 0]);
}

pub(super) fn keys_choose_the_partition(fixture: Any) {
    let mut expected = [0; 3];
    for number in 0..100 {
        let key = format!("client-{number}");
        expected[for_key(key.as_bytes(), 3) as usize] += 1;
        fixture.append([NewRecord {
            partition: None,
            ..keyed(Topic::Status, &key, "v")
        }]);
    }
    assert!(expected.iter().all(|count| *count > 0));
    for (partition, count) in (0..).zip(expected) {
        let records = fixture.all(Topic::Status, partition);
        assert_eq!(records.len(), count);
        for record in records {
            let key = record.key.expect("every record has a key");
            assert_eq!(for_key(&key, 3), partition);
        }
    }
    // A named partition wins over the key; without either it is partition 0.
    let (key, other) = ("client-1", (for_key(b"client-1", 3) + 1) % 3);
    let named = NewRecord {
        partition: Some(other),
        ..keyed(Topic::Messages, key, "v")
    };
    fixture.append([
        named,
        NewRecord {
            partition: None,
            ..plain(Topic::Events, 0, "v")
        },
    ]);
    assert_eq!(fixture.all(Topic::Messages, other).len(), 1);
    assert_eq!(fixture.all(Topic::Events, 0).len(), 1);
}

pub(super) fn records_come_back_as_written(fixture: Any) {
    let bytes = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let header = |name: &str, value: &'static [u8]| (name.to_owned(), Bytes::from_static(value));
    let parts = [
        (None, None, vec![]),
        (bytes(""), bytes(""), vec![header("", b"")]),
        (
            bytes("k"),
            None,
            vec![
                header("a", b"1"),
                header("b", b"\x00\xff"),
                header("a", b"2"),
            ],
        ),
        (None, bytes("v"), vec![header("größe", b"1")]),
    ];
    let mut last = None;
    for (key, value, headers) in parts {
        let topic = Topic::DeadLetters;
        let record = NewRecord {
            topic,
            partition: Some(2),
            key,
            value,
            headers,
        };
        let offsets = fixture.append([record.clone()]);
        assert!(last < Some(offsets[0]), "{offsets:?} behind {last:?}");
        last = Some(offsets[0]);
        let stored = fixture.all(topic, 2).pop().expect("it is there");
        assert_eq!(stored.offset, offsets[0]);
        assert!(stored.appended_at > Millis(0));
        assert_eq!((stored.key, stored.value), (record.key, record.value));
        assert_eq!(stored.headers, record.headers);
    }
    let largest = "x".repeat(RECORD_BYTES_MAX);
    fixture.append([plain(Topic::Status, 0, &largest)]);
    let stored = fixture.all(Topic::Status, 0).remove(0);
    assert!(
        stored
            .value
            .is_some_and(|value| value == largest.as_bytes())
    );
}

pub(super) fn an_append_spans_topics_and_positions(fixture: Any) {
    let records = vec![
        keyed(Topic::Connections, "c", "row"),
        plain(Topic::Events, 2, "event"),
        plain(Topic::Schedule, 1, "batch"),
        keyed(Topic::Connections, "c", "row again"),
    ];
    let positions = vec![
        position("p", Topic::Status, 1, 7),
        position("p", Topic::Messages, 1, 9),
    ];
    let offsets = fixture.try_append(Append { records, positions });
    let offsets = offsets.expect("the append is in order");
    let rows = fixture.all(Topic::Connections, 0);
    assert_eq!(fixture.values(Topic::Connections, 0), ["row", "row again"]);
    let found: Vec<u64> = rows.iter().map(|row| row.offset).collect();
    assert_eq!(found, [offsets[0], offsets[3]]);
    assert_eq!(fixture.all(Topic::Events, 2).len(), 1);
    assert_eq!(fixture.all(Topic::Schedule, 1).len(), 1);
    assert_eq!(fixture.position("p", Topic::Status, 1), Some(7));
    assert_eq!(fixture.position("p", Topic::Messages, 1), Some(9));
}

pub(super) fn a_refused_append_leaves_nothing(fixture: Any) {
    let good = || plain(Topic::Events, 0, "good");
    let commit = || position("p", Topic::Status, 0, 1);
    let keyless = NewRecord {
        key: None,
        ..keyed(Topic::Connections, "", "v")
    };
    let too_large = plain(Topic::Events, 0, &"x".repeat(RECORD_BYTES_MAX + 1));
    let with = |record| Append {
        records: vec![good(), record],
        positions: vec![commit()],
    };
    let bad_position = position("p", Topic::Status, 3, 1);
    let appends = [
        with(plain(Topic::Status, 3, "v")),
        with(keyless),
        with(too_large),
        Append {
            records: vec![good()],
            positions: vec![commit(), bad_position],
        },
    ];
    let errors = appends.map(|append| {
        let error = fixture.try_append(append).expect_err("it is refused");
        assert_eq!(fixture.all(Topic::Events, 0), []);
        assert_eq!(fixture.position("p", Topic::Status, 0), None);
        error
    });
    assert!(matches!(
        errors[0],
        Error::NoPartition {
            topic: Topic::Status,
            partition: 3,
            ..
        }
    ));
    assert!(matches!(
        errors[1],
        Error::NoKey {
            topic: Topic::Connections
        }
    ));
    assert!(matches!(
        errors[2],
        Error::TooLarge {
            topic: Topic::Events,
            ..
        }
    ));
    assert!(matches!(
        errors[3],
        Error::NoPartition {
            topic: Topic::Status,
            partition: 3,
            ..
        }
    ));
    fixture.append([good()]);
    assert_eq!(fixture.values(Topic::Events, 0), ["good"]);
}

pub(super) fn positions_are_told_apart(fixture: Any) {
    let commit = |positions: Vec<Position>| {
        let offsets = fixture.try_append(Append {
            records: Vec::new(),
            positions,
        });
        assert_eq!(offsets.expect("the append is in order"), [0_u64; 0]);
    };
    commit(vec![
        position("p", Topic::Status, 0, 5),
        position("p", Topic::Status, 1, 6),
    ]);
    commit(vec![
        position("pp", Topic::Status, 0, 7),
        position("", Topic::Status, 0, 8),
    ]);
    // The last one counts, also when it goes back, and within one append.
    commit(vec![
        position("p", Topic::Status, 1, 9),
        position("p", Topic::Status, 1, 3),
    ]);
    assert_eq!(fixture.position("p", Topic::Status, 0), Some(5));
    assert_eq!(fixture.position("p", Topic::Status, 1), Some(3));
    assert_eq!(fixture.position("pp", Topic::Status, 0), Some(7));
    assert_eq!(fixture.position("", Topic::Status, 0), Some(8));
    assert_eq!(fixture.position("p", Topic::Messages, 0), None);
    assert_eq!(fixture.position("q", Topic::Status, 0), None);
}

/// Appends of one record each: of larger ones, those of one partition.
pub(super) fn calls_keep_their_order(fixture: Any) {
    let mut futures = Vec::new();
    for number in 0..500 {
        let record = plain(Topic::Status, 0, &number.to_string());
        let append = Append {
            records: vec![record],
            positions: Vec::new(),
        };
        let future = fixture.log.append(append);
        // Whoever does not wait has appended all the same.
        if number % 2 == 0 {
            futures.push((number, future));
        }
    }
    let mut later = u64::MAX;
    for (number, future) in futures.into_iter().rev() {
        let offsets = block_on(future).expect("the append is in order");
        assert!(offsets[0] < later, "append {number} overtook another");
        later = offsets[0];
    }
    // Behind this one all of them are done.
    fixture.append([plain(Topic::Status, 0, "last")]);
    let values = fixture.values(Topic::Status, 0);
    let expected: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    assert_eq!(values[..500], expected);
    assert_eq!(values[500..], ["last"]);
}

pub(super) fn concurrent_appends_stay_whole(fixture: Any) {
    const CALLERS: u32 = 8;
    const APPENDS: u64 = 50;
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let log = fixture.log.clone();
            scope.spawn(move || {
                for number in 0..APPENDS {
                    let value = format!("{caller}/{number}");
                    let record = |topic| plain(topic, caller % 3, &value);
                    let records = [Topic::Status, Topic::Events, Topic::Status].map(record);
                    let next = position(&caller.to_string(), Topic::Status, 0, number + 1);
                    let append = Append {
                        records: records.into(),
                        positions: vec![next],
                    };
                    let offsets = block_on(log.append(append)).expect("the append is in order");
                    assert!(offsets[2] > offsets[0]);
                    let end = log.settled_end(Topic::Status, caller % 3);
                    assert!(end.is_ok_and(|end| end > offsets[2]));
                    let seen = log.position(&caller.to_string(), Topic::Status, 0);
                    assert_eq!(seen.expect("the partition exists"), Some(number + 1));
                }
            });
        }
    });
    for partition in 0..3 {
        let callers = (0..CALLERS)
            .filter(|caller| caller % 3 == partition)
            .count();
        let mut next = BTreeMap::new();
        for value in fixture.values(Topic::Status, partition) {
            let (caller, number) = value.split_once('/').expect("as written");
            let seen: &mut u64 = next.entry(caller.to_owned()).or_insert(0);
            // Each value twice, in the order of its caller.
            assert_eq!(number, (*seen / 2).to_string());
            *seen += 1;
        }
        assert_eq!(next.len(), callers);
        assert!(next.values().all(|count| *count == 2 * APPENDS));
        assert_eq!(
            fixture.all(Topic::Events, partition).len() as u64,
            callers as u64 * APPENDS
        );
    }
}

pub(super) fn a_closed_log_refuses(fixture: Any) {
    fixture.append([plain(Topic::Status, 0, "v")]);
    fixture.subject.close();
    fixture.subject.close();
    let log = &fixture.log;
    let append = fixture.try_append(Append::default());
    assert!(matches!(append, Err(Error::Closed)));
    assert!(matches!(
        fixture.try_read(Topic::Status, 0, 0),
        Err(Error::Closed)
    ));
    assert!(matches!(log.offsets(Topic::Status, 0), Err(Error::Closed)));
    assert!(matches!(
        log.position("p", Topic::Status, 0),
        Err(Error::Closed)
    ));
}
