//! `[kafka]`: where the brokers are, and what the topics there should be.

use std::collections::BTreeMap;
use std::fmt;

use rollcall_kafka::Settings;
use rollcall_kafka::topics::Wanted;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Invalid, LogConfig};

/// Kafka's own bound of a replication factor.
const REPLICATION_MAX: u32 = 32_767;

/// What stands for a secret in print.
const MASKED: &str = "…";

/// `[kafka]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaConfig {
    /// `host:port`, several with commas.
    pub(crate) bootstrap: String,
    pub(crate) prefix: String,
    /// "" = prefix and `inventory`.
    inventory_topic: String,
    partitions: u32,
    /// 0 = as the brokers have it.
    replication: u32,
    /// Anything else of librdkafka's.
    #[serde(default)]
    properties: Properties,
}

/// Properties of librdkafka, whose secrets are not printed. A dot in a name is a table to TOML,
/// and is read as the dot that was meant.
#[derive(Clone, Default)]
struct Properties(BTreeMap<String, String>);

impl KafkaConfig {
    /// Refuses what no client or topic can be made of.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        if !(1..=1_024).contains(&self.partitions) {
            let found = self.partitions;
            return Err(Invalid(format!(
                "[kafka] partitions = {found}: give 1 to 1024"
            )));
        }
        if self.replication > REPLICATION_MAX {
            let found = self.replication;
            return Err(Invalid(format!(
                "[kafka] replication = {found}: give 1 to {REPLICATION_MAX}, or 0 for what the \
                 brokers have"
            )));
        }
        self.settings("check", 1)
            .check()
            .map_err(|error| Invalid(error.to_string()))
    }

    /// How to reach the brokers as the process `id`.
    pub(crate) fn settings(&self, id: &str, shards: u32) -> Settings {
        Settings {
            bootstrap: self.bootstrap.clone(),
            prefix: self.prefix.clone(),
            inventory_topic: self.inventory_topic.clone(),
            id: id.to_owned(),
            shards,
            properties: self.properties.0.clone(),
        }
    }

    /// What the topics should be.
    pub(crate) fn wanted(&self, log: &LogConfig) -> Wanted {
        let retention_ms = log.retention.0.map(|span| span.as_millis());
        Wanted {
            partitions: self.partitions,
            replication: (self.replication > 0).then_some(self.replication),
            retention_ms: retention_ms.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
        }
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", "jaas", "key.pem"]
        .iter()
        .any(|part| name.contains(part))
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Properties {
    fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| {
            let shown = if is_secret(name) { MASKED } else { value };
            (name.as_str(), shown)
        })
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.shown())
    }
}

/// A value as somebody may write it: librdkafka takes text only.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Whole(i64),
    Flag(bool),
    Table(BTreeMap<String, Value>),
}

impl Value {
    fn flatten(self, name: String, into: &mut BTreeMap<String, String>) {
        match self {
            Value::Text(text) => drop(into.insert(name, text)),
            Value::Whole(number) => drop(into.insert(name, number.to_string())),
            Value::Flag(flag) => drop(into.insert(name, flag.to_string())),
            Value::Table(table) => {
                for (part, value) in table {
                    value.flatten(format!("{name}.{part}"), into);
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Flat;
        impl<'de> Visitor<'de> for Flat {
            type Value = Properties;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("properties of librdkafka, such as \"security.protocol\" = \"ssl\"")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value: Value = map
                        .next_value()
                        .map_err(|_| de::Error::custom(format!("{name}: give a text")))?;
                    value.flatten(name, &mut all);
                }
                Ok(Properties(all))
            }
        }
        deserializer.deserialize_map(Flat)
    }
}
