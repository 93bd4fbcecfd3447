//! The embedded log alone: publishes in, batch by batch, and back out.

use bytes::Bytes;
use rollcall_log::{Append, EmbeddedLog, EmbeddedOptions, Log, NewRecord, ReadLimit, SystemClock};
use rollcall_model::Topic;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::codec::publishes;
use super::{Sizes, Unit};

/// Records appended as one, and read at a time.
pub(super) const BATCH: usize = 1_000;

struct Logged {
    log: EmbeddedLog,
    publishes: Vec<(Bytes, Bytes)>,
    at: usize,
    runtime: Runtime,
    /// Goes with the log.
    _folder: TempDir,
}

impl Logged {
    fn new(sizes: &Sizes, sync: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = EmbeddedOptions {
            partitions: 1,
            sync,
            maintenance_interval: None,
            ..EmbeddedOptions::new(folder.path())
        };
        let log = EmbeddedLog::open(options, Arc::new(SystemClock)).expect("a new log");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        Self {
            log,
            publishes: publishes(sizes),
            at: 0,
            runtime: runtime.expect("a runtime without drivers"),
            _folder: folder,
        }
    }

    fn append(&mut self, events: usize) {
        let records = (0..events).map(|_| {
            let (key, value) = self.publishes[self.at].clone();
            self.at = (self.at + 1) % self.publishes.len();
            NewRecord {
                topic: Topic::Status,
                partition: Some(0),
                key: Some(key),
                value: Some(value),
                headers: Vec::new(),
            }
        });
        let append = Append {
            records: records.collect(),
            positions: Vec::new(),
        };
        let appended = self.runtime.block_on(self.log.append(append));
        appended.expect("the log takes it");
    }
}

/// Appends.
struct Writing(Logged);

impl Unit for Writing {
    fn run(&mut self, events: usize) {
        for first in (0..events).step_by(BATCH) {
            self.0.append(BATCH.min(events - first));
        }
    }
}

/// Reads what was appended, from the beginning again when it is at the end.
struct Reading {
    logged: Logged,
    next: u64,
}

impl Unit for Reading {
    fn run(&mut self, events: usize) {
        let mut left = events;
        while left > 0 {
            let limit = ReadLimit {
                records: BATCH.min(left),
                bytes: usize::MAX,
            };
            let read = self.logged.log.read(Topic::Status, 0, self.next, limit);
            let records = std::hint::black_box(read.expect("the log is open"));
            left -= records.len();
            self.next = records.last().map_or(0, |last| last.offset + 1);
        }
    }
}

pub(super) fn buffered(sizes: &Sizes) -> Box<dyn Unit> {
    Box::new(Writing(Logged::new(sizes, false)))
}

pub(super) fn synced(sizes: &Sizes) -> Box<dyn Unit> {
    Box::new(Writing(Logged::new(sizes, true)))
}

pub(super) fn read(sizes: &Sizes) -> Box<dyn Unit> {
    let mut writing = Writing(Logged::new(sizes, false));
    writing.run(sizes.ring.max(BATCH));
    let logged = writing.0;
    Box::new(Reading { logged, next: 0 })
}
