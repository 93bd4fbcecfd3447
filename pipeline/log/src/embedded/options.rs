//! Where an embedded log is, and how it behaves.

use std::path::PathBuf;
use std::time::Duration;

use crate::Cleaning;

/// Where an embedded log is, and how it behaves.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Folder of the log; made when it is not there.
    pub path: PathBuf,
    /// Partitions of every topic, fixed when the log is made; 0 = as many as it has (a new one gets
    /// 1).
    pub partitions: u32,
    /// Whether an append is on the disk itself when its future is done. Without it, what is
    /// acknowledged survives the death of the process, but not of the machine.
    pub sync: bool,
    /// Opens a stopped log without changing anything, for reading only.
    pub read_only: bool,
    /// See [`Cleaning::retention`]; `None` = for ever.
    pub retention: Option<Duration>,
    /// See [`Cleaning::compaction_lag`].
    pub compaction_lag: Duration,
    /// See [`Cleaning::tombstone_retention`].
    pub tombstone_retention: Duration,
    /// How often they are looked for; `None` = only by [`crate::EmbeddedLog::maintain`].
    pub maintenance_interval: Option<Duration>,
    /// Memory of caches and write buffers together, bytes.
    pub memory_bytes: usize,
    /// Appends that may wait for the disk; more are refused as [`crate::Error::Busy`]. Appends that
    /// carry positions may be twice as many: they are a reader's work, and to refuse them stops the
    /// reader.
    pub queue_appends_max: usize,
    /// Bytes of records that may wait for the disk; as above.
    pub queue_bytes_max: usize,
}

impl EmbeddedOptions {
    /// The defaults for a log at `path`, with the partitions that it has.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }

    /// How old records leave.
    pub(super) fn cleaning(&self) -> Cleaning {
        Cleaning {
            retention: self.retention,
            compaction_lag: self.compaction_lag,
            tombstone_retention: self.tombstone_retention,
        }
    }
}

impl Default for EmbeddedOptions {
    /// Durable, kept for ever, 128 MiB of memory; room for one append in flight of 65,536 clients,
    /// as the broker holds one publish of a client at a time. The path is empty and has to be set.
    fn default() -> Self {
        let Cleaning {
            retention,
            compaction_lag,
            tombstone_retention,
        } = Cleaning::default();
        Self {
            path: PathBuf::new(),
            partitions: 0,
            sync: true,
            read_only: false,
            retention,
            compaction_lag,
            tombstone_retention,
            maintenance_interval: Some(Duration::from_secs(60)),
            memory_bytes: 128 * 1024 * 1024,
            queue_appends_max: 65_536,
            queue_bytes_max: 64 * 1024 * 1024,
        }
    }
}
