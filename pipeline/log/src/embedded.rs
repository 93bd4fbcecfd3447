//! The log on one node's disk, in RocksDB: `rollcall dev` and the edge need nothing but this.
//!
//! An append is encoded by its caller (`values`, `keys`), waits in a bounded queue (`queue`) and is
//! written by one thread together with everything else that waits (`writer`). Cleaning runs beside
//! it (`maintenance`). Reads go to the database directly, up to the end that the writer has made
//! visible.

mod keys;
mod maintenance;
mod options;
mod queue;
mod store;
mod values;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use parking_lot::{Mutex, RwLock};
use rollcall_model::{Millis, Topic};
use tokio::sync::{oneshot, watch};

pub use options::EmbeddedOptions;

use self::maintenance::{Ending, KEYS_BYTES_MAX, Thoroughness};
use self::queue::{Encoded, Job, Queue};
use self::store::{Disk, Loaded, Positions, Store};
use self::values::Compacted;
use crate::heads::Heads;
use crate::record::{Append, OffsetRange, ReadLimit, Stored};
use crate::{Cleaning, Clock, Error, Log, Readers, placement};

/// A log on one node's disk. One process may have it open for writing.
///
/// A failed write stops all writing until the log is opened again ([`Error::Stopped`]): whether
/// that append is on the disk is not known before. Reading goes on.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    is_read_only: bool,
    readers: Readers,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What callers, writer and maintenance share.
struct Shared {
    store: Store,
    /// Where batches go: the store's database, but in tests.
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    partitions: u32,
    sync: bool,
    cleaning: Cleaning,
    opened_at: Millis,
    /// What is visible.
    state: RwLock<State>,
    /// How far compaction is, by [`crate::heads::slot`]; locked by whoever cleans.
    compacted: Mutex<Vec<Compacted>>,
    queue: Queue,
    ending: Ending,
    is_closed: AtomicBool,
    /// Number of writes that brought records.
    appended: watch::Sender<u64>,
}

struct State {
    heads: Heads,
    positions: Positions,
}

impl EmbeddedLog {
    /// Opens the log, or makes it. Blocks for as long as RocksDB needs to replay its own log.
    ///
    /// Errors: [`Error::InUse`] when another process has it open for writing; [`Error::Missing`]
    /// when there is nothing to read and `read_only`; [`Error::Format`]; [`Error::Partitions`];
    /// [`Error::Damaged`]; [`Error::Store`].
    pub fn open(options: EmbeddedOptions, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_on(options, clock, |store| store.db.clone())
    }

    /// Opens the log with whatever `disk` makes of its database to write to.
    fn open_on(
        options: EmbeddedOptions,
        clock: Arc<dyn Clock>,
        disk: impl FnOnce(&Store) -> Arc<dyn Disk>,
    ) -> Result<Self, Error> {
        let (
            store,
            Loaded {
                heads,
                positions,
                compacted,
            },
        ) = Store::open(&options)?;
        let queue = Queue::new(
            store.path(),
            options.queue_appends_max,
            options.queue_bytes_max,
        );
        let shared = Arc::new(Shared {
            disk: disk(&store),
            opened_at: clock.now(),
            clock,
            partitions: heads.partitions(),
            sync: options.sync,
            cleaning: options.cleaning(),
            state: RwLock::new(State { heads, positions }),
            compacted: Mutex::new(compacted),
            queue,
            ending: Ending::default(),
            is_closed: AtomicBool::new(false),
            appended: watch::Sender::new(0),
            store,
        });
        let is_read_only = options.read_only;
        let log = Self {
            shared,
            is_read_only,
            readers: Readers::default(),
            threads: Mutex::default(),
        };
        if !is_read_only {
            log.start("log-writer", writer::run)?;
            if let Some(interval) = options.maintenance_interval {
                log.start("log-cleaner", move |shared| {
                    maintenance::run(shared, interval)
                })?;
            }
        }
        Ok(log)
    }

