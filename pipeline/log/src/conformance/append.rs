//! What an append does on one node: offsets without gaps, dates of the given clock, whoever waits
//! is told at once.

use futures::FutureExt;
use rollcall_model::{Millis, Topic};

use super::{BEGIN, Fixture, plain, position};
use crate::{Append, OffsetRange};

pub(super) fn offsets_count_from_zero(fixture: Fixture) {
    let status = |partition, value| plain(Topic::Status, partition, value);
    assert_eq!(
        fixture.append([status(0, "a"), status(1, "b"), status(0, "c")]),
        [0, 0, 1]
    );
    assert_eq!(fixture.append([plain(Topic::Events, 0, "d")]), [0]);
    assert_eq!(fixture.append([status(0, "e"), status(0, "f")]), [2, 3]);
    assert_eq!(
        fixture.texts(Topic::Status),
        ["0 null=a", "1 null=c", "2 null=e", "3 null=f"]
    );
    assert_eq!(
        fixture.range(Topic::Status, 0),
        OffsetRange { start: 0, end: 4 }
    );
    assert_eq!(
        fixture.range(Topic::Status, 1),
        OffsetRange { start: 0, end: 1 }
    );
    assert_eq!(
        fixture.range(Topic::Status, 2),
        OffsetRange { start: 0, end: 0 }
    );
}

pub(super) fn dates_never_go_back(fixture: Fixture) {
    let record = |partition| plain(Topic::Status, partition, "v");
    fixture.append([record(0)]);
    fixture.wait(50);
    fixture.append([record(0)]);
    fixture.wait(-1_000);
    fixture.append([record(0), record(1)]);
    fixture.wait(2_000);
    fixture.append([record(0)]);
    let dates = |partition| -> Vec<Millis> {
        fixture
            .all(Topic::Status, partition)
            .iter()
            .map(|record| record.appended_at)
            .collect()
    };
    assert_eq!(dates(0), [BEGIN, BEGIN + 50, BEGIN + 50, BEGIN + 1_050]);
    assert_eq!(dates(1), [BEGIN - 950]);
}

pub(super) fn readers_hear_of_appends(fixture: Fixture) {
    let mut appended = fixture.log.appended();
    appended.mark_unchanged();
    assert!(appended.changed().now_or_never().is_none());
    fixture.append([plain(Topic::Status, 0, "v")]);
    assert!(
        appended
            .changed()
            .now_or_never()
            .is_some_and(|changed| changed.is_ok())
    );
    let positions = vec![position("p", Topic::Status, 0, 1)];
    let offsets = fixture.try_append(Append {
        records: Vec::new(),
        positions,
    });
    assert_eq!(offsets.expect("the append is in order"), [0_u64; 0]);
    // A position alone gives nobody anything to read.
    assert!(appended.changed().now_or_never().is_none());
}
