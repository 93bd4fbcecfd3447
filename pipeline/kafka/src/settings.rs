//! Where the brokers are, who we are, and what librdkafka is told for each purpose.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use rollcall_model::Topic;

use crate::names::{Names, Turn};

/// Longest transaction: what a dead writer leaves open hides what others wrote behind it for so
/// long (anchors/stream-engine.md section 2.1).
pub(crate) const TRANSACTION_MS: u64 = 10_000;

/// How long a process may be silent before its partitions go to others.
const SESSION_MS: u64 = 10_000;

/// How long one question to the brokers may take.
pub(crate) const ASK: Duration = Duration::from_secs(5);

/// How long opening the log waits for brokers that are not there yet.
pub(crate) const OPEN: Duration = Duration::from_secs(30);

/// Properties that follow from what rollcall is; another value would break a promise.
const OURS: [(&str, &str); 14] = [
    ("bootstrap.servers", "set [kafka] bootstrap instead"),
    ("client.id", "set [process] id instead"),
    ("group.id", "rollcall names its own groups"),
    ("group.instance.id", "it follows from [process] id"),
    ("transactional.id", "it follows from [process] id"),
    (
        "enable.idempotence",
        "a repeated record would be folded twice",
    ),
    ("acks", "an acknowledged record must outlive its leader"),
    ("isolation.level", "what was aborted must not be folded"),
    (
        "enable.auto.commit",
        "positions are committed with their effects",
    ),
    ("auto.offset.reset", "a lost position must stop the reader"),
    ("enable.partition.eof", "the reader counts on it"),
    ("log.connection.close", "the writer must hear of it"),
    (
        "transaction.timeout.ms",
        "how long a call may take follows from it",
    ),
    ("partitioner", "keys are placed as Java's producer does it"),
];

/// Other names of the same, which librdkafka takes too, with what they are.
const ALIASES: [(&str, &str); 2] = [
    ("metadata.broker.list", "bootstrap.servers"),
    ("request.required.acks", "acks"),
];

/// How to reach Kafka, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `host:port`, several with commas.
    pub bootstrap: String,
    /// What the name of every topic, group and transaction begins with.
    pub prefix: String,
    /// Inventory's topic where it is somebody else's; `""` = prefix and `inventory`.
    pub inventory_topic: String,
    /// The process: two that are alive never share one. The later one ends the transactions of the
    /// earlier.
    pub id: String,
    /// How many transactional writers the process has; at least 1.
    pub shards: u32,
    /// Any other property of librdkafka, for every client: TLS, SASL.
    pub properties: BTreeMap<String, String>,
}

/// Why settings are not usable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// There is no broker to ask.
    #[error("[kafka] bootstrap is not set: give brokers, such as \"localhost:9092\"")]
    NoBootstrap,
    /// A name that Kafka does not take.
    #[error(
        "[kafka] prefix {prefix:?}: Kafka takes letters, digits, '.', '_' and '-', at most 200"
    )]
    Prefix {
        /// What was given.
        prefix: String,
    },
    /// A topic name that Kafka does not take, or that another topic has.
    #[error(
        "[kafka] inventory_topic {name:?}: Kafka takes letters, digits, '.', '_' and '-', at most \
         249, and no other topic of rollcall's is called so"
    )]
    Inventory {
        /// What was given.
        name: String,
    },
    /// A process name that Kafka does not take.
    #[error("[process] id {id:?}: Kafka takes letters, digits, '.', '_' and '-', 1 to 100")]
    Id {
        /// What was given.
        id: String,
    },
    /// A property that rollcall sets itself.
    #[error("[kafka] properties: {name} is not yours to set: {remedy}")]
    Ours {
        /// The property.
        name: String,
        /// What to do instead.
        remedy: &'static str,
    },
}

