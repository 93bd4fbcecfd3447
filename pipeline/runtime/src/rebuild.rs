//! A partition's life folded again: from its inputs, in the batches and at the times that the
//! schedule recorded, over empty tables or those of a checkpoint (DESIGN.md section 5).
//!
//! A rebuild asks nobody and writes nothing but the tables it is handed. After every batch it
//! compares what it made with the schedule record's counts and digests and, if asked to, with the
//! records of the changelogs and derived topics, byte for byte, headers included. It stops at the
//! first difference and names it. Reading order: this file (what comes out), `turn` (one batch),
//! `reader` (topics, page by page), `refused` (inputs without a schema), `witness` (the live
//! records), `tables` (the live tables), `explain` (what differs, in words).

mod explain;
mod reader;
mod refused;
mod tables;
mod turn;
mod witness;

use std::fmt;

use bytes::Bytes;
use rollcall_log::Log;
use rollcall_model::Topic;
use rollcall_tables::{Table, Tables};

use crate::error::Error;
use crate::restore::newest_batch;
use turn::Rebuilding;

pub use tables::compare_tables;

/// How much a rebuild compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Counts and digests of every batch with its schedule record.
    Digests,
    /// Those, and every record of changelogs and derived topics that is still there.
    Records,
}

/// What a rebuild of one partition found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The partition.
    pub partition: u32,
    /// The batch of the checkpoint that it began with, 0 = with nothing.
    pub base: u64,
    /// Batches folded again and found right.
    pub batches: u64,
    /// Input records in them.
    pub records: u64,
    /// Timers in them.
    pub timers: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// What could not be compared although nothing is wrong, in words.
    pub notes: Vec<String>,
}

/// How a rebuild of one partition ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every batch came out as it did the first time.
    Equal,
    /// One did not; the rebuild stopped there.
    Different(Difference),
    /// From this batch on another revision of the fold made the records (DESIGN.md section 5).
    NotComparable {
        /// The first such batch.
        batch: u64,
        /// The revision that made it.
        recorded: u32,
        /// The revision of this build.
        ours: u32,
    },
    /// Retention has taken what a proof needs.
    Unprovable {
        /// The first batch that cannot be folded again.
        batch: u64,
        /// What is gone.
        gone: String,
    },
}

/// The first difference found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The partition.
    pub partition: u32,
    /// The batch, where it is known.
    pub batch: Option<u64>,
    /// Topic or table.
    pub place: Place,
    /// The record's or row's key, where there is one.
    pub key: Option<Bytes>,
    /// What differs, in words.
    pub what: String,
}

/// Where a difference lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a topic: a changelog, a derived topic, the schedule, an input.
    Topic(Topic),
    /// Somewhere in the derived records of the batch.
    Derived,
    /// In the live tables: a row.
    Table(Table),
    /// In the time index of the live tables.
    TimeIndex,
    /// In the tenant index of the live tables.
    TenantIndex,
}

/// What a rebuild tells while it goes on, after every batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The batch folded.
    pub batch: u64,
    /// Input records in it.
    pub records: u64,
}

/// Folds the life of `partition` again into `tables`: from the beginning when they are empty, and
/// else from the checkpoint that was loaded into them.
///
/// Guarantee: writes to `tables` only. With [`Verdict::Equal`] they are what the newest batch left,
/// and a processor can go on from them; otherwise they stand at the last batch found right.
///
/// Errors: log or tables cannot be read or written. Damage in the log is no error but a verdict.
pub fn rebuild(
    log: &dyn Log,
    tables: &mut dyn Tables,
    partition: u32,
    depth: Depth,
    watch: &mut dyn FnMut(Step),
) -> Result<Rebuilt, Error> {
    let base = tables.meta().map_err(|source| Error::Tables {
        partition,
        action: "read the progress of a checkpoint",
        source,
    })?;
    let mut rebuilding = Rebuilding::new(log, partition, depth, base)?;
    let verdict = match rebuilding.run(tables, watch) {
        Ok(()) => Verdict::Equal,
        Err(Stop::Found(verdict)) => verdict,
        Err(Stop::Failed(error)) => return Err(error),
    };
    Ok(rebuilding.finish(verdict))
}

/// The number of the newest batch, 0 without one: the length of a progress bar, and whether
/// somebody has gone on meanwhile.
///
/// Errors: the log cannot be read.
pub fn batches(log: &dyn Log, partition: u32) -> Result<u64, Error> {
    Ok(newest_batch(log, partition)?.map_or(0, |newest| newest.number))
}

/// Why the work on a partition ends early.
enum Stop {
    /// With a verdict.
    Found(Verdict),
    /// Without one.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}", self.partition)?;
        if let Some(batch) = self.batch {
            write!(f, ", batch {batch}")?;
        }
        match self.place {
            Place::Topic(topic) => write!(f, ", topic {topic}")?,
            Place::Derived => f.write_str(", derived records")?,
            Place::Table(table) => write!(f, ", table {}", table.changelog())?,
            Place::TimeIndex => f.write_str(", time index")?,
            Place::TenantIndex => f.write_str(", tenant index")?,
        }
        if let Some(key) = &self.key {
            let topic = match self.place {
                Place::Topic(topic) => topic,
                Place::Table(table) => table.changelog(),
                _ => Topic::Connections,
            };
            write!(f, ", key {}", explain::key(topic, key))?;
        }
        write!(f, ": {}", self.what)
    }
}
