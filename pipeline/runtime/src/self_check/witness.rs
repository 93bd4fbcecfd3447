//! The witness outside the store: what the schedule says about a batch.

use rollcall_log::{Log, ReadLimit};
use rollcall_model::Topic;
use rollcall_model::batch::Batch;
use rollcall_schemas::Record as _;

use crate::error::Error;

/// The schedule record of batch `number`; `None` when there is none (any more).
///
/// Numbers grow with offsets, but need not be as dense: a log may give offsets to marks of its own
/// transactions. So the record is looked for by halves, in some 20 reads of one record.
pub(crate) fn witness(log: &dyn Log, partition: u32, number: u64) -> Result<Option<Batch>, Error> {
    let failed = |source| Error::Log {
        partition,
        action: "read its schedule",
        source,
    };
    let range = log.offsets(Topic::Schedule, partition).map_err(failed)?;
    let (mut from, mut to) = (range.start, range.end);
    let limit = ReadLimit {
        records: 1,
        bytes: usize::MAX,
    };
    while from < to {
        let middle = from + (to - from) / 2;
        let found = match log.read(Topic::Schedule, partition, middle, limit) {
            Ok(records) => records.into_iter().next(),
            // Retention has just taken it.
            Err(rollcall_log::Error::OutOfRange { .. }) => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let Some((offset, value)) = found.and_then(|record| Some((record.offset, record.value?)))
        else {
            to = middle;
            continue;
        };
        let batch = Batch::decode(&value).map_err(|source| Error::Own {
            partition,
            what: "schedule record",
            source,
        })?;
        match batch.number.cmp(&number) {
            std::cmp::Ordering::Less => from = offset + 1,
            std::cmp::Ordering::Equal => return Ok(Some(batch)),
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    Ok(None)
}
