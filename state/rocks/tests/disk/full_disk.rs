//! A disk that is really full: the tables say so and take no more, go on answering what they were
//! told, and hold whole batches when they are opened again.
//!
//! No privilege is needed: the child runs under a limit on the length of its files, with SIGXFSZ
//! ignored, so that every write of RocksDB beyond it fails with EFBIG. The child sets the limit
//! itself when the time has come, and lifts it again.

use std::path::Path;
use std::process::Command;

use rollcall_rocks::{PartitionTables, RocksStore};
use rollcall_tables::{Error, Tables};

use crate::model::{Model, PARTITIONS, batch_of, child, child_folder, model, open, verify};

/// What starts the child: not for ever, and without the signal that would end it.
const WRAPPER: [&str; 7] = [
    "timeout",
    "--signal=KILL",
    "60",
    "bash",
    "-c",
    "trap '' XFSZ; exec \"$@\"",
    "bash",
];
/// Tells the child how long its files may get.
const ROOM: &str = "ROLLCALL_ROCKS_CHILD_ROOM";
/// Batches that the disk takes for sure.
const BATCHES: u64 = 5;

#[test]
fn a_full_disk_under_a_flush() {
    for room in [0, 1_000, 40_000] {
        check("a_full_disk_under_a_flush", room, |full| {
            full.apply(BATCHES);
            limit(Some(room));
            let error = full.store.flush().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("cannot flush the table store"),
                "{error}"
            );
            let durable = full.tables[0].durable_meta().unwrap();
            assert_eq!(
                batch_of(durable),
                BATCHES,
                "the second five are in memory only"
            );
        });
    }
}

#[test]
fn a_full_disk_under_a_flush_of_its_own() {
    // Nobody asks for the flush: batches are applied until a write buffer is full.
    check("a_full_disk_under_a_flush_of_its_own", 60_000, |full| {
        limit(Some(60_000));
        while full.tables.iter_mut().zip(&mut full.models).all(step) {}
    });
}

#[test]
fn a_full_disk_under_a_compaction() {
    let name = "a_full_disk_under_a_compaction";
    check(name, 500_000, |full| {
        for _ in 0..3 {
            full.apply(BATCHES);
            full.store.flush().unwrap();
        }
        // The fourth file makes RocksDB merge them: each fits, all of them do not.
        limit(Some(500_000));
        // It may have begun to, and failed, before these are in.
        for _ in 0..BATCHES {
            if !full.tables.iter_mut().zip(&mut full.models).all(step) {
                break;
            }
        }
        let _ = full.store.flush();
        let meta = full.tables[0].meta().unwrap().unwrap();
        while full.tables[0].apply(&[], &meta).is_ok() {
            std::thread::yield_now();
        }
    });
}

/// A store that is filled, with what it should hold.
struct Full {
    store: RocksStore,
    tables: [PartitionTables; 2],
    models: [Model; 2],
}

impl Full {
    fn open(folder: &Path) -> Result<Self, Error> {
        let store = open(folder)?;
        let tables = [store.partition(0)?, store.partition(1)?];
        let batch = |tables: &PartitionTables| Ok::<_, Error>(batch_of(tables.meta()?));
        let models = [model(0, batch(&tables[0])?), model(1, batch(&tables[1])?)];
        Ok(Self {
            store,
            tables,
            models,
        })
    }

    fn apply(&mut self, batches: u64) {
        for _ in 0..batches {
            assert!(self.tables.iter_mut().zip(&mut self.models).all(step));
        }
    }

    /// What reads say is what was applied, whatever became of the disk.
    fn verify(&self) {
        for (partition, (tables, model)) in (0..).zip(self.tables.iter().zip(&self.models)) {
            assert_eq!(verify(tables, partition).unwrap(), model.batch);
        }
    }
}

/// The next batch of a partition; false when it was refused.
fn step((tables, model): (&mut PartitionTables, &mut Model)) -> bool {
    let mut next = model.clone();
    let (changes, meta) = next.step();
    let is_applied = tables.apply(&changes, &meta).is_ok();
    if is_applied {
        *model = next;
    }
    is_applied
}

