//! Loaded tables are those that the same rows make one by one.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use rollcall_model::Millis;
use rollcall_tables::{Change, Meta, RowIndex, Table, Tables};
use tempfile::TempDir;

use super::BulkLoad;
use crate::{PartitionTables, RocksStore};

/// Something for every row: its key, a value that says what its index entries are.
type Said = (Table, u8, Option<u8>);

fn store(folder: &TempDir) -> RocksStore {
    RocksStore::open(folder.path(), 2, 16 << 20).unwrap()
}

fn key(key: u8) -> Bytes {
    Bytes::from(format!("client-{key:03}"))
}

/// The entries of a row, by its value.
fn index(value: &[u8]) -> RowIndex {
    let number = i64::from(value[0]);
    RowIndex {
        due_at: (number % 3 > 0).then_some(Millis(number)),
        org_id: match number % 4 {
            0 => String::new(),
            org => org.to_string(),
        },
    }
}

fn value(value: u8) -> Bytes {
    Bytes::from(vec![value; 40])
}

/// Everything that reads show.
fn shown(tables: &dyn Tables) -> impl PartialEq + std::fmt::Debug {
    let rows = Table::ALL.map(|table| tables.scan(table, None, usize::MAX).unwrap());
    let timers = tables.due(Millis(i64::MAX), usize::MAX).unwrap();
    let orgs = ["", "1", "2", "3"].map(|org| tables.tenant(org, None, usize::MAX).unwrap());
    (rows, timers, orgs, tables.next_due().unwrap())
}

fn load(tables: &mut PartitionTables, said: &[Said], bytes_max: usize) {
    tables.clear().unwrap();
    let folder = tables.load_folder();
    let load = BulkLoad::begin(tables, folder.clone(), bytes_max).unwrap();
    let mut load: Box<dyn rollcall_tables::load::Load> = Box::new(load);
    for (table, of, now) in said {
        load.put(*table, key(*of), now.map(value)).unwrap();
    }
    let mut seen = 0;
    load.finish(&mut |_, _, value| {
        seen += 1;
        Some(index(value))
    })
    .unwrap();
    let expected: BTreeMap<_, _> = said
        .iter()
        .map(|(table, of, now)| ((*table, *of), now))
        .collect();
    assert_eq!(seen, expected.values().filter(|now| now.is_some()).count());
    assert!(!folder.exists(), "its files have moved");
}

/// Applies the newest of what is said.
fn apply(tables: &mut dyn Tables, said: &[Said]) {
    let newest: BTreeMap<_, _> = said
        .iter()
        .map(|(table, of, now)| ((*table, *of), *now))
        .collect();
    let changes: Vec<Change> = newest
        .into_iter()
        .map(|((table, of), now)| Change {
            table,
            key: key(of),
            old: None,
            new: now.map(|now| (value(now), index(&value(now)))),
        })
        .collect();
    tables.apply(&changes, &Meta::default()).unwrap();
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let table = prop_oneof![Just(Table::Connections), Just(Table::Outbox)];
    let one = (
        table,
        0_u8..20,
        proptest::option::weighted(0.8, any::<u8>()),
    );
    proptest::collection::vec(one, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However often a row changes, and however small the files are; whatever was there before.
    #[test]
    fn loaded_is_as_applied(before in said(), said in said(), bytes_max in 1_usize..4000) {
        let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut applied = store(&one).partition(0).unwrap();
        apply(&mut applied, &said);
        let loaded_store = store(&other);
        let mut loaded = loaded_store.partition(0).unwrap();
        apply(&mut loaded, &before);
        let mut neighbour = loaded_store.partition(1).unwrap();
        apply(&mut neighbour, &before);
        let beside = format!("{:?}", shown(&neighbour));
        load(&mut loaded, &said, bytes_max);
        prop_assert_eq!(loaded.meta().unwrap(), None);
        prop_assert_eq!(format!("{:?}", shown(&loaded)), format!("{:?}", shown(&applied)));
        prop_assert_eq!(format!("{:?}", shown(&neighbour)), beside);
    }
}

#[test]
fn a_load_that_is_broken_off_leaves_no_progress_and_is_begun_anew() {
    let folder = TempDir::new().unwrap();
    let all: Vec<Said> = (0..20)
        .map(|of| (Table::Connections, of, Some(of)))
        .collect();
    {
        let store = store(&folder);
        let mut tables = store.partition(0).unwrap();
        apply(&mut tables, &all);
        store.flush().unwrap();
        tables.clear().unwrap();
        let path = tables.load_folder();
        let begun = BulkLoad::begin(&tables, path, 200).unwrap();
        let mut begun: Box<dyn rollcall_tables::load::Load> = Box::new(begun);
        for (table, of, now) in &all {
            begun.put(*table, key(*of), now.map(value)).unwrap();
        }
    }
    let mut tables = store(&folder).partition(0).unwrap();
    assert_eq!(tables.meta().unwrap(), None);
    let left = tables.scan(Table::Connections, None, usize::MAX).unwrap();
    assert!(!left.is_empty(), "some files had been handed over");
    load(&mut tables, &all[..5], 200);
    let rows = tables.scan(Table::Connections, None, usize::MAX).unwrap();
    assert_eq!(rows.len(), 5);
}
