//! Tables alone: a row is read and changed, batch by batch, its entries in both indexes with it.

use bytes::Bytes;
use rollcall_tables::{Change, MemoryTables, Meta, RowIndex, Table, Tables};
use tempfile::TempDir;

use super::{Sizes, Unit};
use crate::fleet::{START, client};
use crate::whole::{MEMORY_BYTES, disk_tables, in_memory};

/// Changes that are applied as one.
pub(super) const BATCH: usize = 1_000;

/// Due times that rows get in turn.
const DUE_TIMES: usize = 10_000;

struct Keeping<T> {
    tables: T,
    /// Keys, and the number of the change that each had last.
    rows: Vec<(Bytes, Option<usize>)>,
    values: Vec<Bytes>,
    changed: usize,
    /// Goes with the tables.
    _folder: Option<TempDir>,
}

pub(super) fn memory(sizes: &Sizes) -> Box<dyn Unit> {
    filled(MemoryTables::new(), sizes, None)
}

pub(super) fn rocksdb(sizes: &Sizes) -> Box<dyn Unit> {
    let folder = tempfile::tempdir().expect("a folder");
    let tables = disk_tables(folder.path(), MEMORY_BYTES);
    filled(tables, sizes, Some(folder))
}

fn filled<T: Tables + 'static>(tables: T, sizes: &Sizes, folder: Option<TempDir>) -> Box<dyn Unit> {
    let key = |n| Bytes::copy_from_slice(client(n).as_bytes());
    let clients = sizes.clients.max(BATCH);
    let mut keeping = Keeping {
        tables,
        rows: (0..clients).map(|n| (key(n), None)).collect(),
        values: values(sizes),
        changed: 0,
        _folder: folder,
    };
    keeping.run(clients);
    keeping.tables.settle().expect("the tables are written");
    Box::new(keeping)
}

/// Rows as the whole way leaves them: no two alike, or the disk would find them too easy.
fn values(sizes: &Sizes) -> Vec<Bytes> {
    let mut whole = in_memory(sizes.ring);
    whole.settle();
    whole.rows()
}

impl<T: Tables> Keeping<T> {
    /// The next change; every row has its turn before one comes again.
    fn change(&mut self) -> Change {
        let at = self.changed % self.rows.len();
        let (key, last) = &mut self.rows[at];
        let before = self.tables.get(Table::Connections, key).expect("a read");
        assert_eq!(before.is_some(), last.is_some());
        let old = last.replace(self.changed).map(index);
        let value = self.values[self.changed % self.values.len()].clone();
        let new = Some((value, index(self.changed)));
        self.changed += 1;
        Change {
            table: Table::Connections,
            key: key.clone(),
            old,
            new,
        }
    }
}

/// Index entries of the row that the `changed`th change wrote.
fn index(changed: usize) -> RowIndex {
    let due_at = i64::try_from(changed % DUE_TIMES).unwrap_or_default();
    RowIndex {
        due_at: Some(START + 90_000_000 + due_at),
        org_id: "10000".to_owned(),
    }
}

impl<T: Tables> Unit for Keeping<T> {
    fn run(&mut self, events: usize) {
        for first in (0..events).step_by(BATCH) {
            let batch = first..events.min(first + BATCH);
            let changes: Vec<Change> = batch.map(|_| self.change()).collect();
            let meta = Meta {
                batch: self.changed as u64,
                changelogs: vec![(Table::Connections, self.changed as u64)],
                ..Meta::default()
            };
            self.tables.apply(&changes, &meta).expect("the changes fit");
        }
    }
}
