//! The store of a process: opens it or makes it, checks what it is, hands out its partitions.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocksdb::{
    ColumnFamilyDescriptor, DB, DEFAULT_COLUMN_FAMILY_NAME, ErrorKind, FlushOptions, WriteBatch,
    WriteOptions,
};
use rollcall_tables::{Error, keys};

use crate::options::options;
use crate::partition::PartitionTables;
use crate::view::PartitionViews;

#[cfg(test)]
mod tests;

/// A RocksDB database with the tables of all partitions of a process.
///
/// Dropping it flushes as well, as RocksDB does, but cannot say that it failed: use
/// [`RocksStore::close`].
#[derive(Debug)]
pub struct RocksStore {
    shared: Arc<Shared>,
}

impl RocksStore {
    /// Opens the store in the folder `path`, or makes it there, for partitions 0 to `partitions -
    /// 1`. Blocks, filters and write buffers of all partitions together take `memory_bytes`, at
    /// least 8 MiB.
    ///
    /// # Errors
    /// [`Error::Locked`] when it is open elsewhere, [`Error::Format`] and [`Error::Partitions`]
    /// when it is not what is asked for (nothing is written then), [`Error::Store`] for the disk.
    pub fn open(path: &Path, partitions: u32, memory_bytes: usize) -> Result<RocksStore, Error> {
        let place = Place(path.display().to_string());
        std::fs::create_dir_all(path).map_err(|source| place.failed("create", source))?;
        let options = options(memory_bytes);
        let families = if path.join("CURRENT").exists() {
            DB::list_cf(&options, path).map_err(|source| place.failed("read", source))?
        } else {
            vec![DEFAULT_COLUMN_FAMILY_NAME.to_owned()]
        };
        let descriptors = families
            .iter()
            .map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
        let mut db = DB::open_cf_descriptors(&options, path, descriptors)
            .map_err(|source| place.not_opened(source))?;
        let is_new = families == [DEFAULT_COLUMN_FAMILY_NAME];
        place.check_or_write_head(&db, partitions, is_new)?;
        for partition in 0..partitions {
            let family = keys::column_family(partition);
            if db.cf_handle(&family).is_none() {
                db.create_cf(&family, &options)
                    .map_err(|source| place.failed("add a partition to", source))?;
            }
        }
        let open = Mutex::default();
        Ok(RocksStore {
            shared: Arc::new(Shared {
                db,
                place,
                partitions,
                open,
                folder: path.to_owned(),
                load_bytes: load_bytes(memory_bytes, partitions),
            }),
        })
    }

    /// The tables of a partition, for its one writer. They keep the database open as long as they
    /// live.
    ///
    /// # Errors
    /// [`Error::Partition`] when there is no such partition, or its tables are still held by
    /// somebody.
    pub fn partition(&self, partition: u32) -> Result<PartitionTables, Error> {
        self.check_partition(partition)?;
        if !self.shared.open_partitions().insert(partition) {
            return Err(self.refused(partition, "is already open"));
        }
        Ok(PartitionTables::new(Arc::clone(&self.shared), partition))
    }

    /// What takes views of a partition, whether somebody writes it or not. Like tables, it keeps
    /// the database open.
    ///
    /// # Errors
    /// [`Error::Partition`] when there is no such partition.
    pub fn views(&self, partition: u32) -> Result<PartitionViews, Error> {
        self.check_partition(partition)?;
        Ok(PartitionViews::new(Arc::clone(&self.shared), partition))
    }

    fn check_partition(&self, partition: u32) -> Result<(), Error> {
        if partition >= self.shared.partitions {
            return Err(self.refused(partition, "does not exist"));
        }
        Ok(())
    }

    fn refused(&self, partition: u32, problem: &'static str) -> Error {
        let path = self.shared.place.0.clone();
        Error::Partition {
            path,
            partition,
            problem,
        }
    }