impl Settings {
    /// Looks at them without asking anybody.
    ///
    /// Errors: [`SettingsError`].
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.bootstrap.trim().is_empty() {
            return Err(SettingsError::NoBootstrap);
        }
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.prefix.len() > 200 || !self.prefix.chars().all(is_legal) {
            let prefix = self.prefix.clone();
            return Err(SettingsError::Prefix { prefix });
        }
        let name = &self.inventory_topic;
        let other = Names::new(&self.prefix).find(name.as_bytes());
        let is_taken = other.is_some_and(|topic| topic != Topic::Inventory);
        let is_dots = matches!(name.as_str(), "." | "..");
        if name.len() > 249 || is_taken || is_dots || !name.chars().all(is_legal) {
            return Err(SettingsError::Inventory { name: name.clone() });
        }
        let id = &self.id;
        if id.is_empty() || id.len() > 100 || !id.chars().all(is_legal) {
            return Err(SettingsError::Id { id: id.clone() });
        }
        for (name, remedy) in OURS {
            let aliases = ALIASES.iter().filter(|(_, ours)| *ours == name);
            let mut names = aliases.map(|(alias, _)| *alias).chain([name]);
            if let Some(found) = names.find(|name| self.properties.contains_key(*name)) {
                let name = match found == name {
                    true => name.to_owned(),
                    false => format!("{found} ({name})"),
                };
                return Err(SettingsError::Ours { name, remedy });
            }
        }
        Ok(())
    }

    /// The names of things on the broker.
    pub(crate) fn names(&self) -> Names {
        Names::new(&self.prefix).with_inventory(&self.inventory_topic)
    }

    /// What every client has in common.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", format!("rollcall-{}", self.id))
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "1000")
            // A request that nobody answers is made again on another connection, in time.
            .set("socket.timeout.ms", TRANSACTION_MS.to_string())
            // The writer must hear of lost connections, which are told as information.
            .set_log_level(match self.properties.contains_key("debug") {
                true => RDKafkaLogLevel::Debug,
                false => RDKafkaLogLevel::Info,
            });
        self.given(config)
    }

    /// What was given wins over our starting values; [`OURS`] are not given.
    fn given(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// A consumer that sees what is committed, and says when it has reached the end.
    pub(crate) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "50")
            .set("queued.min.messages", "100000")
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.message.max.bytes", "4194304")
            .set("topic.metadata.refresh.interval.ms", "60000");
        self.given(config)
    }

    /// A member of a group, which reads nothing. Static: a restart within the session's time gets
    /// its partitions back, and nobody else is disturbed.
    pub(crate) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(&self.names().group(group));
        config
            .set("group.instance.id", self.names().instance(&self.id))
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", SESSION_MS.to_string())
            .set("heartbeat.interval.ms", (SESSION_MS / 5).to_string())
            .set("enable.partition.eof", "false");
        self.given(config)
    }

    /// A consumer that sees what is still being written, to know where a partition really ends.
    pub(crate) fn witness(&self) -> ClientConfig {
        let mut config = self.consumer(&self.names().nobody());
        config.set("isolation.level", "read_uncommitted");
        self.given(config)
    }

    /// A producer for records that stand for themselves.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.codec", "lz4")
            .set("linger.ms", "1")
            .set("batch.size", "262144")
            .set("message.max.bytes", "4194304")
            .set("queue.buffering.max.messages", "1000000")
            .set("queue.buffering.max.kbytes", "262144")
            .set("retry.backoff.ms", "20")
            .set("message.timeout.ms", "60000");
        self.given(config)
    }

    /// A producer of transactions; `slot` tells the writers of this process apart, `turn` the ids
    /// of a writer.
    pub(crate) fn transactional(&self, slot: u32, turn: Turn) -> ClientConfig {
        let mut config = self.producer();
        let timeout = TRANSACTION_MS.to_string();
        config
            .set(
                "transactional.id",
                self.names().transaction(&self.id, slot, turn),
            )
            .set("transaction.timeout.ms", &timeout)
            .set("message.timeout.ms", &timeout)
            // A stop waits for a request that a hanging broker does not answer.
            .set("socket.timeout.ms", (TRANSACTION_MS / 2).to_string())
            // AddOffsets waits it out after CONCURRENT_TRANSACTIONS (anchors, trap 10).
            .set("retry.backoff.ms", "5");
        self.given(config)
    }
}
