//! The disk passes the suite of the memory tables, also when it is flushed or reopened in between.

use std::path::Path;

use proptest::prelude::*;
use rollcall_tables::{MemoryTables, MetaError, conformance};
use tempfile::TempDir;

use super::*;
use crate::RocksStore;

const MEMORY_BYTES: usize = 16 * 1024 * 1024;

fn open(path: &Path) -> PartitionTables {
    RocksStore::open(path, 2, MEMORY_BYTES)
        .unwrap()
        .partition(1)
        .unwrap()
        .checked()
}

fn reopen(path: &Path, tables: Box<dyn Tables>) -> Box<dyn Tables> {
    drop(tables);
    Box::new(open(path))
}

fn put(key: &'static str, due_at: i64) -> Change {
    let index = RowIndex {
        due_at: Some(Millis(due_at)),
        org_id: "org".into(),
    };
    let key = Bytes::from_static(key.as_bytes());
    let new = Some((Bytes::from_static(b"row"), index));
    Change {
        table: Table::Connections,
        key,
        old: None,
        new,
    }
}

fn batch(number: u64) -> Meta {
    Meta {
        batch: number,
        ..Meta::default()
    }
}

#[test]
fn tables_on_disk_conform() {
    let folder = TempDir::new().unwrap();
    let store = RocksStore::open(folder.path(), 64, MEMORY_BYTES).unwrap();
    let mut partitions = 0..;
    conformance::check(|| {
        Box::new(
            store
                .partition(partitions.next().unwrap())
                .unwrap()
                .checked(),
        )
    });
}

#[test]
fn tables_on_disk_survive_reopening() {
    let folder = TempDir::new().unwrap();
    conformance::check_reopen(Box::new(open(folder.path())), |tables| {
        reopen(folder.path(), tables)
    });
}

#[test]
fn partitions_are_apart() {
    let folder = TempDir::new().unwrap();
    let store = RocksStore::open(folder.path(), 2, MEMORY_BYTES).unwrap();
    let (mut one, two) = (store.partition(0).unwrap(), store.partition(1).unwrap());
    one.apply(&[put("client", 5)], &batch(1)).unwrap();
    assert!(one.get(Table::Connections, b"client").unwrap().is_some());
    assert_eq!(two.get(Table::Connections, b"client").unwrap(), None);
    assert_eq!((two.next_due().unwrap(), two.meta().unwrap()), (None, None));
    assert_eq!(two.tenant("org", None, 9).unwrap(), [""; 0]);
}

#[test]
fn the_disk_lags_until_it_is_flushed() {
    let folder = TempDir::new().unwrap();
    let mut tables = open(folder.path());
    tables.apply(&[put("client", 5)], &batch(1)).unwrap();
    assert_eq!(tables.durable_meta().unwrap(), None);
    tables.flush().unwrap();
    tables.apply(&[put("other", 5)], &batch(2)).unwrap();
    assert_eq!(tables.durable_meta().unwrap(), Some(batch(1)));
    assert_eq!(tables.meta().unwrap(), Some(batch(2)));
}

#[test]
fn timers_survive_a_reopening_after_some_fired() {
    let folder = TempDir::new().unwrap();
    let mut tables = open(folder.path());
    tables
        .apply(&[put("first", 5), put("second", 7)], &batch(1))
        .unwrap();
    assert_eq!(tables.due(Millis(5), 9).unwrap().len(), 1);
    let fired = put("first", 5);
    let fired = Change {
        old: fired.new.map(|(_, index)| index),
        new: None,
        ..fired
    };
    tables.apply(&[fired], &batch(2)).unwrap();
    assert_eq!(tables.due(Millis(6), 9).unwrap(), []);
    drop(tables);
    let tables = open(folder.path());
    assert_eq!(tables.next_due().unwrap(), Some(Millis(7)));
}

#[test]
fn damage_is_named() {
    let folder = TempDir::new().unwrap();
    let tables = open(folder.path());
    let write = |key: &[u8], value: &[u8]| {
        tables
            .shared
            .db
            .put_cf(tables.family(), key, value)
            .unwrap();
    };
    write(keys::META, b"\x01short");
    let error = tables.meta().unwrap_err();
    let source = MetaError::Length { bytes: 6 };
    assert!(matches!(error, Error::Meta { partition: 1, source: found } if found == source));
    write(&keys::due_from(Millis(3)), b"");
    let error = tables.due(Millis(3), 1).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Key {
                partition: 1,
                index: "time"
            }
        ),
        "{error:?}"
    );
}

proptest! {
    // Every case makes a store and reopens it several times: tens of milliseconds each.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_batches_give_the_same_answers_in_memory_and_on_disk(
        script in prop::collection::vec(any::<u8>(), 0..160), every in 2_u64..9,
    ) {
        conformance::check_random(Box::new(MemoryTables::new()), &script, |tables, _| tables);
        let folder = TempDir::new().unwrap();
        let tables = Box::new(open(folder.path()));
        conformance::check_random(tables, &script, |tables, batch| {
            if batch % every == 0 { reopen(folder.path(), tables) } else { tables }
        });
    }
}

proptest! {
    // Dozens of flushes in every case.
    #![proptest_config(ProptestConfig::with_cases(8))]
    // A file for every batch, so that RocksDB merges files all the time: what was removed never
    // rises again, what was kept is never lost.
    #[test]
    fn flushes_and_compactions_change_no_answer(
        script in prop::collection::vec(any::<u8>(), 100..200),
    ) {
        let folder = TempDir::new().unwrap();
        let store = RocksStore::open(folder.path(), 2, MEMORY_BYTES).unwrap();
        let tables = Box::new(store.partition(1).unwrap().checked());
        conformance::check_random(tables, &script, |tables, _| {
            store.flush().unwrap();
            tables
        });
    }
}
