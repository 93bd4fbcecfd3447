//! Checkpoints as files of a folder, and the role that writes them.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rollcall_log::{Clock, Log};
use rollcall_model::Millis;
use rollcall_rocks::RocksStore;
use rollcall_runtime::checkpoint::{self, Head};
use rollcall_runtime::metrics;
use rollcall_tables::{Tables, Views as _};
use tokio::sync::watch;
use tracing::{debug, error, info};

/// Ends the name of a checkpoint.
const EXTENSION: &str = "checkpoint";

/// Ends the name of one that is being written.
const UNFINISHED: &str = "unfinished";

/// Bytes written at a time.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Longest time between two looks whether a checkpoint is due.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);

/// Shortest time between them.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(100);

/// Checkpoints of all partitions, as `partition-batch.checkpoint`.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kept {
    /// The batch whose tables it holds.
    pub(crate) batch: u64,
    /// Its file.
    pub(crate) path: PathBuf,
}

impl Folder {
    /// The folder at `path`, which need not be there.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Those of a partition, oldest first.
    pub(crate) fn list(&self, partition: u32) -> anyhow::Result<Vec<Kept>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.0.display()));
            }
        };
        let mut kept = Vec::new();
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot read {}", self.0.display()))?
                .path();
            if let Some((of, batch)) = named(&path)
                && of == partition
            {
                kept.push(Kept { batch, path });
            }
        }
        kept.sort();
        Ok(kept)
    }

    fn path(&self, partition: u32, batch: u64) -> PathBuf {
        let name = format!("{partition:05}-{batch:020}.{EXTENSION}");
        self.0.join(name)
    }
}

/// Partition and batch of a checkpoint's file.
fn named(path: &Path) -> Option<(u32, u64)> {
    if path.extension()? != EXTENSION {
        return None;
    }
    let (partition, batch) = path.file_stem()?.to_str()?.split_once('-')?;
    Some((partition.parse().ok()?, batch.parse().ok()?))
}

impl Kept {
    /// Puts its rows into `tables`, in place of what they hold.
    pub(crate) fn load(&self, tables: &mut dyn Tables, of: (u32, u32)) -> anyhow::Result<Head> {
        let shown = self.path.display();
        let file = File::open(&self.path).with_context(|| format!("cannot read {shown}"))?;
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        checkpoint::load(&mut file, tables, of).with_context(|| format!("cannot load {shown}"))
    }

    /// The time of its batch; `None` when it cannot be read: a new one is better than none.
    fn at(&self) -> Option<Millis> {
        let mut file = BufReader::new(File::open(&self.path).ok()?);
        Some(checkpoint::head(&mut file).ok()?.meta.now)
    }
}

/// Writes checkpoints of the partitions in `store`.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<RocksStore>,
    pub(crate) folder: Folder,
    /// Time from one of a partition to the next.
    pub(crate) every: Duration,
    /// How many are kept of each.
    pub(crate) keep: usize,
}

impl Writer {
    /// Writes what is due, until `stop` shows true. A disk that takes none is told of, and asked
    /// again.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let look_every = (self.every / 10).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX);
        loop {
            let (this, stopping) = (self.clone(), stop.clone());
            let looked = tokio::task::spawn_blocking(move || this.look(&stopping));
            looked.await.context("a checkpoint was broken off")?;
            let stopped = stop.wait_for(|stop| *stop);
            if tokio::time::timeout(look_every, stopped).await.is_ok() {
                return Ok(());
            }
        }
    }

    /// Writes what is due now.
    fn look(&self, stop: &watch::Receiver<bool>) {
        for partition in 0..self.store.partitions() {
            if *stop.borrow() {
                return;
            }
            if let Err(error) = self.partition(partition, stop)
                && !*stop.borrow()
            {
                let error = format!("{error:#}");
                error!(partition, error, "No checkpoint; trying again.");
            }
        }
    }

    fn partition(&self, partition: u32, stop: &watch::Receiver<bool>) -> anyhow::Result<()> {
        let kept = self.folder.list(partition)?;
        let newest = kept.last();
        let every = i64::try_from(self.every.as_millis()).unwrap_or(i64::MAX);
        let is_fresh = |at: Millis| self.clock.now() - at < every;
        if newest.and_then(Kept::at).is_some_and(is_fresh) {
            return Ok(());
        }
        let Some(head) = self.write(partition, newest, stop)? else {
            return Ok(());
        };
        let batch = head.meta.batch;
        metrics::checkpointed(partition, batch, head.meta.now);
        info!(partition, batch, "Checkpoint written.");
        let kept = self.folder.list(partition)?;
        for old in kept.iter().take(kept.len().saturating_sub(self.keep)) {
            fs::remove_file(&old.path)
                .with_context(|| format!("cannot remove {}", old.path.display()))?;
        }
        Ok(())
    }

    /// Writes one; `None` when there is none to be written, or `newest` is the same.
    fn write(
        &self,
        partition: u32,
        newest: Option<&Kept>,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<Option<Head>> {
        let views = self.store.views(partition)?;
        let view = views.view()?;
        let batch = view.meta()?.map_or(0, |meta| meta.batch);
        if batch == 0 || newest.is_some_and(|newest| newest.batch == batch) {
            return Ok(None);
        }
        let path = self.folder.path(partition, batch);
        let unfinished = path.with_extension(UNFINISHED);
        let shown = unfinished.display().to_string();
        fs::create_dir_all(&self.folder.0)
            .with_context(|| format!("cannot make {}", self.folder.0.display()))?;
        let file = File::create(&unfinished).with_context(|| format!("cannot write {shown}"))?;
        let file = Stoppable { file, stop };
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let written = checkpoint::write(self.log.as_ref(), view.as_ref(), partition, &mut file);
        let written = written.with_context(|| format!("cannot write {shown}"));
        let head = match written {
            Ok(Ok(head)) => head,
            other => {
                let _ = fs::remove_file(&unfinished);
                if let Ok(Err(skipped)) = &other {
                    debug!(partition, ?skipped, "No checkpoint now.");
                }
                return other.map(|_| None);
            }
        };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.file
            .sync_all()
            .and_then(|()| fs::rename(&unfinished, &path))
            .with_context(|| format!("cannot write {shown}"))?;
        Ok(Some(head))
    }
}

/// A file that takes nothing more once the process is to end.
struct Stoppable<'a> {
    file: File,
    stop: &'a watch::Receiver<bool>,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match *self.stop.borrow() {
            true => Err(io::Error::other("the process is about to end")),
            false => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
