//! What leaves a log, when, and what never does.

use bytes::Bytes;
use rollcall_model::Topic;

use super::{Fixture, LAG_MS, RETENTION_MS, TOMBSTONES_MS, block_on, keyed, plain, position};
use crate::{Append, Error, NewRecord, OffsetRange};

pub(super) fn retention_moves_the_start(fixture: Fixture) {
    fixture.append([plain(Topic::Status, 0, "a"), plain(Topic::Status, 0, "b")]);
    fixture.append([plain(Topic::Events, 1, "c")]);
    fixture.wait(1);
    fixture.append([plain(Topic::Status, 0, "d")]);
    fixture.wait(RETENTION_MS - 2);
    fixture.maintain();
    assert_eq!(
        fixture.range(Topic::Status, 0),
        OffsetRange { start: 0, end: 3 }
    );
    fixture.wait(1);
    fixture.maintain();
    assert_eq!(
        fixture.range(Topic::Status, 0),
        OffsetRange { start: 2, end: 3 }
    );
    assert_eq!(
        fixture.range(Topic::Events, 1),
        OffsetRange { start: 1, end: 1 }
    );
    assert_eq!(fixture.texts(Topic::Status), ["2 null=d"]);
    for from in [0, 1] {
        let read = fixture.try_read(Topic::Status, 0, from);
        let topic = Topic::Status;
        assert!(matches!(
            read,
            Err(Error::OutOfRange { topic: t, partition: 0, from: f, start: 2 })
                if t == topic && f == from
        ));
    }
}

pub(super) fn offsets_go_on_when_everything_expired(fixture: Fixture) {
    fixture.append([plain(Topic::Status, 0, "a"), plain(Topic::Status, 0, "b")]);
    fixture.wait(RETENTION_MS);
    fixture.maintain();
    assert_eq!(
        fixture.range(Topic::Status, 0),
        OffsetRange { start: 2, end: 2 }
    );
    assert_eq!(fixture.all(Topic::Status, 0), []);
    fixture.maintain();
    assert_eq!(fixture.append([plain(Topic::Status, 0, "c")]), [2]);
    assert_eq!(fixture.texts(Topic::Status), ["2 null=c"]);
}

/// Appends `key=value` pairs to the compacted topic, one append each.
fn rows(fixture: &Fixture, pairs: &[(&str, &str)]) {
    for (key, value) in pairs {
        fixture.append([keyed(Topic::Connections, key, value)]);
    }
}

pub(super) fn compaction_keeps_the_last_of_every_key(fixture: Fixture) {
    rows(
        &fixture,
        &[
            ("a", "1"),
            ("b", "1"),
            ("a", "2"),
            ("c", "1"),
            ("b", "2"),
            ("a", "3"),
        ],
    );
    fixture.wait(LAG_MS);
    fixture.maintain();
    assert_eq!(
        fixture.texts(Topic::Connections),
        ["3 c=1", "4 b=2", "5 a=3"]
    );
    // The start stays: the log is whole, only shorter. A reader may stand in a gap.
    assert_eq!(
        fixture.range(Topic::Connections, 0),
        OffsetRange { start: 0, end: 6 }
    );
    for from in 0..=3 {
        let read = fixture
            .try_read(Topic::Connections, 0, from)
            .expect("nothing is out of range");
        assert_eq!(read.len(), 3);
    }
    // The same keys elsewhere are other keys.
    fixture.append([keyed(Topic::Outbox, "a", "1")]);
    fixture.wait(LAG_MS);
    fixture.maintain();
    assert_eq!(fixture.texts(Topic::Outbox), ["0 a=1"]);
    assert_eq!(
        fixture.texts(Topic::Connections),
        ["3 c=1", "4 b=2", "5 a=3"]
    );
}

pub(super) fn compaction_spares_the_young(fixture: Fixture) {
    rows(&fixture, &[("a", "1"), ("a", "2")]);
    fixture.wait(LAG_MS - 1);
    rows(&fixture, &[("a", "3"), ("a", "4")]);
    fixture.maintain();
    assert_eq!(
        fixture.texts(Topic::Connections),
        ["0 a=1", "1 a=2", "2 a=3", "3 a=4"]
    );
    fixture.wait(1);
    fixture.maintain();
    assert_eq!(
        fixture.texts(Topic::Connections),
        ["1 a=2", "2 a=3", "3 a=4"]
    );
}

pub(super) fn tombstones_go_in_the_end(fixture: Fixture) {
    rows(&fixture, &[("a", "1"), ("b", "1"), ("a", "null")]);
    fixture.wait(TOMBSTONES_MS - 1);
    rows(&fixture, &[("c", "1")]);
    fixture.maintain();
    assert_eq!(
        fixture.texts(Topic::Connections),
        ["1 b=1", "2 a=null", "3 c=1"]
    );
    fixture.wait(1);
    fixture.maintain();
    assert_eq!(fixture.texts(Topic::Connections), ["1 b=1", "3 c=1"]);
}

pub(super) fn the_newest_record_stays(fixture: Fixture) {
    rows(&fixture, &[("a", "1"), ("a", "null")]);
    fixture.wait(TOMBSTONES_MS);
    fixture.maintain();
    assert_eq!(fixture.texts(Topic::Connections), ["1 a=null"]);
    rows(&fixture, &[("b", "1")]);
    fixture.maintain();
    assert_eq!(fixture.texts(Topic::Connections), ["2 b=1"]);
}

