//! What the suites of the log on Kafka share: logs of their own on one broker, records, and a
//! second look at the topics with clients and tools that are not the log's.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use rollcall_kafka::topics::{self, Wanted};
use rollcall_kafka::{KafkaLog, Settings};
use rollcall_log::conformance::block_on;
use rollcall_log::{Append, Error, Log, NewRecord, Position, ReadLimit, Stored};
use rollcall_model::Topic;
use rollcall_tests::kafka::Kafka;

/// More than any test writes.
pub(crate) const ALL: ReadLimit = ReadLimit {
    records: 1_000_000,
    bytes: 1_000_000_000,
};

/// How long a client of the test's own waits.
const WAIT: Duration = Duration::from_secs(30);

/// Settings of a log that shares the broker with others, but no topic.
pub(crate) fn settings(kafka: &Kafka, name: &str) -> Settings {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    // What the log says is shown when a test fails; somebody else was first in a second test.
    let _ = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_test_writer()
        .try_init();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Settings {
        bootstrap: kafka.bootstrap(),
        prefix: format!("{name}-{number}."),
        inventory_topic: String::new(),
        id: "one".to_owned(),
        shards: 2,
        properties: Default::default(),
    }
}

/// What topics should be that have as many partitions.
pub(crate) fn wanted(partitions: u32) -> Wanted {
    Wanted {
        partitions,
        replication: Some(1),
        retention_ms: None,
    }
}

/// As somebody has it who sets nothing.
pub(crate) fn default_wanted() -> Wanted {
    Wanted {
        partitions: 2,
        replication: None,
        retention_ms: Some(86_400_000),
    }
}

/// A new log on `kafka`.
pub(crate) fn fresh(kafka: &Kafka, name: &str, wanted: Wanted) -> KafkaLog {
    let settings = settings(kafka, name);
    block_on(topics::apply(&settings, wanted)).expect("topics are made");
    KafkaLog::open(settings).expect("the log opens")
}

/// A record with a key.
pub(crate) fn keyed(topic: Topic, partition: u32, key: &str, value: Option<&str>) -> NewRecord {
    let bytes = |text: &str| bytes::Bytes::copy_from_slice(text.as_bytes());
    NewRecord {
        topic,
        partition: Some(partition),
        key: Some(bytes(key)),
        value: value.map(bytes),
        headers: Vec::new(),
    }
}

/// A record without key.
pub(crate) fn plain(topic: Topic, partition: u32, value: &str) -> NewRecord {
    NewRecord {
        key: None,
        ..keyed(topic, partition, "", Some(value))
    }
}

/// A position.
pub(crate) fn position(group: &str, topic: Topic, partition: u32, next: u64) -> Position {
    Position {
        group: group.to_owned(),
        topic,
        partition,
        next,
    }
}

/// Rows of one key, one behind the other.
pub(crate) fn rows(values: &[&str]) -> Vec<NewRecord> {
    let row = |value: &&str| keyed(Topic::Connections, 0, "k", Some(value));
    values.iter().map(row).collect()
}

/// Appends records as one.
pub(crate) fn append(log: &dyn Log, records: Vec<NewRecord>) -> Result<Vec<u64>, Error> {
    block_on(log.append(Append {
        records,
        positions: Vec::new(),
    }))
}

/// Everything that a partition holds.
pub(crate) fn read_all(log: &dyn Log, topic: Topic, partition: u32) -> Vec<Stored> {
    let end = log.settled_end(topic, partition).expect("it has an end");
    let mut next = log.offsets(topic, partition).expect("it exists").start;
    let mut all = Vec::new();
    while next < end {
        let read = log.read(topic, partition, next, ALL).expect("it is kept");
        next = read.last().map_or(end, |last| last.offset + 1);
        all.extend(read);
    }
    all
}

/// The first `count` values of a partition, as text; waits for them.
pub(crate) fn values(log: &dyn Log, topic: Topic, partition: u32, count: usize) -> Vec<String> {
    let mut next = log.offsets(topic, partition).expect("it exists").start;
    let mut values = Vec::new();
    rollcall_tests::eventually("the values", || {
        for record in log.read(topic, partition, next, ALL)? {
            next = record.offset + 1;
            let value = record.value.unwrap_or_default();
            values.push(String::from_utf8_lossy(&value).into_owned());
        }
        Ok((values.len() >= count).then_some(()))
    })
    .expect("they come");
    values
}

/// What an error says, and its sources.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

