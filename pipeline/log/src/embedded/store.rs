//! The database under the embedded log: how it is opened, checked and read. Nothing here knows of
//! appends.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, LogLevel, Options, ReadOptions, WriteBatch,
    WriteBufferManager, WriteOptions,
};
use rollcall_model::Topic;

use super::EmbeddedOptions;
use super::keys;
use super::values::{self, Brief, Compacted};
use crate::Error;
use crate::heads::{Head, Heads};
use crate::record::{ReadLimit, Stored};

/// What anything below us can fail with.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Positions by group, topic and partition.
pub(super) type Positions = BTreeMap<(String, Topic, u32), u64>;

/// What batches are written to: the database, or in tests one whose disk is full.
pub(super) trait Disk: Send + Sync + 'static {
    /// Writes all of `batch` or nothing, through to the disk when `sync`.
    fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), BoxError>;
}

impl Disk for DB {
    fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), BoxError> {
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        Ok(self.write_opt(batch, &options)?)
    }
}

/// An open database.
pub(super) struct Store {
    pub(super) db: Arc<DB>,
    path: String,
}

/// What an open log knows without asking the database again.
pub(super) struct Loaded {
    pub(super) heads: Heads,
    pub(super) positions: Positions,
    /// By [`crate::heads::slot`].
    pub(super) compacted: Vec<Compacted>,
}

impl Store {
    /// Opens the database, makes it if need be, and checks that this build may use it.
    ///
    /// Errors: [`Error::InUse`], [`Error::Missing`] (reading only), [`Error::Format`],
    /// [`Error::Partitions`], [`Error::Damaged`], [`Error::Store`].
    pub(super) fn open(options: &EmbeddedOptions) -> Result<(Self, Loaded), Error> {
        let path = options.path.display().to_string();
        let db = open_db(options, &path)?;
        let store = Self {
            db: Arc::new(db),
            path,
        };
        let partitions = store.check_format(options)?;
        let loaded = store.load(partitions)?;
        Ok((store, loaded))
    }

    /// Where the log is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A failure of the database.
    pub(super) fn failed(&self, action: &'static str, source: impl Into<BoxError>) -> Error {
        Error::Store {
            action,
            path: self.path.clone(),
            source: source.into(),
        }
    }

    /// Bytes that nobody wrote so.
    pub(super) fn damaged(&self, place: impl Into<String>, what: &'static str) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            place: place.into(),
            what,
        }
    }

    /// Records of a partition with offsets from `from` to before `end`.
    pub(super) fn read(
        &self,
        (topic, partition): (Topic, u32),
        (from, end): (u64, u64),
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        let mut budget = limit.budget();
        let mut records = Vec::new();
        self.scan((topic, partition), (from, end), true, |offset, value| {
            let record = values::parse_record(offset, value)?;
            let is_admitted = budget.admits(&record);
            if is_admitted {
                records.push(record);
            }
            Ok(is_admitted && !budget.is_spent())
        })?;
        Ok(records)
    }

    /// What cleaning has to know of the records from `from` to before `end`, until `visit` gives
    /// false.
    pub(super) fn briefs(
        &self,
        place: (Topic, u32),
        range: (u64, u64),
        mut visit: impl FnMut(u64, Brief<'_>) -> bool,
    ) -> Result<(), Error> {
        self.scan(place, range, false, |offset, value| {
            Ok(visit(offset, Brief::parse(value)?))
        })
    }

    /// Goes through a partition's records until `visit` gives false or says what is wrong with one.
    fn scan(
        &self,
        (topic, partition): (Topic, u32),
        (from, end): (u64, u64),
        is_hot: bool,
        mut visit: impl FnMut(u64, &[u8]) -> Result<bool, &'static str>,
    ) -> Result<(), Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(keys::record(topic, partition, end));
        options.fill_cache(is_hot);
        let mut entries = self.db.raw_iterator_opt(options);
        entries.seek(keys::record(topic, partition, from));
        while let Some((key, value)) = entries.item() {
            let offset = keys::offset(key, topic, partition)
                .ok_or_else(|| self.damaged(format!("a key of {topic}/{partition}"), BAD_KEY))?;
            let damaged = |what| self.damaged(format!("{topic}/{partition}/{offset}"), what);
            if !visit(offset, value).map_err(damaged)? {
                return Ok(());
            }
            entries.next();
        }
        entries
            .status()
            .map_err(|source| self.failed("read", source))
    }

    /// Writes the format into a new log, compares it in an old one; gives the number of partitions.
    fn check_format(&self, options: &EmbeddedOptions) -> Result<u32, Error> {
        let found = self.db.get_pinned(keys::FORMAT);
        let found = found.map_err(|source| self.failed("read the format of", source))?;
        let Some(found) = found else {
            return self.write_format(options);
        };
        let damaged = || self.damaged("the format", "has the wrong length");
        let (version, partitions) = values::parse_format(&found).ok_or_else(damaged)?;
        let path = self.path.clone();
        if version != keys::FORMAT_VERSION {
            return Err(Error::Format {
                path,
                found: version,
                expected: keys::FORMAT_VERSION,
            });
        }
        if options.partitions != 0 && options.partitions != partitions {
            return Err(Error::Partitions {
                path,
                found: partitions,
                expected: options.partitions,
            });
        }
        Ok(partitions)
    }

    fn write_format(&self, options: &EmbeddedOptions) -> Result<u32, Error> {
        let mut entries = self.db.raw_iterator();
        entries.seek_to_first();
        if entries.valid() {
            return Err(self.damaged("the format", "is missing"));
        }
        entries
            .status()
            .map_err(|source| self.failed("read", source))?;
        if options.read_only {
            return Err(Error::Missing {
                path: self.path.clone(),
            });
        }
        let partitions = options.partitions.max(1);
        let mut batch = WriteBatch::default();
        batch.put(
            keys::FORMAT,
            values::format(keys::FORMAT_VERSION, partitions),
        );
        Disk::write(self.db.as_ref(), batch, true)
            .map_err(|source| self.failed("write the format of", source))?;
        Ok(partitions)
    }

    /// Finds where every partition begins and ends, and every position.
    fn load(&self, partitions: u32) -> Result<Loaded, Error> {
        let mut heads = Heads::new(partitions);
        let mut compacted = vec![Compacted::default(); partitions as usize * Topic::ALL.len()];
        for topic in Topic::ALL {
            for partition in 0..partitions {
                let slot = heads.slot(topic, partition);
                (*heads.at(slot), compacted[slot]) = self.load_head(topic, partition)?;
            }
        }
        Ok(Loaded {
            heads,
            positions: self.load_positions()?,
            compacted,
        })
    }

    /// The head as maintenance left it, moved on by the records that came later.
    fn load_head(&self, topic: Topic, partition: u32) -> Result<(Head, Compacted), Error> {
        let place = |what| self.damaged(format!("the head of {topic}/{partition}"), what);
        let failed = |source| self.failed("read the heads of", source);
        let (mut head, compacted) = match self.db.get_pinned(keys::head(topic, partition)) {
            Ok(Some(bytes)) => values::parse_head(&bytes).map_err(place)?,
            Ok(None) => (Head::EMPTY, Compacted::default()),
            Err(source) => return Err(failed(source)),
        };
        let mut entries = self.db.raw_iterator();
        entries.seek_for_prev(keys::record(topic, partition, u64::MAX));
        if let Some((key, value)) = entries.item()
            && let Some(offset) = keys::offset(key, topic, partition)
        {
            let brief = Brief::parse(value)
                .map_err(|what| self.damaged(format!("{topic}/{partition}/{offset}"), what))?;
            head.end = head.end.max(offset + 1);
            head.last_at = head.last_at.max(brief.appended_at);
        }
        entries.status().map_err(failed)?;
        Ok((head, compacted))
    }

    fn load_positions(&self) -> Result<Positions, Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(keys::POSITIONS.1);
        let mut entries = self.db.raw_iterator_opt(options);
        entries.seek(keys::POSITIONS.0);
        let mut positions = Positions::new();
        while let Some((key, value)) = entries.item() {
            let damaged = || self.damaged("a position", BAD_KEY);
            let place = keys::parse_position(key).ok_or_else(damaged)?;
            let next = values::parse_position(value).ok_or_else(damaged)?;
            positions.insert(place, next);
            entries.next();
        }
        entries
            .status()
            .map_err(|source| self.failed("read the positions of", source))?;
        Ok(positions)
    }
}

