//! The brokers: questions that are asked on the spot, and what librdkafka says on its own.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use rollcall_log::{Error, OffsetRange};
use rollcall_model::Topic;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tracing::{debug, error};

use crate::complaints::Complaints;
use crate::ending::Ending;
use crate::fetch::native::add_brokers;
use crate::member::Members;
use crate::names::Names;
use crate::pulse::Pulse;
use crate::reach::{Reachability, Watch};
use crate::settings::{ASK, Settings};

/// Events that are served with one question.
const EVENTS_MAX: u32 = 16;

/// How long a partition may be without a leader before whoever asks is told.
const LED_WITHIN: Duration = Duration::from_secs(2);

/// Pause before it is asked for again.
const LED_POLL: Duration = Duration::from_millis(20);

/// How long one question may take while the brokers are known not to answer: they may since a
/// moment ago.
const ASK_SILENT: Duration = Duration::from_secs(1);

/// How long the end waits for brokers that are known not to answer.
const DRAIN_SILENT: Duration = Duration::from_secs(1);

/// What librdkafka tells a client goes to our own log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) complaints: Complaints,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                error!(facility, "{message}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                self.complaints.hear(facility, message);
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                debug!(facility, "{message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.hear_error("error", &error, reason);
    }
}

impl ConsumerContext for Context {}

/// Asks the brokers.
pub(crate) struct Broker {
    pub(crate) settings: Settings,
    pub(crate) names: Names,
    /// Sees what is committed.
    committed: Arc<BaseConsumer<Context>>,
    /// Sees what is still being written.
    written: Arc<BaseConsumer<Context>>,
    /// One per group whose positions were asked for.
    groups: Mutex<HashMap<String, Arc<BaseConsumer<Context>>>>,
    /// The groups that this process shares with others.
    pub(crate) members: Members,
    /// Turns true when another process has taken this one's place in a group.
    pub(crate) is_replaced: Arc<watch::Sender<bool>>,
    pub(crate) pulse: Pulse,
    /// What every client is made with.
    pub(crate) context: Context,
    /// Whether they answer.
    pub(crate) reach: Arc<Reachability>,
    /// Moves whenever somebody may have more to read, and when the brokers stop or begin to answer.
    pub(crate) appended: Arc<watch::Sender<u64>>,
    /// When nobody waits for them any more.
    pub(crate) ending: Ending,
    _watch: Watch,
}

impl Broker {
    /// Makes the clients; nobody is asked yet.
    pub(crate) fn new(settings: Settings) -> Result<Self, Error> {
        let names = settings.names();
        let context = Context::default();
        let make = |config: &rdkafka::ClientConfig| {
            BaseConsumer::from_config_and_context(config, context.clone())
                .map_err(|source| failed(&settings, "open", source))
        };
        let committed = Arc::new(make(&settings.consumer(&names.nobody()))?);
        let written = Arc::new(make(&settings.witness())?);
        let pulse = Pulse::start(&settings).map_err(|source| failed(&settings, "open", source))?;
        pulse.keep(&committed, |consumer| consumer.client());
        pulse.keep(&written, |consumer| consumer.client());
        let complaints = context.complaints.clone();
        let reach = Arc::new(Reachability::new(&settings.bootstrap, complaints));
        let appended = Arc::new(watch::Sender::new(0));
        let topic = names.topic(Topic::Status).to_owned();
        let wake = appended.clone();
        let changed = move || wake.send_modify(|count| *count += 1);
        // Not the other one, whose events say to who opens the log that he is not let in.
        let watch = Watch::start(&reach, &written, &topic, changed);
        let watch = watch.map_err(|source| failed(&settings, "open", source))?;
        Ok(Self {
            context,
            reach,
            appended,
            ending: Ending::default(),
            _watch: watch,
            names,
            committed,
            written,
            groups: Mutex::default(),
            members: Members::default(),
            is_replaced: Arc::new(watch::Sender::new(false)),
            pulse,
            settings,
        })
    }

