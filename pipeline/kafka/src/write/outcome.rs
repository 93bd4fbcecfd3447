//! Whether a transaction was committed whose end nobody told us.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use rollcall_log::Error;

use super::Job;
use crate::broker::{Broker, Context};

/// How long the log may take to show a transaction that is settled.
const WITHIN: Duration = Duration::from_secs(30);

/// Whether the transaction of `jobs` was committed; it must be settled. `reported` has the offsets
/// that its records got.
///
/// Looks for its first record as a reader of what is committed: a commit shows all or nothing. A
/// transaction without records is taken as aborted, since a position may be committed twice.
pub(super) fn is_committed(
    broker: &Broker,
    jobs: &[Job],
    reported: &[Option<u64>],
) -> Result<bool, Error> {
    let places = jobs.iter().flat_map(|job| {
        let records = job.append.records.iter().map(|record| record.topic);
        records.zip(&job.partitions)
    });
    // Without its offsets, not all of it was written, and nothing of it was committed.
    if reported.is_empty() || reported.iter().any(Option::is_none) {
        return Ok(false);
    }
    let Some(((topic, partition), offset)) = places.zip(reported.iter().flatten()).next() else {
        return Ok(false);
    };
    let consumer = broker.consumer()?;
    let name = broker.names.topic(topic);
    let first = first_from(&consumer, name, *partition, *offset);
    first
        .map(|first| first == Some(*offset))
        .map_err(|source| broker.failed("look for its transaction in", source))
}

/// The offset of the first committed record from `offset` on; `None` at the end.
fn first_from(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: u32,
    offset: u64,
) -> Result<Option<u64>, KafkaError> {
    let mut list = TopicPartitionList::new();
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    let from = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    list.add_partition_offset(topic, number, from)?;
    consumer.assign(&list)?;
    let deadline = Instant::now() + WITHIN;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => return Ok(u64::try_from(message.offset()).ok()),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            Some(Err(error)) => return Err(error),
            None if Instant::now() >= deadline => return Err(KafkaError::NoMessageReceived),
            None => {}
        }
    }
}
