//! A partition's tables on a simulated disk: what a processor sees is in memory, and a crash brings
//! back what was flushed, which is some earlier batch.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rollcall_model::Millis;
use rollcall_tables::{Change, Due, Error, MemoryTables, Meta, Table, Tables};

use crate::random::Random;

/// What lies on the disk, and what is only in memory.
#[derive(Debug)]
pub(crate) struct Disk {
    live: MemoryTables,
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
    pub(crate) fn new(flush_percent: u32, random: Random) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            live: MemoryTables::new(),
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
        disk.live = disk.flushed.clone();
        is_older
    }

    /// The disk is lost.
    pub(crate) fn lose(&self) {
        let mut disk = self.0.lock();
        disk.fails_in = None;
        disk.live = MemoryTables::new();
        disk.flushed = MemoryTables::new();
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

/// Every row of both tables in key order.
pub(crate) fn contents(tables: &MemoryTables) -> Vec<(Table, Bytes, Bytes)> {
    let of = |table| {
        let rows = tables.scan(table, None, usize::MAX).unwrap_or_default();
        rows.into_iter()
            .map(move |(key, value)| (table, key, value))
    };
    Table::ALL.into_iter().flat_map(of).collect()
}

impl Tables for SimTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.0.lock().live.get(table, key)
    }

    fn due(&self, until: Millis, limit: usize) -> Result<Vec<Due>, Error> {
        self.0.lock().live.due(until, limit)
    }

    fn next_due(&self) -> Result<Option<Millis>, Error> {
        self.0.lock().live.next_due()
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.0.lock().live.scan(table, after, limit)
    }

    fn tenant(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Bytes>, Error> {
        self.0.lock().live.tenant(org_id, after, limit)
    }

    fn meta(&self) -> Result<Option<Meta>, Error> {
        self.0.lock().live.meta()
    }

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
            disk.flushed = disk.live.clone();
        }
        Ok(())
    }
}
