//! One partition's tables: a column family, read directly and written one whole batch at a time.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use rocksdb::{
    ColumnFamily, DBRawIterator, FlushOptions, IngestExternalFileOptions, ReadOptions, ReadTier,
    WriteBatch, WriteOptions,
};
use rollcall_model::Millis;
use rollcall_tables::load::Load;
use rollcall_tables::{Change, Due, Error, Meta, RowIndex, Table, Tables, keys};

use crate::load::BulkLoad;
use crate::store::Shared;

#[cfg(test)]
mod tests;

/// Changelog records behind the disk at most, about: half of what a restore may have to replay
/// (DESIGN.md section 6); the other half may be held back above.
const TAIL_RECORDS_MAX: u64 = 500_000;

/// The tables of one partition, from [`crate::RocksStore::partition`]. One at a time for each
/// partition.
///
/// An applied batch is seen by every read at once. It survives a crash of the process from the
/// moment that [`PartitionTables::durable_meta`] shows it; until then it may be lost, with all
/// batches after it.
#[derive(Debug)]
pub struct PartitionTables {
    shared: Arc<Shared>,
    partition: u32,
    /// Name of the column family.
    family: String,
    /// No timer is due before this time. Fired timers leave tombstones at the head of the time
    /// index, and every scan from its beginning would walk over all of them
    /// (anchors/stream-engine.md, trap 37).
    due_floor: AtomicI64,
    /// The write-ahead log is off: the changelog is one.
    write_options: NoWal,
    /// Changelog records that had been applied when the disk was last asked to catch up.
    flushed_records: u64,
}

impl PartitionTables {
    pub(crate) fn new(shared: Arc<Shared>, partition: u32) -> Self {
        Self {
            shared,
            partition,
            family: keys::column_family(partition),
            due_floor: AtomicI64::new(i64::MIN),
            write_options: NoWal::default(),
            flushed_records: 0,
        }
    }

    /// Has the disk catch up, without waiting for it, once a crash would make a restore replay
    /// [`TAIL_RECORDS_MAX`] changelog records.
    fn shorten_tail(&mut self, meta: &Meta) -> Result<(), Error> {
        let records: u64 = meta.changelogs.iter().map(|(_, offset)| offset).sum();
        if records.saturating_sub(self.flushed_records) < TAIL_RECORDS_MAX {
            return Ok(());
        }
        self.flushed_records = records;
        let mut options = FlushOptions::default();
        options.set_wait(false);
        self.shared
            .db
            .flush_cf_opt(self.family(), &options)
            .map_err(|source| self.failed("flush", source))
    }

    /// Writes what is in memory to disk, and waits for it.
    ///
    /// # Errors
    /// [`Error::Store`]; nothing is lost, but a crash may still take it.
    pub fn flush(&self) -> Result<(), Error> {
        self.shared
            .db
            .flush_cf(self.family())
            .map_err(|source| self.failed("flush", source))
    }

    /// How far the disk has got: what [`Tables::meta`] says if the process is killed now.
    ///
    /// # Errors
    /// [`Error::Store`], or [`Error::Meta`] when the record is damaged.
    pub fn durable_meta(&self) -> Result<Option<Meta>, Error> {
        let mut options = ReadOptions::default();
        options.set_read_tier(ReadTier::Persisted);
        self.read_meta(&options)
    }

    fn read_meta(&self, options: &ReadOptions) -> Result<Option<Meta>, Error> {
        let bytes = self
            .shared
            .db
            .get_pinned_cf_opt(self.family(), keys::META, options)
            .map_err(|source| self.failed("read", source))?;
        bytes
            .map(|bytes| Meta::decode(&bytes))
            .transpose()
            .map_err(|source| Error::Meta {
                partition: self.partition,
                source,
            })
    }

    fn family(&self) -> &ColumnFamily {
        self.shared
            .db
            .cf_handle(&self.family)
            .expect("made at open and never dropped")
    }

    pub(crate) fn failed(
        &self,
        action: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        self.shared.place.failed(action, source)
    }

    /// Takes over a file of sorted keys.
    pub(crate) fn ingest(
        &self,
        options: &IngestExternalFileOptions,
        file: PathBuf,
    ) -> Result<(), rocksdb::Error> {
        let db = &self.shared.db;
        db.ingest_external_file_cf_opts(self.family(), options, vec![file])
    }

