//! What a read gives: where it begins, how much it takes.

use rollcall_model::Topic;

use super::{Fixture, keyed, plain};
use crate::ReadLimit;

/// Offsets that a read from `from` within the limits gives.
fn offsets(fixture: &Fixture, from: u64, records: usize, bytes: usize) -> Vec<u64> {
    let read = fixture
        .log
        .read(Topic::Status, 0, from, ReadLimit { records, bytes });
    read.expect("the offset can be read")
        .iter()
        .map(|record| record.offset)
        .collect()
}

pub(super) fn limits_bound_a_read(fixture: Fixture) {
    // Key and value have 10 bytes together.
    fixture.append(["a", "b", "c", "d"].map(|key| keyed(Topic::Status, key, "123456789")));
    assert_eq!(offsets(&fixture, 0, 3, 1_000), [0, 1, 2]);
    assert_eq!(offsets(&fixture, 1, 3, 1_000), [1, 2, 3]);
    assert_eq!(offsets(&fixture, 2, 3, 1_000), [2, 3]);
    assert_eq!(offsets(&fixture, 0, 10, 30), [0, 1, 2]);
    assert_eq!(offsets(&fixture, 0, 10, 29), [0, 1]);
    assert_eq!(offsets(&fixture, 0, 1, 30), [0]);
}

pub(super) fn the_first_record_always_fits(fixture: Fixture) {
    fixture.append([
        plain(Topic::Status, 0, "123"),
        plain(Topic::Status, 0, "456"),
    ]);
    assert_eq!(offsets(&fixture, 0, 10, 0), [0]);
    assert_eq!(offsets(&fixture, 0, 10, 2), [0]);
    assert_eq!(offsets(&fixture, 1, 10, 2), [1]);
    assert_eq!(offsets(&fixture, 0, 0, 100), [0]);
}

pub(super) fn reading_at_the_end_is_empty(fixture: Fixture) {
    fixture.append([plain(Topic::Status, 0, "v")]);
    assert_eq!(offsets(&fixture, 1, 10, 100), [0_u64; 0]);
    assert_eq!(offsets(&fixture, 2, 10, 100), [0_u64; 0]);
    assert_eq!(offsets(&fixture, u64::MAX, 10, 100), [0_u64; 0]);
}

pub(super) fn reads_of_pages_give_every_record(fixture: Fixture) {
    for number in 0..100 {
        // Neighbours must not leak in: other partitions and topics have records too.
        fixture.append([
            plain(Topic::Status, 0, &number.to_string()),
            plain(Topic::Status, 1, "other partition"),
            plain(Topic::Messages, 0, "other topic"),
        ]);
    }
    let (mut from, mut values) = (0, Vec::new());
    loop {
        let limit = ReadLimit {
            records: 7,
            bytes: 12,
        };
        let page = fixture.log.read(Topic::Status, 0, from, limit);
        let page = page.expect("the offset can be read");
        let Some(last) = page.last() else {
            break;
        };
        from = last.offset + 1;
        values.extend(page.into_iter().filter_map(|record| record.value));
    }
    let expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(values, expected);
}
