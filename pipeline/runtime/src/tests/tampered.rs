//! A log whose records somebody has changed.

use std::sync::Arc;

use futures::future::BoxFuture;
use rollcall_log::{Append, Error, Log, MemoryLog, OffsetRange, ReadLimit, Stored};
use rollcall_model::Topic;
use tokio::sync::watch;

type Edit = dyn Fn(Topic, Stored) -> Option<Stored> + Send + Sync;

/// An in-memory log, read through an edit.
pub(super) struct Tampered {
    log: Arc<MemoryLog>,
    edit: Box<Edit>,
    /// This topic begins later than it does.
    pub(super) starts_at: Option<(Topic, u64)>,
    /// This topic has not been fetched any further.
    pub(super) ends_at: Option<(Topic, u64)>,
    /// Whether the edit is the frame of a registry, and what is written is there all the same.
    pub(super) is_framed: bool,
}

impl Tampered {
    /// `edit` gives the record as it is read, or takes it away.
    pub(super) fn new(
        log: Arc<MemoryLog>,
        edit: impl Fn(Topic, Stored) -> Option<Stored> + Send + Sync + 'static,
    ) -> Self {
        Self {
            log,
            edit: Box::new(edit),
            starts_at: None,
            ends_at: None,
            is_framed: false,
        }
    }
}

impl Log for Tampered {
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
        let records = self.log.read(topic, partition, from, limit)?;
        let edited = records
            .into_iter()
            .filter_map(|record| (self.edit)(topic, record));
        Ok(edited.collect())
    }

    fn read_as_written(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        match self.is_framed {
            true => self.log.read(topic, partition, from, limit),
            false => self.read(topic, partition, from, limit),
        }
    }

    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        let mut range = self.log.offsets(topic, partition)?;
        if let Some((_, start)) = self.starts_at.filter(|(one, _)| *one == topic) {
            range.start = start;
        }
        if let Some((_, end)) = self.ends_at.filter(|(one, _)| *one == topic) {
            range.end = end;
        }
        Ok(range)
    }

    fn settled_end(&self, topic: Topic, partition: u32) -> Result<u64, Error> {
        self.log.settled_end(topic, partition)
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Result<Option<u64>, Error> {
        self.log.position(group, topic, partition)
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.log.appended()
    }
}
