//! Reads the deployed topic, as a member of a group of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::error::Error;
use crate::record::Raw;

/// Records read, written and committed at once. As many of each partition may have been written
/// before, by whoever had it last.
pub(crate) const RECORDS_MAX: usize = 1_000;

/// How long one look for records takes when there are none.
const LOOK: Duration = Duration::from_millis(100);

/// How long a question to the brokers may take.
const ASK: Duration = Duration::from_secs(15);

/// Properties that follow from what the import is.
const OURS: [(&str, &str); 8] = [
    ("bootstrap.servers", "give --brokers instead"),
    ("metadata.broker.list", "give --brokers instead"),
    ("group.id", "give --group instead"),
    (
        "isolation.level",
        "what was aborted must not be brought over",
    ),
    (
        "enable.auto.commit",
        "positions are committed once all is written",
    ),
    (
        "enable.auto.offset.store",
        "positions are committed once all is written",
    ),
    ("enable.partition.eof", "the end of a topic is seen by it"),
    ("auto.offset.reset", "a group begins with the first record"),
];

/// Where the deployed topic is.
#[derive(Clone, Debug)]
pub struct From {
    /// `host:port`, several with commas.
    pub brokers: String,
    /// Any other property of librdkafka.
    pub properties: BTreeMap<String, String>,
    /// The topic.
    pub topic: String,
    /// The group whose positions say how far it has been brought over.
    pub group: String,
    /// Whether a bridge of ours brings the same devices: then every record may be a repetition.
    pub is_beside_bridge: bool,
}

/// A member of the group.
pub(crate) struct Consumer {
    inner: BaseConsumer<Context>,
    topic: String,
    /// The offset behind the last record that was there at the start, per partition; those done
    /// with are taken out.
    ends: HashMap<i32, i64>,
    /// Assignments that the records below are of.
    assignment: u64,
    /// Whether every record may be a repetition.
    is_beside_bridge: bool,
    /// Records read of each partition since it was assigned.
    read: HashMap<i32, usize>,
}

/// Counts how often partitions were assigned.
#[derive(Clone, Default)]
struct Context(Arc<AtomicU64>);

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, "Deployed Kafka: {reason}");
    }
}

impl ConsumerContext for Context {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if matches!(rebalance, Rebalance::Assign(_)) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl From {
    /// Refuses what the import sets itself.
    ///
    /// Errors: [`Error::Property`].
    pub fn check(&self) -> Result<(), Error> {
        let ours = OURS
            .iter()
            .find(|(name, _)| self.properties.contains_key(*name));
        match ours {
            None => Ok(()),
            Some(&(name, remedy)) => Err(Error::Property {
                name: name.to_owned(),
                remedy,
            }),
        }
    }

    fn failed(&self, action: &'static str) -> impl Fn(KafkaError) -> Error + use<> {
        let topic = self.topic.clone();
        move |source| Error::Consumer {
            action,
            topic: topic.clone(),
            source,
        }
    }

    /// Joins the group. Blocks.
    ///
    /// Errors: [`Error::Property`], [`Error::NoTopic`], [`Error::Consumer`].
    pub(crate) fn join(&self) -> Result<Consumer, Error> {
        self.check()?;
        let mut config = ClientConfig::new();
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest");
        let inner: BaseConsumer<Context> = config
            .create_with_context(Context::default())
            .map_err(self.failed("make a consumer of"))?;
        let metadata = inner.fetch_metadata(Some(&self.topic), ASK);
        let metadata = metadata.map_err(self.failed("ask for"))?;
        let mut topics = metadata.topics().iter();
        let found = topics.find(|topic| topic.name() == self.topic && topic.error().is_none());
        let found = found.filter(|topic| !topic.partitions().is_empty());
        let found = found.ok_or_else(|| Error::NoTopic {
            topic: self.topic.clone(),
            brokers: self.brokers.clone(),
        })?;
        let mut ends = HashMap::new();
        for partition in found.partitions() {
            let range = inner.fetch_watermarks(&self.topic, partition.id(), ASK);
            let (start, end) = range.map_err(self.failed("ask for the end of"))?;
            if start < end {
                ends.insert(partition.id(), end);
            }
        }
        inner
            .subscribe(&[&self.topic])
            .map_err(self.failed("subscribe to"))?;
        Ok(Consumer {
            inner,
            topic: self.topic.clone(),
            ends,
            assignment: 0,
            is_beside_bridge: self.is_beside_bridge,
            read: HashMap::new(),
        })
    }
}

impl Consumer {
    /// Whether everything has been read that was there at the start.
    pub(crate) fn has_reached_its_ends(&self) -> bool {
        self.ends.is_empty()
    }

    /// The next records, at most [`RECORDS_MAX`]; none when none come for a moment. Blocks.
    ///
    /// Errors: [`Error::Consumer`], when asking again is of no use.
    pub(crate) fn next(&mut self) -> Result<Vec<Raw>, Error> {
        let mut records = Vec::new();
        let mut patience = LOOK;
        while records.len() < RECORDS_MAX {
            // What comes of a member that has just joined is of its new assignment.
            let Some(polled) = self.inner.poll(patience) else {
                break;
            };
            patience = Duration::ZERO;
            let assignment = self.inner.context().0.load(Ordering::SeqCst);
            match polled {
                Ok(message) => {
                    let mut raw = raw(&message);
                    drop(message);
                    self.count(assignment, &mut raw);
                    records.push(raw);
                }
                Err(KafkaError::PartitionEOF(partition)) => drop(self.ends.remove(&partition)),
                Err(error) if is_over(&error) => {
                    return Err(Error::Consumer {
                        action: "read",
                        topic: self.topic.clone(),
                        source: error,
                    });
                }
                Err(error) => tracing::warn!(%error, "Deployed Kafka: not read."),
            }
        }
        Ok(records)
    }

    /// Marks a record that its partition's former owner may have written without committing it, and
    /// the end that it reaches.
    fn count(&mut self, assignment: u64, raw: &mut Raw) {
        if assignment != self.assignment {
            self.assignment = assignment;
            self.read.clear();
        }
        let read = self.read.entry(raw.partition).or_default();
        raw.is_repeated = self.is_beside_bridge || *read < RECORDS_MAX;
        *read += 1;
        let end = self.ends.get(&raw.partition);
        if end.is_some_and(|end| raw.offset + 1 >= *end) {
            self.ends.remove(&raw.partition);
        }
    }

    /// Commits that these records are done with. Blocks. What is not committed comes again, and
    /// counts once.
    pub(crate) fn commit(&self, records: &[Raw]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for record in records {
            // The last one of a partition counts.
            let next = Offset::Offset(record.offset + 1);
            match list.find_partition(&self.topic, record.partition) {
                Some(mut found) => found.set_offset(next)?,
                None => list.add_partition_offset(&self.topic, record.partition, next)?,
            }
        }
        self.inner.commit(&list, CommitMode::Sync)
    }
}

fn raw(message: &BorrowedMessage<'_>) -> Raw {
    let bytes = |part: Option<&[u8]>| part.map(Bytes::copy_from_slice).unwrap_or_default();
    let headers = message.headers();
    let headers = headers.into_iter().flat_map(|headers| headers.iter());
    Raw {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: bytes(message.key()),
        value: bytes(message.payload()),
        headers: headers
            .map(|header| (header.key.to_owned(), bytes(header.value)))
            .collect(),
        is_repeated: false,
    }
}

/// Whether an error does not pass by itself.
fn is_over(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::SaslAuthenticationFailed
        )
    )
}

#[cfg(test)]
mod tests;
