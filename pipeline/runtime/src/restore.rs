//! Where a partition stands after a restart: the tables as they were flushed, the tail of their
//! changelogs on top, and the newest schedule record as witness. Tables that have nothing are
//! loaded as a whole (`bulk`).

mod bulk;
mod newest;
mod pace;
mod tail;

use rollcall_log::{Log, ReadLimit, Stored};
use rollcall_model::batch::Batch;
use rollcall_model::{Millis, Policy, Topic};
use rollcall_schemas::{Record, body, leading};
use rollcall_tables::{Change, Digest, Meta, RowIndex, Table, Tables};
use tracing::warn;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;
use crate::inputs::{GROUP, Positions};
use crate::output::TableDigests;
use newest::verify;
use pace::Pace;

pub(crate) use newest::newest_batch;

/// Changelog records replayed as one: each step leaves a consistent store behind. Every partition
/// has one in memory, several times over (as read, by key, as changes, as a write), and 16 MiB of
/// four made 266 MiB of a process that was given 128 (`tests/suites/memory.rs`).
const CHUNK: ReadLimit = ReadLimit {
    records: 10_000,
    bytes: 512 * 1024,
};

/// What a restore found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Changelog records replayed.
    pub replayed: u64,
    /// The newest batch; 0 for a new partition.
    pub batch: u64,
    /// Whether a schedule record vouched for the digests; false only where there is none yet.
    pub is_verified: bool,
}

/// How far a partition has got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Number of the newest batch.
    pub(crate) batch: u64,
    /// Its clock.
    pub(crate) now: Millis,
    /// Its timer time.
    pub(crate) timers_at: Millis,
    /// Hash of its policy.
    pub(crate) policy_hash: u64,
    /// Next offset per input.
    pub(crate) inputs: Positions,
    /// Next offset per changelog, in the order of [`Table::ALL`].
    pub(crate) changelogs: [u64; Table::ALL.len()],
    /// Digest per table.
    pub(crate) digests: TableDigests,
}

impl Progress {
    /// That of tables whose progress record is `meta`.
    pub(crate) fn of(meta: &Meta) -> Self {
        let mut inputs = Positions::default();
        for (topic, next) in &meta.inputs {
            let rank = Topic::INPUTS.iter().position(|one| one == topic);
            if let Some(position) = rank.and_then(|rank| inputs.get_mut(rank)) {
                *position = *next;
            }
        }
        let digests = Table::ALL.map(|table| Digest(value_of(&meta.digests, table)));
        Self {
            batch: meta.batch,
            now: meta.now,
            timers_at: meta.timers_at,
            policy_hash: xxh3_64(&meta.policy),
            inputs,
            changelogs: Table::ALL.map(|table| value_of(&meta.changelogs, table)),
            digests: TableDigests(digests),
        }
    }

    /// The progress record that goes with the tables.
    pub(crate) fn meta(&self, policy: &[u8]) -> Meta {
        let digests = Table::ALL
            .into_iter()
            .zip(self.digests.0)
            .map(|(t, d)| (t, d.0));
        Meta {
            batch: self.batch,
            now: self.now,
            timers_at: self.timers_at,
            policy: policy.to_vec(),
            inputs: Topic::INPUTS.into_iter().zip(self.inputs).collect(),
            changelogs: Table::ALL.into_iter().zip(self.changelogs).collect(),
            digests: digests.collect(),
        }
    }
}

/// Brings `tables` up to the log, as a start of the processor does it.
///
/// Errors: as [`crate::Processor::open`].
pub fn restore_tables(
    log: &dyn Log,
    tables: &mut dyn Tables,
    partition: u32,
) -> Result<Restored, Error> {
    let stored = tables.meta().map_err(|source| Error::Tables {
        partition,
        action: "read its progress",
        source,
    })?;
    let policy = stored.map(|meta| meta.policy).unwrap_or_default();
    Ok(restore(log, tables, partition, &policy, &|_| ())?.1)
}