/// Deletes what a partition has before an offset, as an operator may.
pub(crate) fn delete_before(settings: &Settings, topic: Topic, partition: i32, offset: i64) {
    let admin: AdminClient<DefaultClientContext> =
        client(settings).create().expect("an admin client");
    let mut list = TopicPartitionList::new();
    let name = format!("{}{topic}", settings.prefix);
    let added = list.add_partition_offset(&name, partition, Offset::Offset(offset));
    added.expect("an offset");
    let options = AdminOptions::new().request_timeout(Some(WAIT));
    let deleted = block_on(admin.delete_records(&list, &options));
    deleted.expect("records are deleted");
}

fn client(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.bootstrap);
    config
}

/// A transaction of somebody else's.
pub(crate) struct OpenTransaction(BaseProducer);

impl OpenTransaction {
    /// Begins one that has written as many records to the first partition of `topic`.
    pub(crate) fn begin(settings: &Settings, id: &str, topic: &str, records: usize) -> Self {
        let mut config = client(settings);
        config.set("transactional.id", format!("{}{id}", settings.prefix));
        let producer: BaseProducer = config.create().expect("a producer");
        producer.init_transactions(WAIT).expect("an id");
        producer.begin_transaction().expect("a transaction");
        for _ in 0..records {
            let record = BaseRecord::to(topic).partition(0).key("x").payload("open");
            let sent = producer.send(record).map_err(|(error, _)| error);
            sent.expect("it is sent");
        }
        producer.flush(WAIT).expect("it is written");
        Self(producer)
    }

    /// Commits it.
    pub(crate) fn commit(self) {
        self.0.commit_transaction(WAIT).expect("a commit");
    }

    /// Aborts it.
    pub(crate) fn abort(self) {
        self.0.abort_transaction(WAIT).expect("an abort");
    }
}

/// Takes a transactional id away from whoever has it: what was open is aborted.
pub(crate) fn fence(settings: &Settings, id: &str) {
    let mut config = client(settings);
    config.set("transactional.id", format!("{}{id}", settings.prefix));
    let producer: BaseProducer = config.create().expect("a producer");
    producer.init_transactions(WAIT).expect("an id");
}

/// A producer of transactions behind a gate that gives a request up after a second.
pub(crate) fn impatient(settings: &Settings, id: &str) -> BaseProducer {
    let mut config = client(settings);
    config
        .set("transactional.id", format!("{}{id}", settings.prefix))
        .set("socket.timeout.ms", "1000")
        .set("retry.backoff.ms", "20");
    let producer: BaseProducer = config.create().expect("a producer");
    producer.init_transactions(WAIT).expect("an id");
    producer
}

/// Kafka's own tools, as an operator uses them.
pub(crate) mod cli {
    use rollcall_tests::kafka::Kafka;

    const CONFIGS: &str = "kafka.admin.ConfigCommand";
    const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
    const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

    /// Sets properties of a topic.
    pub(crate) fn set(kafka: &Kafka, topic: &str, properties: &str) {
        let what = ["--alter", "--entity-type", "topics", "--entity-name", topic];
        let args = [&what[..], &["--add-config", properties]].concat();
        kafka.tool(CONFIGS, &args, "").expect("they are set");
    }

    /// The properties that were set on a topic.
    pub(crate) fn describe(kafka: &Kafka, topic: &str) -> String {
        let args = [
            "--describe",
            "--entity-type",
            "topics",
            "--entity-name",
            topic,
        ];
        kafka.tool(CONFIGS, &args, "").expect("they are described")
    }

    /// The epoch of whoever has that transactional id.
    pub(crate) fn epoch(kafka: &Kafka, id: &str) -> u32 {
        let args = ["describe", "--transactional-id", id];
        let said = kafka
            .tool(TRANSACTIONS, &args, "")
            .expect("it is described");
        let mut lines = said.lines().map(|line| line.split_whitespace());
        let mut names = lines.next().expect("a line of names");
        let at = names.position(|name| name == "ProducerEpoch");
        let value = lines.next().and_then(|mut line| line.nth(at?));
        value.expect("an epoch").parse().expect("a number")
    }

    /// The names of all topics.
    pub(crate) fn list(kafka: &Kafka) -> String {
        kafka
            .tool(TOPICS, &["--list"], "")
            .expect("they are listed")
    }

    /// Deletes a topic.
    pub(crate) fn delete(kafka: &Kafka, topic: &str) {
        let args = ["--delete", "--topic", topic];
        kafka.tool(TOPICS, &args, "").expect("it is deleted");
    }
}
