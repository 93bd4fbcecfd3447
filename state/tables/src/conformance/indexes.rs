//! Scripts about the time index and the tenant index.

use super::{Fixture, ok};
use crate::Table;

use Table::{Connections, Outbox};

pub(super) fn timers_come_in_order_across_tables(mut fixture: Fixture) {
    fixture.put(Outbox, b"a", b"", Some(20), "");
    fixture.put(Connections, b"z", b"", Some(20), "");
    fixture.put(Connections, b"b", b"", Some(20), "");
    fixture.put(Outbox, b"y", b"", Some(10), "");
    fixture.put(Connections, b"x", b"", Some(30), "");
    fixture.put(Connections, b"never", b"", None, "");
    let all = [
        (10, Outbox, "y".to_owned()),
        (20, Connections, "b".to_owned()),
        (20, Connections, "z".to_owned()),
        (20, Outbox, "a".to_owned()),
        (30, Connections, "x".to_owned()),
    ];
    assert_eq!(fixture.due(30, 100), all);
    assert_eq!(fixture.due(29, 100), all[..4]);
    assert_eq!(fixture.due(20, 2), all[..2]);
    assert_eq!(fixture.due(9, 100), []);
    assert_eq!(fixture.due(30, 0), []);
    assert_eq!(fixture.next_due(), Some(10));
}

pub(super) fn timers_move_with_their_row(mut fixture: Fixture) {
    fixture.put(Connections, b"client", b"", Some(10), "");
    fixture.put(Connections, b"client", b"", Some(30), "");
    assert_eq!(fixture.due(29, 9), []);
    assert_eq!(fixture.next_due(), Some(30));
    fixture.put(Connections, b"client", b"later", Some(30), "");
    assert_eq!(fixture.due(30, 9).len(), 1);
    fixture.put(Connections, b"client", b"", None, "");
    assert_eq!(fixture.next_due(), None);
    fixture.put(Connections, b"client", b"", Some(40), "");
    fixture.remove(Connections, b"client");
    assert_eq!(fixture.due(i64::MAX, 9), []);
}

/// An implementation may remember where the index begins; that memory must go back when a timer is
/// set earlier.
pub(super) fn an_earlier_timer_is_seen_after_later_ones_fired(mut fixture: Fixture) {
    for due_at in [10, 20, 30] {
        fixture.put(
            Connections,
            format!("{due_at}").as_bytes(),
            b"",
            Some(due_at),
            "",
        );
    }
    fixture.remove(Connections, b"10");
    fixture.remove(Connections, b"20");
    assert_eq!(fixture.due(25, 9), []);
    assert_eq!(fixture.next_due(), Some(30));
    fixture.put(Outbox, b"early", b"", Some(15), "");
    assert_eq!(fixture.next_due(), Some(15));
    assert_eq!(fixture.due(25, 9).len(), 1);
    fixture.put(Connections, b"earlier", b"", Some(-5), "");
    assert_eq!(
        fixture.due(25, 1),
        [(-5, Connections, "earlier".to_owned())]
    );
    fixture.put(Connections, b"earlier", b"", Some(50), "");
    assert_eq!(fixture.next_due(), Some(15));
}

pub(super) fn any_time_is_a_time(mut fixture: Fixture) {
    for due_at in [i64::MAX, 0, -1, i64::MIN, 1] {
        fixture.put(
            Connections,
            format!("{due_at}").as_bytes(),
            b"",
            Some(due_at),
            "",
        );
    }
    let times = |until| {
        fixture
            .due(until, 9)
            .into_iter()
            .map(|due| due.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(times(i64::MAX), [i64::MIN, -1, 0, 1, i64::MAX]);
    assert_eq!(times(i64::MAX - 1), [i64::MIN, -1, 0, 1]);
    assert_eq!(times(-1), [i64::MIN, -1]);
    assert_eq!(times(i64::MIN), [i64::MIN]);
    assert_eq!(fixture.next_due(), Some(i64::MIN));
    fixture.remove(Connections, format!("{}", i64::MIN).as_bytes());
    assert_eq!(fixture.next_due(), Some(-1));
    fixture.remove(Connections, b"-1");
    fixture.remove(Connections, b"0");
    fixture.remove(Connections, b"1");
    assert_eq!(fixture.next_due(), Some(i64::MAX));
    fixture.remove(Connections, format!("{}", i64::MAX).as_bytes());
    assert_eq!(fixture.next_due(), None);
    assert_eq!(fixture.due(i64::MAX, 9), []);
    fixture.put(Outbox, b"again", b"", Some(i64::MAX), "");
    assert_eq!(fixture.next_due(), Some(i64::MAX));
}

pub(super) fn tenants_move_with_their_row(mut fixture: Fixture) {
    for key in ["c", "a", "b", "d"] {
        fixture.put(Connections, key.as_bytes(), b"", None, "one");
    }
    assert_eq!(fixture.tenant("one", None, 3), ["a", "b", "c"]);
    assert_eq!(fixture.tenant("one", Some(b"c"), 3), ["d"]);
    assert_eq!(fixture.tenant("one", Some(b"aa"), 1), ["b"]);
    assert_eq!(fixture.tenant("one", None, 0), [""; 0]);
    fixture.put(Connections, b"b", b"", None, "two");
    fixture.put(Connections, b"c", b"", None, "");
    fixture.remove(Connections, b"d");
    assert_eq!(fixture.tenant("one", None, 9), ["a"]);
    assert_eq!(fixture.tenant("two", None, 9), ["b"]);
    fixture.put(Connections, b"b", b"changed", Some(3), "two");
    assert_eq!(fixture.tenant("two", None, 9), ["b"]);
}

pub(super) fn tenants_are_told_apart(mut fixture: Fixture) {
    let orgs = ["1", "10", "1\0", "1\0a", "\0", "\u{10ffff}"];
    for org_id in orgs {
        fixture.put(Connections, org_id.as_bytes(), b"", None, org_id);
        fixture.put(
            Connections,
            &[b"0", org_id.as_bytes()].concat(),
            b"",
            None,
            org_id,
        );
    }
    for org_id in orgs {
        let keys = fixture.tenant(org_id, None, 9);
        assert_eq!(keys.len(), 2, "{org_id:?} has {keys:?}");
        assert!(
            keys.iter().all(|key| key.ends_with(org_id.as_bytes())),
            "{org_id:?}: {keys:?}"
        );
    }
    fixture.put(Connections, b"tenantless", b"", None, "");
    fixture.put(Outbox, b"delivery", b"", None, "1");
    assert_eq!(ok(fixture.tables.tenant("", None, 9)), [""; 0]);
    assert_eq!(fixture.tenant("1", None, 9).len(), 2);
}
