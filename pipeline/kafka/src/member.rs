//! Membership of a consumer group: which partitions are this process's, and the fence that keeps a
//! process that was taken for dead from committing.
//!
//! The member consumes nothing: reading is the fetcher's, and goes on with a partition when it
//! comes back. Of the group it needs the assignment and the generation alone, so every assignment
//! is answered with an empty one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rollcall_log::{Assigned, Error};
use rollcall_model::Topic;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::broker::{Broker, Context};
use crate::names::Names;

/// How often the member speaks to librdkafka.
const POLL: Duration = Duration::from_millis(100);

/// What the group says.
struct Group {
    group: &'static str,
    names: Names,
    topics: &'static [Topic],
    assigned: watch::Sender<BTreeSet<u32>>,
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Context.error(error, reason);
    }
}

impl ConsumerContext for Group {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let group = self.group;
        let answered = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let mine = self.whole(partitions);
            info!(group, partitions = ?mine, "Partitions assigned.");
            let answered = consumer.assign(&TopicPartitionList::new());
            self.assigned.send_replace(mine);
            answered
        } else {
            // Before the group hears of it: what is committed from here on is no more theirs.
            self.assigned.send_replace(BTreeSet::new());
            info!(
                group,
                lost = consumer.assignment_lost(),
                "Partitions revoked."
            );
            consumer.unassign()
        };
        if let Err(error) = answered {
            warn!(group, %error, "The group cannot be answered.");
        }
    }
}

impl Group {
    /// The partitions of which all topics are there: a batch reads them together.
    fn whole(&self, partitions: &TopicPartitionList) -> BTreeSet<u32> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for one in partitions.elements() {
            let is_ours = self.names.find(one.topic().as_bytes());
            let is_ours = is_ours.is_some_and(|topic| self.topics.contains(&topic));
            if let (true, Ok(partition)) = (is_ours, u32::try_from(one.partition())) {
                *counts.entry(partition).or_default() += 1;
            }
        }
        let is_whole = |(partition, count)| (count == self.topics.len()).then_some(partition);
        counts.into_iter().filter_map(is_whole).collect()
    }
}

/// A member of one group.
pub(crate) struct Member {
    consumer: Arc<BaseConsumer<Group>>,
    assigned: Assigned,
    is_over: Arc<AtomicBool>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Member {
    /// Joins `group` to share `topics`.
    pub(crate) fn join(
        broker: &Broker,
        group: &'static str,
        topics: &'static [Topic],
    ) -> Result<Self, Error> {
        let config = broker.settings.member(group);
        let (sender, assigned) = watch::channel(BTreeSet::new());
        let context = Group {
            group,
            names: broker.names.clone(),
            topics,
            assigned: sender,
        };
        let failed = |source: KafkaError| broker.failed("join a group of", source);
        let consumer = BaseConsumer::from_config_and_context(&config, context).map_err(failed)?;
        let names: Vec<&str> = topics.iter().map(|one| broker.names.topic(*one)).collect();
        consumer.subscribe(&names).map_err(failed)?;
        let consumer = Arc::new(consumer);
        broker.pulse.keep(&consumer, |consumer| consumer.client());
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name(format!("kafka-{group}"));
        let thread = thread.spawn({
            let (consumer, is_over) = (consumer.clone(), is_over.clone());
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    if let Some(Err(error)) = consumer.poll(POLL) {
                        warn!(group, %error, "Group membership.");
                    }
                }
            }
        });
        let thread = thread.map_err(|source| broker.failed("join a group of", source))?;
        Ok(Self {
            consumer,
            assigned,
            is_over,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What is this process's.
    pub(crate) fn assigned(&self) -> Assigned {
        self.assigned.clone()
    }

    /// The fence for positions in `partitions`; `None` when one of them is not ours.
    ///
    /// The generation is read first: should the group go on between the two, the coordinator
    /// refuses the older one.
    pub(crate) fn fence(&self, partitions: &BTreeSet<u32>) -> Option<ConsumerGroupMetadata> {
        let metadata = self.consumer.group_metadata()?;
        let is_ours = partitions.is_subset(&self.assigned.borrow());
        is_ours.then_some(metadata)
    }

    /// Leaves: a static member is missed only when its session times out, so that a restart gets
    /// its partitions back without a rebalance.
    pub(crate) fn leave(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            warn!("A Kafka group member has panicked.");
        }
    }
}

/// The groups that this process is a member of.
#[derive(Default)]
pub(crate) struct Members(Mutex<BTreeMap<&'static str, Arc<OnceLock<Arc<Member>>>>>);

impl Members {
    /// The member of `group`, who joins when asked for the first time.
    pub(crate) fn join(
        &self,
        broker: &Broker,
        group: &'static str,
        topics: &'static [Topic],
    ) -> Result<Arc<Member>, Error> {
        let place = self.0.lock().entry(group).or_default().clone();
        if let Some(member) = place.get() {
            return Ok(member.clone());
        }
        let member = Arc::new(Member::join(broker, group, topics)?);
        Ok(place.get_or_init(|| member).clone())
    }

    /// The member of `group`, if the process is one.
    pub(crate) fn of(&self, group: &str) -> Option<Arc<Member>> {
        self.0.lock().get(group)?.get().cloned()
    }

    /// Leaves all groups.
    pub(crate) fn leave(&self) {
        let all: Vec<_> = std::mem::take(&mut *self.0.lock()).into_values().collect();
        for member in all.iter().filter_map(|place| place.get()) {
            member.leave();
        }
    }
}
