//! The topics on the broker: what they should be, what they are, and the way from one to the
//! other.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;
use rollcall_log::Error;
use rollcall_model::Topic;
use rollcall_schemas::topics::{Cleanup, specs};

use crate::broker::{Broker, Context, patiently};
use crate::names::Names;
use crate::registry;
use crate::settings::{ASK, OPEN, Settings, SettingsError};

/// Largest record of a topic (DESIGN.md section 2, rule 9), and what its framing takes.
const MESSAGE_BYTES_MAX: &str = "2162688";

/// Pause between two looks at topics that were made.
const SHOWN_POLL: Duration = Duration::from_millis(20);

/// Why a log on Kafka cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings are of no use.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The brokers do not answer, or refuse us.
    #[error(transparent)]
    Log(#[from] Error),
    /// The schema registry does not answer, or has not what is written with.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// Topics are not there.
    #[error("Kafka has no topic {}; run `rollcall topics apply`", names.join(", "))]
    Missing {
        /// Their names.
        names: Vec<String>,
    },
    /// Topics that belong together have different numbers of partitions.
    #[error(
        "topic {name} has {found} partitions and {other} has {expected}: a client's records would \
         be folded in different places. Partitions cannot be taken away: make the topics anew \
         under another [kafka] prefix with as many each, and replay the inputs into them"
    )]
    Unequal {
        /// One topic.
        name: String,
        /// Its partitions.
        found: u32,
        /// Another.
        other: String,
        /// Its partitions.
        expected: u32,
    },
}

/// What the topics should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Partitions of every topic.
    pub partitions: u32,
    /// Replicas of every partition; with 3 or more, two must have a record before it counts. `None`
    /// = as the brokers have it.
    pub replication: Option<u32>,
    /// How long records of topics that are not compacted are kept; `None` = for ever.
    pub retention_ms: Option<u64>,
}

/// A difference between what a topic is and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is not there.
    Missing {
        /// Its name.
        name: String,
    },
    /// It has another number of partitions.
    Partitions {
        /// Its name.
        name: String,
        /// What it has.
        found: u32,
        /// What it should have.
        wanted: u32,
    },
    /// It is set otherwise.
    Setting {
        /// Its name.
        name: String,
        /// Which property.
        property: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
}

impl Difference {
    /// Whether [`apply`] mends it. The number of partitions it leaves alone: raising it would send
    /// a client's records to another partition than its row is in.
    pub fn can_be_mended(&self) -> bool {
        !matches!(self, Self::Partitions { .. })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => write!(f, "{name}: is not there"),
            Self::Partitions {
                name,
                found,
                wanted,
            } => write!(
                f,
                "{name}: has {found} partitions, [kafka] partitions asks for {wanted}; set it to \
                 {found}, or make the topics anew under another prefix"
            ),
            Self::Setting {
                name,
                property,
                found,
                wanted,
            } => write!(f, "{name}: {property} = {found}, should be {wanted}"),
        }
    }
}

/// Refuses topics that are missing or do not fit each other.
pub(crate) fn check(names: &Names, partitions: &HashMap<Topic, u32>) -> Result<(), OpenError> {
    let count = |topic: Topic| partitions.get(&topic).copied().unwrap_or_default();
    let missing = Topic::ALL.into_iter().filter(|topic| count(*topic) == 0);
    let missing: Vec<String> = missing.map(|topic| names.topic(topic).to_owned()).collect();
    if !missing.is_empty() {
        return Err(OpenError::Missing { names: missing });
    }
    let together = specs().iter().filter(|spec| spec.is_copartitioned);
    for spec in together {
        if count(spec.topic) != count(Topic::Status) {
            return Err(OpenError::Unequal {
                name: names.topic(spec.topic).to_owned(),
                found: count(spec.topic),
                other: names.topic(Topic::Status).to_owned(),
                expected: count(Topic::Status),
            });
        }
    }
    Ok(())
}

