//! Whatever has been written, the answers are the same; what is written is whole.

use proptest::prelude::*;
use rollcall_model::Millis;

use super::{Bounds, WriteBehind};
use crate::conformance;
use crate::{Change, Due, MemoryTables, Meta, RowIndex, Table, Tables};

const ENDLESS: Bounds = Bounds {
    bytes: usize::MAX,
    changes: usize::MAX,
};

fn change(key: &str, before: Option<i64>, after: Option<i64>) -> Change {
    let index = |due_at: i64| RowIndex {
        due_at: Some(Millis(due_at)),
        org_id: "org".to_owned(),
    };
    Change {
        table: Table::Connections,
        key: key.to_owned().into(),
        old: before.map(index),
        new: after.map(|due_at| (format!("due {due_at}").into(), index(due_at))),
    }
}

fn meta(batch: u64) -> Meta {
    Meta {
        batch,
        ..Meta::default()
    }
}

fn due(tables: &dyn Tables, until: i64, limit: usize) -> Vec<(i64, String)> {
    let text = |due: Due| {
        let key = String::from_utf8(due.key.to_vec()).unwrap();
        (due.due_at.0, key)
    };
    let due = tables.due(Millis(until), limit).unwrap();
    due.into_iter().map(text).collect()
}

fn pairs(pairs: &[(i64, &str)]) -> Vec<(i64, String)> {
    let pair = |(due_at, key): &(i64, &str)| (*due_at, (*key).to_owned());
    pairs.iter().map(pair).collect()
}

#[test]
fn answers_as_every_table_does() {
    for bounds in [
        ENDLESS,
        Bounds {
            changes: 2,
            ..ENDLESS
        },
        Bounds {
            bytes: 600,
            ..ENDLESS
        },
    ] {
        conformance::check(|| Box::new(WriteBehind::new(MemoryTables::new(), bounds).checked()));
    }
}

#[test]
fn store_stands_at_a_batch_and_never_at_a_part_of_one() {
    let mut tables = WriteBehind::new(
        MemoryTables::new(),
        Bounds {
            changes: 3,
            ..ENDLESS
        },
    );
    tables
        .apply(&[change("a", None, Some(1))], &meta(1))
        .unwrap();
    let second = [change("a", Some(1), Some(2)), change("b", None, Some(3))];
    assert_eq!(tables.store.meta().unwrap(), None, "held back");
    tables.apply(&second, &meta(2)).unwrap();
    assert_eq!(
        tables.store.meta().unwrap(),
        Some(meta(2)),
        "the third change writes"
    );
    assert_eq!(due(&tables.store, 9, 9), pairs(&[(2, "a"), (3, "b")]));
    tables
        .apply(&[change("b", Some(3), None)], &meta(3))
        .unwrap();
    assert_eq!(tables.store.meta().unwrap(), Some(meta(2)));
    assert_eq!(tables.meta().unwrap(), Some(meta(3)));
    tables.settle().unwrap();
    assert_eq!(tables.store.meta().unwrap(), Some(meta(3)));
    assert_eq!(due(&tables.store, 9, 9), pairs(&[(2, "a")]));
    assert_eq!(tables.held_bytes(), 0);
}

#[test]
fn row_that_comes_and_goes_never_reaches_the_store() {
    let mut tables = WriteBehind::new(MemoryTables::new(), ENDLESS);
    tables
        .apply(&[change("a", None, Some(1))], &meta(1))
        .unwrap();
    tables
        .apply(&[change("a", Some(1), None)], &meta(2))
        .unwrap();
    tables.settle().unwrap();
    assert!(tables.store.is_empty(Table::Connections));
    assert_eq!(tables.store.meta().unwrap(), Some(meta(2)));
}