    /// Number of partitions.
    pub fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    /// Writes what every partition holds in memory to disk, and waits for it.
    ///
    /// # Errors
    /// [`Error::Store`]; some partitions may have been flushed.
    pub fn flush(&self) -> Result<(), Error> {
        let families = (0..self.shared.partitions).map(keys::column_family);
        let families: Vec<_> = families
            .filter_map(|name| self.shared.db.cf_handle(&name))
            .collect();
        let families: Vec<_> = families.iter().collect();
        self.shared
            .db
            .flush_cfs_opt(&families, &FlushOptions::default())
            .map_err(|source| self.shared.place.failed("flush", source))
    }

    /// Flushes and closes. The lock goes with the last of the store's [`PartitionTables`] and
    /// [`PartitionViews`]: drop them first.
    ///
    /// # Errors
    /// [`Error::Store`]; the store is closed all the same, and what was not flushed is replayed.
    pub fn close(self) -> Result<(), Error> {
        self.flush()
    }
}

/// What the store and its partitions hold together.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) db: DB,
    pub(crate) place: Place,
    partitions: u32,
    /// Partitions whose tables are handed out: a second writer would miss the first one's timers.
    open: Mutex<BTreeSet<u32>>,
    folder: PathBuf,
    /// Bytes of rows that a load holds in memory, about.
    pub(crate) load_bytes: usize,
}

/// While a partition is loaded its write buffers are empty, and it reads little: a quarter of the
/// memory is there for it, shared evenly; as much again goes into the file that is being written.
fn load_bytes(memory_bytes: usize, partitions: u32) -> usize {
    memory_bytes / 4 / partitions.max(1) as usize
}

impl Shared {
    /// Where files of a load are made. RocksDB leaves folders alone.
    pub(crate) fn load_folder(&self, partition: u32) -> PathBuf {
        self.folder.join(format!("load-{partition:05}"))
    }

    /// The partitions handed out. A panic elsewhere leaves the set whole, so poison means nothing.
    pub(crate) fn open_partitions(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store's folder, as errors name it.
#[derive(Clone, Debug)]
pub(crate) struct Place(pub(crate) String);

impl Place {
    /// An error of the disk or of RocksDB.
    pub(crate) fn failed(
        &self,
        action: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        Error::Store {
            action,
            path: self.0.clone(),
            source: source.into(),
        }
    }

    /// RocksDB names the lock file in its message and has no kind for it.
    pub(crate) fn not_opened(&self, source: rocksdb::Error) -> Error {
        let is_lock = source.kind() == ErrorKind::IOError && source.as_ref().contains("/LOCK");
        if is_lock {
            return Error::Locked {
                path: self.0.clone(),
                source: source.into(),
            };
        }
        self.failed("open", source)
    }

    /// A new store gets its format and partition count before its first partition; an old one must
    /// have ours.
    fn check_or_write_head(&self, db: &DB, partitions: u32, is_new: bool) -> Result<(), Error> {
        let found = self.number(db, keys::STORE_FORMAT)?;
        if found.is_none() && is_new {
            return self.write_head(db, partitions);
        }
        let found = found.unwrap_or(0);
        if found != keys::FORMAT {
            let path = self.0.clone();
            return Err(Error::Format {
                path,
                found,
                expected: keys::FORMAT,
            });
        }
        let found = self.number(db, keys::STORE_PARTITIONS)?.unwrap_or(0);
        if found != partitions {
            return Err(Error::Partitions {
                path: self.0.clone(),
                found,
                expected: partitions,
            });
        }
        Ok(())
    }

    fn write_head(&self, db: &DB, partitions: u32) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        batch.put(keys::STORE_FORMAT, keys::FORMAT.to_le_bytes());
        batch.put(keys::STORE_PARTITIONS, partitions.to_le_bytes());
        let mut no_wal = WriteOptions::default();
        no_wal.disable_wal(true);
        db.write_opt(batch, &no_wal)
            .and_then(|()| db.flush())
            .map_err(|source| self.failed("create", source))
    }

    /// A number of the store's head; `None` when it is not there.
    fn number(&self, db: &DB, key: &[u8]) -> Result<Option<u32>, Error> {
        let Some(bytes) = db.get(key).map_err(|source| self.failed("read", source))? else {
            return Ok(None);
        };
        let Ok(bytes) = <[u8; 4]>::try_from(bytes) else {
            return Err(self.failed("read", "its head is damaged"));
        };
        Ok(Some(u32::from_le_bytes(bytes)))
    }
}
