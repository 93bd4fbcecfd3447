//! Kill -9 between any two instructions: the disk then holds a prefix of the batches, whole ones
//! only, and the progress record says which prefix.
//!
//! The test starts itself as a child, which applies batches to two partitions at once (RocksDB
//! flushes when its small write buffers are full), and is killed in the midst of it, several times
//! over the same store.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rollcall_tables::{Error, Tables};

use crate::model::{batch_of, child, child_folder, model, open, verify};

/// Kills; each comes at another distance from the last flush.
const ROUNDS: u64 = 12;

#[test]
fn a_killed_store_holds_whole_batches_and_says_which() {
    if let Some(folder) = child_folder() {
        return apply_until_killed(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut survived = 0;
    for round in 0..ROUNDS {
        let (mut child, mut said) = start(folder.path());
        let mut durable = survived;
        let mut applied = survived;
        // At least one flush beyond what survived the last time, then some more, another number
        // each time.
        while durable <= survived || applied < durable + round {
            let mut line = String::new();
            assert_ne!(
                said.read_line(&mut line).unwrap(),
                0,
                "the child ended by itself"
            );
            if let Some(progress) = line.trim_end().strip_prefix("applied ") {
                let (one, other) = progress.split_once(" durable ").unwrap();
                (applied, durable) = (one.parse().unwrap(), other.parse().unwrap());
            }
        }
        if round == 0 {
            let error = open(folder.path()).unwrap_err();
            assert!(matches!(error, Error::Locked { .. }), "{error:?}");
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        let store = open(folder.path()).unwrap();
        let [first, _] = [0, 1].map(|partition| {
            let tables = store.partition(partition).unwrap();
            verify(&tables, partition).unwrap()
        });
        assert!(
            first >= durable,
            "batch {durable} was on disk, only {first} came back"
        );
        survived = first;
        store.close().unwrap();
    }
}

fn start(folder: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let name = "crash::a_killed_store_holds_whole_batches_and_says_which";
    let mut child = child(name, folder, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    (child, said)
}

/// The child: goes on from what the store holds, with a thread for each partition, and says after
/// every batch of the first how far it and the disk are. It ends when nobody listens any more, so a
/// failed parent leaves no child behind.
fn apply_until_killed(folder: &Path) {
    let store = open(folder).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // This one flushes of its own accord, while the other one writes and flushes.
            let mut tables = store.partition(1).unwrap();
            let mut model = model(1, batch_of(tables.meta().unwrap()));
            while !is_over.load(Ordering::SeqCst) {
                let (changes, meta) = model.step();
                tables.apply(&changes, &meta).unwrap();
                if model.batch.is_multiple_of(7) {
                    tables.flush().unwrap();
                }
            }
        });
        let mut tables = store.partition(0).unwrap();
        let mut model = model(0, batch_of(tables.meta().unwrap()));
        let mut out = std::io::stdout();
        while !is_over.load(Ordering::SeqCst) {
            let (changes, meta) = model.step();
            tables.apply(&changes, &meta).unwrap();
            let durable = batch_of(tables.durable_meta().unwrap());
            let line = writeln!(out, "applied {} durable {durable}", model.batch);
            is_over.store(line.and_then(|()| out.flush()).is_err(), Ordering::SeqCst);
        }
    });
}
