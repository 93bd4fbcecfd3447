//! The bare loop on Kafka: reads batches, parses a few fields, writes about as many records as the
//! fold would, in transactions. It keeps no row, checks and orders nothing: what any program in
//! this place must do at least (anchors/stream-engine.md section 8).
//!
//! Two threads with half of the partitions each, a consumer and a transactional producer per
//! thread, and a commit per batch.

use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use rollcall_benches::bare::{self, Turn};
use rollcall_benches::connection_row;
use rollcall_benches::fleet::Publish;
use rollcall_model::{ConnectionRow, Ingress, Json, Topic};
use rollcall_schemas::Record;

use crate::arguments::Bare;
use crate::site::{FLEET, client};

/// Threads, and halves of the partitions.
const SHARDS: u32 = 2;
/// Records of a batch.
const BATCH: usize = 10_000;
/// How long a batch that is not full waits for more.
const BATCH_WAIT: Duration = Duration::from_millis(10);
/// How long a call to the brokers may take.
const CALL: Duration = Duration::from_secs(10);
/// What is written for an event of a connection: as long as the fold's.
const EVENT: [u8; 80] = [7; 80];
/// Bytes of an inventory message of the fold's.
const INVENTORY: usize = 765;
/// Facts as long as those of the fleet.
const FACTS: &str = concat!(
    r#"{"insights_id":"f8f9e4b7-7c0e-4a70-9e2c-63b2f1c0f6d1","#,
    r#""machine_id":"6d0f5f4f-3d1c-4f0e-8f0b-2b6f8e9a1c3d","fqdn":"host-000117.example.com"}"#,
);

/// Runs until it is killed.
pub(crate) fn run(arguments: &Bare) -> anyhow::Result<()> {
    let shards = (0..SHARDS).map(|shard| {
        let arguments = arguments.clone();
        std::thread::spawn(move || Shard::open(&arguments, shard)?.run())
    });
    for shard in shards.collect::<Vec<_>>() {
        shard.join().ok().context("a shard ends")??;
    }
    Ok(())
}

struct Shard {
    consumer: BaseConsumer,
    producer: BaseProducer,
    outputs: Outputs,
    row: ConnectionRow,
}

/// Names of the topics.
struct Outputs {
    connections: String,
    events: String,
    inventory: String,
}

impl Shard {
    fn open(arguments: &Bare, shard: u32) -> anyhow::Result<Self> {
        let mut config = client(&arguments.bootstrap);
        config
            .set("group.id", &arguments.outputs)
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("queued.min.messages", "100000")
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.queue.backoff.ms", "5");
        let consumer: BaseConsumer = config.create()?;
        let mut places = TopicPartitionList::new();
        for topic in FLEET {
            for partition in (0..arguments.partitions).filter(|one| one % SHARDS == shard) {
                let name = format!("{}{topic}", arguments.inputs);
                places.add_partition(&name, i32::try_from(partition)?);
            }
        }
        let committed = consumer.committed_offsets(places, CALL)?;
        let mut places = TopicPartitionList::new();
        for place in committed.elements() {
            let from = match place.offset() {
                known @ Offset::Offset(_) => known,
                _ => Offset::Beginning,
            };
            places.add_partition_offset(place.topic(), place.partition(), from)?;
        }
        consumer.assign(&places)?;
        let mut config = client(&arguments.bootstrap);
        config
            .set("transactional.id", format!("{}{shard}", arguments.outputs))
            .set("compression.codec", "lz4")
            .set("linger.ms", "1")
            .set("batch.size", "262144")
            .set("queue.buffering.max.messages", "1000000")
            .set("retry.backoff.ms", "5");
        let producer: BaseProducer = config.create()?;
        producer.init_transactions(CALL)?;
        let topic = |topic: Topic| format!("{}{topic}", arguments.outputs);
        Ok(Self {
            consumer,
            producer,
            outputs: Outputs {
                connections: topic(Topic::Connections),
                events: topic(Topic::Events),
                inventory: topic(Topic::Inventory),
            },
            row: ConnectionRow {
                canonical_facts: Some(Json::new(FACTS)?),
                ..connection_row().map_err(|error| anyhow::anyhow!("{error}"))?
            },
        })
    }

    fn run(mut self) -> anyhow::Result<()> {
        loop {
            self.batch()?;
        }
    }

    /// One transaction; none while nothing comes.
    fn batch(&mut self) -> anyhow::Result<()> {
        let Some(first) = self.consumer.poll(Duration::from_millis(100)) else {
            return Ok(());
        };
        let mut next = Some(first);
        let begun = Instant::now();
        let mut count = 0;
        self.producer.begin_transaction()?;
        while let Some(message) = next {
            fold(&self.producer, &self.outputs, &mut self.row, &message?)?;
            count += 1;
            if count == BATCH {
                break;
            }
            next = self
                .consumer
                .poll(BATCH_WAIT.saturating_sub(begun.elapsed()));
        }
        // A flush waits in steps of 100 ms, and the commit flushes (anchors, trap 52).
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::from_micros(200));
        }
        let group = self.consumer.group_metadata().context("a group")?;
        let positions = self.consumer.position()?;
        self.producer
            .send_offsets_to_transaction(&known(&positions)?, &group, CALL)?;
        self.producer.commit_transaction(CALL)?;
        Ok(())
    }
}

/// What an input record becomes.
fn fold(
    producer: &BaseProducer,
    outputs: &Outputs,
    row: &mut ConnectionRow,
    message: &BorrowedMessage<'_>,
) -> anyhow::Result<()> {
    let key = message.key().unwrap_or_default();
    let value = message.payload().unwrap_or_default();
    if message.topic().ends_with(Topic::Tenants.as_str()) {
        // With the event of the first online.
        send(producer, &outputs.connections, key, &row.encode())?;
        send(producer, &outputs.events, key, &EVENT)?;
        return send(producer, &outputs.events, key, &EVENT);
    }
    let ingress = Ingress::decode(value)?;
    let Turn { row, publish } = bare::turn(&ingress.payload, row);
    match publish {
        Publish::Online => {
            send(producer, &outputs.connections, key, &row)?;
            let mut message = ingress.payload;
            message.extend(row.iter().take(INVENTORY.saturating_sub(message.len())));
            send(producer, &outputs.inventory, key, &message)
        }
        // One for the end of the session, and one for the next one's beginning, which nobody sees
        // without rows.
        Publish::Offline => {
            send(producer, &outputs.connections, key, &row)?;
            send(producer, &outputs.events, key, &EVENT)?;
            send(producer, &outputs.events, key, &EVENT)
        }
        Publish::Message => Ok(()),
    }
}

fn send(producer: &BaseProducer, topic: &str, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                producer.poll(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Positions that have moved since the consumer was made.
fn known(positions: &TopicPartitionList) -> anyhow::Result<TopicPartitionList> {
    let mut known = TopicPartitionList::new();
    for place in positions.elements() {
        if let Offset::Offset(_) = place.offset() {
            known.add_partition_offset(place.topic(), place.partition(), place.offset())?;
        }
    }
    Ok(known)
}
