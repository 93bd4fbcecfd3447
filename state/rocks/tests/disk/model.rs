//! What the tests write that take the disk or the process away: batches that follow from their
//! number alone, and the question whether a partition holds whole ones only.
//!
//! Such a test starts itself again as a process of its own ([`child`]), since nothing less can be
//! killed or be put under a limit.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use rollcall_model::Millis;
use rollcall_rocks::RocksStore;
use rollcall_tables::{Change, Error, Meta, RowIndex, Table, Tables};

/// Names the store's folder to the child, and tells it apart.
const FOLDER: &str = "ROLLCALL_ROCKS_CHILD_FOLDER";
/// The smallest store, so that its write buffers fill up every few batches.
const MEMORY_BYTES: usize = 16 * 1024 * 1024;
/// Partitions of the store.
pub(crate) const PARTITIONS: u32 = 2;
/// Batches differ in size, and the partitions' in turn, so that write buffers fill up at any point
/// of them.
const ROWS_PER_BATCH_MAX: u64 = 80;
const CLIENTS: u64 = 500;
const ORGS: u64 = 3;

/// Opens the store that all of them write.
pub(crate) fn open(path: &Path) -> Result<RocksStore, Error> {
    RocksStore::open(path, PARTITIONS, MEMORY_BYTES)
}

/// The folder to work in, when this process is the child.
pub(crate) fn child_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(Into::into)
}

/// This test program again, to run the test `name` as the child. `wrapper` is what starts it: a
/// program and its first arguments, or nothing.
pub(crate) fn child(name: &str, folder: &Path, wrapper: &[&str]) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut words: Vec<_> = wrapper.iter().map(OsString::from).collect();
    words.push(program.into());
    words.extend([name, "--exact", "--nocapture"].map(Into::into));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env(FOLDER, folder);
    command
}

/// Compares every row and both indexes with the model after as many batches as the progress record
/// says. Gives that number.
///
/// # Errors
/// The tables' own, when they cannot be read.
pub(crate) fn verify(tables: &dyn Tables, partition: u32) -> Result<u64, Error> {
    let batch = batch_of(tables.meta()?);
    let model = model(partition, batch);
    let rows = tables.scan(Table::Connections, None, usize::MAX)?;
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
    let found = tables.due(Millis(i64::MAX), usize::MAX)?;
    let found: Vec<_> = found.into_iter().map(|due| (due.due_at, due.key)).collect();
    assert!(found == due, "timers are not those of batch {batch}");
    for org in 0..ORGS {
        let org_id = format!("org-{org}");
        let of_org = model
            .rows
            .iter()
            .filter(|(_, row)| row.index().org_id == org_id);
        let keys: Vec<_> = of_org.map(|(key, _)| key.clone()).collect();
        let found = tables.tenant(&org_id, None, usize::MAX)?;
        assert_eq!(found, keys, "batch {batch}");
    }
    Ok(batch)
}

/// The number of the last batch applied.
pub(crate) fn batch_of(meta: Option<Meta>) -> u64 {
    meta.map_or(0, |meta| meta.batch)
}

/// What the tables hold after a number of batches; each batch follows from its number alone.
#[derive(Clone)]
pub(crate) struct Model {
    partition: u32,
    /// How many batches.
    pub(crate) batch: u64,
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

/// The model after that many batches.
pub(crate) fn model(partition: u32, batches: u64) -> Model {
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
    pub(crate) fn step(&mut self) -> (Vec<Change>, Meta) {
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
