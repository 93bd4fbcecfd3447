//! The replica's own proof: its digests beside those of the schedule (DESIGN.md section 5).
//!
//! A schedule record says what digest a table has after its batch. The replica has that digest
//! only at one moment, between the last record of that batch and the first of a later one, so a
//! comparison is planned when a newest schedule record has been read, and made when that moment
//! comes. Where it has passed already, or its records are not all there, nothing can be said.

use std::collections::BTreeMap;

use rollcall_log::{Error as LogError, Log, ReadLimit, Stored};
use rollcall_model::batch::Batch;
use rollcall_model::{Millis, Topic};
use rollcall_schemas::Record;
use rollcall_tables::{Digest, Table};
use serde::Serialize;

use super::progress::{Progress, batch_of};
use crate::metrics;

/// A partition's schedule is read again no sooner than this.
pub(super) const COMPARE_EVERY_MS: i64 = 60_000;

/// Schedule records read at a time on the way to the newest one.
const SCHEDULE: ReadLimit = ReadLimit {
    records: 64,
    bytes: 1024 * 1024,
};

/// A comparison that waits for its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    batch: u64,
    /// Changelog records of the table that the batch wrote.
    records: u64,
    digest: Digest,
}

/// What can be said at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The rows are those after the batch.
    Now,
    /// They are, if nothing is still on its way: the batch wrote no record that would tell.
    IfAtEnd,
    /// Records of the batch, or before it, are to come.
    NotYet,
    /// It is gone.
    Past,
}

impl Planned {
    /// What the newest schedule record says of `table`.
    pub(super) fn of(batch: &Batch, table: Table) -> Option<Self> {
        let told = batch.tables.iter();
        let told = told.clone().find(|one| one.topic == table.changelog())?;
        Some(Self {
            batch: batch.number,
            records: u64::from(told.records),
            digest: Digest(told.digest),
        })
    }

    /// Whether the rows read so far are those after the batch. `is_end`: the next record is of a
    /// later batch.
    pub(super) fn moment(&self, progress: &Progress, is_end: bool) -> Moment {
        let is_whole = progress.batch_records >= self.records;
        // Records that name no batch: nobody knows where they stand.
        let is_unknown = progress.batch == 0 && progress.last.is_some();
        match progress.batch.cmp(&self.batch) {
            _ if is_unknown => Moment::Past,
            std::cmp::Ordering::Greater => Moment::Past,
            std::cmp::Ordering::Equal if is_whole => Moment::Now,
            std::cmp::Ordering::Less if self.records == 0 && is_end => Moment::Now,
            std::cmp::Ordering::Less if self.records == 0 => Moment::IfAtEnd,
            _ if is_end => Moment::Past,
            _ => Moment::NotYet,
        }
    }

    pub(super) fn is_equal(&self, progress: &Progress) -> bool {
        self.digest == progress.digest
    }

    /// The first of `records` that is of a later batch.
    pub(super) fn end_in(&self, records: &[Stored]) -> Option<usize> {
        let mut records = records.iter();
        records.position(|record| batch_of(record).is_some_and(|batch| batch > self.batch))
    }

    /// The difference, in words.
    pub(super) fn difference(&self, progress: &Progress) -> String {
        let (found, expected, batch) = (progress.digest, self.digest, self.batch);
        format!("the digest is {found}, the schedule has {expected} after batch {batch}")
    }

    /// Number of the batch.
    pub(super) fn batch(&self) -> u64 {
        self.batch
    }
}

/// The newest schedule record of a partition; `None` where there is none, or none that can be read.
///
/// It need not be the last offset: on Kafka a transaction's end takes one too. So it is looked for
/// from ever farther back.
pub(super) fn newest_batch(log: &dyn Log, partition: u32) -> Result<Option<Batch>, LogError> {
    let range = log.offsets(Topic::Schedule, partition)?;
    let mut back = 1;
    let last = loop {
        let from = range.end.saturating_sub(back).max(range.start);
        let last = last_record(log, partition, from, range.end)?;
        if last.is_some() || from == range.start {
            break last;
        }
        back *= 2;
    };
    let Some(value) = last.and_then(|record| record.value) else {
        return Ok(None);
    };
    let batch = Batch::decode(&value);
    if let Err(error) = &batch {
        metrics::unscheduled(partition, error);
    }
    Ok(batch.ok())
}

fn last_record(
    log: &dyn Log,
    partition: u32,
    from: u64,
    end: u64,
) -> Result<Option<Stored>, LogError> {
    let (mut next, mut last) = (from, None);
    while next < end {
        let records = log.read(Topic::Schedule, partition, next, SCHEDULE)?;
        let Some(newest) = records.into_iter().next_back() else {
            break;
        };
        next = newest.offset + 1;
        last = Some(newest);
    }
    Ok(last)
}

/// What the comparisons of a replica have come to, by changelog partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared(BTreeMap<(Table, u32), Outcome>);

/// The newest comparison of a changelog partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Outcome {
    /// When: milliseconds UTC since 1970.
    compared_at: i64,
    /// After which batch.
    batch: u64,
    /// What differs.
    mismatch: Option<String>,
}

/// As `/readyz` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShownDigests {
    /// Whether the newest comparison of any changelog partition found a difference.
    has_mismatch: bool,
    /// By changelog and partition, such as `connections/3`.
    changelogs: BTreeMap<String, Outcome>,
}

impl Compared {
    /// Takes note of a comparison, and tells of it.
    pub(super) fn report(
        &mut self,
        (table, partition): (Table, u32),
        now: Millis,
        batch: u64,
        mismatch: Option<String>,
    ) {
        let topic = table.changelog();
        let before = self.0.get(&(table, partition));
        let is_news = before.is_none_or(|before| before.mismatch.is_none());
        metrics::compared(topic, partition, batch, mismatch.as_deref(), is_news);
        let outcome = Outcome {
            compared_at: now.0,
            batch,
            mismatch,
        };
        self.0.insert((table, partition), outcome);
        let different = self.0.iter();
        let different = different
            .filter(|((one, _), outcome)| *one == table && outcome.mismatch.is_some())
            .count();
        metrics::mismatches(topic, different);
    }

    pub(super) fn shown(&self) -> ShownDigests {
        let entries = self.0.iter();
        let changelogs: BTreeMap<_, _> = entries
            .map(|((table, partition), outcome)| {
                let topic = table.changelog();
                (format!("{topic}/{partition}"), outcome.clone())
            })
            .collect();
        ShownDigests {
            has_mismatch: changelogs.values().any(|one| one.mismatch.is_some()),
            changelogs,
        }
    }
}