    fn start(&self, name: &str, run: impl FnOnce(&Shared) + Send + 'static) -> Result<(), Error> {
        let shared = self.shared.clone();
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&shared));
        let failed = |source| self.shared.store.failed("start a thread for", source);
        self.threads.lock().push(thread.map_err(failed)?);
        Ok(())
    }

    /// Cleans every partition by the rules at `now`, as the cleaner does it from time to time.
    ///
    /// Errors: [`Error::Closed`], [`Error::ReadOnly`], [`Error::Damaged`], [`Error::Store`].
    pub fn maintain(&self, now: Millis) -> Result<(), Error> {
        self.check_open()?;
        self.check_writable()?;
        maintenance::clean(&self.shared, now, Thoroughness::Always, KEYS_BYTES_MAX)
    }

    /// Done when the log writes nothing any more: gives what appends are answered with from then
    /// on, [`Error::Stopped`], or [`Error::Closed`] when it was closed. Whoever appends hears of it
    /// anyway; this is for a process that has nothing to append and should not go on.
    pub fn stopped(&self) -> BoxFuture<'static, Error> {
        let mut stopped = self.shared.queue.when_stopped();
        // Whoever waits must not hold the files.
        let shared = Arc::downgrade(&self.shared);
        async move {
            // No sender, no log: then it was closed.
            let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
            let shared = shared.upgrade();
            let open = shared.filter(|shared| !shared.is_closed.load(Ordering::SeqCst));
            let failure = open.and_then(|shared| shared.queue.failure());
            failure.unwrap_or(Error::Closed)
        }
        .boxed()
    }

    /// Takes no more calls; appends that wait are done, then the threads end. The files are let go
    /// with the last value. Blocks for one write or so; calling it again does nothing.
    pub fn close(&self) {
        if self.shared.is_closed.swap(true, Ordering::SeqCst) {
            return;
        }
        self.shared.queue.close();
        self.shared.ending.end();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.join().is_err() {
                tracing::error!(path = self.shared.store.path(), "Log thread panicked.");
            }
        }
        if !self.shared.sync
            && !self.is_read_only
            && let Err(error) = self.shared.store.db.flush_wal(true)
        {
            tracing::error!(path = self.shared.store.path(), %error, "Log not synced at close.");
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.shared.is_closed.load(Ordering::SeqCst) {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    fn check_writable(&self) -> Result<(), Error> {
        if self.is_read_only {
            return Err(Error::ReadOnly {
                path: self.shared.store.path().to_owned(),
            });
        }
        Ok(())
    }

    /// Checks and encodes an append and puts it into the queue.
    fn enqueue(&self, append: Append) -> Result<oneshot::Receiver<Result<Vec<u64>, Error>>, Error> {
        self.check_open()?;
        self.check_writable()?;
        let partitions = self.shared.partitions;
        for position in &append.positions {
            placement::check_partition(position.topic, position.partition, partitions)?;
        }
        let encode = |record| {
            let partition = placement::place(record, partitions)?;
            Ok(Encoded {
                topic: record.topic,
                partition,
                value: values::record(record),
            })
        };
        let records = append
            .records
            .iter()
            .map(encode)
            .collect::<Result<Vec<_>, Error>>()?;
        let (done, answer) = oneshot::channel();
        self.shared.queue.push(Job {
            records,
            positions: append.positions,
            done,
        })?;
        Ok(answer)
    }
}

impl Log for EmbeddedLog {
    fn partitions(&self, _topic: Topic) -> u32 {
        self.shared.partitions
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Vec<u64>, Error>> {
        // In the queue when the call returns: calls keep their order, whatever becomes of the
        // future.
        match self.enqueue(append) {
            Ok(answer) => async move { answer.await.unwrap_or(Err(Error::Closed)) }.boxed(),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        self.check_open()?;
        let range = || {
            self.shared
                .state
                .read()
                .heads
                .get(topic, partition)
                .map(|head| head.range())
        };
        let check = |start| {
            let out = Error::OutOfRange {
                topic,
                partition,
                from,
                start,
            };
            if from < start { Err(out) } else { Ok(()) }
        };
        let OffsetRange { start, end } = range()?;
        check(start)?;
        if from >= end {
            return Ok(Vec::new());
        }
        let records = self
            .shared
            .store
            .read((topic, partition), (from, end), limit)?;
        // Retention may have overtaken the reading; a hole at the beginning must not pass for an
        // answer.
        check(range()?.start)?;
        Ok(records)
    }

    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        self.check_open()?;
        Ok(self
            .shared
            .state
            .read()
            .heads
            .get(topic, partition)?
            .range())
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Result<Option<u64>, Error> {
        self.check_open()?;
        placement::check_partition(topic, partition, self.shared.partitions)?;
        let state = self.shared.state.read();
        Ok(state
            .positions
            .get(&(group.to_owned(), topic, partition))
            .copied())
    }

    fn readers(&self) -> Readers {
        self.readers.clone()
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.shared.appended.subscribe()
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.close();
    }
}
