//! What may have been written before, and what a user may not set. No broker is asked.

use super::*;

fn from(property: Option<&str>) -> From {
    let properties = property.map(|name| (name.to_owned(), "x".to_owned()));
    From {
        brokers: "127.0.0.1:1".to_owned(),
        properties: properties.into_iter().collect(),
        topic: "t".to_owned(),
        group: "g".to_owned(),
        is_beside_bridge: false,
    }
}

/// A member that nobody has assigned anything yet.
fn consumer(ends: &[(i32, i64)]) -> Consumer {
    let mut config = ClientConfig::new();
    config.set("group.id", "g");
    Consumer {
        inner: config.create_with_context(Context::default()).unwrap(),
        topic: "t".to_owned(),
        ends: ends.iter().copied().collect(),
        assignment: 0,
        is_beside_bridge: false,
        read: HashMap::new(),
    }
}

fn record(partition: i32, offset: i64) -> Raw {
    Raw {
        partition,
        offset,
        ..Raw::default()
    }
}

/// Whether the record is taken for one that was written before.
fn is_repeated(consumer: &mut Consumer, assignment: u64, partition: i32, offset: i64) -> bool {
    let mut record = record(partition, offset);
    consumer.count(assignment, &mut record);
    record.is_repeated
}

#[test]
fn as_many_records_as_one_commit_holds_may_be_repetitions() {
    let mut consumer = consumer(&[]);
    let max = i64::try_from(RECORDS_MAX).unwrap();
    assert!((0..max).all(|offset| is_repeated(&mut consumer, 1, 0, offset)));
    assert!(!is_repeated(&mut consumer, 1, 0, max));
    assert!(is_repeated(&mut consumer, 1, 1, 0), "of another partition");
    assert!(is_repeated(&mut consumer, 2, 0, max), "assigned anew");
}

#[test]
fn beside_a_bridge_every_record_may_be_a_repetition() {
    let mut consumer = Consumer {
        is_beside_bridge: true,
        ..consumer(&[])
    };
    let max = i64::try_from(RECORDS_MAX).unwrap();
    assert!((0..2 * max).all(|offset| is_repeated(&mut consumer, 1, 0, offset)));
}

#[test]
fn the_last_record_of_the_start_is_the_end() {
    let mut consumer = consumer(&[(0, 3), (1, 1)]);
    is_repeated(&mut consumer, 1, 0, 1);
    is_repeated(&mut consumer, 1, 1, 0);
    assert!(!consumer.has_reached_its_ends());
    is_repeated(&mut consumer, 1, 0, 2);
    assert!(consumer.has_reached_its_ends());
}

#[test]
fn properties_that_would_break_a_promise_are_refused() {
    for (name, _) in OURS {
        let text = from(Some(name)).check().unwrap_err().to_string();
        assert!(text.contains(name), "{text}");
    }
    from(Some("security.protocol")).check().unwrap();
    from(None).check().unwrap();
}
