//! Pairs on disk pass the suite, survive a flush, and come back empty from damage.

use rollcall_tables::conformance::{check_pairs, check_pairs_random};
use rollcall_tables::{Error, PairChange, Pairs};
use tempfile::TempDir;

use super::*;

const MEMORY_BYTES: usize = MEMORY_BYTES_MIN;

fn open(folder: &TempDir) -> RocksPairs {
    RocksPairs::open(folder.path(), MEMORY_BYTES).unwrap()
}

fn put(key: &str) -> PairChange {
    PairChange::Put(key.as_bytes().to_vec(), b"value".to_vec())
}

#[test]
fn pairs_on_disk_are_conformant() {
    let mut folders = Vec::new();
    check_pairs(|| {
        let folder = TempDir::new().unwrap();
        let pairs = open(&folder);
        folders.push(folder);
        Box::new(pairs)
    });
}

#[test]
fn random_writes_are_read_back_and_survive_a_close() {
    for seed in 0..8 {
        let folder = TempDir::new().unwrap();
        check_pairs_random(seed, Box::new(open(&folder)), |pairs| {
            drop(pairs);
            Box::new(open(&folder))
        });
    }
}

#[test]
fn what_was_cleared_stays_away() {
    let folder = TempDir::new().unwrap();
    let pairs = open(&folder);
    let rows: Vec<_> = (0..10_000).map(|n| put(&format!("row-{n}"))).collect();
    pairs.write(rows).unwrap();
    pairs.flush().unwrap();
    pairs.clear(vec![put("head")]).unwrap();
    drop(pairs);
    let pairs = open(&folder);
    let view = pairs.view();
    let keys = view.range(vec![0]..vec![0xff; 9]);
    let keys: Vec<_> = keys.map(|pair| pair.unwrap().0).collect();
    assert_eq!(keys, ["head"]);
}

#[test]
fn pairs_in_use_say_so() {
    let folder = TempDir::new().unwrap();
    let _pairs = open(&folder);
    let error = RocksPairs::open(folder.path(), MEMORY_BYTES).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
}

#[test]
fn damaged_files_are_made_anew() {
    let folder = TempDir::new().unwrap();
    let pairs = open(&folder);
    pairs.write(vec![put("lost")]).unwrap();
    drop(pairs);
    std::fs::write(folder.path().join("CURRENT"), b"nonsense").unwrap();
    let pairs = open(&folder);
    assert_eq!(pairs.view().get(b"lost").unwrap(), None);
    pairs.write(vec![put("new")]).unwrap();
}