/// Fills the disk in a child, then looks at what it left behind.
fn check(name: &str, room: u64, full: impl Fn(&mut Full)) {
    if let Some(folder) = child_folder() {
        if std::env::var(ROOM).unwrap() == room.to_string() {
            run_full(&folder, full);
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let said = run_child(name, folder.path(), room);
    let said = said.lines().filter_map(|line| line.strip_prefix("left "));
    let left: Vec<u64> = said
        .flat_map(|line| line.split(' '))
        .map(|n| n.parse().unwrap())
        .collect();
    let &[durable_0, durable_1, applied_0, applied_1] = left.as_slice() else {
        panic!("the child says what it left: {left:?}");
    };
    for more in 0..2 {
        let mut again = Full::open(folder.path()).unwrap();
        again.verify();
        for (model, (durable, applied)) in again
            .models
            .iter()
            .zip([(durable_0, applied_0), (durable_1, applied_1)])
        {
            let batch = model.batch;
            assert!(
                durable <= batch,
                "batch {durable} was on disk, {batch} came back"
            );
            assert!(
                batch <= applied + more * BATCHES,
                "batch {applied} was the last, {batch} came"
            );
        }
        again.apply(BATCHES);
        again.verify();
        let Full { store, tables, .. } = again;
        drop(tables);
        store.close().unwrap();
    }
}

fn run_child(name: &str, folder: &Path, room: u64) -> String {
    let mut child = child(&format!("full_disk::{name}"), folder, &WRAPPER);
    let output = child.env(ROOM, room.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "with {room} bytes left: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The child: some batches reach the disk, then `fill` makes it full, and the store goes on living
/// with it.
fn run_full(folder: &Path, fill: impl Fn(&mut Full)) {
    let mut full = Full::open(folder).unwrap();
    println!();
    full.apply(BATCHES);
    full.store.flush().unwrap();
    fill(&mut full);
    let durable = full
        .tables
        .each_ref()
        .map(|tables| batch_of(tables.durable_meta().unwrap()));
    for (tables, model) in full.tables.iter_mut().zip(&full.models) {
        let (changes, meta) = model.clone().step();
        let error = tables.apply(&changes, &meta).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot write to the table store at "),
            "{text}"
        );
        assert!(text.contains(folder.to_str().unwrap()), "{text}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(".sst"), "{source}");
    }
    full.verify();
    let [applied_0, applied_1] = full.models.each_ref().map(|model| model.batch);
    println!("left {} {} {applied_0} {applied_1}", durable[0], durable[1]);
    limit(None);
    let Full { store, tables, .. } = full;
    drop(tables);
    // It may succeed now or not; what counts is what is there at the next opening.
    let _ = store.close();
}

#[test]
fn a_full_disk_at_the_opening() {
    if let Some(folder) = child_folder() {
        return open_full(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    run_child("a_full_disk_at_the_opening", folder.path(), 0);
}

/// The child: makes stores and opens stores, each with another room left, and again without limit.
fn open_full(folder: &Path) {
    let mut refused = 0;
    for room in [0, 1, 40, 150, 600, 1_200, 5_000, 30_000] {
        for batches in [0, BATCHES] {
            let path = folder.join(format!("{room}-{batches}"));
            if batches > 0 {
                let mut full = Full::open(&path).unwrap();
                full.apply(batches);
                full.store.flush().unwrap();
            }
            limit(Some(room));
            if let Err(error) = open(&path) {
                assert!(
                    error.to_string().contains(path.to_str().unwrap()),
                    "{error}"
                );
                refused += 1;
            }
            limit(None);
            let mut full = Full::open(&path).unwrap();
            full.verify();
            assert_eq!(full.models[0].batch, batches, "with {room} bytes left");
            full.apply(1);
            full.verify();
        }
    }
    assert!(refused > 8, "only {refused} stores met the limit");
    assert_eq!(PARTITIONS, 2);
}

/// Lets no file of this process get longer than `bytes`; `None` lifts the limit.
fn limit(bytes: Option<u64>) {
    let process = std::process::id().to_string();
    let bytes = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let status = Command::new("prlimit")
        .args(["--pid", &process, &format!("--fsize={bytes}:")])
        .status()
        .expect("prlimit (Debian package util-linux)");
    assert!(status.success(), "prlimit cannot set {bytes}");
}
