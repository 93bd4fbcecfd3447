//! The whole way: the processor's own turns over a log that is already filled. Everything between
//! the log and the tables is in it: read, decode, parse, fold, digest, encode, append, apply.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rocksdb::{Cache, DB, Env, Options};
use rollcall_log::{Append, Cleaning, Clock, Log, ManualClock, MemoryLog, NewRecord, ReadLimit};
use rollcall_model::Policy;
use rollcall_rocks::{PartitionTables, RocksStore};
use rollcall_runtime::{Processor, Setup, Turn};
use rollcall_tables::{Bounds, MemoryTables, Table, Tables, WriteBehind};
use tokio::runtime::Runtime;

use crate::fleet::{Fleet, START};

/// `[process] memory` of the product when nothing is configured.
pub const MEMORY_BYTES: usize = 256 * 1024 * 1024;

/// Input bytes of a batch at most, as the product has it (pipeline/rollcall, `stores.rs`).
const BATCH_BYTES: u32 = 1024 * 1024;

/// Events appended, folded and cleaned away at a time: the log stays small, the tables large.
pub const CHUNK: usize = 100_000;

/// Events that share an append time, as a busy bridge's do.
const EVENTS_PER_MS: usize = 100;

/// Tables as the product keeps them: RocksDB, changes held back over it (pipeline/rollcall,
/// `stores.rs`; one partition, so all of the share is its).
pub type DiskTables = WriteBehind<PartitionTables>;

/// Tables on RocksDB in `path`.
pub fn disk_tables(path: &Path, memory_bytes: usize) -> DiskTables {
    let store = RocksStore::open(path, 1, memory_bytes / 8 * 3).expect("a store in a new folder");
    let tables = store.partition(0).expect("nobody else has it");
    let bounds = Bounds {
        bytes: memory_bytes / 8,
        changes: 500_000,
    };
    WriteBehind::new(tables, bounds)
}

/// A partition whose clients have all arrived, and the fleet that goes on.
pub struct Whole<T> {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) clock: Arc<ManualClock>,
    processor: Processor<T>,
    pub(crate) fleet: Fleet,
    runtime: Runtime,
}

/// What folding took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// Records folded.
    pub records: usize,
    /// CPU time of the thread that folds.
    pub thread: Duration,
    /// CPU time of the process: flushes and compactions of RocksDB are in it.
    pub process: Duration,
}