const BAD_KEY: &str = "has the wrong length or an unknown name";

fn open_db(options: &EmbeddedOptions, path: &str) -> Result<DB, Error> {
    let failed = |source: BoxError| Error::Store {
        action: "open",
        path: path.to_owned(),
        source,
    };
    let db_options = db_options(options);
    let opened = if options.read_only {
        if !Path::new(path).join("CURRENT").exists() {
            return Err(Error::Missing {
                path: path.to_owned(),
            });
        }
        DB::open_for_read_only(&db_options, path, false)
    } else {
        std::fs::create_dir_all(&options.path).map_err(|source| failed(source.into()))?;
        DB::open(&db_options, path)
    };
    opened.map_err(|source| {
        // RocksDB says only "While lock file: …/LOCK: Resource temporarily unavailable", or "lock
        // hold by current process" where it is the same one; there is no error code for it.
        let text: &str = source.as_ref();
        if text.contains("lock file") || text.contains("lock hold by") {
            Error::InUse {
                path: path.to_owned(),
            }
        } else {
            failed(source.into())
        }
    })
}

/// Half of the memory takes what is not yet in files, the rest caches blocks. Positions and heads
/// are few and known without reading, records are read in order: no bloom filters.
fn db_options(options: &EmbeddedOptions) -> Options {
    let half = options.memory_bytes / 2;
    let cache = Cache::new_lru_cache(options.memory_bytes);
    // Charged to the cache, so that blocks make room for what waits for a flush, and both together
    // stay under the one figure. No stall: an append never waits for a flush.
    let buffers =
        WriteBufferManager::new_write_buffer_manager_with_cache(half, false, cache.clone());
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_block_size(16 * 1024);
    let mut db = Options::default();
    db.create_if_missing(!options.read_only);
    db.set_block_based_table_factory(&blocks);
    db.set_write_buffer_size((half / 4).max(1024 * 1024));
    db.set_write_buffer_manager(&buffers);
    db.set_max_write_buffer_number(4);
    db.set_max_total_wal_size(half as u64);
    db.set_compression_type(DBCompressionType::Lz4);
    db.set_bottommost_compression_type(DBCompressionType::Zstd);
    db.set_max_background_jobs(2);
    db.set_max_open_files(512);
    db.set_bytes_per_sync(1024 * 1024);
    db.set_log_level(LogLevel::Warn);
    db.set_keep_log_file_num(2);
    db
}
