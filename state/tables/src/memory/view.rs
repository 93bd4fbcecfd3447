//! Views of the tables in memory: a view is a copy. Rows are reference-counted, so it costs the
//! trees, not the bytes.

use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rollcall_model::Millis;

use super::{MemoryTables, beyond};
use crate::change::{Change, Due, Table, TenantEntry};
use crate::view::{View, Views, Visit};
use crate::{Error, Meta, Tables};

/// Memory tables whose writer and whose viewers live apart; clones share them. As on disk, there is
/// one writer.
#[derive(Clone, Debug, Default)]
pub struct SharedTables(Arc<Mutex<MemoryTables>>);

impl SharedTables {
    /// Shares `tables`.
    pub fn new(tables: MemoryTables) -> Self {
        Self(Arc::new(Mutex::new(tables)))
    }

    /// A batch is applied whole or not at all, so a panic elsewhere leaves nothing half done.
    fn tables(&self) -> MutexGuard<'_, MemoryTables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables for SharedTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.tables().get(table, key)
    }

    fn due(&self, until: Millis, limit: usize) -> Result<Vec<Due>, Error> {
        self.tables().due(until, limit)
    }

    fn due_after(
        &self,
        after: Option<&Due>,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        self.tables().due_after(after, until, limit)
    }

    fn next_due(&self) -> Result<Option<Millis>, Error> {
        self.tables().next_due()
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.tables().scan(table, after, limit)
    }

    fn tenant(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Bytes>, Error> {
        self.tables().tenant(org_id, after, limit)
    }

    fn meta(&self) -> Result<Option<Meta>, Error> {
        self.tables().meta()
    }

    fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), Error> {
        self.tables().apply(changes, meta)
    }
}

impl Views for SharedTables {
    fn view(&self) -> Result<Box<dyn View + '_>, Error> {
        let copy = self.tables().clone();
        Ok(Box::new(Copied(copy)))
    }
}

/// A copy: what the view shows. A type of its own, for both traits have methods of the same names.
struct Copied(MemoryTables);

impl View for Copied {
    fn meta(&self) -> Result<Option<Meta>, Error> {
        self.0.meta()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.0.get(table, key)
    }

    fn rows(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let mut rows = self.0.rows(table).after(after).take(limit);
        rows.try_for_each(|(key, (value, _))| visit(key, value))
    }

    fn timers(&self, after: Option<&Due>, limit: usize) -> Result<Vec<Due>, Error> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.0.due.range((from, Bound::Unbounded));
        Ok(entries.take(limit).cloned().collect())
    }

    fn tenants(
        &self,
        after: Option<&TenantEntry>,
        limit: usize,
    ) -> Result<Vec<TenantEntry>, Error> {
        let from = after.map_or(Bound::Unbounded, |entry| Bound::Included(&entry.org_id[..]));
        let entry = |(org_id, key): (&String, &Bytes)| TenantEntry {
            org_id: org_id.clone(),
            key: key.clone(),
        };
        let entries = self
            .0
            .tenants
            .range::<str, _>((from, Bound::Unbounded))
            .flat_map(|(org, keys)| {
                let after = after.filter(|entry| entry.org_id == *org);
                let keys = keys.range::<[u8], _>(beyond(after.map(|entry| &entry.key[..])));
                keys.map(move |key| (org, key))
            });
        Ok(entries.take(limit).map(entry).collect())
    }

    fn has_timer(&self, entry: &Due) -> Result<bool, Error> {
        Ok(self.0.due.contains(entry))
    }

    fn has_tenant(&self, entry: &TenantEntry) -> Result<bool, Error> {
        let keys = self.0.tenants.get(&entry.org_id);
        Ok(keys.is_some_and(|keys| keys.contains(&entry.key)))
    }
}
