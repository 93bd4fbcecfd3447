//! Views of a partition: a RocksDB snapshot, taken beside the writer. It holds up nobody; what
//! later batches replace stays on disk until the view goes.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{ColumnFamily, DBPinnableSlice, ReadOptions, Snapshot};
use rollcall_tables::{Due, Error, Meta, Table, TenantEntry, View, Views, Visit, keys};

use crate::store::Shared;

#[cfg(test)]
mod tests;

/// Takes views of one partition, from [`crate::RocksStore::views`]. Any number of them, beside the
/// one writer; they keep the database open as long as they live.
#[derive(Clone, Debug)]
pub struct PartitionViews {
    shared: Arc<Shared>,
    partition: u32,
    /// Name of the column family.
    family: String,
}

impl PartitionViews {
    pub(crate) fn new(shared: Arc<Shared>, partition: u32) -> Self {
        let family = keys::column_family(partition);
        Self {
            shared,
            partition,
            family,
        }
    }
}

impl Views for PartitionViews {
    fn view(&self) -> Result<Box<dyn View + '_>, Error> {
        Ok(Box::new(PartitionView {
            of: self,
            snapshot: self.shared.db.snapshot(),
        }))
    }
}

/// One snapshot. A batch is one write, so it shows whole batches only.
struct PartitionView<'a> {
    of: &'a PartitionViews,
    snapshot: Snapshot<'a>,
}

impl PartitionView<'_> {
    fn family(&self) -> &ColumnFamily {
        self.of
            .shared
            .db
            .cf_handle(&self.of.family)
            .expect("made at open and never dropped")
    }

    fn failed(&self, source: rocksdb::Error) -> Error {
        self.of.shared.place.failed("read", source)
    }

    fn damaged(&self, index: &'static str) -> Error {
        Error::Key {
            partition: self.of.partition,
            index,
        }
    }

    fn read(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, Error> {
        let value = self
            .snapshot
            .get_pinned_cf_opt(self.family(), key, passing());
        value.map_err(|source| self.failed(source))
    }

    /// Visits the entries whose keys are in `range` in key order, at most `limit`. The iterator
    /// pins blocks and files, so it never outlives the call.
    fn each(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut options = passing();
        options.set_iterate_range(range);
        let mut iterator = self.snapshot.raw_iterator_cf_opt(self.family(), options);
        iterator.seek_to_first();
        for _ in 0..limit {
            let Some((key, value)) = iterator.item() else {
                break;
            };
            visit(key, value)?;
            iterator.next();
        }
        iterator.status().map_err(|source| self.failed(source))
    }
}

impl View for PartitionView<'_> {
    fn meta(&self) -> Result<Option<Meta>, Error> {
        let bytes = self.read(keys::META)?;
        let partition = self.of.partition;
        bytes
            .map(|bytes| Meta::decode(&bytes))
            .transpose()
            .map_err(|source| Error::Meta { partition, source })
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.read(&keys::row(table, key))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn rows(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let prefix = keys::row_prefix(table);
        let from = after.map_or(prefix.clone(), |after| {
            keys::after(&keys::row(table, after))
        });
        self.each(from..keys::end_of(&prefix), limit, |key, value| {
            visit(&key[prefix.len()..], value)
        })
    }

    fn timers(&self, after: Option<&Due>, limit: usize) -> Result<Vec<Due>, Error> {
        let from = after.map_or_else(keys::due_begin, |entry| {
            keys::after(&keys::due(entry.due_at, entry.table, &entry.key))
        });
        let mut found = Vec::new();
        self.each(from..keys::due_end(), limit, |key, _| {
            found.push(keys::parse_due(key).ok_or_else(|| self.damaged("time"))?);
            Ok(())
        })?;
        Ok(found)
    }

    fn tenants(
        &self,
        after: Option<&TenantEntry>,
        limit: usize,
    ) -> Result<Vec<TenantEntry>, Error> {
        let begin = keys::tenant_begin();
        let end = keys::end_of(&begin);
        let from = after.map_or(begin, |entry| {
            keys::after(&keys::tenant(&entry.org_id, &entry.key))
        });
        let mut found = Vec::new();
        self.each(from..end, limit, |key, _| {
            found.push(keys::parse_tenant(key).ok_or_else(|| self.damaged("tenant"))?);
            Ok(())
        })?;
        Ok(found)
    }

    fn has_timer(&self, entry: &Due) -> Result<bool, Error> {
        let key = keys::due(entry.due_at, entry.table, &entry.key);
        Ok(self.read(&key)?.is_some())
    }

    fn has_tenant(&self, entry: &TenantEntry) -> Result<bool, Error> {
        let key = keys::tenant(&entry.org_id, &entry.key);
        Ok(self.read(&key)?.is_some())
    }
}

/// A walk over everything must not push out of the cache what the fold needs.
fn passing() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options
}
