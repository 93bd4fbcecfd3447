//! The broker, its topics, and what the fleet writes into them.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use rollcall_benches::fleet::Fleet;
use rollcall_kafka::Settings;
use rollcall_kafka::topics::{self, Wanted};
use rollcall_log::NewRecord;
use rollcall_model::Topic;
use rollcall_tests::eventually;
use rollcall_tests::kafka::Kafka;

use crate::arguments::Workload;
use crate::peer::{INPUTS, Peer};

/// The input topics that the fleet writes to.
pub(crate) const FLEET: [Topic; 3] = [Topic::Status, Topic::Messages, Topic::Tenants];

/// How long a question to the broker may take.
const ASK: Duration = Duration::from_secs(10);

/// How long a read waits for a record that is known to be there.
const READ: Duration = Duration::from_secs(30);

/// Options of the broker's virtual machine: it is measured, so it is no short-lived one.
const JAVA: [&str; 2] = ["-Xms1g", "-Xmx1g"];

/// A broker with topics for every peer, and the fleet.
pub(crate) struct Site {
    pub(crate) kafka: Kafka,
    pub(crate) fleet: Fleet,
    pub(crate) partitions: u32,
    producer: ThreadedProducer<Refused>,
}

impl Site {
    /// Starts Kafka and makes the topics of all peers, set alike.
    pub(crate) fn start(workload: &Workload) -> anyhow::Result<Self> {
        // A busy machine must not make the controller take its broker for dead.
        let kafka = Kafka::builder()
            .property("broker.session.timeout.ms", "60000")
            .java_options(&JAVA)
            .start()?;
        let runtime = tokio::runtime::Runtime::new()?;
        for peer in Peer::ALL {
            let settings = Settings {
                bootstrap: kafka.bootstrap(),
                prefix: peer.prefix().to_owned(),
                inventory_topic: String::new(),
                id: "bench".to_owned(),
                shards: 1,
                properties: Default::default(),
            };
            let wanted = Wanted {
                partitions: workload.partitions,
                replication: None,
                retention_ms: None,
            };
            runtime.block_on(topics::apply(&settings, wanted))?;
        }
        let mut config = client(&kafka.bootstrap());
        config
            .set("enable.idempotence", "true")
            .set("compression.codec", "lz4")
            .set("linger.ms", "1")
            .set("partitioner", "murmur2_random")
            .set("queue.buffering.max.messages", "100000");
        Ok(Self {
            producer: ThreadedProducer::from_config_and_context(&config, Refused)?,
            kafka,
            fleet: Fleet::new(workload.clients),
            partitions: workload.partitions,
        })
    }

    /// Writes what `next` makes of the fleet, `count` times, and waits until the broker has it.
    pub(crate) fn fill(
        &mut self,
        what: &str,
        count: usize,
        mut next: impl FnMut(&mut Fleet, usize) -> NewRecord,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        for n in 0..count {
            let record = next(&mut self.fleet, n);
            self.send(&record)?;
        }
        self.flush()?;
        eprintln!("  {count} {what} written in {:.1?}", begun.elapsed());
        Ok(())
    }