    /// A consumer of nobody's, to read with. It says nothing of lost connections: whoever takes
    /// batches from it does not see them, and they would go to the standard error.
    pub(crate) fn consumer(&self) -> Result<Arc<BaseConsumer<Context>>, Error> {
        let mut config = self.settings.consumer(&self.names.nobody());
        config.set_log_level(RDKafkaLogLevel::Emerg);
        let consumer = BaseConsumer::from_config_and_context(&config, self.context.clone())
            .map_err(|source| self.failed("read", source))?;
        let consumer = Arc::new(consumer);
        self.pulse.keep(&consumer, |consumer| consumer.client());
        Ok(consumer)
    }

    /// Ends every wait for the brokers at `end`, or soon when they are known not to answer. Gives
    /// the moment.
    pub(crate) fn end_by(&self, end: Instant) -> Instant {
        let end = match self.reach.is_silent() {
            true => end.min(Instant::now() + DRAIN_SILENT),
            false => end,
        };
        self.ending.by(end)
    }

    /// How long a question may take now.
    ///
    /// Errors: when nobody is to wait for an answer any more.
    fn patience(&self, action: &'static str, longest: Duration) -> Result<Duration, Error> {
        if self.ending.is_over() {
            return Err(self.unanswered(action, "the log is being closed"));
        }
        let longest = match self.reach.is_silent() {
            true => longest.min(ASK_SILENT),
            false => longest,
        };
        Ok(self.ending.within(longest))
    }

    /// What went wrong, with the brokers it went wrong with.
    pub(crate) fn failed(
        &self,
        action: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        failed(&self.settings, action, source)
    }

    /// A question that the brokers did not answer, and may answer later.
    pub(crate) fn unanswered(
        &self,
        action: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error::Unreachable {
            action,
            path: self.settings.bootstrap.clone(),
            source: source.into(),
        }
    }

    /// How many partitions each topic has; 0 for one that is not there. Waits for brokers that do
    /// not answer yet, until `within` is over.
    pub(crate) fn partitions(&self, within: Duration) -> Result<HashMap<Topic, u32>, Error> {
        let deadline = Instant::now() + within;
        loop {
            let asked = self.committed.fetch_metadata(None, ASK.min(within));
            let refused = refusal(&self.committed);
            match asked {
                Ok(metadata) => {
                    let count = |topic: Topic| {
                        let name = self.names.topic(topic);
                        let found = metadata.topics().iter().find(|one| one.name() == name);
                        let count = found.map_or(0, |found| found.partitions().len());
                        (topic, u32::try_from(count).unwrap_or(u32::MAX))
                    };
                    return Ok(Topic::ALL.into_iter().map(count).collect());
                }
                Err(source) if refused.is_some() || Instant::now() >= deadline => {
                    let source = refused.unwrap_or(source);
                    return Err(self.failed("reach", source));
                }
                Err(source) => debug!(%source, "Kafka does not answer yet."),
            }
        }
    }

    /// Which cluster they are.
    pub(crate) fn cluster_id(&self) -> Option<String> {
        patiently(|| self.committed.client().fetch_cluster_id(ASK))
    }