#[test]
fn timers_of_store_and_memory_fire_in_one_order() {
    let mut tables = WriteBehind::new(MemoryTables::new(), ENDLESS);
    let written = [("a", 1), ("b", 2), ("c", 3), ("d", 4)];
    let written = written.map(|(key, due_at)| change(key, None, Some(due_at)));
    tables.apply(&written, &meta(1)).unwrap();
    tables.settle().unwrap();
    let moved = [change("a", Some(1), Some(6)), change("e", None, Some(3))];
    tables.apply(&moved, &meta(2)).unwrap();
    assert_eq!(due(&tables, 9, 2), pairs(&[(2, "b"), (3, "c")]));
    assert_eq!(
        tables.fired.borrow().floor.as_ref().map(|due| due.due_at),
        Some(Millis(1))
    );
    let all = pairs(&[(2, "b"), (3, "c"), (3, "e"), (4, "d"), (6, "a")]);
    assert_eq!(due(&tables, 9, 9), all);
    assert_eq!(due(&tables, 3, 9), all[..3]);
    // Back to the very entry that the store still has, behind the floor.
    tables
        .apply(&[change("a", Some(6), Some(1))], &meta(3))
        .unwrap();
    assert_eq!(due(&tables, 9, 1), pairs(&[(1, "a")]));
    assert_eq!(tables.next_due().unwrap(), Some(Millis(1)));
    tables.settle().unwrap();
    assert_eq!(due(&tables, 9, 2), pairs(&[(1, "a"), (2, "b")]));
}

#[test]
fn many_fired_timers_are_walked_over_once() {
    let mut tables = WriteBehind::new(MemoryTables::new(), ENDLESS);
    let rows = 1_000;
    let name = |n: i64| format!("{n:04}");
    let new: Vec<Change> = (0..rows).map(|n| change(&name(n), None, Some(n))).collect();
    tables.apply(&new, &meta(1)).unwrap();
    tables.settle().unwrap();
    for n in 0..rows {
        assert_eq!(due(&tables, n, 9).len(), 1, "{n}");
        let gone = change(&name(n), Some(n), None);
        tables.apply(&[gone], &meta(n.unsigned_abs() + 2)).unwrap();
        assert!(tables.fired.borrow().beyond.len() <= 1, "{n}");
    }
    assert_eq!(due(&tables, rows, 9), []);
}

#[test]
fn write_that_fails_keeps_everything() {
    struct Full(MemoryTables, bool);
    impl Tables for Full {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<bytes::Bytes>, crate::Error> {
            self.0.get(table, key)
        }
        fn due(&self, until: Millis, limit: usize) -> Result<Vec<Due>, crate::Error> {
            self.0.due(until, limit)
        }
        fn next_due(&self) -> Result<Option<Millis>, crate::Error> {
            self.0.next_due()
        }
        fn scan(
            &self,
            table: Table,
            after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<(bytes::Bytes, bytes::Bytes)>, crate::Error> {
            self.0.scan(table, after, limit)
        }
        fn tenant(
            &self,
            org_id: &str,
            after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<bytes::Bytes>, crate::Error> {
            self.0.tenant(org_id, after, limit)
        }
        fn meta(&self) -> Result<Option<Meta>, crate::Error> {
            self.0.meta()
        }
        fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), crate::Error> {
            if self.1 {
                return Err(crate::Error::Store {
                    action: "write to",
                    path: "nowhere".to_owned(),
                    source: "no space left".into(),
                });
            }
            self.0.apply(changes, meta)
        }
    }
    let mut tables = WriteBehind::new(Full(MemoryTables::new(), true), ENDLESS);
    tables
        .apply(&[change("a", None, Some(1))], &meta(1))
        .unwrap();
    assert!(tables.settle().is_err());
    assert_eq!(due(&tables, 9, 9), pairs(&[(1, "a")]));
    tables.store.1 = false;
    tables.settle().unwrap();
    assert_eq!(due(&tables.store.0, 9, 9), pairs(&[(1, "a")]));
}

proptest! {
    #[test]
    fn whatever_has_been_written_the_answers_are_those_of_the_reference(
        script in prop::collection::vec(any::<u8>(), 0..200),
        every in 1_u64..9,
        changes in 1_usize..30,
    ) {
        let bounds = Bounds { changes, ..ENDLESS };
        let tables = Box::new(WriteBehind::new(MemoryTables::new(), bounds).checked());
        conformance::check_random(tables, &script, |mut tables, batch| {
            if batch % every == 0 {
                tables.settle().unwrap();
            }
            tables
        });
    }
}