impl<T: Tables> Whole<T> {
    /// A partition without clients over `tables`, for a fleet of `clients`.
    pub fn new(tables: T, clients: usize) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let cleaning = Cleaning {
            retention: Some(Duration::ZERO),
            compaction_lag: Duration::ZERO,
            ..Cleaning::default()
        };
        let log = Arc::new(MemoryLog::with_cleaning(1, clock.clone(), cleaning));
        let setup = Setup {
            log: log.clone(),
            clock: clock.clone(),
            tables,
            partition: 0,
            policy: Policy {
                batch_bytes_max: BATCH_BYTES,
                ..Policy::default()
            },
        };
        let (processor, _) = Processor::open(setup).expect("empty tables fit an empty log");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        Self {
            log,
            clock,
            processor,
            fleet: Fleet::new(clients),
            runtime: runtime.expect("a runtime without drivers"),
        }
    }

    /// Every client comes online for the first time, and is told whose it is: first contact.
    pub fn arrive(&mut self) -> Taken {
        let mut taken = Taken::default();
        for first in (0..self.fleet.clients()).step_by(CHUNK) {
            self.meet(first);
            taken = taken.and(self.fold());
        }
        taken
    }

    /// As [`Whole::arrive`], unmeasured.
    pub fn settle(&mut self) {
        for first in (0..self.fleet.clients()).step_by(CHUNK) {
            self.meet(first);
            self.turns();
            self.clean();
        }
    }

    /// Appends the first onlines of a chunk of clients.
    fn meet(&mut self, first: usize) {
        let last = self.fleet.clients().min(first + CHUNK);
        let arrivals = (first..last).flat_map(|n| self.fleet.arrival(n));
        let records = arrivals.collect();
        self.append(records);
    }

    /// Folds `events` further events of the fleet; what is appended before and cleaned away after
    /// is not counted.
    pub fn go_on(&mut self, events: usize) -> Taken {
        let mut taken = Taken::default();
        for first in (0..events).step_by(CHUNK) {
            self.publish(CHUNK.min(events - first));
            taken = taken.and(self.fold());
        }
        taken
    }

    /// Appends the next `events` events of the fleet.
    pub fn publish(&mut self, events: usize) {
        let records = (0..events).map(|_| self.fleet.next_event()).collect();
        self.append(records);
    }

    /// Turns until nothing is left to fold; gives the number of records folded. Looks at no clock:
    /// valgrind does not bear the way that rustix asks for it.
    pub fn turns(&mut self) -> usize {
        let mut folded = 0;
        while let Turn::Folded { records, .. } = self.turn() {
            folded += records;
        }
        folded
    }

    /// Turns until nothing is left to fold, then cleans the log, which is not counted.
    fn fold(&mut self) -> Taken {
        let (thread, process) = (crate::clock::thread(), crate::clock::process());
        let records = self.turns();
        let taken = Taken {
            records,
            thread: crate::clock::thread() - thread,
            process: crate::clock::process() - process,
        };
        self.clean();
        taken
    }

    pub(crate) fn clean(&self) {
        let now = self.clock.now();
        self.log.maintain(now).expect("the log is open");
    }

    /// Writes what is held back, and ends the processor.
    pub fn finish(self) {
        let (stop, stopped) = tokio::sync::watch::channel(true);
        let ended = self.runtime.block_on(self.processor.run(stopped));
        ended.expect("the tables take what is held back");
        drop(stop);
    }

    /// The rows as the changelog tells them.
    pub fn rows(&self) -> Vec<Bytes> {
        let changelog = Table::Connections.changelog();
        let from = self.log.offsets(changelog, 0).map(|range| range.start);
        let all = ReadLimit {
            records: usize::MAX,
            bytes: usize::MAX,
        };
        let read = from.and_then(|from| self.log.read(changelog, 0, from, all));
        let records = read.expect("the log is open");
        records
            .into_iter()
            .filter_map(|record| record.value)
            .collect()
    }

    pub(crate) fn turn(&mut self) -> Turn {
        let turn = self.runtime.block_on(self.processor.turn());
        turn.expect("log and tables work")
    }

    pub(crate) fn append(&mut self, records: Vec<NewRecord>) {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let append = Append {
                records: records.by_ref().take(EVENTS_PER_MS).collect(),
                positions: Vec::new(),
            };
            let appended = self.runtime.block_on(self.log.append(append));
            appended.expect("the log is open");
            self.clock.advance(1);
        }
    }
}

impl Taken {
    fn and(self, other: Taken) -> Taken {
        Taken {
            records: self.records + other.records,
            thread: self.thread + other.thread,
            process: self.process + other.process,
        }
    }
}

/// A partition in memory whose clients have arrived.
pub fn in_memory(clients: usize) -> Whole<MemoryTables> {
    Whole::new(MemoryTables::new(), clients)
}

/// Bytes of all files below `path`.
pub fn folder_bytes(path: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![PathBuf::from(path)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += about.len();
            }
        }
    }
    Ok(bytes)
}

/// Bytes below `path`, a store's folder, after all of it was compacted, with the options that it
/// was written with.
pub fn compacted_bytes(path: &Path) -> Result<u64, Box<dyn std::error::Error>> {
    let cache = Cache::new_lru_cache(64 * 1024 * 1024);
    let env = Env::new()?;
    let (options, families) = Options::load_latest(path, env, true, cache)?;
    let names: Vec<String> = families.iter().map(|one| one.name().to_owned()).collect();
    let db = DB::open_cf_descriptors(&options, path, families)?;
    for name in names {
        if let Some(family) = db.cf_handle(&name) {
            db.compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
        }
    }
    drop(db);
    Ok(folder_bytes(path)?)
}
