//! The folders of a node, and the stores in them.

mod shares;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use futures::future::BoxFuture;
use rollcall_api::Room;
use rollcall_kafka::KafkaLog;
use rollcall_log::{Clock, EmbeddedLog, EmbeddedOptions, Error, Log, SystemClock};
use rollcall_model::{Policy, Topic};
use rollcall_rocks::{RocksPairs, RocksStore};
use rollcall_tables::Bounds;
use tracing::warn;

use crate::commands::Failure;
use crate::config::{self, Config, LogKind, Sources};
use shares::Shares;

/// Where what is kept, below the data folder.
pub(crate) struct Folders {
    /// The embedded log.
    pub(crate) log: PathBuf,
    /// The processor's tables.
    pub(crate) tables: PathBuf,
    /// The tables written down now and then.
    pub(crate) checkpoints: PathBuf,
    /// The API's replica.
    replica: PathBuf,
    /// The broker's retained messages.
    pub(crate) broker: PathBuf,
    /// `rollcall dev`'s tenant file.
    pub(crate) tenants: PathBuf,
    /// MQTT client id at the broker outside.
    client_id: PathBuf,
    /// Who the process is on Kafka.
    process_id: PathBuf,
}

impl Folders {
    /// The layout below `data_dir`.
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self {
            log: data_dir.join("log"),
            tables: data_dir.join("tables"),
            checkpoints: data_dir.join("checkpoints"),
            replica: data_dir.join("replica"),
            broker: data_dir.join("broker"),
            tenants: data_dir.join("tenants.json"),
            client_id: data_dir.join("mqtt-client-id"),
            process_id: data_dir.join("process-id"),
        }
    }
}

/// Who this node is at the broker outside: an MQTT client id names a session there, so it stays
/// the same for life. A new one would leave the old to queue without a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientIds {
    /// Of the bridge. On Kafka all bridges of a system share it: whoever leads resumes the session.
    pub(crate) bridge: String,
    /// Of the sender, always its own.
    pub(crate) sender: String,
    /// Whether this data folder has used them before.
    pub(crate) are_known: bool,
}

/// The MQTT client ids at the broker outside: the configured one, or one that follows from the
/// Kafka cluster and prefix, or one that is made once and kept with the data.
pub(crate) fn client_ids(
    config: &Config,
    folders: &Folders,
    log: &NodeLog,
) -> anyhow::Result<ClientIds> {
    let configured = config.mqtt.client_id.as_str();
    let NodeLog::Kafka(log) = log else {
        let Kept { name, is_known } = kept(&folders.client_id, configured)?;
        return Ok(ClientIds {
            sender: format!("{name}-send"),
            bridge: name,
            are_known: is_known,
        });
    };
    let shared = match configured {
        "" => shared_id(log.cluster_id().as_deref(), &config.kafka.prefix),
        configured => configured.to_owned(),
    };
    let before = std::fs::read_to_string(&folders.client_id).unwrap_or_default();
    let Kept { name, is_known } = kept(&folders.client_id, &shared)?;
    if !is_known && !before.is_empty() {
        warn!(
            before = before.trim(),
            now = name,
            "The bridge has another MQTT client id: remove the session of the one before at the \
             broker, where it would queue for ever."
        );
    }
    let process = kept(&folders.process_id, &config.process.id)?.name;
    Ok(ClientIds {
        sender: format!("{name}-send-{process}"),
        bridge: name,
        are_known: is_known,
    })
}

/// The client id that the bridges of one prefix of one cluster share, and no others.
fn shared_id(cluster: Option<&str>, prefix: &str) -> String {
    let cluster = cluster.unwrap_or("kafka");
    let id = format!("rollcall-{cluster}-{prefix}");
    id.trim_end_matches(['.', '-', '_']).to_owned()
}

/// A name that stays with the data.
struct Kept {
    name: String,
    /// Whether this data folder has used it before.
    is_known: bool,
}

/// The configured name, or the one in the file at `path`, which is made when there is none.
fn kept(path: &Path, configured: &str) -> anyhow::Result<Kept> {
    let shown = path.display();
    let kept = match std::fs::read_to_string(path) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    let name = match (configured, kept.as_str()) {
        // The standard library draws its hash seeds at random.
        ("", "") => {
            let drawn = RandomState::new().build_hasher().finish();
            format!("rollcall-{drawn:016x}")
        }
        ("", kept) => kept.to_owned(),
        (configured, _) => configured.to_owned(),
    };
    let is_known = name == kept;
    if !is_known {
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, &name)
            .and_then(|()| std::fs::rename(&fresh, path))
            .with_context(|| format!("cannot write {shown}"))?;
    }
    Ok(Kept { name, is_known })
}