pub(super) fn compaction_is_no_retention(fixture: Fixture) {
    rows(&fixture, &[("a", "1"), ("b", "1")]);
    let event = |value| keyed(Topic::Events, "a", value);
    fixture.wait(RETENTION_MS);
    fixture.append([event("1"), event("2")]);
    fixture.wait(TOMBSTONES_MS);
    fixture.maintain();
    assert_eq!(fixture.texts(Topic::Connections), ["0 a=1", "1 b=1"]);
    assert_eq!(fixture.texts(Topic::Events), ["0 a=1", "1 a=2"]);
}

pub(super) fn cleaning_again_finds_what_is_new(fixture: Fixture) {
    rows(&fixture, &[("a", "1"), ("b", "1")]);
    for round in 0..5 {
        fixture.wait(LAG_MS);
        fixture.maintain();
        rows(
            &fixture,
            &[("a", &round.to_string()), ("a", &round.to_string())],
        );
    }
    fixture.wait(LAG_MS);
    fixture.maintain();
    assert_eq!(fixture.texts(Topic::Connections), ["1 b=1", "11 a=4"]);
}

pub(super) fn the_start_never_goes_back(fixture: Fixture) {
    fixture.append([plain(Topic::Status, 0, "a"), plain(Topic::Status, 0, "b")]);
    fixture.wait(RETENTION_MS / 2);
    fixture.append([plain(Topic::Status, 0, "c")]);
    fixture.wait(RETENTION_MS / 2);
    fixture.maintain();
    let range = OffsetRange { start: 2, end: 3 };
    assert_eq!(fixture.range(Topic::Status, 0), range);
    fixture.wait(-RETENTION_MS);
    fixture.maintain();
    assert_eq!(fixture.range(Topic::Status, 0), range);
    // Dated by the newest record, not by the clock: it stays as long as that one.
    fixture.append([plain(Topic::Status, 0, "d")]);
    fixture.wait(RETENTION_MS + RETENTION_MS / 2 - 1);
    fixture.maintain();
    assert_eq!(fixture.texts(Topic::Status), ["2 null=c", "3 null=d"]);
    fixture.wait(1);
    fixture.maintain();
    assert_eq!(
        fixture.range(Topic::Status, 0),
        OffsetRange { start: 4, end: 4 }
    );
}

pub(super) fn positions_outlive_what_they_point_at(fixture: Fixture) {
    let positions = vec![
        position("p", Topic::Status, 0, 1),
        position("p", Topic::Connections, 0, 1),
    ];
    let records = vec![
        plain(Topic::Status, 0, "a"),
        plain(Topic::Status, 0, "b"),
        keyed(Topic::Connections, "a", "1"),
        keyed(Topic::Connections, "a", "2"),
    ];
    let appended = fixture.try_append(Append { records, positions });
    appended.expect("the append is in order");
    fixture.wait(RETENTION_MS);
    fixture.maintain();
    assert_eq!(fixture.range(Topic::Status, 0).start, 2);
    assert_eq!(fixture.texts(Topic::Connections), ["1 a=2"]);
    assert_eq!(fixture.position("p", Topic::Status, 0), Some(1));
    assert_eq!(fixture.position("p", Topic::Connections, 0), Some(1));
}

pub(super) fn what_stays_is_as_it_was(fixture: Fixture) {
    let with_headers = |key, value, partition| NewRecord {
        partition: Some(partition),
        headers: vec![("batch".to_owned(), Bytes::from_static(b"\x00\x07"))],
        ..keyed(Topic::Connections, key, value)
    };
    for partition in 0..3 {
        for key in ["a", "b", "a"] {
            fixture.append([with_headers(key, "value", partition)]);
            fixture.wait(1);
        }
    }
    let last = |partition| fixture.all(Topic::Connections, partition)[1..].to_vec();
    let before = [0, 1, 2].map(last);
    fixture.wait(LAG_MS);
    fixture.maintain();
    for (partition, before) in (0..).zip(before) {
        assert_eq!(before.len(), 2);
        assert_eq!(fixture.all(Topic::Connections, partition), before);
    }
}

/// Appends from another thread, cleaning and reading from this one: no gap is ever passed over in
/// silence, and what is left is what cleaning alone would have left.
pub(super) fn appends_and_reads_go_on_beside_cleaning(fixture: Fixture) {
    const APPENDS: u64 = 120;
    let clock = &fixture.setup.clock;
    let log = fixture.log.clone();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for number in 0..APPENDS {
                let row = |key| {
                    keyed(
                        Topic::Connections,
                        &format!("key-{key}"),
                        &number.to_string(),
                    )
                };
                let mut records: Vec<_> = (0..5).map(row).collect();
                records.push(plain(Topic::Events, 0, &number.to_string()));
                let append = Append {
                    records,
                    positions: Vec::new(),
                };
                block_on(log.append(append)).expect("the append is in order");
                clock.advance(RETENTION_MS / 10);
            }
        });
        let mut next = 0;
        while !writer.is_finished() {
            fixture.maintain();
            match fixture.try_read(Topic::Events, 0, next) {
                Ok(records) => {
                    for stored in records {
                        assert_eq!(stored.offset, next);
                        next += 1;
                    }
                }
                Err(Error::OutOfRange { from, start, .. }) => {
                    assert!(from == next && start > next, "{next} is no longer there");
                    next = start;
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
    fixture.wait(RETENTION_MS);
    fixture.maintain();
    let last = |key| format!("{} key-{key}={}", (APPENDS - 1) * 5 + key, APPENDS - 1);
    assert_eq!(fixture.texts(Topic::Connections), [0, 1, 2, 3, 4].map(last));
    let (start, end) = (APPENDS, APPENDS);
    assert_eq!(fixture.range(Topic::Events, 0), OffsetRange { start, end });
}
