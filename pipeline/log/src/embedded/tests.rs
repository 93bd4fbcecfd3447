//! The embedded log: conformance, and what only a disk can do to it.

mod crash;
mod failure;
mod format;
mod full_disk;
mod maintenance;
mod torn;
mod workload;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rollcall_model::{Millis, Topic};
use tempfile::TempDir;

use super::*;
use crate::conformance::random::Random;
use crate::conformance::{self, OneNode, Setup, Subject, block_on};
use crate::{ManualClock, NewRecord};

/// An embedded log under test, with its folder if that goes with it.
struct Embedded {
    log: Arc<EmbeddedLog>,
    _folder: Option<TempDir>,
}

impl Embedded {
    fn open(path: &Path, setup: Setup) -> Self {
        Self::open_with(path, setup, true)
    }

    fn open_with(path: &Path, setup: Setup, sync: bool) -> Self {
        let options = EmbeddedOptions {
            sync,
            partitions: setup.partitions,
            retention: setup.cleaning.retention,
            compaction_lag: setup.cleaning.compaction_lag,
            tombstone_retention: setup.cleaning.tombstone_retention,
            ..manual(path)
        };
        let log = EmbeddedLog::open(options, setup.clock).unwrap();
        Self {
            log: Arc::new(log),
            _folder: None,
        }
    }
}

impl Subject for Embedded {
    fn log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }

    fn close(&self) {
        self.log.close();
    }
}

impl OneNode for Embedded {
    fn maintain(&self, now: Millis) {
        self.log.maintain(now).unwrap();
    }
}

/// Name and length of the newest file with that extension in a log's folder; `log` is the
/// write-ahead log.
fn newest(path: &Path, extension: &str) -> (String, u64) {
    let entries = std::fs::read_dir(path).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().extension().is_some_and(|e| e == extension));
    let newest = files.max_by_key(std::fs::DirEntry::file_name).unwrap();
    let name = newest.file_name().into_string().unwrap();
    (name, newest.metadata().unwrap().len())
}

/// Options of a log that is cleaned by hand.
fn manual(path: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        maintenance_interval: None,
        memory_bytes: 8 * 1024 * 1024,
        ..EmbeddedOptions::new(path)
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Millis(1_000_000)))
}

fn record(topic: Topic, partition: u32, key: &str, value: &str) -> NewRecord {
    let bytes = |text: &str| Some(Bytes::copy_from_slice(text.as_bytes()));
    let (key, value) = (bytes(key), bytes(value));
    NewRecord {
        topic,
        partition: Some(partition),
        key,
        value,
        headers: vec![],
    }
}

fn append(log: &EmbeddedLog, records: Vec<NewRecord>) -> Result<Vec<u64>, Error> {
    block_on(log.append(Append {
        records,
        positions: vec![],
    }))
}

const EVERYTHING: ReadLimit = ReadLimit {
    records: usize::MAX,
    bytes: usize::MAX,
};

/// The values that a partition holds, as text.
fn values(log: &EmbeddedLog, topic: Topic, partition: u32) -> Vec<String> {
    let start = log.offsets(topic, partition).unwrap().start;
    let records = log.read(topic, partition, start, EVERYTHING).unwrap();
    let text = |record: Stored| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
    records.into_iter().map(text).collect()
}

fn make(setup: Setup) -> Box<dyn OneNode> {
    let folder = TempDir::new().unwrap();
    let log = Embedded::open(folder.path(), setup);
    Box::new(Embedded {
        _folder: Some(folder),
        ..log
    })
}

#[test]
fn conforms() {
    conformance::check(make);
}

#[test]
fn is_durable() {
    let folder = TempDir::new().unwrap();
    conformance::check_reopen(|number, setup| {
        Box::new(Embedded::open(
            &folder.path().join(number.to_string()),
            setup,
        ))
    });
}

#[test]
fn random_scripts_are_answered_like_in_memory() {
    for seed in 1..=6 {
        let folder = TempDir::new().unwrap();
        conformance::check_random(seed, |setup| {
            // Hundreds of appends, one after the other: nothing here asks for the disk itself.
            Box::new(Embedded::open_with(folder.path(), setup, false))
        });
    }
}