    /// First offset kept, and the one behind the last that is committed with all before it.
    pub(crate) fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        self.watermarks(&self.committed, topic, partition)
    }

    /// The offset behind the last that anybody has begun to write.
    pub(crate) fn written(&self, topic: Topic, partition: u32) -> Result<u64, Error> {
        Ok(self.watermarks(&self.written, topic, partition)?.end)
    }

    fn watermarks(
        &self,
        consumer: &BaseConsumer<Context>,
        topic: Topic,
        partition: u32,
    ) -> Result<OffsetRange, Error> {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let name = self.names.topic(topic);
        let within = self.patience("ask the ends of", ASK)?;
        let asked = patiently(|| self.ask_ends(consumer, name, number, within));
        refusal(consumer);
        let (start, end) = asked.map_err(|source| self.unanswered("ask the ends of", source))?;
        let offset = |offset: i64| u64::try_from(offset).unwrap_or_default();
        Ok(OffsetRange {
            start: offset(start),
            end: offset(end),
        })
    }

    /// Asks until somebody leads the partition. A broker that has just come back may have said that
    /// nobody does, and librdkafka believes that for a quarter of an hour without asking again; one
    /// that has just been told to lead it may not know yet.
    fn ask_ends(
        &self,
        consumer: &BaseConsumer<Context>,
        topic: &str,
        partition: i32,
        within: Duration,
    ) -> Result<(i64, i64), KafkaError> {
        let deadline = self.ending.or(Instant::now() + LED_WITHIN);
        loop {
            match consumer.fetch_watermarks(topic, partition, within) {
                Err(source) if is_unled(&source) && Instant::now() < deadline => {
                    debug!(%source, topic, partition, "Asking anew who leads a partition.");
                    if consumer.fetch_metadata(Some(topic), within).is_err() {
                        add_brokers(consumer.client(), &self.settings.bootstrap);
                    }
                    std::thread::sleep(LED_POLL);
                }
                asked => return asked,
            }
        }
    }

    /// What `group` committed. Waits for a transaction that holds a position and is still open.
    pub(crate) fn position(
        &self,
        group: &str,
        topic: Topic,
        partition: u32,
    ) -> Result<Option<u64>, Error> {
        let consumer = self.group(group)?;
        let mut list = TopicPartitionList::new();
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let name = self.names.topic(topic);
        list.add_partition(name, number);
        let within = self.patience("ask the positions of", 3 * ASK)?;
        let found = patiently(|| consumer.committed_offsets(list, within));
        refusal(&consumer);
        let found = found.map_err(|source| self.unanswered("ask the positions of", source))?;
        let found = found.find_partition(name, number);
        let found = found.ok_or_else(|| self.failed("ask the positions of", "no answer"))?;
        found
            .error()
            .map_err(|source| self.unanswered("ask the positions of", source))?;
        Ok(match found.offset() {
            Offset::Offset(offset) => u64::try_from(offset).ok(),
            _ => None,
        })
    }

    fn group(&self, group: &str) -> Result<Arc<BaseConsumer<Context>>, Error> {
        let mut groups = self.groups.lock();
        if let Some(consumer) = groups.get(group) {
            return Ok(consumer.clone());
        }
        let config = self.settings.consumer(&self.names.group(group));
        let consumer = BaseConsumer::from_config_and_context(&config, self.context.clone())
            .map_err(|source| self.failed("open", source))?;
        let consumer = Arc::new(consumer);
        self.pulse.keep(&consumer, |consumer| consumer.client());
        groups.insert(group.to_owned(), consumer.clone());
        Ok(consumer)
    }

    /// The fence for positions of `group` in `places`; `None` when this process is a member and
    /// not all of them are its own. For a group that it has not joined, the transactional id is the
    /// only fence.
    pub(crate) fn fence(
        &self,
        group: &str,
        places: &BTreeSet<(Topic, u32)>,
    ) -> Result<Option<ConsumerGroupMetadata>, Error> {
        if let Some(member) = self.members.of(group) {
            return Ok(member.fence(places));
        }
        let metadata = self.group(group)?.group_metadata();
        let metadata = metadata.ok_or_else(|| self.failed("commit to", "no group metadata"))?;
        Ok(Some(metadata))
    }
}

/// Whether nobody leads a partition, as far as librdkafka remembers or a broker knows.
fn is_unled(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
        )
    )
}

/// Serves what `consumer` has to say, which only a poll does; gives the word of a broker that does
/// not let us in.
pub(crate) fn refusal(consumer: &BaseConsumer<Context>) -> Option<KafkaError> {
    let mut refusal = None;
    // One event at a time; what is left waits for the next question.
    for _ in 0..EVENTS_MAX {
        if let Some(Err(error)) = consumer.poll(Duration::ZERO)
            && matches!(
                error.rdkafka_error_code(),
                Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL)
            )
        {
            refusal = Some(error);
        }
    }
    refusal
}

/// Does what may wait for brokers, so that the other tasks of this thread go on meanwhile: probes,
/// and whoever asks the process to stop.
pub(crate) fn patiently<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn failed(
    settings: &Settings,
    action: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Store {
        action,
        path: settings.bootstrap.clone(),
        source: source.into(),
    }
}
