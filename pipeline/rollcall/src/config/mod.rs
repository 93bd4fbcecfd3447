//! The configuration: embedded defaults < TOML file < `ROLLCALL_` environment < flags. Everything
//! is parsed and checked before anything is opened; unknown keys are refused with the nearest known
//! name.

mod checkpoint;
mod kafka;
mod mqtt;
mod policy;
mod registry;
mod self_check;
mod units;

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use rollcall_schemas::dialect::Prefixes;
use serde::{Deserialize, Serialize};

use crate::nearest::nearest;

pub(crate) use checkpoint::CheckpointConfig;
pub(crate) use kafka::KafkaConfig;
pub(crate) use mqtt::MqttConfig;
pub(crate) use policy::PolicyConfig;
pub(crate) use registry::RegistryConfig;
pub(crate) use self_check::SelfCheckConfig;
pub(crate) use units::{Bytes, SpanOrOff};

const DEFAULT: &str = include_str!("default.toml");
const DEV: &str = include_str!("dev.toml");
/// Prefix of environment variables; `__` nests.
const ENV_PREFIX: &str = "ROLLCALL_";

/// The least `[process] memory`: with less, a load as in `tests/suites/memory.rs` does not fit.
pub(crate) const MEMORY_BYTES_MIN: usize = 96 * 1024 * 1024;

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) log: LogConfig,
    pub(crate) kafka: KafkaConfig,
    pub(crate) registry: RegistryConfig,
    pub(crate) mqtt: MqttConfig,
    pub(crate) dialect: Dialects,
    pub(crate) tenant: rollcall_tenant::Config,
    pub(crate) process: ProcessConfig,
    pub(crate) self_check: SelfCheckConfig,
    pub(crate) checkpoint: CheckpointConfig,
    pub(crate) send: SendConfig,
    pub(crate) api: rollcall_api::Config,
    pub(crate) ops: rollcall_api::OpsConfig,
    pub(crate) policy: PolicyConfig,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    pub(crate) kind: LogKind,
    pub(crate) partitions: u32,
    pub(crate) retention: SpanOrOff,
    pub(crate) sync: bool,
}

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogKind {
    /// On this node's disk.
    Embedded,
    /// On brokers, shared with other processes.
    Kafka,
}

/// `[dialect]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dialects {
    pub(crate) rhc: DialectConfig,
    pub(crate) draft: DialectConfig,
}

/// `[dialect.rhc]`, `[dialect.draft]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DialectConfig {
    pub(crate) prefix: String,
}

/// `[process]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessConfig {
    /// Empty = made once and kept in the data folder.
    pub(crate) id: String,
    /// 0 = as many as the machine has cores.
    pub(crate) shards: u32,
    pub(crate) data_dir: PathBuf,
    pub(crate) memory: Bytes,
}

/// `[send]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendConfig {
    /// At least 1: `[policy] probe_after = "0s"` is how to send none.
    pub(crate) probes_per_second: NonZeroU32,
}

/// A configuration that cannot be used: one line that names key, value and remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(pub(crate) String);

/// What the command line says about the configuration.
#[derive(Debug, Default)]
pub(crate) struct Sources<'a> {
    /// `--config`.
    pub(crate) file: Option<&'a Path>,
    /// Whether `rollcall dev`'s shorter waits apply.
    pub(crate) is_dev: bool,
    /// Flags, as (dotted key, value).
    pub(crate) flags: Vec<(&'static str, String)>,
}

/// Reads and checks the effective configuration.
pub(crate) fn load(sources: &Sources<'_>) -> Result<Config, Invalid> {
    let mut figment = Figment::from(Toml::string(DEFAULT));
    if sources.is_dev {
        figment = figment.merge(Toml::string(DEV));
    }
    if let Some(file) = sources.file {
        if !file.is_file() {
            return Err(Invalid(format!(
                "--config {}: there is no such file",
                file.display()
            )));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    figment = figment.merge(Env::prefixed(ENV_PREFIX).split("__"));
    for (key, value) in &sources.flags {
        figment = figment.merge(Serialized::default(key, value));
    }
    let config: Config = figment
        .extract()
        .map_err(|error| Invalid(explain(&error)))?;
    config.check()?;
    Ok(config)
}

impl Config {
    /// The policy that the processor records and obeys.
    pub(crate) fn policy(&self) -> rollcall_model::Policy {
        rollcall_model::Policy {
            rhc_prefix: self.dialect.rhc.prefix.clone(),
            draft_prefix: self.dialect.draft.prefix.clone(),
            ..self.policy.to_policy()
        }
    }

    /// The prefixes of the dialects' MQTT topics.
    pub(crate) fn prefixes(&self) -> Prefixes {
        Prefixes {
            rhc: self.dialect.rhc.prefix.clone(),
            draft: self.dialect.draft.prefix.clone(),
        }
    }

    fn check(&self) -> Result<(), Invalid> {
        let invalid = |text: String| Err(Invalid(text));
        if !(1..=256).contains(&self.log.partitions) {
            let found = self.log.partitions;
            return invalid(format!("[log] partitions = {found}: give 1 to 256"));
        }
        let prefixes = [
            ("rhc", &self.dialect.rhc.prefix),
            ("draft", &self.dialect.draft.prefix),
        ];
        for (name, prefix) in prefixes {
            let is_level = |level: &str| !level.is_empty() && !level.contains(['+', '#', '$']);
            if !prefix.split('/').all(is_level) {
                return invalid(format!(
                    "[dialect.{name}] prefix = {prefix:?}: give MQTT topic levels without \
                     wildcards, such as \"redhat\""
                ));
            }
        }
        if self.log.kind == LogKind::Kafka {
            self.kafka.check()?;
            self.registry.check()?;
        }
        self.mqtt.check()?;
        self.api
            .check()
            .map_err(|error| Invalid(error.to_string()))?;
        self.ops
            .check()
            .map_err(|error| Invalid(error.to_string()))?;
        if self.process.memory.0 < MEMORY_BYTES_MIN {
            let (found, least) = (self.process.memory, Bytes(MEMORY_BYTES_MIN));
            return invalid(format!(
                "[process] memory = \"{found}\": give at least {least}; it is for the whole \
                 process, which takes a third of that when it is idle"
            ));
        }
        self.self_check.check()?;
        self.checkpoint.check()?;
        self.policy.check()
    }
}

/// One line for a configuration error: the key, the value, what was expected, the nearest name.
fn explain(error: &figment::Error) -> String {
    let mut path = error.path.clone();
    let place = match &error.metadata {
        Some(metadata) if metadata.name.contains("environment") => {
            let name = path.join("__").to_uppercase();
            format!("environment variable {ENV_PREFIX}{name}")
        }
        Some(metadata) => match &metadata.source {
            Some(source) => format!("{source}: {}", path.join(".")),
            None => path.join("."),
        },
        None => path.join("."),
    };
    match &error.kind {
        Kind::UnknownField(name, known) => {
            if path.last().is_none_or(|last| last != name) {
                path.push(name.clone());
            }
            let remedy = match nearest(name, known) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "remove it".to_owned(),
            };
            format!("unknown key `{}` ({place}): {remedy}", path.join("."))
        }
        kind => format!("{place}: {kind}"),
    }
}