/// Brings `tables` up to the log and gives the progress to go on from. `policy` is the encoded one
/// that the partition will run under: most likely the one it ran under before. `told_left` hears
/// how many offsets of the changelogs are left.
///
/// Tables that were flushed long ago may hold rows whose tombstones compaction has taken since: the
/// tail does not say that they are gone, only the digest does. The tables are a cache, so they are
/// emptied then, and the whole changelog is replayed.
pub(crate) fn restore(
    log: &dyn Log,
    tables: &mut dyn Tables,
    partition: u32,
    policy: &[u8],
    told_left: &dyn Fn(u64),
) -> Result<(Progress, Restored), Error> {
    let of = Partition {
        log,
        number: partition,
        policy,
        told_left,
    };
    let stored = tables.meta().map_err(|source| Error::Tables {
        partition,
        action: "read its progress",
        source,
    })?;
    let Some(stored) = stored else {
        return anew(of, tables);
    };
    match Restoring::begin(of, stored)?.replay(tables) {
        Err(error @ Error::Digest { .. }) => {
            warn!(partition, %error, "Tables too old for their changelog; made anew.");
            anew(of, tables)
        }
        other => other,
    }
}

/// Makes the tables from the changelogs alone.
fn anew(of: Partition<'_>, tables: &mut dyn Tables) -> Result<(Progress, Restored), Error> {
    let mut restoring = Restoring::begin(of, Meta::default())?;
    let has_rows = has_rows(tables, of.number)?;
    if has_rows || restoring.pace.total() >= bulk::RECORDS_MIN {
        if restoring.load(tables)? {
            return restoring.vouch(tables);
        }
        empty(tables, of.number)?;
    }
    restoring.replay(tables)
}

/// Whether there are rows: also where there is no progress, when a load was broken off.
fn has_rows(tables: &dyn Tables, partition: u32) -> Result<bool, Error> {
    for table in Table::ALL {
        let rows = tables
            .scan(table, None, 1)
            .map_err(|source| Error::Tables {
                partition,
                action: "look for rows in",
                source,
            })?;
        if !rows.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes every row out, and the progress with them.
///
/// Until the last one is gone, the progress says what digest the rows have that are left: were it
/// broken off, the next replay would not take them for rows of the changelog.
fn empty(tables: &mut dyn Tables, partition: u32) -> Result<(), Error> {
    let failed = |source| Error::Tables {
        partition,
        action: "empty its tables",
        source,
    };
    let left = tables.meta().map_err(failed)?.unwrap_or_default().digests;
    let mut left = TableDigests(Table::ALL.map(|table| Digest(value_of(&left, table))));
    for table in Table::ALL {
        loop {
            let rows = tables.scan(table, None, CHUNK.records).map_err(failed)?;
            let is_last = rows.len() < CHUNK.records;
            let gone = rows.into_iter().map(|(key, value)| {
                left.of(table).remove(&key, body(&value));
                let old = Some(index(partition, &value)?);
                Ok(Change {
                    table,
                    key,
                    old,
                    new: None,
                })
            });
            let gone = gone.collect::<Result<Vec<_>, Error>>()?;
            let progress = Progress {
                digests: left,
                ..Progress::default()
            };
            tables.apply(&gone, &progress.meta(&[])).map_err(failed)?;
            if is_last {
                break;
            }
        }
    }
    tables.apply(&[], &Meta::default()).map_err(failed)
}

/// Whose tables are restored, from where.
#[derive(Clone, Copy)]
struct Partition<'a> {
    log: &'a dyn Log,
    number: u32,
    /// The encoded policy that it will run under.
    policy: &'a [u8],
    /// Hears how much is left.
    told_left: &'a dyn Fn(u64),
}

/// A restore under way.
struct Restoring<'a> {
    of: Partition<'a>,
    /// How far the tables were.
    stored: Meta,
    /// How far they are.
    progress: Progress,
    /// How far they have to get.
    pace: Pace<'a>,
}

impl<'a> Restoring<'a> {
    /// Of tables whose progress is `stored`.
    fn begin(of: Partition<'a>, stored: Meta) -> Result<Self, Error> {
        let (log, partition) = (of.log, of.number);
        let progress = Progress {
            policy_hash: 0,
            inputs: committed(log, partition)?,
            ..Progress::of(&stored)
        };
        let mut ends = [0; Table::ALL.len()];
        let changelogs = Table::ALL.into_iter().zip(progress.changelogs);
        for (end, (table, from)) in ends.iter_mut().zip(changelogs) {
            let topic = table.changelog();
            *end = settled_end(log, topic, partition)?;
            if from > *end {
                return Err(Error::Ahead {
                    partition,
                    topic,
                    stored: from,
                    end: *end,
                });
            }
        }
        Ok(Self {
            of,
            stored,
            pace: Pace::new(partition, &progress, ends, of.told_left),
            progress,
        })
    }

    /// Replays what the changelogs have beyond the tables, and compares with the newest batch.
    fn replay(mut self, tables: &mut dyn Tables) -> Result<(Progress, Restored), Error> {
        for table in Table::ALL {
            self.replay_table(tables, table)?;
        }
        self.vouch(tables)
    }