    /// Hands one record to the producer.
    pub(crate) fn send(&self, record: &NewRecord) -> anyhow::Result<()> {
        let topic = format!("{INPUTS}{}", record.topic);
        let key = record.key.as_deref().unwrap_or_default();
        let value = record.value.as_deref().unwrap_or_default();
        let mut next = BaseRecord::to(&topic).key(key).payload(value);
        loop {
            match self.producer.send(next) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    next = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error).context("write an input"),
            }
        }
    }

    /// Waits until everything is written.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        self.producer.flush(READ).context("write the inputs")
    }

    /// How many input records wait for a group. Asks again when the broker has no time to answer.
    pub(crate) fn waiting(&self, group: &Group) -> anyhow::Result<u64> {
        eventually("the positions of a group", || {
            self.ask_waiting(group).map(Some)
        })
    }

    fn ask_waiting(&self, group: &Group) -> anyhow::Result<u64> {
        let committed = group
            .0
            .committed_offsets(self.places(INPUTS, &FLEET), ASK)?;
        let mut waiting = 0;
        for place in committed.elements() {
            let (start, end) = group
                .0
                .fetch_watermarks(place.topic(), place.partition(), ASK)?;
            let next = match place.offset() {
                Offset::Offset(next) => next,
                _ => start,
            };
            waiting += u64::try_from(end - next)?;
        }
        Ok(waiting)
    }

    /// A consumer that is asked for the positions of a group, and joins none.
    pub(crate) fn group(&self, name: &str) -> anyhow::Result<Group> {
        let mut config = client(&self.kafka.bootstrap());
        config
            .set("group.id", name)
            .set("enable.auto.commit", "false")
            // Else a commit on its way would be waited for.
            .set("isolation.level", "read_uncommitted");
        Ok(Group(config.create()?))
    }

    /// Reads every committed record of a topic.
    pub(crate) fn read(
        &self,
        topic: &str,
        mut take: impl FnMut(&[u8], Option<&[u8]>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let reader = self.reader(topic, Offset::Beginning)?;
        // A topic of transactions ends with a marker, which nobody is given: the end of each
        // partition is told.
        let mut open = self.partitions;
        while open > 0 {
            match reader.poll(READ).context("records that never come")? {
                Ok(message) => take(message.key().unwrap_or_default(), message.payload())?,
                Err(KafkaError::PartitionEOF(_)) => open -= 1,
                Err(error) => return Err(error).with_context(|| format!("read {topic}")),
            }
        }
        Ok(())
    }

    /// A consumer of every partition of `topic`, of what is committed, from `offset` on.
    pub(crate) fn reader(&self, topic: &str, offset: Offset) -> anyhow::Result<BaseConsumer> {
        let mut config = client(&self.kafka.bootstrap());
        config
            .set("group.id", "bench-reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .set("fetch.queue.backoff.ms", "2");
        let consumer: BaseConsumer = config.create()?;
        let mut places = TopicPartitionList::new();
        for partition in 0..i32::try_from(self.partitions)? {
            let place = match offset {
                Offset::End => eventually("the end of a partition", || {
                    let (_, end) = consumer.fetch_watermarks(topic, partition, ASK)?;
                    Ok(Some(Offset::Offset(end)))
                })?,
                other => other,
            };
            places.add_partition_offset(topic, partition, place)?;
        }
        consumer.assign(&places)?;
        Ok(consumer)
    }

    /// Every partition of these topics.
    fn places(&self, prefix: &str, topics: &[Topic]) -> TopicPartitionList {
        let mut places = TopicPartitionList::new();
        for topic in topics {
            let last = i32::try_from(self.partitions).unwrap_or(i32::MAX) - 1;
            places.add_partition_range(&format!("{prefix}{topic}"), 0, last);
        }
        places
    }
}

/// A consumer group, from outside.
pub(crate) struct Group(BaseConsumer);

/// What every client has in common.
pub(crate) fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// Ends the benchmark when the broker refuses an input: everything after it would be wrong.
pub(crate) struct Refused;

impl ClientContext for Refused {}

impl ProducerContext for Refused {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if let Err((error, _)) = result {
            eprintln!("error: an input was not written: {error}");
            std::process::exit(1);
        }
    }
}

/// CPU time that a process has had, and the most memory that it held, in MiB.
pub(crate) fn used(process: u32) -> anyhow::Result<(Duration, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name may hold anything; user and system time are the 14th and 15th field (proc(5)), in
    // ticks of 10 ms.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    ensure!(fields.len() > 12, "fields of /proc/{process}/stat");
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok((
        Duration::from_millis(ticks * 10),
        kib.unwrap_or_default() / 1024,
    ))
}
