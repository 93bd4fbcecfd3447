//! The tables in memory: for tests and the simulator, and for the API's replica of the changelog.
//!
//! Reads clone a reference-counted slice, never a row. This file knows nothing of disks;
//! `rollcall-rocks` answers the same questions in the same way, and `conformance` holds both to it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;

use bytes::Bytes;
use rollcall_model::Millis;

use crate::change::{Change, Due, RowIndex, Table};
use crate::load::Load;
use crate::meta::Meta;
use crate::{Error, Tables};

mod load;
mod rows;
mod view;

use load::MemoryLoad;
use rows::Rows;

pub use view::SharedTables;

#[cfg(test)]
mod tests;

/// One partition's tables in memory. Nothing survives the value.
#[derive(Clone, Debug, Default)]
pub struct MemoryTables {
    connections: Rows,
    outbox: Rows,
    /// The time index, in the order in which timers fire.
    due: BTreeSet<Due>,
    /// The tenant index: connection keys by organisation; an organisation without keys has no
    /// entry.
    tenants: BTreeMap<String, BTreeSet<Bytes>>,
    meta: Option<Meta>,
}

impl MemoryTables {
    /// Empty tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of rows of `table`.
    pub fn len(&self, table: Table) -> usize {
        self.rows(table).len()
    }

    /// Whether `table` has no row.
    pub fn is_empty(&self, table: Table) -> bool {
        self.rows(table).is_empty()
    }

    /// What the indexes hold of a row: a replica needs no decoding to say what a change replaces.
    pub fn index(&self, table: Table, key: &[u8]) -> Option<&RowIndex> {
        self.rows(table).get(key).map(|(_, index)| index)
    }

    fn rows(&self, table: Table) -> &Rows {
        match table {
            Table::Connections => &self.connections,
            Table::Outbox => &self.outbox,
        }
    }

    fn rows_mut(&mut self, table: Table) -> &mut Rows {
        match table {
            Table::Connections => &mut self.connections,
            Table::Outbox => &mut self.outbox,
        }
    }

    /// Checks a batch before anything is written, so that a refused one leaves nothing behind.
    fn check(&self, changes: &[Change]) -> Result<(), Error> {
        let mut seen = HashSet::with_capacity(changes.len());
        for Change {
            table, key, old, ..
        } in changes
        {
            let conflict = |problem| Error::Conflict {
                table: *table,
                key: key.clone(),
                problem,
            };
            if changes.len() > 1 && !seen.insert((*table, key)) {
                return Err(conflict("changed twice in a batch"));
            }
            // Compared as entries: what an outbox row says of its organisation is in no index.
            let is_indexed = match (self.index(*table, key), old) {
                (Some(index), Some(old)) => {
                    index.due_at == old.due_at && index.tenant(*table) == old.tenant(*table)
                }
                (index, old) => index.is_none() && old.is_none(),
            };
            if !is_indexed {
                return Err(conflict("`old` is not what is indexed"));
            }
        }
        Ok(())
    }

    fn apply_one(&mut self, change: &Change) {
        let Change {
            table,
            key,
            old,
            new,
        } = change;
        let (old, new_index) = (old.as_ref(), new.as_ref().map(|(_, index)| index));
        self.index_due(*table, key, old, new_index);
        self.index_tenant(*table, key, old, new_index);
        let rows = self.rows_mut(*table);
        match new {
            Some((value, index)) => {
                rows.insert(key, (value.clone(), index.clone()));
            }
            None => {
                rows.remove(key);
            }
        }
    }

    /// Moves the row's entry in the time index, if it has to be moved.
    fn index_due(
        &mut self,
        table: Table,
        key: &Bytes,
        old: Option<&RowIndex>,
        new: Option<&RowIndex>,
    ) {
        let entry = |index: &RowIndex| {
            index.due_at.map(|due_at| Due {
                due_at,
                table,
                key: key.clone(),
            })
        };
        let (old, new) = (old.and_then(entry), new.and_then(entry));
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.due.remove(&old);
        }
        self.due.extend(new);
    }

    /// Moves the row's entry in the tenant index, if it has to be moved.
    fn index_tenant(
        &mut self,
        table: Table,
        key: &Bytes,
        old: Option<&RowIndex>,
        new: Option<&RowIndex>,
    ) {
        let old = old.and_then(|index| index.tenant(table));
        let new = new.and_then(|index| index.tenant(table));
        if old == new {
            return;
        }
        if let Some(org_id) = old
            && let Some(keys) = self.tenants.get_mut(org_id)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.tenants.remove(org_id);
            }
        }
        if let Some(org_id) = new {
            let keys = self.tenants.entry(org_id.to_owned()).or_default();
            keys.insert(key.clone());
        }
    }
}

impl Tables for MemoryTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.rows(table).get(key).map(|(value, _)| value.clone()))
    }

    fn due(&self, until: Millis, limit: usize) -> Result<Vec<Due>, Error> {
        self.due_after(None, until, limit)
    }

    fn due_after(
        &self,
        after: Option<&Due>,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let due = self.due.range((from, Bound::Unbounded));
        let due = due.take_while(|due| due.due_at <= until);
        Ok(due.take(limit).cloned().collect())
    }

    fn next_due(&self) -> Result<Option<Millis>, Error> {
        Ok(self.due.first().map(|due| due.due_at))
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let rows = self.rows(table).after(after).take(limit);
        Ok(rows
            .map(|(key, (value, _))| (key.clone(), value.clone()))
            .collect())
    }

    fn tenant(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let Some(keys) = self.tenants.get(org_id) else {
            return Ok(Vec::new());
        };
        Ok(keys
            .range::<[u8], _>(beyond(after))
            .take(limit)
            .cloned()
            .collect())
    }

    fn meta(&self) -> Result<Option<Meta>, Error> {
        Ok(self.meta.clone())
    }

    fn load(&mut self) -> Result<Option<Box<dyn Load + '_>>, Error> {
        Ok(Some(Box::new(MemoryLoad::begin(self))))
    }

    fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), Error> {
        self.check(changes)?;
        changes.iter().for_each(|change| self.apply_one(change));
        self.meta = Some(meta.clone());
        Ok(())
    }
}

/// Every key after `after`.
fn beyond(after: Option<&[u8]>) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (
        after.map_or(Bound::Unbounded, Bound::Excluded),
        Bound::Unbounded,
    )
}
