//! Membership of a consumer group: which partitions are this process's, and the fence that keeps a
//! process that was taken for dead from committing.
//!
//! The member consumes nothing: reading is the fetcher's, and goes on with a partition when it
//! comes back. Of the group it needs the assignment and the generation alone, so every assignment
//! is answered with an empty one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, TopicPartitionList};
use rollcall_log::{Assigned, Error};
use rollcall_model::Topic;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::broker::{Broker, Context};
use crate::names::Names;
use crate::pulse::Pulse;

/// How often the member speaks to librdkafka.
const POLL: Duration = Duration::from_millis(100);

/// Fenced twice within this time, a process shares its id with another.
const FENCED_AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// What the group says.
struct Group {
    group: &'static str,
    names: Names,
    topics: &'static [Topic],
    assigned: watch::Sender<BTreeSet<u32>>,
    context: Context,
    asked: Mutex<Asked>,
    /// Who speaks to the group; another one after it was fenced.
    consumer: Mutex<Option<Arc<Consuming>>>,
}

type Consuming = BaseConsumer<Ear>;

/// What a consumer tells the group.
struct Ear(Arc<Group>);

/// Whose work goes on from where the group stands: an assignment may go and come back before
/// anybody here has noticed, while another process folded on.
#[derive(Default)]
struct Asked {
    /// Counts what the group has said.
    turn: u64,
    /// Whose position was asked for since.
    places: BTreeSet<(Topic, u32)>,
}

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.context.error(error, reason);
    }
}

impl ConsumerContext for Ear {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let group = self.0.group;
        self.0.forget();
        let answered = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let mine = self.0.whole(partitions);
            info!(group, partitions = ?mine, "Partitions assigned.");
            let answered = consumer.assign(&TopicPartitionList::new());
            self.0.assigned.send_replace(mine);
            answered
        } else {
            // Before the group hears of it: what is committed from here on is no more theirs.
            self.0.assigned.send_replace(BTreeSet::new());
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
    /// Whoever was at work has to ask again where the group stands.
    fn forget(&self) {
        let mut asked = self.asked.lock();
        asked.turn += 1;
        asked.places.clear();
    }

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

/// Joins with a new consumer.
fn consume(
    group: &Arc<Group>,
    config: &ClientConfig,
    pulse: &Pulse,
) -> Result<Arc<Consuming>, KafkaError> {
    let consumer = BaseConsumer::from_config_and_context(config, Ear(group.clone()))?;
    let topics = group.topics.iter().map(|topic| group.names.topic(*topic));
    consumer.subscribe(&topics.collect::<Vec<_>>())?;
    let consumer = Arc::new(consumer);
    pulse.keep(&consumer, |consumer| consumer.client());
    *group.consumer.lock() = Some(consumer.clone());
    Ok(consumer)
}

/// Speaks to the group until `is_over`.
///
/// A consumer whose instance id is another's by now is never let in again. That other may be
/// ourselves: a broker that hung answers a request to join that was given up long before. So we
/// join anew; who is fenced once more soon is not alone with its id.
fn serve(
    group: &Arc<Group>,
    mut consumer: Arc<Consuming>,
    config: &ClientConfig,
    pulse: &Pulse,
    is_over: &AtomicBool,
    is_replaced: &watch::Sender<bool>,
) {
    let mut fenced_at: Option<Instant> = None;
    while !is_over.load(Ordering::Relaxed) {
        let Some(Err(error)) = consumer.poll(POLL) else {
            continue;
        };
        if consumer.client().fatal_error().is_none() {
            let complaints = &group.context.complaints;
            complaints.hear_error(group.group, &error, "group membership");
            continue;
        }
        warn!(group = group.group, %error, "Group membership.");
        group.forget();
        group.assigned.send_replace(BTreeSet::new());
        if fenced_at.is_some_and(|at| at.elapsed() < FENCED_AGAIN_WITHIN) {
            is_replaced.send_replace(true);
            return;
        }
        fenced_at = Some(Instant::now());
        match consume(group, config, pulse) {
            Ok(new) => consumer = new,
            Err(error) => {
                warn!(group = group.group, %error, "The group cannot be joined again.");
                is_replaced.send_replace(true);
                return;
            }
        }
    }
}

/// A member of one group.
pub(crate) struct Member {
    group: Arc<Group>,
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
        let group = Arc::new(Group {
            group,
            names: broker.names.clone(),
            topics,
            assigned: sender,
            context: broker.context.clone(),
            asked: Mutex::default(),
            consumer: Mutex::default(),
        });
        let failed = |source: KafkaError| broker.failed("join a group of", source);
        let consumer = consume(&group, &config, &broker.pulse).map_err(failed)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name(format!("kafka-{}", group.group));
        let thread = thread.spawn({
            let (group, is_over) = (group.clone(), is_over.clone());
            let (is_replaced, pulse) = (broker.is_replaced.clone(), broker.pulse.clone());
            move || {
                serve(&group, consumer, &config, &pulse, &is_over, &is_replaced);
                *group.consumer.lock() = None;
            }
        });
        let thread = thread.map_err(|source| broker.failed("join a group of", source))?;
        Ok(Self {
            group,
            assigned,
            is_over,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What is this process's.
    pub(crate) fn assigned(&self) -> Assigned {
        self.assigned.clone()
    }

    /// Asks for a position with `ask`. Whoever has done so may commit it from here on, until the
    /// group says something.
    pub(crate) fn position<T, E>(
        &self,
        place: (Topic, u32),
        ask: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let asked = &self.group.asked;
        let turn = asked.lock().turn;
        let position = ask()?;
        let mut asked = asked.lock();
        // Else the answer may be older than what the group has said meanwhile.
        if asked.turn == turn {
            asked.places.insert(place);
        }
        Ok(position)
    }

    /// The fence for positions in `places`; `None` when one of them is not ours, or was not asked
    /// for since it is.
    ///
    /// The generation is read first: should the group go on between the two, the coordinator
    /// refuses the older one.
    pub(crate) fn fence(&self, places: &BTreeSet<(Topic, u32)>) -> Option<ConsumerGroupMetadata> {
        let consumer = self.group.consumer.lock().clone()?;
        let metadata = consumer.group_metadata()?;
        let is_known = places.is_subset(&self.group.asked.lock().places);
        let assigned = self.assigned.borrow();
        let is_ours = places
            .iter()
            .all(|(_, partition)| assigned.contains(partition));
        (is_known && is_ours).then_some(metadata)
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
