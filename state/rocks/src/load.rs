//! A partition loaded at once: sorted files handed to RocksDB whole, without memtable, log or
//! compaction on the way (anchors/stream-engine.md section 4.2, technique 3).
//!
//! Rows come in the order of the changelog, each as often as it changed. They are collapsed in
//! memory up to a bound, sorted and written as a file; a later file hides what an earlier one says
//! of the same row. When all rows are in, they are read once, in order, for their index entries,
//! which become files of the same kind.

use std::collections::HashMap;
use std::path::PathBuf;

use bytes::Bytes;
use rocksdb::{IngestExternalFileOptions, ReadOptions, SstFileWriter};
use rollcall_tables::load::{Entries, Load};
use rollcall_tables::{Error, Table, keys};

use crate::options::file_options;
use crate::partition::PartitionTables;

#[cfg(test)]
mod tests;

/// What a collapsed row or an index entry costs beside its bytes, about.
const ENTRY_BYTES: usize = 128;

/// Read ahead of the scan that makes the indexes, in bytes of each file that lies over the others.
const READAHEAD_BYTES: usize = 128 * 1024;

/// Rows by key, `None` = gone.
type Rows = HashMap<Bytes, Option<Bytes>>;

/// See [`rollcall_tables::Tables::load`].
pub(crate) struct BulkLoad<'a> {
    tables: &'a PartitionTables,
    /// Where files are made; on the store's disk, so that they are moved and not copied.
    folder: PathBuf,
    files: u32,
    /// What no file has yet, by the place of the table in [`Table::ALL`].
    rows: [Rows; Table::ALL.len()],
    bytes: usize,
    bytes_max: usize,
}

impl<'a> BulkLoad<'a> {
    /// Begins a load into `tables`, which are empty; files hold about `bytes_max` bytes.
    pub(crate) fn begin(
        tables: &'a PartitionTables,
        folder: PathBuf,
        bytes_max: usize,
    ) -> Result<Self, Error> {
        let load = Self {
            tables,
            folder,
            files: 0,
            rows: Default::default(),
            bytes: 0,
            bytes_max,
        };
        load.clean()?;
        std::fs::create_dir_all(&load.folder)
            .map_err(|source| load.tables.failed("load files into", source))?;
        Ok(load)
    }

    /// Removes the folder; a load that was broken off may have left one.
    fn clean(&self) -> Result<(), Error> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(self.tables.failed("clean up after a load in", error))
            }
            _ => Ok(()),
        }
    }

    /// Writes the rows that are in memory.
    fn write_rows(&mut self) -> Result<(), Error> {
        let mut sorted = Vec::new();
        // Row keys of the tables stand in the order of `Table::ALL`.
        for (table, rows) in Table::ALL.into_iter().zip(&mut self.rows) {
            let from = sorted.len();
            let named = rows.drain().map(|(key, value)| (table, key, value));
            sorted.extend(named);
            sorted[from..].sort_unstable_by(|one, other| one.1.cmp(&other.1));
        }
        self.bytes = 0;
        if sorted.is_empty() {
            return Ok(());
        }
        self.write(|file| {
            for (table, key, value) in &sorted {
                let key = keys::row(*table, key);
                match value {
                    Some(value) => file.put(key, value)?,
                    None => file.delete(key)?,
                }
            }
            Ok(())
        })
    }

    /// Writes index entries.
    fn write_entries(&mut self, entries: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        entries.sort_unstable();
        self.write(|file| entries.iter().try_for_each(|entry| file.put(entry, [])))?;
        entries.clear();
        Ok(())
    }

    /// Makes a file and hands it over.
    fn write(
        &mut self,
        fill: impl FnOnce(&mut SstFileWriter<'_>) -> Result<(), rocksdb::Error>,
    ) -> Result<(), Error> {
        let path = self.folder.join(format!("{:06}.sst", self.files));
        self.files += 1;
        let options = file_options();
        let mut file = SstFileWriter::create(&options);
        let mut moved = IngestExternalFileOptions::default();
        moved.set_move_files(true);
        let made = file
            .open(&path)
            .and_then(|()| fill(&mut file))
            .and_then(|()| file.finish());
        made.map_err(|source| self.tables.failed("load files into", source))?;
        self.tables
            .ingest(&moved, path)
            .map_err(|source| self.tables.failed("load files into", source))
    }
}

impl Load for BulkLoad<'_> {
    fn put(&mut self, table: Table, key: Bytes, value: Option<Bytes>) -> Result<(), Error> {
        let at = Table::ALL.iter().position(|one| *one == table);
        let Some(rows) = at.and_then(|at| self.rows.get_mut(at)) else {
            return Ok(());
        };
        let length = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let (key_bytes, bytes) = (key.len(), length(&value));
        match rows.insert(key, value) {
            Some(before) => self.bytes = self.bytes + bytes - length(&before),
            None => self.bytes += key_bytes + bytes + ENTRY_BYTES,
        }
        if self.bytes < self.bytes_max {
            return Ok(());
        }
        self.write_rows()
    }

    fn finish(mut self: Box<Self>, entries: &mut Entries<'_>) -> Result<(), Error> {
        self.write_rows()?;
        let mut made: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        for table in Table::ALL {
            let prefix = keys::row_prefix(table);
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            options.set_readahead_size(READAHEAD_BYTES);
            options.set_iterate_range(prefix.clone()..keys::end_of(&prefix));
            let tables = self.tables;
            let mut rows = tables.iterator(options);
            rows.seek_to_first();
            while let Some((key, value)) = rows.item() {
                let key = &key[prefix.len()..];
                let Some(index) = entries(table, key, value) else {
                    return self.clean();
                };
                for entry in crate::partition::entries(table, key, &index) {
                    let Some(entry) = entry else { continue };
                    bytes += entry.len() + ENTRY_BYTES;
                    made.push(entry);
                }
                if bytes >= self.bytes_max {
                    self.write_entries(&mut made)?;
                    bytes = 0;
                }
                rows.next();
            }
            rows.status()
                .map_err(|source| self.tables.failed("read", source))?;
        }
        self.write_entries(&mut made)?;
        self.clean()
    }
}
