//! A partition's tables on a simulated disk: what a processor sees is in memory, and a crash brings
//! back what was flushed, which is some earlier batch.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rollcall_model::Millis;
use rollcall_tables::{Bounds, Change, Due, Error, MemoryTables, Meta, Table, Tables, WriteBehind};

use crate::random::Random;

/// What lies on the disk, and what is only in memory.
#[derive(Debug)]
struct Disk {
    /// As the product has it: newest changes held back over the store.
    live: WriteBehind<Store>,
    store: Store,
    bounds: Bounds,
    /// The store as it was flushed last.
    flushed: MemoryTables,
    flush_percent: u32,
    fails_in: Option<u32>,
    random: Random,
}

/// A handle on the tables of one partition, as a processor holds it.
#[derive(Clone, Debug)]
pub(crate) struct SimTables(Arc<Mutex<Disk>>);

impl SimTables {
    /// Empty tables that are flushed after so many of a hundred writes.
    pub(crate) fn new(flush_percent: u32, mut random: Random) -> Self {
        let bounds = Bounds {
            bytes: usize::MAX,
            changes: random.pick(&[1, 2, 7, 40, usize::MAX]),
        };
        let store = Store::default();
        Self(Arc::new(Mutex::new(Disk {
            live: WriteBehind::new(store.clone(), bounds),
            store,
            bounds,
            flushed: MemoryTables::new(),
            flush_percent,
            fails_in: None,
            random,
        })))
    }

    /// The process dies: what was not flushed is gone. True when that was anything.
    pub(crate) fn crash(&self) -> bool {
        let mut disk = self.0.lock();
        disk.fails_in = None;
        let is_older = disk.live.meta().ok() != disk.flushed.meta().ok();
        disk.reopen();
        is_older
    }

    /// The disk is lost.
    pub(crate) fn lose(&self) {
        let mut disk = self.0.lock();
        disk.flushed = MemoryTables::new();
        disk.fails_in = None;
        disk.reopen();
    }

    /// The write after the next `writes` fails, and every one after it: the process is dead.
    pub(crate) fn fail_after(&self, writes: u32) {
        self.0.lock().fails_in = Some(writes);
    }

    /// Writes work again.
    pub(crate) fn heal(&self) {
        self.0.lock().fails_in = None;
    }

    /// Every row of both tables in key order.
    pub(crate) fn contents(&self) -> Vec<(Table, Bytes, Bytes)> {
        contents(&self.0.lock().live)
    }
}

impl Disk {
    /// Begins with what was flushed.
    fn reopen(&mut self) {
        self.store = Store(Arc::new(Mutex::new(self.flushed.clone())));
        self.live = WriteBehind::new(self.store.clone(), self.bounds);
    }
}

/// Every row of both tables in key order.
pub(crate) fn contents(tables: &dyn Tables) -> Vec<(Table, Bytes, Bytes)> {
    let of = |table| {
        let rows = tables.scan(table, None, usize::MAX).unwrap_or_default();
        rows.into_iter()
            .map(move |(key, value)| (table, key, value))
    };
    Table::ALL.into_iter().flat_map(of).collect()
}

/// The store beneath what is held back, shared with whoever flushes it.
#[derive(Clone, Debug, Default)]
struct Store(Arc<Mutex<MemoryTables>>);

/// The reads of [`Tables`], of the tables that `$inner` gives while it is locked.
macro_rules! reads {
    ($self:ident => $inner:expr) => {
        fn get(&$self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
            $inner.get(table, key)
        }

        fn due(&$self, until: Millis, limit: usize) -> Result<Vec<Due>, Error> {
            $inner.due(until, limit)
        }

        fn due_after(
            &$self,
            after: Option<&Due>,
            until: Millis,
            limit: usize,
        ) -> Result<Vec<Due>, Error> {
            $inner.due_after(after, until, limit)
        }

        fn next_due(&$self) -> Result<Option<Millis>, Error> {
            $inner.next_due()
        }

        fn scan(
            &$self,
            table: Table,
            after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<(Bytes, Bytes)>, Error> {
            $inner.scan(table, after, limit)
        }

        fn tenant(
            &$self,
            org_id: &str,
            after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<Bytes>, Error> {
            $inner.tenant(org_id, after, limit)
        }

        fn meta(&$self) -> Result<Option<Meta>, Error> {
            $inner.meta()
        }
    };
}

impl Tables for Store {
    reads!(self => self.0.lock());

    fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), Error> {
        self.0.lock().apply(changes, meta)
    }
}

impl Tables for SimTables {
    reads!(self => self.0.lock().live);

    fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), Error> {
        let disk = &mut *self.0.lock();
        if disk.fails_in == Some(0) {
            return Err(Error::Store {
                action: "write",
                path: "simulated crash".to_owned(),
                source: "the process is dead".into(),
            });
        }
        disk.fails_in = disk.fails_in.map(|writes| writes - 1);
        disk.live.apply(changes, meta)?;
        if disk.random.chance(disk.flush_percent) {
            disk.flushed = disk.store.0.lock().clone();
        }
        Ok(())
    }
}
