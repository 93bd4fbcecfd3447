//! The folders of a node, and the stores in them.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rollcall_log::{Clock, EmbeddedLog, EmbeddedOptions, SystemClock};
use rollcall_model::Policy;
use rollcall_rocks::RocksStore;
use rollcall_tables::Bounds;

use crate::config::Config;

/// Where what is kept, below the data folder.
pub(crate) struct Folders {
    /// The embedded log.
    pub(crate) log: PathBuf,
    /// The processor's tables.
    pub(crate) tables: PathBuf,
    /// The broker's retained messages.
    pub(crate) broker: PathBuf,
    /// `rollcall dev`'s tenant file.
    pub(crate) tenants: PathBuf,
    /// MQTT client id at the broker outside.
    client_id: PathBuf,
}

impl Folders {
    /// The layout below `data_dir`.
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self {
            log: data_dir.join("log"),
            tables: data_dir.join("tables"),
            broker: data_dir.join("broker"),
            tenants: data_dir.join("tenants.json"),
            client_id: data_dir.join("mqtt-client-id"),
        }
    }
}

/// Who this node is at the broker outside.
#[derive(Clone, Debug)]
pub(crate) struct ClientId {
    /// The MQTT client id.
    pub(crate) name: String,
    /// Whether this data folder has used it before.
    pub(crate) is_known: bool,
}

/// The MQTT client id at the broker outside: the configured one, or one that is made once. It stays
/// with the data, for it names the session: a new one would leave the old to queue for nobody.
pub(crate) fn client_id(config: &Config, folders: &Folders) -> anyhow::Result<ClientId> {
    let path = &folders.client_id;
    let shown = path.display();
    let kept = match std::fs::read_to_string(path) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    let name = match (&config.mqtt.client_id, &kept) {
        // The standard library draws its hash seeds at random.
        (none, fresh) if none.is_empty() && fresh.is_empty() => {
            let drawn = RandomState::new().build_hasher().finish();
            format!("rollcall-{drawn:016x}")
        }
        (none, kept) if none.is_empty() => kept.clone(),
        (configured, _) => configured.clone(),
    };
    let is_known = name == kept;
    if !is_known {
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, &name)
            .and_then(|()| std::fs::rename(&fresh, path))
            .with_context(|| format!("cannot write {shown}"))?;
    }
    Ok(ClientId { name, is_known })
}

/// Opens the log for writing; three eighths of the memory are its.
pub(crate) fn open_log(
    config: &Config,
    folders: &Folders,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<EmbeddedLog> {
    let options = EmbeddedOptions {
        partitions: config.log.partitions,
        sync: config.log.sync,
        retention: config.log.retention.0,
        memory_bytes: config.process.memory.0 / 8 * 3,
        ..EmbeddedOptions::new(folders.log.clone())
    };
    EmbeddedLog::open(options, clock).context("cannot open the log")
}

/// Opens the tables; three eighths of the memory are theirs.
pub(crate) fn open_tables(config: &Config, folders: &Folders) -> anyhow::Result<RocksStore> {
    RocksStore::open(
        &folders.tables,
        config.log.partitions,
        config.process.memory.0 / 8 * 3,
    )
    .context("cannot open the tables")
}

/// Changes held back by a partition at most: half of what a restore may have to replay (DESIGN.md
/// section 6); the other half may be behind the store's disk.
const HELD_CHANGES_MAX: usize = 500_000;

/// What each partition holds back before it writes: an eighth of the memory, shared evenly.
pub(crate) fn held_back(config: &Config) -> Bounds {
    let partitions = config.log.partitions.max(1) as usize;
    Bounds {
        bytes: config.process.memory.0 / 8 / partitions,
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

/// The policy that a processor obeys: batches take the last eighth of the memory at most, shared
/// evenly. Smaller ones give the same rows.
pub(crate) fn policy(config: &Config) -> Policy {
    let partitions = config.log.partitions.max(1) as usize;
    let share = config.process.memory.0 / 8 / BATCH_GROWTH / partitions;
    let bytes_max = u32::try_from(share.clamp(1, BATCH_BYTES_MAX)).unwrap_or(u32::MAX);
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
