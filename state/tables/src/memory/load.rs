//! Tables in memory loaded at once: nothing is gained, but whoever restores takes the same way as
//! on a disk.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::MemoryTables;
use crate::Error;
use crate::change::{Change, Table};
use crate::load::{Entries, Load};

/// See [`crate::Tables::load`].
pub(super) struct MemoryLoad<'a> {
    tables: &'a mut MemoryTables,
    rows: BTreeMap<(Table, Bytes), Bytes>,
}

impl<'a> MemoryLoad<'a> {
    /// Empties `tables`.
    pub(super) fn begin(tables: &'a mut MemoryTables) -> Self {
        *tables = MemoryTables::default();
        let rows = BTreeMap::new();
        Self { tables, rows }
    }
}

impl Load for MemoryLoad<'_> {
    fn put(&mut self, table: Table, key: Bytes, value: Option<Bytes>) -> Result<(), Error> {
        match value {
            Some(value) => self.rows.insert((table, key), value),
            None => self.rows.remove(&(table, key)),
        };
        Ok(())
    }

    fn finish(self: Box<Self>, entries: &mut Entries<'_>) -> Result<(), Error> {
        let Self { tables, rows } = *self;
        for ((table, key), value) in rows {
            let Some(index) = entries(table, &key, &value) else {
                break;
            };
            tables.apply_one(&Change {
                table,
                key,
                old: None,
                new: Some((value, index)),
            });
        }
        Ok(())
    }
}