    /// The next records of a changelog, at most `limit`; `None` at its end.
    fn next(&mut self, table: Table, limit: ReadLimit) -> Result<Option<Vec<Stored>>, Error> {
        let at = usize::from(table == Table::Outbox);
        let (from, end) = (self.progress.changelogs[at], self.pace.ends[at]);
        if from >= end {
            return Ok(None);
        }
        self.pace.tell(&self.progress);
        let records = self
            .of
            .log
            .read(table.changelog(), self.of.number, from, limit);
        let mut records = records.map_err(|source| Error::Log {
            partition: self.of.number,
            action: "read a changelog",
            source,
        })?;
        // Compaction leaves gaps, at the end too.
        let next = records.last().map_or(end, |last| last.offset + 1).min(end);
        self.progress.changelogs[at] = next;
        records.retain(|record| record.offset < end);
        self.pace.records += records.len() as u64;
        Ok(Some(records))
    }

    /// Compares the tables with the newest batch, whose they are then.
    fn vouch(self, tables: &mut dyn Tables) -> Result<(Progress, Restored), Error> {
        let Self {
            of,
            stored,
            mut progress,
            pace,
        } = self;
        let newest = newest_batch(of.log, of.number)?;
        let is_verified = newest.is_some();
        if let Some(newest) = newest {
            verify(of.number, &newest, &mut progress)?;
            progress.batch = newest.number;
            progress.now = newest.now;
            progress.timers_at = newest.timers_at;
            progress.policy_hash = newest.policy_hash;
            if stored.batch != newest.number {
                let policies = [stored.policy, of.policy.to_vec()];
                settle(tables, of.number, &progress, &newest, policies)?;
            }
        }
        let replayed = pace.end();
        crate::metrics::restored(replayed);
        let restored = Restored {
            replayed,
            batch: progress.batch,
            is_verified,
        };
        Ok((progress, restored))
    }
}

fn value_of<V: Copy + Default>(pairs: &[(Table, V)], table: Table) -> V {
    pairs
        .iter()
        .find(|(one, _)| *one == table)
        .map(|(_, value)| *value)
        .unwrap_or_default()
}

fn offsets(
    log: &dyn Log,
    topic: Topic,
    partition: u32,
) -> Result<rollcall_log::OffsetRange, Error> {
    log.offsets(topic, partition).map_err(|source| Error::Log {
        partition,
        action: "read its offsets",
        source,
    })
}

fn settled_end(log: &dyn Log, topic: Topic, partition: u32) -> Result<u64, Error> {
    log.settled_end(topic, partition)
        .map_err(|source| Error::Log {
            partition,
            action: "read to the end of its own",
            source,
        })
}

/// The positions that the last batch committed; the start of a topic that none ever read.
fn committed(log: &dyn Log, partition: u32) -> Result<Positions, Error> {
    let mut positions = Positions::default();
    for (position, topic) in positions.iter_mut().zip(Topic::INPUTS) {
        let found = log
            .position(GROUP, topic, partition)
            .map_err(|source| Error::Log {
                partition,
                action: "read its positions",
                source,
            })?;
        *position = match found {
            Some(next) => next,
            None => offsets(log, topic, partition)?.start,
        };
    }
    Ok(positions)
}

/// What the indexes need of a row, from its leading fields alone.
fn index(partition: u32, value: &[u8]) -> Result<RowIndex, Error> {
    let own = |source| Error::Own {
        partition,
        what: "changelog record",
        source,
    };
    let (due_at, org_id) = leading(value).map_err(own)?;
    Ok(RowIndex { due_at, org_id })
}

/// Writes down which batch the replayed tables are of: until the next one, an hour away at most,
/// the digests would stand beside the number of an older batch.
fn settle(
    tables: &mut dyn Tables,
    partition: u32,
    progress: &Progress,
    newest: &Batch,
    policies: [Vec<u8>; 2],
) -> Result<(), Error> {
    // The schedule names its policy by hash, and holds it only when it changed. Rather none than a
    // wrong one.
    let recorded = newest.policy.as_ref().map(Policy::encode);
    let policy = policies
        .into_iter()
        .chain(recorded)
        .find(|bytes| xxh3_64(bytes) == newest.policy_hash)
        .unwrap_or_default();
    tables
        .apply(&[], &progress.meta(&policy))
        .map_err(|source| Error::Tables {
            partition,
            action: "write its progress",
            source,
        })
}