/// The log of a node.
#[derive(Clone)]
pub(crate) enum NodeLog {
    /// On its disk.
    Embedded(Arc<EmbeddedLog>),
    /// On brokers.
    Kafka(Arc<KafkaLog>),
}

impl NodeLog {
    /// Opens the configured one for writing. Waits for brokers on a thread of its own, so that
    /// whoever is asked to stop meanwhile need not.
    pub(crate) async fn open(
        config: &Config,
        folders: &Folders,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        match config.log.kind {
            LogKind::Embedded => Ok(Self::Embedded(Arc::new(open_log(config, folders, clock)?))),
            LogKind::Kafka => {
                let id = kept(&folders.process_id, &config.process.id)?.name;
                let settings = config.kafka.settings(&id, shards(config));
                // It waits for brokers.
                let registry = config.registry.settings();
                let open = move || KafkaLog::open_with(settings, registry.as_ref());
                let opened = tokio::task::spawn_blocking(open).await;
                let log = opened.context("the log's opening was broken off")??;
                Ok(Self::Kafka(Arc::new(log)))
            }
        }
    }

    /// Ends every wait for brokers at `end`, or soon when they are known not to answer.
    pub(crate) fn end_by(&self, end: Instant) {
        if let Self::Kafka(log) = self {
            log.end_by(end);
        }
    }

    /// The log.
    pub(crate) fn log(&self) -> Arc<dyn Log> {
        match self {
            Self::Embedded(log) => log.clone(),
            Self::Kafka(log) => log.clone(),
        }
    }

    /// Partitions of the tables.
    pub(crate) fn partitions(&self) -> u32 {
        self.log().partitions(Topic::Status)
    }

    /// Done when the log on this disk writes nothing any more, or when another process has taken
    /// this one's place. Brokers come back.
    pub(crate) fn stopped(&self) -> BoxFuture<'static, Error> {
        match self {
            Self::Embedded(log) => log.stopped(),
            Self::Kafka(log) => log.replaced(),
        }
    }

    /// Writes what waits, and ends.
    pub(crate) fn close(&self) {
        match self {
            Self::Embedded(log) => log.close(),
            Self::Kafka(log) => tokio::task::block_in_place(|| log.close()),
        }
    }
}

/// The configured number of transactional writers, or one a core.
fn shards(config: &Config) -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match config.process.shards {
        0 => u32::try_from(cores).unwrap_or(1),
        shards => shards,
    }
}

