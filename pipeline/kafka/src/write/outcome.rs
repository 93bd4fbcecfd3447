//! Whether a transaction was committed whose end nobody told us.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use rollcall_log::Error;
use rollcall_model::Topic;

use super::Job;
use crate::broker::{Broker, Context};

/// How long the log may take to show a transaction that is settled.
const WITHIN: Duration = Duration::from_secs(30);

/// Pause between two looks at it.
const POLL: Duration = Duration::from_millis(10);

/// Whether the transaction of `jobs` was committed; it must be settled. `reported` has the offsets
/// that its records got.
///
/// Looks for one of its records as a reader of what is committed: a commit shows all or nothing. A
/// transaction without records is taken as aborted, since a position may be committed twice.
///
/// `None` when no offset is known to look at. Errors: when nobody answers.
pub(super) fn is_committed(
    broker: &Broker,
    jobs: &[Job],
    reported: &[Option<u64>],
) -> Result<Option<bool>, Error> {
    let mut places = jobs.iter().flat_map(|job| {
        let records = job.append.records.iter().map(|record| record.topic);
        records.zip(job.partitions.iter().copied())
    });
    let found = places.clone().zip(reported);
    let mut found = found.filter_map(|(place, offset)| Some((place, (*offset)?)));
    let Some(((topic, partition), offset)) = found.next() else {
        // A record that was sent twice may be reported without its offset.
        return Ok(places.next().is_none().then_some(false));
    };
    settled(broker, topic, partition, offset)?;
    let consumer = broker.consumer()?;
    let name = broker.names.topic(topic);
    let deadline = broker.ending.or(Instant::now() + WITHIN);
    let first = first_from(&consumer, name, (partition, offset), deadline);
    first
        .map(|first| Some(first == Some(offset)))
        .map_err(|source| broker.failed("look for its transaction in", source))
}

/// Waits until readers of what is committed get past `offset`: somebody else's transaction may
/// still be open before it.
fn settled(broker: &Broker, topic: Topic, partition: u32, offset: u64) -> Result<(), Error> {
    let deadline = broker.ending.or(Instant::now() + WITHIN);
    while broker.offsets(topic, partition)?.end <= offset {
        if Instant::now() >= deadline {
            let why = "another transaction has been open for too long";
            return Err(broker.failed("look for its transaction in", why));
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// The offset of the first committed record from `offset` on; `None` at the end.
fn first_from(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    (partition, offset): (u32, u64),
    deadline: Instant,
) -> Result<Option<u64>, KafkaError> {
    let mut list = TopicPartitionList::new();
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    let from = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    list.add_partition_offset(topic, number, from)?;
    consumer.assign(&list)?;
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
