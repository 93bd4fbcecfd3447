//! The newest batch of a partition, witness of what its tables must be.

use rollcall_log::{Log, Stored};
use rollcall_model::Topic;
use rollcall_model::batch::Batch;
use rollcall_schemas::Record;
use rollcall_tables::Table;

use super::{CHUNK, Progress, offsets, settled_end};
use crate::error::Error;

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
pub(super) fn verify(partition: u32, newest: &Batch, progress: &mut Progress) -> Result<(), Error> {
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