/// Opens the log for writing.
fn open_log(
    config: &Config,
    folders: &Folders,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<EmbeddedLog> {
    let shares = Shares::of(config);
    let options = EmbeddedOptions {
        partitions: config.log.partitions,
        sync: config.log.sync,
        retention: config.log.retention.0,
        memory_bytes: shares.log,
        queue_bytes_max: shares.waiting,
        ..EmbeddedOptions::new(folders.log.clone())
    };
    EmbeddedLog::open(options, clock).context("cannot open the log")
}

/// Opens the tables.
pub(crate) fn open_tables(
    config: &Config,
    folders: &Folders,
    partitions: u32,
) -> anyhow::Result<RocksStore> {
    RocksStore::open(&folders.tables, partitions, Shares::of(config).tables)
        .context("cannot open the tables")
}

/// Opens what the API's replica is kept in.
pub(crate) fn open_replica(
    config: &Config,
    folders: &Folders,
) -> anyhow::Result<rollcall_api::Kept> {
    let pairs = RocksPairs::open(&folders.replica, Shares::of(config).replica);
    Ok(rollcall_api::Kept {
        pairs: Arc::new(pairs.context("cannot open the replica")?),
        log_name: log_name(config),
        max_failures: config.policy().max_failures,
    })
}

/// Room in memory for the answers of one of the two HTTP ports: operators who read slowly must not
/// keep the API waiting, nor the other way round.
pub(crate) fn room(config: &Config) -> Room {
    Room::new(Shares::of(config).answers / 2)
}

/// What tells the log from others that the data folder may have seen. Brokers under other addresses
/// may be the same ones: then the replica is filled anew for nothing, which takes seconds.
fn log_name(config: &Config) -> String {
    match config.log.kind {
        LogKind::Embedded => "embedded".to_owned(),
        LogKind::Kafka => {
            let mut brokers: Vec<_> = config.kafka.bootstrap.split(',').map(str::trim).collect();
            brokers.sort_unstable();
            format!("kafka {} {}", config.kafka.prefix, brokers.join(","))
        }
    }
}

/// Changes held back by a partition at most: half of what a restore may have to replay (DESIGN.md
/// section 6); the other half may be behind the store's disk.
const HELD_CHANGES_MAX: usize = 500_000;

/// What each partition holds back before it writes: its share of the memory, split evenly.
pub(crate) fn held_back(config: &Config, partitions: u32) -> Bounds {
    let partitions = partitions.max(1) as usize;
    Bounds {
        bytes: Shares::of(config).held_back / partitions,
        changes: HELD_CHANGES_MAX,
    }
}

/// Bytes in memory for each byte of input while a batch is folded, about: the record as read, its
/// row before and after, what is derived from it, and all of that encoded for the log.
const BATCH_GROWTH: usize = 8;

/// Input bytes of a batch at most, however much memory there is: with what becomes of it, this fits
/// into a processor's cache. 8 MiB do not, and each event then costs a third more
/// (docs/performance.md).
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// The same on Kafka, where each batch is a transaction: with 4 MiB the brokers work half as much
/// for each event, and a fifth is saved here, in spite of the cache.
const KAFKA_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The policy that a processor obeys: batches take their share of the memory at most, split
/// evenly. Smaller ones give the same rows.
pub(crate) fn policy(config: &Config, partitions: u32) -> Policy {
    let partitions = partitions.max(1) as usize;
    let share = Shares::of(config).batches / BATCH_GROWTH / partitions;
    let most = match config.log.kind {
        LogKind::Embedded => BATCH_BYTES_MAX,
        LogKind::Kafka => KAFKA_BATCH_BYTES_MAX,
    };
    let bytes_max = u32::try_from(share.clamp(1, most)).unwrap_or(u32::MAX);
    let policy = config.policy();
    Policy {
        batch_bytes_max: policy.batch_bytes_max.min(bytes_max),
        ..policy
    }
}

/// Opens the log of a stopped node without changing it.
pub(crate) fn open_stopped(data_dir: &Path) -> anyhow::Result<EmbeddedLog> {
    open_there(data_dir, |options| options.read_only = true)
}

/// Opens the log on Kafka that a configuration names, to look into.
pub(crate) fn open_kafka(file: &Path) -> Result<Arc<dyn Log>, Failure> {
    let config = kafka(file)?;
    let (settings, registry) = (
        config.kafka.settings("reader", 1),
        config.registry.settings(),
    );
    let log = KafkaLog::reader_with(settings, registry.as_ref()).map_err(anyhow::Error::from)?;
    Ok(Arc::new(log))
}

/// As [`open_kafka`], to append single records to. The name is the command's: no process has it.
pub(crate) fn open_kafka_to_write(file: &Path) -> Result<Arc<dyn Log>, Failure> {
    let config = kafka(file)?;
    let (settings, registry) = (
        config.kafka.settings("command", 1),
        config.registry.settings(),
    );
    let open = || KafkaLog::open_with(settings, registry.as_ref());
    let log = tokio::task::block_in_place(open);
    Ok(Arc::new(log.map_err(anyhow::Error::from)?))
}

/// A configuration with the log on Kafka.
pub(crate) fn kafka(file: &Path) -> Result<Config, Failure> {
    let config = config::load(&Sources {
        file: Some(file),
        is_dev: false,
        flags: Vec::new(),
    })?;
    if config.log.kind != LogKind::Kafka {
        return Err(Failure::Usage(
            "--config looks into Kafka, and [log] kind is \"embedded\" there; give --data-dir"
                .to_owned(),
        ));
    }
    Ok(config)
}

/// Opens the log of a stopped node so that nobody can start on it meanwhile. Nothing is cleaned.
pub(crate) fn open_exclusively(data_dir: &Path) -> anyhow::Result<EmbeddedLog> {
    open_there(data_dir, |options| options.maintenance_interval = None)
}

fn open_there(
    data_dir: &Path,
    set: impl FnOnce(&mut EmbeddedOptions),
) -> anyhow::Result<EmbeddedLog> {
    let folders = Folders::of(data_dir);
    if !folders.log.is_dir() {
        anyhow::bail!(
            "{} holds no log; give the folder that --data-dir named",
            data_dir.display()
        );
    }
    let mut options = EmbeddedOptions::new(folders.log);
    set(&mut options);
    EmbeddedLog::open(options, Arc::new(SystemClock)).context("cannot open the log")
}

#[cfg(test)]
mod tests;
