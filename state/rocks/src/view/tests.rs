//! Views on disk pass the suite of the memory tables, from write buffers and from files.

use proptest::prelude::*;
use rollcall_model::Millis;
use rollcall_tables::{Change, RowIndex, Tables, conformance};
use tempfile::TempDir;

use super::*;
use crate::RocksStore;

const MEMORY_BYTES: usize = 16 * 1024 * 1024;

fn pair(store: &RocksStore, partition: u32) -> conformance::Pair {
    let tables = store.partition(partition).unwrap();
    (Box::new(tables), Box::new(store.views(partition).unwrap()))
}

fn put(key: &'static str) -> Change {
    let index = RowIndex {
        due_at: Some(Millis(5)),
        org_id: "org".into(),
    };
    Change {
        table: Table::Connections,
        key: Bytes::from_static(key.as_bytes()),
        old: None,
        new: Some((Bytes::from_static(b"row"), index)),
    }
}

#[test]
fn views_on_disk_conform() {
    let folder = TempDir::new().unwrap();
    let store = RocksStore::open(folder.path(), 64, MEMORY_BYTES).unwrap();
    let mut partitions = 0..;
    conformance::check_views(|| pair(&store, partitions.next().unwrap()));
}

#[test]
fn a_view_outlives_flush_and_compaction() {
    let folder = TempDir::new().unwrap();
    let store = RocksStore::open(folder.path(), 1, MEMORY_BYTES).unwrap();
    let views = store.views(0).unwrap();
    let mut tables = store.partition(0).unwrap();
    tables.apply(&[put("client")], &Meta::default()).unwrap();
    let view = views.view().unwrap();
    let gone = put("client");
    let gone = Change {
        old: gone.new.map(|(_, index)| index),
        new: None,
        ..gone
    };
    tables.apply(&[gone], &Meta::default()).unwrap();
    tables.flush().unwrap();
    let family = views.shared.db.cf_handle(&views.family).unwrap();
    views
        .shared
        .db
        .compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
    let row = view.get(Table::Connections, b"client").unwrap();
    assert_eq!(row.as_deref(), Some(&b"row"[..]));
    assert_eq!(view.timers(None, 9).unwrap().len(), 1);
    assert_eq!(view.tenants(None, 9).unwrap().len(), 1);
    let now = views.view().unwrap();
    assert_eq!(now.get(Table::Connections, b"client").unwrap(), None);
    assert_eq!(now.timers(None, 9).unwrap(), []);
}

#[test]
fn partitions_are_apart_and_must_exist() {
    let folder = TempDir::new().unwrap();
    let store = RocksStore::open(folder.path(), 2, MEMORY_BYTES).unwrap();
    let mut tables = store.partition(0).unwrap();
    tables.apply(&[put("client")], &Meta::default()).unwrap();
    let other = store.views(1).unwrap();
    let view = other.view().unwrap();
    assert_eq!(view.timers(None, 9).unwrap(), []);
    assert_eq!(view.meta().unwrap(), None);
    let error = store.views(2).unwrap_err();
    assert!(
        matches!(error, Error::Partition { partition: 2, .. }),
        "{error:?}"
    );
}

#[test]
fn damage_is_named() {
    let folder = TempDir::new().unwrap();
    let store = RocksStore::open(folder.path(), 1, MEMORY_BYTES).unwrap();
    let views = store.views(0).unwrap();
    let db = &views.shared.db;
    let family = db.cf_handle(&views.family).unwrap();
    db.put_cf(family, keys::META, b"\x01short").unwrap();
    db.put_cf(family, keys::due_from(Millis(3)), b"").unwrap();
    db.put_cf(family, keys::end_of(&keys::due_begin()), b"")
        .unwrap();
    let view = views.view().unwrap();
    assert!(matches!(view.meta(), Err(Error::Meta { partition: 0, .. })));
    let named = |error: Error| match error {
        Error::Key { index, .. } => index,
        other => panic!("{other:?}"),
    };
    assert_eq!(named(view.timers(None, 9).unwrap_err()), "time");
    assert_eq!(named(view.tenants(None, 9).unwrap_err()), "tenant");
}

proptest! {
    // Every case makes a store: tens of milliseconds each.
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_batches_give_views_of_the_reference(
        script in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let folder = TempDir::new().unwrap();
        let store = RocksStore::open(folder.path(), 1, MEMORY_BYTES).unwrap();
        conformance::check_views_random(pair(&store, 0), &script);
    }
}
