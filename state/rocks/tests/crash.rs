//! Kill -9 between any two instructions: the disk then holds a prefix of the batches, whole ones
//! only, and the progress record says which prefix.
//!
//! The test starts itself as a child, which applies batches without ever flushing (RocksDB flushes
//! when its small write buffers are full), and is killed in the midst of it, several times over the
//! same store.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only #[test] functions for tests"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use rollcall_model::Millis;
use rollcall_rocks::RocksStore;
use rollcall_tables::{Change, Error, Meta, RowIndex, Table, Tables};

/// Names the store's folder to the child.
const FOLDER: &str = "ROLLCALL_ROCKS_CRASH_FOLDER";
/// The smallest store, so that its write buffers fill up every few batches.
const MEMORY_BYTES: usize = 16 * 1024 * 1024;
const PARTITIONS: u32 = 2;
/// Kills; each comes at another distance from the last flush.
const ROUNDS: u64 = 8;
/// Batches differ in size, and the partitions' in turn, so that write buffers fill up at any point
/// of them.
const ROWS_PER_BATCH_MAX: u64 = 80;
const CLIENTS: u64 = 500;
const ORGS: u64 = 3;

#[test]
fn a_killed_store_holds_whole_batches_and_says_which() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return apply_until_killed(Path::new(&folder));
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
            let error = RocksStore::open(folder.path(), PARTITIONS, MEMORY_BYTES).unwrap_err();
            assert!(matches!(error, Error::Locked { .. }), "{error:?}");
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        let store = RocksStore::open(folder.path(), PARTITIONS, MEMORY_BYTES).unwrap();
        let [first, _] = [0, 1].map(|partition| verify(&store, partition));
        assert!(
            first >= durable,
            "batch {durable} was on disk, only {first} came back"
        );
        survived = first;
        store.close().unwrap();
    }
}

fn start(folder: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_killed_store_holds_whole_batches_and_says_which",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    (child, said)
}

/// The child: goes on from what the store holds, and says after every batch how far it and the disk
/// are. It ends when nobody listens any more, so a failed parent leaves no child behind.
fn apply_until_killed(folder: &Path) {
    let store = RocksStore::open(folder, PARTITIONS, MEMORY_BYTES).unwrap();
    let mut partitions = [store.partition(0).unwrap(), store.partition(1).unwrap()];
    let batches = partitions
        .each_ref()
        .map(|tables| batch_of(tables.meta().unwrap()));
    let mut models = [model(0, batches[0]), model(1, batches[1])];
    let mut out = std::io::stdout();
    loop {
        for (tables, model) in partitions.iter_mut().zip(&mut models) {
            let (changes, meta) = model.step();
            tables.apply(&changes, &meta).unwrap();
        }
        let durable = batch_of(partitions[0].durable_meta().unwrap());
        let line = writeln!(out, "applied {} durable {durable}", models[0].batch);
        if line.and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// Compares every row and both indexes with the model after as many batches as the progress record
/// says.
fn verify(store: &RocksStore, partition: u32) -> u64 {
    let tables = store.partition(partition).unwrap();
    let batch = batch_of(tables.meta().unwrap());
    let model = model(partition, batch);
    let rows = tables.scan(Table::Connections, None, usize::MAX).unwrap();
    let expected: Vec<_> = model
        .rows
        .iter()
        .map(|(key, row)| (key.clone(), row.value()))
        .collect();
    assert!(rows == expected, "rows are not those of batch {batch}");
    let mut due: Vec<_> = model
        .rows
        .iter()
        .map(|(key, row)| (row.index().due_at.unwrap(), key.clone()))
        .collect();
    due.sort();
    let found = tables.due(Millis(i64::MAX), usize::MAX).unwrap();
    let found: Vec<_> = found.into_iter().map(|due| (due.due_at, due.key)).collect();
    assert!(found == due, "timers are not those of batch {batch}");
    for org in 0..ORGS {
        let org_id = format!("org-{org}");
        let of_org = model
            .rows
            .iter()
            .filter(|(_, row)| row.index().org_id == org_id);
        let keys: Vec<_> = of_org.map(|(key, _)| key.clone()).collect();
        assert_eq!(
            tables.tenant(&org_id, None, usize::MAX).unwrap(),
            keys,
            "batch {batch}"
        );
    }
    batch
}

fn batch_of(meta: Option<Meta>) -> u64 {
    meta.map_or(0, |meta| meta.batch)
}

/// What the tables hold after a number of batches; each batch follows from its number alone.
struct Model {
    partition: u32,
    batch: u64,
    rows: BTreeMap<Bytes, Row>,
}

/// The batch that wrote a row, and the row's number in it; the rest follows.
#[derive(Clone, Copy)]
struct Row {
    batch: u64,
    number: u64,
}

impl Row {
    /// Large enough that a few batches fill a write buffer, and hardly compressible.
    fn value(self) -> Bytes {
        let words = (0..256).map(|word| mix(self.batch ^ (self.number << 20) ^ (word << 40)));
        words.flat_map(u64::to_le_bytes).collect()
    }

    fn index(self) -> RowIndex {
        let due_at = Some(Millis(
            (mix(self.batch * 7 + self.number) % 1_000).cast_signed(),
        ));
        RowIndex {
            due_at,
            org_id: format!("org-{}", (self.batch + self.number) % ORGS),
        }
    }
}

fn model(partition: u32, batches: u64) -> Model {
    let mut model = Model {
        partition,
        batch: 0,
        rows: BTreeMap::new(),
    };
    while model.batch < batches {
        model.step();
    }
    model
}

impl Model {
    /// The next batch: writes most of its rows and removes some.
    fn step(&mut self) -> (Vec<Change>, Meta) {
        self.batch += 1;
        let scattered = mix(self.batch * 2 + u64::from(self.partition));
        let first = scattered % CLIENTS;
        let rows = 1 + (scattered >> 32) % ROWS_PER_BATCH_MAX;
        let changes = (0..rows).map(|number| {
            let key = Bytes::from(format!("client-{:05}", (first + number) % CLIENTS));
            let row = Row {
                batch: self.batch,
                number,
            };
            let is_removal = mix(self.batch + number).is_multiple_of(5);
            let old = if is_removal {
                self.rows.remove(&key)
            } else {
                self.rows.insert(key.clone(), row)
            };
            let new = (!is_removal).then(|| (row.value(), row.index()));
            Change {
                table: Table::Connections,
                key,
                old: old.map(Row::index),
                new,
            }
        });
        let changes = changes.collect();
        (
            changes,
            Meta {
                batch: self.batch,
                ..Meta::default()
            },
        )
    }
}

/// SplitMix64: scatters its input.
fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