/// What a topic should be set to, property by property.
fn properties(topic: Topic, wanted: Wanted) -> BTreeMap<&'static str, String> {
    let cleanup = specs()[topic as usize].cleanup;
    let mut all = BTreeMap::from([
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("max.message.bytes", MESSAGE_BYTES_MAX.to_owned()),
        ("compression.type", "producer".to_owned()),
    ]);
    if wanted.replication.is_some_and(|replicas| replicas >= 3) {
        all.insert("min.insync.replicas", "2".to_owned());
    }
    match cleanup {
        Cleanup::Compact => {
            all.insert("cleanup.policy", "compact".to_owned());
            // Longer than a disk may have been away (anchors, trap 46).
            all.insert("delete.retention.ms", "604800000".to_owned());
        }
        Cleanup::Delete => {
            all.insert("cleanup.policy", "delete".to_owned());
            let retention = wanted
                .retention_ms
                .map_or(-1, |ms| i64::try_from(ms).unwrap_or(i64::MAX));
            all.insert("retention.ms", retention.to_string());
            all.insert("retention.bytes", "-1".to_owned());
        }
    }
    all
}

/// Says where the topics differ from what they should be.
///
/// Errors: [`OpenError`].
pub async fn diff(settings: &Settings, wanted: Wanted) -> Result<Vec<Difference>, OpenError> {
    let broker = broker(settings)?;
    let partitions = broker.partitions(OPEN)?;
    let mut found = Vec::new();
    let mut there = Vec::new();
    for topic in Topic::ALL {
        let name = broker.names.topic(topic).to_owned();
        match partitions.get(&topic).copied().unwrap_or_default() {
            0 => found.push(Difference::Missing { name }),
            // Its owner knows how it should be.
            _ if !broker.names.is_ours(topic) => {}
            count => {
                if count != wanted.partitions {
                    found.push(Difference::Partitions {
                        name,
                        found: count,
                        wanted: wanted.partitions,
                    });
                }
                there.push(topic);
            }
        }
    }
    let admin = admin(&broker)?;
    let names: Vec<ResourceSpecifier<'_>> = there
        .iter()
        .map(|topic| ResourceSpecifier::Topic(broker.names.topic(*topic)))
        .collect();
    if names.is_empty() {
        return Ok(found);
    }
    let asked = admin.describe_configs(&names, &options()).await;
    let asked = asked.map_err(|source| broker.failed("describe the topics of", source))?;
    for (topic, described) in there.into_iter().zip(asked) {
        let described = described.map_err(|code| broker.failed("describe a topic of", code))?;
        let is = described.entry_map();
        for (property, wanted) in properties(topic, wanted) {
            let entry = is.get(property).and_then(|entry| entry.value.clone());
            let entry = entry.unwrap_or_else(|| "unset".to_owned());
            if entry != wanted {
                found.push(Difference::Setting {
                    name: broker.names.topic(topic).to_owned(),
                    property,
                    found: entry,
                    wanted,
                });
            }
        }
    }
    Ok(found)
}

/// Creates what is missing and sets what is set otherwise; gives what was done. What cannot be
/// mended is left, see [`Difference::can_be_mended`].
///
/// Errors: [`OpenError`].
pub async fn apply(settings: &Settings, wanted: Wanted) -> Result<Vec<Difference>, OpenError> {
    let found = diff(settings, wanted).await?;
    let broker = broker(settings)?;
    let admin = admin(&broker)?;
    let topic_of = |name: &str| broker.names.find(name.as_bytes());
    let mut done = Vec::new();
    let mut missing = Vec::new();
    for difference in found {
        let Some(topic) = difference.topic(topic_of) else {
            continue;
        };
        match &difference {
            Difference::Missing { .. } => missing.push(topic),
            Difference::Setting { name, .. } => set(&broker, &admin, name, topic, wanted).await?,
            Difference::Partitions { .. } => continue,
        }
        done.push(difference);
    }
    create(&broker, &admin, &missing, wanted).await?;
    Ok(done)
}

