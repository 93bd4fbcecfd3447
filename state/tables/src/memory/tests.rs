//! The memory tables pass the suite; what only they have is asked here.

use proptest::prelude::*;

use super::*;
use crate::conformance;

#[test]
fn memory_tables_conform() {
    conformance::check(|| Box::new(MemoryTables::new()));
}

fn shared() -> conformance::Pair {
    let tables = SharedTables::new(MemoryTables::new());
    (Box::new(tables.clone()), Box::new(tables))
}

#[test]
fn views_of_memory_tables_conform() {
    conformance::check_views(shared);
}

#[test]
fn shared_tables_conform() {
    conformance::check(|| Box::new(SharedTables::default()));
}

#[test]
fn the_reference_keeps_index_entries_per_table() {
    let mut naive = conformance::Naive::default();
    let index = RowIndex {
        due_at: Some(Millis(1)),
        org_id: "org".into(),
    };
    let key = Bytes::from_static(b"client");
    let new = Some((Bytes::new(), index.clone()));
    let change = Change {
        table: Table::Connections,
        key,
        old: None,
        new,
    };
    naive.apply(&[change], &Meta::default()).unwrap();
    assert_eq!(naive.index(Table::Connections, b"client"), Some(index));
    assert_eq!(naive.index(Table::Outbox, b"client"), None);
}

#[test]
fn old_is_what_the_indexes_hold_and_not_more() {
    let mut tables = MemoryTables::new();
    let index = |org_id: &str| RowIndex {
        due_at: Some(Millis(1)),
        org_id: org_id.into(),
    };
    let put = |old: Option<RowIndex>| Change {
        table: Table::Outbox,
        key: Bytes::from_static(b"delivery"),
        old,
        new: Some((Bytes::from_static(b"row"), index("org"))),
    };
    tables.apply(&[put(None)], &Meta::default()).unwrap();
    // A restore reads the organisation off the row, a batch does not: both name the same entries.
    let without_org = put(Some(index("")));
    tables.apply(&[without_org], &Meta::default()).unwrap();
    let another_time = put(Some(RowIndex::default()));
    assert!(tables.apply(&[another_time], &Meta::default()).is_err());
}

#[test]
fn a_replica_sees_sizes_and_indexes() {
    let mut tables = MemoryTables::new();
    let index = RowIndex {
        due_at: Some(Millis(1)),
        org_id: "org".into(),
    };
    let key = Bytes::from_static(b"client");
    let put = Change {
        table: Table::Outbox,
        key: key.clone(),
        old: None,
        new: Some((Bytes::from_static(b"row"), index.clone())),
    };
    tables
        .apply(std::slice::from_ref(&put), &Meta::default())
        .unwrap();
    assert_eq!(
        (tables.len(Table::Outbox), tables.len(Table::Connections)),
        (1, 0)
    );
    assert_eq!(tables.index(Table::Outbox, &key), Some(&index));
    tables
        .apply(
            &[Change {
                old: Some(index),
                new: None,
                ..put
            }],
            &Meta::default(),
        )
        .unwrap();
    assert!(tables.is_empty(Table::Outbox) && tables.index(Table::Outbox, &key).is_none());
    assert!(tables.tenants.is_empty() && tables.due.is_empty());
}

proptest! {
    #[test]
    fn any_batches_give_the_answers_of_the_reference(
        script in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        conformance::check_random(Box::new(MemoryTables::new()), &script, |tables, _| tables);
    }

    #[test]
    fn any_batches_give_views_of_the_reference(
        script in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        conformance::check_views_random(shared(), &script);
    }
}
