//! What a durable log still knows after it was closed and opened again.

use rollcall_model::Topic;

use super::{BEGIN, Fixture, LAG_MS, Open, RETENTION_MS, TOMBSTONES_MS, keyed, plain};
use crate::{Append, Error, OffsetRange, Position};

pub(super) fn dates_never_go_back(fixture: Fixture, open: &mut Open<'_>) {
    fixture.append([plain(Topic::Status, 0, "a")]);
    fixture.wait(-10_000);
    let fixture = fixture.reopen(open);
    fixture.append([plain(Topic::Status, 0, "b")]);
    assert_eq!(fixture.all(Topic::Status, 0)[1].appended_at, BEGIN);
}

pub(super) fn offsets_go_on_when_everything_expired(fixture: Fixture, open: &mut Open<'_>) {
    fixture.append([plain(Topic::Status, 0, "a"), plain(Topic::Status, 0, "b")]);
    fixture.wait(RETENTION_MS);
    fixture.maintain();
    fixture.wait(-RETENTION_MS - 10_000);
    let fixture = fixture.reopen(open);
    assert_eq!(
        fixture.range(Topic::Status, 0),
        OffsetRange { start: 2, end: 2 }
    );
    assert!(fixture.try_read(Topic::Status, 0, 1).is_err());
    assert_eq!(fixture.append([plain(Topic::Status, 0, "c")]), [2]);
    assert_eq!(fixture.all(Topic::Status, 0)[0].appended_at, BEGIN);
}

pub(super) fn cleaning_goes_on(fixture: Fixture, open: &mut Open<'_>) {
    let row = |key, value| keyed(Topic::Connections, key, value);
    fixture.append([
        row("a", "1"),
        row("b", "1"),
        row("a", "null"),
        row("c", "1"),
    ]);
    fixture.wait(LAG_MS);
    fixture.maintain();
    fixture.wait(TOMBSTONES_MS);
    let fixture = fixture.reopen(open);
    fixture.append([row("b", "2"), row("d", "1")]);
    fixture.wait(TOMBSTONES_MS - 1);
    fixture.maintain();
    // Readers had no time to see the tombstone while the log was closed.
    let texts = ["2 a=null", "3 c=1", "4 b=2", "5 d=1"];
    assert_eq!(fixture.texts(Topic::Connections), texts);
    fixture.wait(1);
    fixture.maintain();
    assert_eq!(fixture.texts(Topic::Connections), texts[1..]);
}

pub(super) fn the_start_never_goes_back(fixture: Fixture, open: &mut Open<'_>) {
    let position = Position {
        group: "p".into(),
        topic: Topic::Status,
        partition: 0,
        next: 1,
    };
    fixture.append([plain(Topic::Status, 0, "a"), plain(Topic::Status, 0, "b")]);
    fixture.wait(1);
    let appended = fixture.try_append(Append {
        records: vec![plain(Topic::Status, 0, "c")],
        positions: vec![position],
    });
    appended.expect("the append is in order");
    fixture.wait(RETENTION_MS - 1);
    fixture.maintain();
    let mut fixture = fixture;
    // Set back before it is opened again, so that nothing is old enough any more.
    fixture.wait(-RETENTION_MS);
    for end in 3..5 {
        fixture = fixture.reopen(open);
        fixture.maintain();
        assert_eq!(
            fixture.range(Topic::Status, 0),
            OffsetRange { start: 2, end }
        );
        for from in [0, 1] {
            let read = fixture.try_read(Topic::Status, 0, from);
            assert!(matches!(read, Err(Error::OutOfRange { start: 2, .. })));
        }
        assert_eq!(fixture.texts(Topic::Status)[0], "2 null=c");
        assert_eq!(fixture.position("p", Topic::Status, 0), Some(1));
        assert_eq!(fixture.append([plain(Topic::Status, 0, "d")]), [end]);
    }
}

pub(super) fn what_was_compacted_stays_gone(fixture: Fixture, open: &mut Open<'_>) {
    let row = |key: &str, value: &str| keyed(Topic::Connections, key, value);
    let mut fixture = fixture;
    for round in 0..3 {
        let value = round.to_string();
        fixture.append([row("a", &value), row("b", &value), row("a", "null")]);
        fixture.wait(LAG_MS);
        fixture.maintain();
        let texts = fixture.texts(Topic::Connections);
        let offset = round * 3 + 1;
        let expected = [
            format!("{offset} b={round}"),
            format!("{} a=null", offset + 1),
        ];
        assert_eq!(texts, expected);
        fixture = fixture.reopen(open);
        assert_eq!(fixture.texts(Topic::Connections), expected);
        let end = offset + 2;
        assert_eq!(
            fixture.range(Topic::Connections, 0),
            OffsetRange { start: 0, end }
        );
    }
}
