//! The live tables of a stopped node, on a copy: a proof changes nothing. On Kafka there is no node
//! whose tables they are: what the changelogs hold stands for them.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use rollcall_log::Log;
use rollcall_rocks::{PartitionTables, RocksStore};
use rollcall_runtime::restore_tables;

use super::MEMORY_BYTES;
use crate::scratch::Scratch;
use crate::stores::Folders;

/// A folder for everything that goes when the command ends: beside the data, so that files can be
/// linked instead of copied; elsewhere when that cannot be written to, or there is none.
pub(super) fn scratch(data_dir: Option<&Path>) -> anyhow::Result<Scratch> {
    Scratch::that_signals_take(|| {
        let beside = data_dir.and_then(|data_dir| {
            let mut made = tempfile::Builder::new();
            made.prefix(".rebuild-").tempdir_in(data_dir).ok()
        });
        beside.map_or_else(Scratch::temporary, |made| Ok(Scratch::of(made)))
    })
}

/// A copy of the live tables.
pub(super) struct Live {
    store: RocksStore,
}

impl Live {
    /// Links (or copies) the tables below `data_dir` into `scratch` and opens them there; without
    /// a folder, empty ones.
    pub(super) fn open(
        data_dir: Option<&Path>,
        scratch: &Path,
        partitions: u32,
    ) -> anyhow::Result<Self> {
        let to = scratch.join("live");
        fs::create_dir(&to).with_context(|| format!("cannot make {}", to.display()))?;
        let from = data_dir.map_or(to.clone(), |data_dir| Folders::of(data_dir).tables);
        if from.is_dir() && from != to {
            copy(&from, &to)
                .with_context(|| format!("cannot copy the tables in {}", from.display()))?;
        }
        let store = RocksStore::open(&to, partitions, MEMORY_BYTES)
            .with_context(|| format!("cannot open the tables in {}", from.display()))?;
        Ok(Self { store })
    }

    /// The tables of a partition as a start would find them: as they were flushed, with the tail of
    /// the changelogs on top.
    pub(super) fn partition(
        &self,
        log: &dyn Log,
        partition: u32,
    ) -> anyhow::Result<PartitionTables> {
        let mut tables = self
            .store
            .partition(partition)
            .context("cannot open live tables")?;
        restore_tables(log, &mut tables, partition)
            .context("the live tables cannot be restored")?;
        Ok(tables)
    }
}

/// Table files never change once they are written, so a link will do; the others are copied.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if !entry.file_type()?.is_file() || entry.file_name() == "LOCK" {
            continue;
        }
        let is_table = path.extension().is_some_and(|extension| extension == "sst");
        if !is_table || fs::hard_link(&path, &target).is_err() {
            fs::copy(&path, &target).with_context(|| format!("copy {}", path.display()))?;
        }
    }
    Ok(())
}
