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

pub(super) fn reading_behind_the_end_is_empty(fixture: Fixture) {
    fixture.append([plain(Topic::Status, 0, "v")]);
    assert_eq!(offsets(&fixture, 2, 10, 100), [0_u64; 0]);
    assert_eq!(offsets(&fixture, u64::MAX, 10, 100), [0_u64; 0]);
}
