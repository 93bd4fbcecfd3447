//! A log that loses its beginning, does not answer, and counts what is read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use rollcall_log::{Append, Error, Log, MemoryLog, OffsetRange, ReadLimit, Stored};
use rollcall_model::Topic;
use tokio::sync::watch;

/// A log in memory, with faults.
pub(super) struct Faulty {
    log: MemoryLog,
    /// The first offset of every partition.
    start: AtomicU64,
    is_silent: AtomicBool,
    /// Milliseconds since it answered last; 0 while it does.
    unanswered_ms: AtomicU64,
    read: AtomicU64,
}

impl Faulty {
    pub(super) fn of(log: MemoryLog) -> Self {
        Self {
            log,
            start: AtomicU64::new(0),
            is_silent: AtomicBool::new(false),
            unanswered_ms: AtomicU64::new(0),
            read: AtomicU64::new(0),
        }
    }

    /// Records before `start` are gone.
    pub(super) fn cut(&self, start: u64) {
        self.start.store(start, Ordering::SeqCst);
    }

    /// Whether reads are not answered from now on.
    pub(super) fn silence(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Whether it is known not to answer, and since how many milliseconds; 0 = it does.
    pub(super) fn unanswered(&self, ms: u64) {
        self.unanswered_ms.store(ms, Ordering::SeqCst);
    }

    /// Changelog records read so far.
    pub(super) fn records_read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }
}

impl Log for Faulty {
    fn partitions(&self, topic: Topic) -> u32 {
        self.log.partitions(topic)
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Vec<u64>, Error>> {
        self.log.append(append)
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        if self.is_silent.load(Ordering::SeqCst) {
            return Err(Error::Unreachable {
                action: "read",
                path: "brokers".to_owned(),
                source: "nobody answers".into(),
            });
        }
        let start = self.start.load(Ordering::SeqCst);
        if from < start {
            return Err(Error::OutOfRange {
                topic,
                partition,
                from,
                start,
            });
        }
        let records = self.log.read(topic, partition, from, limit)?;
        if topic != Topic::Schedule {
            self.read.fetch_add(records.len() as u64, Ordering::SeqCst);
        }
        Ok(records)
    }

    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        let OffsetRange { start, end } = self.log.offsets(topic, partition)?;
        let start = start.max(self.start.load(Ordering::SeqCst)).min(end);
        Ok(OffsetRange { start, end })
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Result<Option<u64>, Error> {
        self.log.position(group, topic, partition)
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.log.appended()
    }

    fn unanswered_for(&self) -> Option<Duration> {
        let ms = self.unanswered_ms.load(Ordering::SeqCst);
        (ms > 0).then(|| Duration::from_millis(ms))
    }
}
