//! Where a record goes, and whether the log takes it at all.

use rollcall_model::Topic;
use rollcall_schemas::partition::for_key;
use rollcall_schemas::topics::{self, Cleanup};

use crate::Error;
use crate::record::NewRecord;

/// Largest record: key, value and headers together (DESIGN.md section 2, rule 9: topics are set to
/// 2 MiB).
pub const RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The partition of `record`: the one it names, else the one of its key, else 0.
///
/// Errors: [`Error::NoPartition`]; [`Error::TooLarge`]; [`Error::NoKey`], as Kafka refuses such a
/// record too.
pub fn place(record: &NewRecord, partitions: u32) -> Result<u32, Error> {
    let topic = record.topic;
    let bytes = record.size();
    if bytes > RECORD_BYTES_MAX {
        return Err(Error::TooLarge {
            topic,
            bytes,
            bytes_max: RECORD_BYTES_MAX,
        });
    }
    if record.key.is_none() && is_compacted(topic) {
        return Err(Error::NoKey { topic });
    }
    let by_key = || {
        record
            .key
            .as_deref()
            .map_or(0, |key| for_key(key, partitions))
    };
    let partition = record.partition.unwrap_or_else(by_key);
    check_partition(topic, partition, partitions)?;
    Ok(partition)
}

/// Whether there is such a partition.
///
/// Errors: [`Error::NoPartition`].
pub fn check_partition(topic: Topic, partition: u32, partitions: u32) -> Result<(), Error> {
    if partition < partitions {
        Ok(())
    } else {
        Err(Error::NoPartition {
            topic,
            partition,
            partitions,
        })
    }
}

/// Whether only the last record of every key is kept.
pub(crate) fn is_compacted(topic: Topic) -> bool {
    matches!(topics::spec(topic).cleanup, Cleanup::Compact)
}
