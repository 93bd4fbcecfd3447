//! The configuration: embedded defaults < TOML file < `ROLLCALL_` environment < flags. Everything
//! is parsed and checked before anything is opened; unknown keys are refused with the nearest known
//! name.

mod checkpoint;
mod environment;
mod kafka;
mod layers;
mod mqtt;
mod policy;
mod registry;
mod self_check;
mod units;
mod values;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rollcall_schemas::dialect::Prefixes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use layers::Layers;

pub(crate) use checkpoint::CheckpointConfig;
pub(crate) use kafka::KafkaConfig;
pub(crate) use mqtt::MqttConfig;
pub(crate) use policy::PolicyConfig;
pub(crate) use registry::RegistryConfig;
pub(crate) use self_check::SelfCheckConfig;
pub(crate) use units::{Bytes, SpanOrOff};

const DEFAULT: &str = include_str!("default.toml");
const DEV: &str = include_str!("dev.toml");

/// The least `[process] memory`: with less, a load as in `tests/suites/memory.rs` does not fit.
pub(crate) const MEMORY_BYTES_MIN: usize = 96 * 1024 * 1024;

/// More than any machine has.
const MEMORY_BYTES_MAX: usize = 16 << 40;

/// Each shard is a client of Kafka with threads of its own.
const SHARDS_MAX: u32 = 256;

/// The shortest retention: inputs that are younger may not have been folded.
const RETENTION_MIN: Duration = Duration::from_secs(60);

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
    load_with(sources, std::env::vars_os())
}

/// The same with these environment variables.
fn load_with(
    sources: &Sources<'_>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, Invalid> {
    let mut layers = Layers::new(DEFAULT)?;
    if sources.is_dev {
        layers.merge_toml("dev.toml", DEV)?;
    }
    if let Some(file) = sources.file {
        layers.merge_toml(&file.display().to_string(), &text_of(file)?)?;
    }
    let (variables, keys): (Vec<_>, _) = (variables.into_iter().collect(), layers.keys());
    for name in variables.iter().map(|(name, _)| name.to_string_lossy()) {
        if let Some(meant) = environment::meant(&name, &keys) {
            let name = &*name;
            warn!(
                name,
                meant, "This variable sets nothing: between section and key stand two underscores."
            );
        }
    }
    for setting in environment::settings(variables)? {
        let place = format!("environment variable {}", setting.name);
        layers.merge_text(&place, &setting.path, &setting.text)?;
    }
    for (key, value) in &sources.flags {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        layers.merge_text("flags", &path, value)?;
    }
    let config: Config = layers.read()?;
    config.check()?;
    Ok(config)
}

fn text_of(file: &Path) -> Result<String, Invalid> {
    std::fs::read_to_string(file).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
            _ => error.to_string(),
        };
        Invalid(format!("--config {}: {why}", file.display()))
    })
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
        if self
            .log
            .retention
            .0
            .is_some_and(|kept| kept < RETENTION_MIN)
        {
            return invalid(format!(
                "[log] retention = \"{}\": give at least \"1m\", or \"off\"; what is older is \
                 deleted",
                String::from(self.log.retention)
            ));
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
        self.tenant
            .check_numbers()
            .map_err(|error| Invalid(error.to_string()))?;
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
        if self.process.memory.0 > MEMORY_BYTES_MAX {
            let (found, most) = (self.process.memory, Bytes(MEMORY_BYTES_MAX));
            return invalid(format!(
                "[process] memory = \"{found}\": give at most {most}"
            ));
        }
        if self.process.shards > SHARDS_MAX {
            let found = self.process.shards;
            return invalid(format!(
                "[process] shards = {found}: give 1 to {SHARDS_MAX}, or 0 for one a core"
            ));
        }
        self.self_check.check()?;
        self.checkpoint.check()?;
        self.policy.check()
    }
}