    /// Where files of a load are made.
    pub(crate) fn load_folder(&self) -> PathBuf {
        self.shared.load_folder(self.partition)
    }

    /// Goes through keys.
    pub(crate) fn iterator(&self, options: ReadOptions) -> DBRawIterator<'_> {
        self.shared.db.raw_iterator_cf_opt(self.family(), options)
    }

    /// Takes out everything, progress included.
    pub(crate) fn clear(&mut self) -> Result<(), Error> {
        self.due_floor.store(i64::MIN, Ordering::Relaxed);
        self.flushed_records = 0;
        let mut all = self.iterator(ReadOptions::default());
        all.seek_to_first();
        let is_empty = !all.valid();
        all.status().map_err(|source| self.failed("read", source))?;
        drop(all);
        if is_empty {
            return Ok(());
        }
        let db = &self.shared.db;
        // The progress goes first: tables that say how far they have got are whole.
        db.delete_cf_opt(self.family(), keys::META, &self.write_options.0)
            .and_then(|()| db.flush_cf(self.family()))
            .and_then(|()| db.delete_file_in_range_cf(self.family(), keys::BEGIN, keys::END))
            .and_then(|()| {
                db.delete_range_cf_opt(self.family(), keys::BEGIN, keys::END, &self.write_options.0)
            })
            .map_err(|source| self.failed("empty", source))
    }

    /// Visits the entries whose keys are in `range` in key order, at most `limit`. The iterator
    /// pins blocks and files, so it never outlives the call.
    fn each(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(range);
        let mut iterator = self.shared.db.raw_iterator_cf_opt(self.family(), options);
        iterator.seek_to_first();
        for _ in 0..limit {
            let Some((key, value)) = iterator.item() else {
                break;
            };
            visit(key, value)?;
            iterator.next();
        }
        iterator
            .status()
            .map_err(|source| self.failed("read", source))
    }

    /// The first `limit` timers before the key `end`. Afterwards no timer is known before the first
    /// of them, or before `until` when there is none.
    fn due_before(&self, end: Vec<u8>, until: Millis, limit: usize) -> Result<Vec<Due>, Error> {
        let floor = Millis(self.due_floor.load(Ordering::Relaxed));
        let found = self.timers(keys::due_from(floor)..end, limit)?;
        let floor = found.first().map_or(until, |due: &Due| due.due_at);
        self.due_floor.store(floor.0, Ordering::Relaxed);
        Ok(found)
    }

    /// The time-index entries in a range of keys, at most `limit`.
    fn timers(&self, range: Range<Vec<u8>>, limit: usize) -> Result<Vec<Due>, Error> {
        let mut found = Vec::new();
        self.each(range, limit, |key, _| {
            let damaged = Error::Key {
                partition: self.partition,
                index: "time",
            };
            found.push(keys::parse_due(key).ok_or(damaged)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Looks for the caller's bugs: a row or an index entry that `old` names and that is not there.
    fn check(&self, changes: &[Change]) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        for Change {
            table, key, old, ..
        } in changes
        {
            let conflict = |problem| Error::Conflict {
                table: *table,
                key: key.clone(),
                problem,
            };
            if !seen.insert((*table, key)) {
                return Err(conflict("changed twice in a batch"));
            }
            if self.has(&keys::row(*table, key))? != old.is_some() {
                return Err(conflict("`old` is not what is there"));
            }
            for entry in old
                .iter()
                .flat_map(|old| entries(*table, key, old))
                .flatten()
            {
                if !self.has(&entry)? {
                    return Err(conflict("`old` is not what is indexed"));
                }
            }
        }
        Ok(())
    }

    fn has(&self, key: &[u8]) -> Result<bool, Error> {
        let value = self.shared.db.get_pinned_cf(self.family(), key);
        Ok(value
            .map_err(|source| self.failed("read", source))?
            .is_some())
    }

    fn add(&self, batch: &mut WriteBatch, change: &Change) {
        let Change {
            table,
            key,
            old,
            new,
        } = change;
        let family = self.family();
        let before = old
            .as_ref()
            .map(|old| entries(*table, key, old))
            .unwrap_or_default();
        let after = new
            .as_ref()
            .map(|(_, new)| entries(*table, key, new))
            .unwrap_or_default();
        for (before, after) in before.into_iter().zip(after) {
            if before == after {
                continue;
            }
            if let Some(entry) = before {
                batch.delete_cf(family, entry);
            }
            if let Some(entry) = after {
                batch.put_cf(family, entry, []);
            }
        }
        match new {
            Some((value, _)) => batch.put_cf(family, keys::row(*table, key), value),
            None if old.is_some() => batch.delete_cf(family, keys::row(*table, key)),
            None => {}
        }
    }
}

impl Tables for PartitionTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self
            .shared
            .db
            .get_pinned_cf(self.family(), keys::row(table, key));
        let value = value.map_err(|source| self.failed("read", source))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn due(&self, until: Millis, limit: usize) -> Result<Vec<Due>, Error> {
        let floor = self.due_floor.load(Ordering::Relaxed);
        if limit == 0 || until.0 < floor {
            return Ok(Vec::new());
        }
        self.due_before(due_end(until), until, limit)
    }

    fn due_after(
        &self,
        after: Option<&Due>,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let Some(after) = after else {
            return self.due(until, limit);
        };
        let from = keys::after(&keys::due(after.due_at, after.table, &after.key));
        let end = due_end(until);
        if from >= end {
            return Ok(Vec::new());
        }
        self.timers(from..end, limit)
    }

    fn next_due(&self) -> Result<Option<Millis>, Error> {
        let first = self.due_before(keys::due_end(), Millis(i64::MAX), 1)?;
        Ok(first.first().map(|due| due.due_at))
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let prefix = keys::row_prefix(table);
        let from = after.map_or(prefix.clone(), |after| {
            keys::after(&keys::row(table, after))
        });
        let mut rows = Vec::new();
        self.each(from..keys::end_of(&prefix), limit, |key, value| {
            let key = Bytes::copy_from_slice(&key[prefix.len()..]);
            rows.push((key, Bytes::copy_from_slice(value)));
            Ok(())
        })?;
        Ok(rows)
    }

    fn tenant(
        &self,
        org_id: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let prefix = keys::tenant_prefix(org_id);
        let from = after.map_or(prefix.clone(), |after| {
            keys::after(&keys::tenant(org_id, after))
        });
        let mut found = Vec::new();
        self.each(from..keys::end_of(&prefix), limit, |key, _| {
            found.push(Bytes::copy_from_slice(&key[prefix.len()..]));
            Ok(())
        })?;
        Ok(found)
    }

    fn meta(&self) -> Result<Option<Meta>, Error> {
        self.read_meta(&ReadOptions::default())
    }

    fn load(&mut self) -> Result<Option<Box<dyn Load + '_>>, Error> {
        self.clear()?;
        let load = BulkLoad::begin(self, self.load_folder(), self.shared.load_bytes)?;
        Ok(Some(Box::new(load)))
    }

    fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), Error> {
        if cfg!(debug_assertions) {
            self.check(changes)?;
        }
        let mut batch = WriteBatch::default();
        for change in changes {
            self.add(&mut batch, change);
        }
        batch.put_cf(self.family(), keys::META, meta.encode());
        // Before the write: a floor too low costs a scan, one too high a timer.
        let earliest = changes
            .iter()
            .filter_map(|change| change.new.as_ref()?.1.due_at)
            .min();
        if let Some(earliest) = earliest {
            self.due_floor.fetch_min(earliest.0, Ordering::Relaxed);
        }
        self.shared
            .db
            .write_opt(batch, &self.write_options.0)
            .map_err(|source| self.failed("write to", source))?;
        self.shorten_tail(meta)
    }
}

impl Drop for PartitionTables {
    fn drop(&mut self) {
        self.shared.open_partitions().remove(&self.partition);
    }
}

/// Write options without the write-ahead log.
struct NoWal(WriteOptions);

impl Default for NoWal {
    fn default() -> Self {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        Self(options)
    }
}

impl std::fmt::Debug for NoWal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NoWal")
    }
}

/// Where the time-index entries due up to `until` end.
fn due_end(until: Millis) -> Vec<u8> {
    match until.0.checked_add(1) {
        Some(next) => keys::due_from(Millis(next)),
        None => keys::due_end(),
    }
}

/// Keys of the index entries of a row: in the time index, in the tenant index.
pub(crate) fn entries(table: Table, key: &[u8], index: &RowIndex) -> [Option<Vec<u8>>; 2] {
    [
        index.due_at.map(|due_at| keys::due(due_at, table, key)),
        index.tenant(table).map(|org_id| keys::tenant(org_id, key)),
    ]
}