impl Difference {
    fn topic(&self, find: impl Fn(&str) -> Option<Topic>) -> Option<Topic> {
        match self {
            Self::Missing { name } | Self::Partitions { name, .. } | Self::Setting { name, .. } => {
                find(name)
            }
        }
    }
}

async fn create(
    broker: &Broker,
    admin: &AdminClient<Context>,
    topics: &[Topic],
    wanted: Wanted,
) -> Result<(), OpenError> {
    if topics.is_empty() {
        return Ok(());
    }
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let set: Vec<_> = topics.iter().map(|one| properties(*one, wanted)).collect();
    let new = topics.iter().zip(&set).map(|(topic, properties)| {
        let new = NewTopic::new(
            broker.names.topic(*topic),
            number(wanted.partitions),
            TopicReplication::Fixed(wanted.replication.map_or(-1, number)),
        );
        let properties = properties.iter();
        properties.fold(new, |new, (property, value)| new.set(property, value))
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    let made = admin.create_topics(&new, &options()).await;
    let made = made.map_err(|source| broker.failed("create a topic in", source))?;
    for one in made {
        match one {
            // Somebody was faster.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(broker
                    .failed("create a topic in", format!("{name}: {code}"))
                    .into());
            }
        }
    }
    patiently(|| wait_for(broker, topics))
}

/// Waits until the brokers show `topics`: the controller says that it has made them a moment
/// before, and whoever opened the log in that moment would be told that they are missing.
fn wait_for(broker: &Broker, topics: &[Topic]) -> Result<(), OpenError> {
    let deadline = Instant::now() + OPEN;
    loop {
        let there = broker.partitions(OPEN)?;
        let missing = topics.iter().find(|topic| there.get(topic) == Some(&0));
        let Some(missing) = missing else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            let name = broker.names.topic(*missing);
            let why = format!("{name} was made, and the brokers do not show it");
            return Err(broker.failed("create a topic in", why).into());
        }
        std::thread::sleep(SHOWN_POLL);
    }
}

async fn set(
    broker: &Broker,
    admin: &AdminClient<Context>,
    name: &str,
    topic: Topic,
    wanted: Wanted,
) -> Result<(), OpenError> {
    // The call sets a topic as a whole: what others have set on it stays.
    let resource = ResourceSpecifier::Topic(name);
    let asked = admin.describe_configs([&resource], &options()).await;
    let asked = asked.map_err(|source| broker.failed("describe a topic of", source))?;
    let mut all = BTreeMap::new();
    for described in &asked {
        let described = described
            .as_ref()
            .map_err(|code| broker.failed("describe a topic of", *code))?;
        let own = described.entries.iter();
        let own = own.filter(|entry| entry.source == ConfigSource::DynamicTopic);
        all.extend(own.filter_map(|entry| Some((entry.name.as_str(), entry.value.clone()?))));
    }
    all.extend(properties(topic, wanted));
    let mut change = AlterConfig::new(ResourceSpecifier::Topic(name));
    for (property, value) in &all {
        change = change.set(property, value);
    }
    let made = admin.alter_configs([&change], &options()).await;
    let made = made.map_err(|source| broker.failed("set a topic of", source))?;
    for one in made {
        one.map_err(|(_, code)| broker.failed("set a topic of", format!("{name}: {code}")))?;
    }
    Ok(())
}

fn broker(settings: &Settings) -> Result<Broker, OpenError> {
    settings.check()?;
    Ok(Broker::new(settings.clone())?)
}

fn admin(broker: &Broker) -> Result<AdminClient<Context>, OpenError> {
    let config = broker.settings.client();
    let made = AdminClient::from_config_and_context(&config, broker.context.clone());
    Ok(made.map_err(|source| broker.failed("open", source))?)
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(6 * ASK))
        .request_timeout(Some(6 * ASK))
}
