//! Where a partition stands after a restart: the tables as they were flushed, the tail of their
//! changelogs on top, and the newest schedule record as witness.

use std::collections::HashMap;

use bytes::Bytes;
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
    Ok(restore(log, tables, partition, &policy)?.1)
}

/// Brings `tables` up to the log and gives the progress to go on from. `policy` is the encoded one
/// that the partition will run under: most likely the one it ran under before.
///
/// Tables that were flushed long ago may hold rows whose tombstones compaction has taken since: the
/// tail does not say that they are gone, only the digest does. The tables are a cache, so they are
/// emptied then, and the whole changelog is replayed.
pub(crate) fn restore(
    log: &dyn Log,
    tables: &mut dyn Tables,
    partition: u32,
    policy: &[u8],
) -> Result<(Progress, Restored), Error> {
    let failed = |source| Error::Tables {
        partition,
        action: "read its progress",
        source,
    };
    let stored = tables.meta().map_err(failed)?;
    let is_new = stored.is_none();
    match replay_tail(log, tables, partition, stored.unwrap_or_default(), policy) {
        Err(error @ Error::Digest { .. }) if !is_new => {
            warn!(partition, %error, "Tables too old for their changelog; made anew.");
            empty(tables, partition)?;
            replay_tail(log, tables, partition, Meta::default(), policy)
        }
        other => other,
    }
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

/// Replays what the changelogs have beyond `stored`, and compares with the newest batch.
fn replay_tail(
    log: &dyn Log,
    tables: &mut dyn Tables,
    partition: u32,
    stored: Meta,
    policy: &[u8],
) -> Result<(Progress, Restored), Error> {
    let mut progress = Progress {
        batch: stored.batch,
        now: stored.now,
        timers_at: stored.timers_at,
        policy_hash: 0,
        inputs: committed(log, partition)?,
        changelogs: Table::ALL.map(|table| value_of(&stored.changelogs, table)),
        digests: TableDigests(Table::ALL.map(|table| Digest(value_of(&stored.digests, table)))),
    };
    let mut replayed = 0;
    for (at, table) in Table::ALL.into_iter().enumerate() {
        let end = settled_end(log, table.changelog(), partition)?;
        let from = progress.changelogs[at];
        if from > end {
            let topic = table.changelog();
            return Err(Error::Ahead {
                partition,
                topic,
                stored: from,
                end,
            });
        }
        replayed += replay(log, tables, partition, table, end, &mut progress, &stored)?;
    }
    let newest = newest_batch(log, partition)?;
    let is_verified = newest.is_some();
    if let Some(newest) = newest {
        verify(partition, &newest, &mut progress)?;
        progress.batch = newest.number;
        progress.now = newest.now;
        progress.timers_at = newest.timers_at;
        progress.policy_hash = newest.policy_hash;
        if stored.batch != newest.number {
            let policies = [stored.policy, policy.to_vec()];
            settle(tables, partition, &progress, &newest, policies)?;
        }
    }
    crate::metrics::restored(replayed);
    let restored = Restored {
        replayed,
        batch: progress.batch,
        is_verified,
    };
    Ok((progress, restored))
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

/// Replays one changelog from where the tables stand up to `end`.
fn replay(
    log: &dyn Log,
    tables: &mut dyn Tables,
    partition: u32,
    table: Table,
    end: u64,
    progress: &mut Progress,
    stored: &Meta,
) -> Result<u64, Error> {
    let at = Table::ALL
        .iter()
        .position(|one| *one == table)
        .unwrap_or_default();
    let mut replayed = 0;
    while progress.changelogs[at] < end {
        let from = progress.changelogs[at];
        let records = log
            .read(table.changelog(), partition, from, CHUNK)
            .map_err(|source| Error::Log {
                partition,
                action: "read a changelog",
                source,
            })?;
        // Compaction leaves gaps, at the end too.
        progress.changelogs[at] = records.last().map_or(end, |last| last.offset + 1).min(end);
        let mut last_by_key: HashMap<Bytes, Option<Bytes>> = HashMap::new();
        for record in records.into_iter().filter(|record| record.offset < end) {
            replayed += 1;
            if let Some(key) = record.key {
                last_by_key.insert(key, record.value);
            }
        }
        let digest = progress.digests.of(table);
        let changes = last_by_key
            .into_iter()
            .map(|(key, value)| change(tables, partition, table, key, value, digest))
            .collect::<Result<Vec<_>, Error>>()?;
        // Batch number and times stay behind until all changelogs are in: the log has the newer
        // ones.
        let meta = Meta {
            inputs: stored.inputs.clone(),
            ..progress.meta(&stored.policy)
        };
        tables
            .apply(&changes, &meta)
            .map_err(|source| Error::Tables {
                partition,
                action: "restore rows",
                source,
            })?;
    }
    Ok(replayed)
}

fn change(
    tables: &dyn Tables,
    partition: u32,
    table: Table,
    key: Bytes,
    value: Option<Bytes>,
    digest: &mut Digest,
) -> Result<Change, Error> {
    let failed = |source| Error::Tables {
        partition,
        action: "read a row",
        source,
    };
    let old = match tables.get(table, &key).map_err(failed)? {
        Some(before) => {
            digest.remove(&key, body(&before));
            Some(index(partition, &before)?)
        }
        None => None,
    };
    let new = match value {
        Some(value) => {
            digest.insert(&key, body(&value));
            let index = index(partition, &value)?;
            Some((value, index))
        }
        None => None,
    };
    Ok(Change {
        table,
        key,
        old,
        new,
    })
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

/// The newest schedule record of the partition.
///
/// It need not be the last offset: on Kafka a transaction's end takes one too. So it is looked for
/// from ever farther back.
pub(crate) fn newest_batch(log: &dyn Log, partition: u32) -> Result<Option<Batch>, Error> {
    let start = offsets(log, Topic::Schedule, partition)?.start;
    let end = settled_end(log, Topic::Schedule, partition)?;
    let mut back = 1;
    let last = loop {
        let from = end.saturating_sub(back).max(start);
        let last = last_record(log, partition, from, end)?;
        if last.is_some() || from == start {
            break last;
        }
        back *= 2;
    };
    let own = |source| Error::Own {
        partition,
        what: "schedule record",
        source,
    };
    let value = last.and_then(|record| record.value);
    value
        .map(|value| Batch::decode(&value))
        .transpose()
        .map_err(own)
}

/// The last schedule record between two offsets.
fn last_record(
    log: &dyn Log,
    partition: u32,
    from: u64,
    end: u64,
) -> Result<Option<Stored>, Error> {
    let (mut next, mut last) = (from, None);
    while next < end {
        let records = log
            .read(Topic::Schedule, partition, next, CHUNK)
            .map_err(|source| Error::Log {
                partition,
                action: "read its schedule",
                source,
            })?;
        let Some(newest) = records.into_iter().last() else {
            break;
        };
        next = newest.offset + 1;
        last = Some(newest);
    }
    Ok(last)
}

/// The restored tables must be the ones that the newest batch left behind.
fn verify(partition: u32, newest: &Batch, progress: &mut Progress) -> Result<(), Error> {
    for table in Table::ALL {
        let topic = table.changelog();
        let Some(expected) = newest.tables.iter().find(|one| one.topic == topic) else {
            continue;
        };
        let found = progress.digests.of(table).0;
        if found != expected.digest {
            let (batch, expected) = (newest.number, expected.digest);
            return Err(Error::Digest {
                partition,
                table,
                batch,
                found,
                expected,
            });
        }
    }
    Ok(())
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
