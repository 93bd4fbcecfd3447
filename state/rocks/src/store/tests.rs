//! What opens, what does not, and what the error says.

use std::path::Path;

use rocksdb::Options;
use rollcall_tables::{Meta, Tables};
use tempfile::TempDir;

use super::*;

const MEMORY_BYTES: usize = 16 * 1024 * 1024;

fn open(path: &Path) -> Result<RocksStore, Error> {
    RocksStore::open(path, 2, MEMORY_BYTES)
}

/// Opens the database beneath a closed store and writes a number of its head.
fn write_head(path: &Path, key: &[u8], value: &[u8]) {
    let families = DB::list_cf(&Options::default(), path).unwrap();
    let db = DB::open_cf(&Options::default(), path, families).unwrap();
    db.put(key, value).unwrap();
}

fn message(error: &Error) -> String {
    error.to_string()
}

#[test]
fn a_store_is_made_with_its_folder_and_found_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("deep/below");
    open(&path).unwrap().close().unwrap();
    assert_eq!(open(&path).unwrap().partitions(), 2);
}

#[test]
fn a_store_in_use_says_so() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    assert!(
        message(&error).contains("in use by another process"),
        "{error}"
    );
    let tables = store.partition(0).unwrap();
    store.close().unwrap();
    assert!(
        matches!(open(folder.path()), Err(Error::Locked { .. })),
        "a partition holds it"
    );
    drop(tables);
    open(folder.path()).unwrap();
}

#[test]
fn older_and_newer_formats_are_refused() {
    let folder = TempDir::new().unwrap();
    open(folder.path()).unwrap().close().unwrap();
    for found in [keys::FORMAT + 1, keys::FORMAT - 1] {
        write_head(folder.path(), keys::STORE_FORMAT, &found.to_le_bytes());
        let error = open(folder.path()).unwrap_err();
        let is_named = matches!(error, Error::Format { found: named, expected: keys::FORMAT, .. }
            if named == found);
        assert!(is_named, "{error:?}");
    }
    write_head(
        folder.path(),
        keys::STORE_FORMAT,
        &keys::FORMAT.to_le_bytes(),
    );
    open(folder.path()).unwrap();
}

#[test]
fn a_damaged_head_is_refused() {
    let folder = TempDir::new().unwrap();
    open(folder.path()).unwrap().close().unwrap();
    write_head(folder.path(), keys::STORE_FORMAT, b"one");
    let error = open(folder.path()).unwrap_err();
    assert!(
        matches!(error, Error::Store { action: "read", .. }),
        "{error:?}"
    );
}

#[test]
fn a_foreign_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    drop(DB::open_cf(&options, folder.path(), ["default", "theirs"]).unwrap());
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Format { found: 0, .. }), "{error:?}");
}

#[test]
fn a_store_cut_off_while_being_made_is_made_again() {
    let folder = TempDir::new().unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    drop(DB::open(&options, folder.path()).unwrap());
    open(folder.path()).unwrap().partition(1).unwrap();
}

#[test]
fn another_number_of_partitions_is_refused() {
    let folder = TempDir::new().unwrap();
    open(folder.path()).unwrap().close().unwrap();
    for expected in [1, 3] {
        let error = RocksStore::open(folder.path(), expected, MEMORY_BYTES).unwrap_err();
        let is_named = matches!(error, Error::Partitions { found: 2, expected: named, .. }
            if named == expected);
        assert!(is_named, "{error:?}");
    }
    open(folder.path()).unwrap();
}

#[test]
fn a_partition_has_one_writer() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    let tables = store.partition(1).unwrap();
    let error = store.partition(1).unwrap_err();
    assert!(message(&error).contains("partition 1 ") && message(&error).ends_with("already open"));
    drop(tables);
    store.partition(1).unwrap();
    assert!(message(&store.partition(2).unwrap_err()).ends_with("does not exist"));
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, b"in the way").unwrap();
    let error = open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Store {
                action: "create",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(message(&error).contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn flush_and_close_and_drop_reach_the_disk() {
    let folder = TempDir::new().unwrap();
    let meta = |batch| Meta {
        batch,
        ..Meta::default()
    };
    let store = open(folder.path()).unwrap();
    let mut tables = [store.partition(0).unwrap(), store.partition(1).unwrap()];
    for tables in &mut tables {
        tables.apply(&[], &meta(1)).unwrap();
    }
    store.flush().unwrap();
    for tables in &mut tables {
        assert_eq!(tables.durable_meta().unwrap(), Some(meta(1)));
        tables.apply(&[], &meta(2)).unwrap();
    }
    drop(tables);
    store.close().unwrap();
    let store = open(folder.path()).unwrap();
    let mut tables = store.partition(0).unwrap();
    assert_eq!(tables.meta().unwrap(), Some(meta(2)));
    tables.apply(&[], &meta(3)).unwrap();
    drop((tables, store));
    let tables = open(folder.path()).unwrap().partition(0).unwrap();
    assert_eq!(tables.meta().unwrap(), Some(meta(3)));
}
