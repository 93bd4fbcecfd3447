//! Scripts about rows, scans, progress, and batches as a whole.

use bytes::Bytes;
use rollcall_model::Millis;

use super::{Fixture, meta, ok};
use crate::{Change, Error, RowIndex, Table};

pub(super) fn empty_tables_answer_nothing(fixture: Fixture) {
    fixture.compare();
    assert_eq!(ok(fixture.tables.meta()), None);
    assert_eq!(fixture.next_due(), None);
    assert!(fixture.due(i64::MAX, 10).is_empty());
    assert!(fixture.scan(Table::Connections, None, 10).is_empty());
    assert!(fixture.tenant("org", None, 10).is_empty());
}

pub(super) fn rows_are_kept_as_written(mut fixture: Fixture) {
    let get = |fixture: &Fixture| ok(fixture.tables.get(Table::Connections, b"client"));
    fixture.put(Table::Connections, b"client", b"\x00first\xff", None, "");
    assert_eq!(get(&fixture).as_deref(), Some(&b"\x00first\xff"[..]));
    fixture.put(Table::Connections, b"client", b"", None, "");
    assert_eq!(get(&fixture).as_deref(), Some(&b""[..]));
    let large = vec![b'x'; 300_000];
    fixture.put(Table::Connections, b"client", &large, None, "");
    assert_eq!(get(&fixture).as_deref(), Some(&large[..]));
    fixture.remove(Table::Connections, b"client");
    assert_eq!(get(&fixture), None);
    fixture.remove(Table::Connections, b"client");
    assert_eq!(get(&fixture), None);
}

pub(super) fn tables_are_apart(mut fixture: Fixture) {
    fixture.put(Table::Connections, b"client", b"connection", Some(1), "org");
    fixture.put(Table::Outbox, b"client", b"delivery", Some(2), "org");
    fixture.remove(Table::Connections, b"client");
    assert_eq!(ok(fixture.tables.get(Table::Connections, b"client")), None);
    let delivery = ok(fixture.tables.get(Table::Outbox, b"client"));
    assert_eq!(delivery.as_deref(), Some(&b"delivery"[..]));
    assert_eq!(fixture.next_due(), Some(2));
}

pub(super) fn scan_goes_in_pages_of_key_order(mut fixture: Fixture) {
    for key in ["d", "a", "c", "b", "e"] {
        fixture.put(Table::Connections, key.as_bytes(), key.as_bytes(), None, "");
        fixture.put(Table::Outbox, key.as_bytes(), b"other", None, "");
    }
    let scan = |after: Option<&[u8]>, limit| fixture.scan(Table::Connections, after, limit);
    assert_eq!(scan(None, 2), ["a", "b"]);
    assert_eq!(scan(Some(b"b"), 2), ["c", "d"]);
    assert_eq!(scan(Some(b"d"), 2), ["e"]);
    assert_eq!(scan(Some(b"e"), 2), [""; 0]);
    assert_eq!(scan(Some(b"bb"), 1), ["c"]);
    assert_eq!(scan(None, 0), [""; 0]);
    assert_eq!(scan(None, usize::MAX).len(), 5);
}

pub(super) fn odd_keys_are_keys_like_any_other(mut fixture: Fixture) {
    let sorted: [&[u8]; 10] = [
        b"",
        b"\0",
        b"\0\0",
        b"\0\xff",
        b"a",
        b"a\0",
        b"a\0b",
        b"ab",
        b"\xff",
        b"\xff\xff",
    ];
    for (number, key) in (0..).zip(sorted.iter().rev()) {
        for table in Table::ALL {
            fixture.put(table, key, key, Some(number % 3), "org");
        }
    }
    assert_eq!(fixture.scan(Table::Outbox, None, 100), sorted);
    assert_eq!(
        fixture.scan(Table::Connections, Some(b"a"), 2),
        [&b"a\0"[..], b"a\0b"]
    );
    assert_eq!(fixture.tenant("org", None, 100), sorted);
    assert_eq!(fixture.due(100, 100).len(), 2 * sorted.len());
    for key in sorted {
        fixture.remove(Table::Connections, key);
    }
    assert_eq!(fixture.scan(Table::Connections, None, 100), [""; 0]);
    assert_eq!(fixture.scan(Table::Outbox, None, 100), sorted);
}

pub(super) fn progress_comes_back(mut fixture: Fixture) {
    fixture.apply(&[]);
    assert_eq!(ok(fixture.tables.meta()), Some(meta(1)));
    fixture.put(Table::Outbox, b"key", b"value", None, "");
    assert_eq!(ok(fixture.tables.meta()), Some(meta(2)));
}

pub(super) fn answers_stay_as_they_were(mut fixture: Fixture) {
    fixture.put(Table::Connections, b"a", b"before", Some(5), "org");
    fixture.put(Table::Connections, b"b", b"before", Some(6), "org");
    let ask = |fixture: &Fixture| {
        (
            ok(fixture.tables.get(Table::Connections, b"a")),
            ok(fixture.tables.scan(Table::Connections, None, 9)),
            fixture.due(9, 9),
            fixture.tenant("org", None, 9),
            ok(fixture.tables.meta()),
        )
    };
    let (first, again) = (ask(&fixture), ask(&fixture));
    assert_eq!(first, again);
    fixture.put(Table::Connections, b"a", b"after!", Some(1), "other");
    fixture.remove(Table::Connections, b"b");
    // What was given away is nobody's view of the tables: a batch under way decides by it.
    assert_eq!(first, again);
    let (row, rows, due, keys, meta) = ask(&fixture);
    assert_eq!(row.as_deref(), Some(&b"after!"[..]));
    assert_eq!((rows.len(), due.len(), keys.len()), (1, 1, 0));
    assert_eq!(meta.map(|meta| meta.batch), Some(4));
    assert_eq!(first.0.as_deref(), Some(&b"before"[..]));
}

pub(super) fn a_refused_batch_leaves_nothing(mut fixture: Fixture) {
    fixture.put(Table::Connections, b"client", b"before", Some(5), "org");
    let good = fixture.change(Table::Connections, b"another", b"after", Some(1), "org");
    let wrong_time = RowIndex {
        due_at: Some(Millis(6)),
        org_id: "org".into(),
    };
    let wrong_org = RowIndex {
        org_id: "other".into(),
        due_at: Some(Millis(5)),
    };
    let change = fixture.change(Table::Connections, b"client", b"after", None, "");
    let absent = Change {
        key: Bytes::from_static(b"absent"),
        ..change.clone()
    };
    let wrong = [
        vec![
            good.clone(),
            Change {
                old: None,
                ..change.clone()
            },
        ],
        vec![
            good.clone(),
            Change {
                old: Some(wrong_time),
                ..change.clone()
            },
        ],
        vec![
            good.clone(),
            Change {
                old: Some(wrong_org),
                ..change.clone()
            },
        ],
        vec![good.clone(), absent],
        vec![change.clone(), good, change],
    ];
    for changes in wrong {
        let result = fixture.tables.apply(&changes, &meta(99));
        assert!(
            matches!(result, Err(Error::Conflict { .. })),
            "{changes:?} gave {result:?}"
        );
        fixture.compare();
    }
}
