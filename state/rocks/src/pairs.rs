//! A store of pairs on RocksDB: one database, one column family, no write-ahead log.
//!
//! Without the log a crash takes the newest writes, and since all pairs share one write buffer,
//! always whole ones from some point on: whoever writes how far it has read beside what it read
//! goes on from there.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DEFAULT_COLUMN_FAMILY_NAME as FAMILY, ErrorKind,
    ReadOptions, Snapshot, WriteBatch, WriteOptions,
};
use rollcall_tables::{Error, PairChange, Pairs, PairsIter, PairsView};

use crate::options::options_at_least;
use crate::store::Place;

#[cfg(test)]
mod tests;

/// Less memory than this is refused by RocksDB's own needs: two write buffers of 1 MiB and blocks.
const MEMORY_BYTES_MIN: usize = 4 * 1024 * 1024;

/// Before and behind every key that is written: keys begin with a prefix byte between them.
const FIRST_KEY: [u8; 0] = [];
const BEHIND_KEYS: [u8; 9] = [0xff; 9];

/// Pairs in a folder of their own.
#[derive(Debug)]
pub struct RocksPairs {
    db: DB,
    place: Place,
}

impl RocksPairs {
    /// Opens the pairs in the folder `path`, or makes them there. Blocks, filters and write buffers
    /// together take `memory_bytes`, at least 4 MiB. Files that are damaged are thrown away, and
    /// the pairs are empty then: it is a cache.
    ///
    /// # Errors
    /// [`Error::Locked`] when they are open elsewhere, [`Error::Store`] for the disk.
    pub fn open(path: &Path, memory_bytes: usize) -> Result<RocksPairs, Error> {
        let place = Place(path.display().to_string());
        std::fs::create_dir_all(path).map_err(|source| place.failed("create", source))?;
        let options = options_at_least(memory_bytes, MEMORY_BYTES_MIN);
        let open = || {
            let family = ColumnFamilyDescriptor::new(FAMILY, options.clone());
            DB::open_cf_descriptors(&options, path, [family])
        };
        let db = match open() {
            Err(source) if source.kind() == ErrorKind::Corruption => DB::destroy(&options, path)
                .and_then(|()| open())
                .map_err(|source| place.failed("make anew", source))?,
            other => other.map_err(|source| place.not_opened(source))?,
        };
        Ok(RocksPairs { db, place })
    }

    fn family(&self) -> &ColumnFamily {
        self.db.cf_handle(FAMILY).expect("made at open")
    }

    fn apply(&self, batch: WriteBatch) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db
            .write_opt(batch, &options)
            .map_err(|source| self.place.failed("write to", source))
    }
}

impl Pairs for RocksPairs {
    fn view(&self) -> Box<dyn PairsView + '_> {
        Box::new(RocksView {
            of: self,
            snapshot: self.db.snapshot(),
        })
    }

    fn write(&self, changes: Vec<PairChange>) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        add(&mut batch, changes);
        self.apply(batch)
    }

    /// Files go only once the disk has the deletion: dropped before, they would be missing beneath
    /// a progress record that a crash brings back.
    fn clear(&self, changes: Vec<PairChange>) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        batch.delete_range(&FIRST_KEY[..], &BEHIND_KEYS[..]);
        add(&mut batch, changes);
        self.apply(batch)?;
        self.flush()?;
        self.db
            .delete_file_in_range(&FIRST_KEY[..], &BEHIND_KEYS[..])
            .map_err(|source| self.place.failed("empty", source))
    }

    fn flush(&self) -> Result<(), Error> {
        self.db
            .flush()
            .map_err(|source| self.place.failed("flush", source))
    }
}

fn add(batch: &mut WriteBatch, changes: Vec<PairChange>) {
    for change in changes {
        match change {
            PairChange::Put(key, value) => batch.put(key, value),
            PairChange::Delete(key) => batch.delete(key),
        }
    }
}

struct RocksView<'a> {
    of: &'a RocksPairs,
    snapshot: Snapshot<'a>,
}

impl RocksView<'_> {
    fn failed(&self, source: rocksdb::Error) -> Error {
        self.of.place.failed("read", source)
    }
}

impl PairsView for RocksView<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.snapshot.get_pinned(key);
        let value = value.map_err(|source| self.failed(source))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, Error> {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.snapshot);
        let found = self
            .of
            .db
            .batched_multi_get_cf_opt(self.of.family(), keys, true, &options);
        let found = found.into_iter().map(|value| {
            let value = value.map_err(|source| self.failed(source))?;
            Ok(value.map(|value| Bytes::copy_from_slice(&value)))
        });
        found.collect()
    }

    fn range(&self, range: Range<Vec<u8>>) -> PairsIter<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(range);
        let mut iterator = self.snapshot.raw_iterator_opt(options);
        iterator.seek_to_first();
        let mut is_over = false;
        Box::new(std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            if let Some((key, value)) = iterator.item() {
                let pair = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                iterator.next();
                return Some(Ok(pair));
            }
            is_over = true;
            iterator
                .status()
                .err()
                .map(|source| Err(self.failed(source)))
        }))
    }
}
