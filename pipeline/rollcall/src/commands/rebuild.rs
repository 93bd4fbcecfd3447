//! `rollcall rebuild`: the life of a stopped node, or of a system on Kafka whose processors are
//! stopped, folded again: as proof of its tables and streams, and to make new tables (DESIGN.md
//! section 5).

mod live;
mod progress;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use parking_lot::Mutex;
use rollcall_log::Log;
use rollcall_model::Topic;
use rollcall_rocks::{PartitionTables, RocksStore};
use rollcall_runtime::rebuild::{self, Depth, Rebuilt, Verdict, compare_tables};

use self::live::Live;
use self::progress::Progress;
use super::{Failure, Outcome};
use crate::checkpoints::{Folder, Kept};
use crate::cli::{Base, Rebuild};
use crate::scratch::Scratch;
use crate::stores::Folders;
use crate::{print, stores};

/// Caches and write buffers of the rebuilt tables, and of the copy of the live ones.
const MEMORY_BYTES: usize = 128 * 1024 * 1024;

/// Rebuilds every partition; prints `equal` or the first difference of each.
pub(crate) fn run(args: &Rebuild) -> Outcome {
    if let Some(into) = &args.into {
        check_new(into)?;
    }
    let Opened {
        log,
        scratch,
        checkpoints,
    } = open(args)?;
    let temporary = scratch.path().join("rebuilt");
    let into = args.into.as_deref().unwrap_or(&temporary);
    let partitions = log.partitions(Topic::Schedule);
    let store = RocksStore::open(into, partitions, MEMORY_BYTES)
        .with_context(|| format!("cannot make tables in {}", into.display()))?;
    let live = match args.verify {
        true => Some(Live::open(
            args.data_dir.as_deref(),
            scratch.path(),
            partitions,
        )?),
        false => None,
    };
    let before = newest(log.as_ref(), partitions)?;
    let work = Work {
        log: log.as_ref(),
        store: &store,
        live: live.as_ref(),
        from: args.from,
        checkpoints,
        progress: Progress::new(before.iter().sum()),
    };
    let results = work.run(partitions);
    work.progress.finish();
    if newest(log.as_ref(), partitions)? != before {
        return Err(Failure::Failed(anyhow::anyhow!(
            "batches were added meanwhile: stop every process with --role process, and try again"
        )));
    }
    let results = results?;
    drop(live);
    store.close().context("cannot flush the rebuilt tables")?;
    report(args, &results)
}

/// Somebody's tables must not be mixed with rebuilt ones.
fn check_new(into: &Path) -> Result<(), Failure> {
    let is_used = std::fs::read_dir(into).is_ok_and(|mut entries| entries.next().is_some());
    match is_used {
        true => Err(Failure::Usage(format!(
            "--into {}: the folder is not empty; name a new one",
            into.display()
        ))),
        false => Ok(()),
    }
}

/// What a rebuild works on.
struct Opened {
    /// The log to be proven.
    log: Arc<dyn Log>,
    /// For what goes when the command ends.
    scratch: Scratch,
    checkpoints: Folder,
}

fn open(args: &Rebuild) -> Result<Opened, Failure> {
    let (log, scratch, checkpoints): (Arc<dyn Log>, _, _) = match (&args.data_dir, &args.config) {
        (Some(folder), _) => {
            let log = stores::open_exclusively(folder)?;
            let scratch = live::scratch(Some(folder))?;
            (Arc::new(log), scratch, Folders::of(folder).checkpoints)
        }
        (None, Some(file)) => {
            let config = stores::kafka(file)?;
            let checkpoints = config.checkpoint.folder(&config.process.data_dir);
            (stores::open_kafka(file)?, live::scratch(None)?, checkpoints)
        }
        (None, None) => {
            return Err(Failure::Usage("give --data-dir or --config".to_owned()));
        }
    };
    Ok(Opened {
        log,
        scratch,
        checkpoints: Folder::new(args.checkpoints.clone().unwrap_or(checkpoints)),
    })
}

/// The newest batch of every partition.
fn newest(log: &dyn Log, partitions: u32) -> anyhow::Result<Vec<u64>> {
    let newest = (0..partitions).map(|partition| rebuild::batches(log, partition));
    Ok(newest.collect::<Result<_, _>>()?)
}

/// What the threads of a rebuild share.
struct Work<'a> {
    log: &'a dyn Log,
    store: &'a RocksStore,
    live: Option<&'a Live>,
    from: Base,
    checkpoints: Folder,
    progress: Progress,
}

impl Work<'_> {
    /// Rebuilds the partitions side by side, as many at a time as there are cores.
    fn run(&self, partitions: u32) -> anyhow::Result<Vec<Rebuilt>> {
        let next = AtomicU32::new(0);
        let results = Mutex::new(Vec::new());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..cores.min(partitions as usize) {
                scope.spawn(|| {
                    loop {
                        let partition = next.fetch_add(1, Ordering::Relaxed);
                        if partition >= partitions {
                            break;
                        }
                        let result = self.partition(partition);
                        results.lock().push(result);
                    }
                });
            }
        });
        let results = results.into_inner().into_iter();
        let mut results = results.collect::<anyhow::Result<Vec<Rebuilt>>>()?;
        results.sort_by_key(|one| one.partition);
        Ok(results)
    }

    fn partition(&self, partition: u32) -> anyhow::Result<Rebuilt> {
        let mut tables = self
            .store
            .partition(partition)
            .context("cannot open rebuilt tables")?;
        let mut rebuilt = self.rebuild(partition, &mut tables)?;
        if let Some(live) = self.live
            && rebuilt.verdict == Verdict::Equal
        {
            let live = live.partition(self.log, partition)?;
            if let Some(difference) = compare_tables(partition, &tables, &live)? {
                rebuilt.verdict = Verdict::Different(difference);
            }
        }
        Ok(rebuilt)
    }

    /// Rebuilds from the base that was asked for, or from the oldest that proves something.
    fn rebuild(&self, partition: u32, tables: &mut PartitionTables) -> anyhow::Result<Rebuilt> {
        let kept = self.checkpoints.list(partition)?;
        let mut bases = match self.from {
            Base::Auto => kept,
            Base::Beginning => Vec::new(),
            Base::Oldest => kept.into_iter().take(1).collect(),
            Base::Newest => kept.into_iter().next_back().into_iter().collect(),
        }
        .into_iter();
        if matches!(self.from, Base::Oldest | Base::Newest)
            && let Some(base) = bases.next()
        {
            self.load(&base, partition, tables)?;
        }
        loop {
            let rebuilt = self.rebuild_on(partition, tables)?;
            let is_stuck = matches!(
                rebuilt.verdict,
                Verdict::Unprovable { .. } | Verdict::NotComparable { .. }
            );
            match bases.find(|base| base.batch > rebuilt.base + rebuilt.batches) {
                Some(base) if is_stuck => self.load(&base, partition, tables)?,
                _ => return Ok(rebuilt),
            }
        }
    }

    fn rebuild_on(&self, partition: u32, tables: &mut PartitionTables) -> anyhow::Result<Rebuilt> {
        let depth = match self.live {
            Some(_) => Depth::Records,
            None => Depth::Digests,
        };
        let mut step = |step: rebuild::Step| self.progress.step(step.records);
        Ok(rebuild::rebuild(
            self.log, tables, partition, depth, &mut step,
        )?)
    }

    fn load(
        &self,
        base: &Kept,
        partition: u32,
        tables: &mut PartitionTables,
    ) -> anyhow::Result<()> {
        base.load(tables, (partition, self.store.partitions()))?;
        Ok(())
    }
}

/// The verdict first, then what could not be compared.
fn report(args: &Rebuild, results: &[Rebuilt]) -> Outcome {
    let findings: Vec<String> = results.iter().filter_map(finding).collect();
    for finding in &findings {
        print::line(finding)?;
    }
    if findings.is_empty() {
        print::line(&equal(args, results))?;
    }
    for Rebuilt {
        partition, notes, ..
    } in results
    {
        for note in notes {
            print::line(&format!("note: partition {partition}: {note}"))?;
        }
    }
    match (findings.is_empty(), &args.into) {
        (false, _) => Err(Failure::Told),
        (true, None) => Ok(()),
        (true, Some(into)) => Ok(print::line(&format!(
            "rebuilt tables are in {}; put them in place of the `tables` folder to start from them",
            into.display()
        ))?),
    }
}

/// What is not equal in a partition, in a line.
fn finding(rebuilt: &Rebuilt) -> Option<String> {
    let (partition, batches) = (rebuilt.partition, rebuilt.batches);
    match &rebuilt.verdict {
        Verdict::Equal => None,
        Verdict::Different(difference) => Some(format!("different: {difference}")),
        Verdict::NotComparable {
            batch,
            recorded,
            ours,
        } => Some(format!(
            "not comparable from batch {batch} on: partition {partition} was folded by revision \
             {recorded} there, this build is revision {ours}; {batches} batches before it are \
             equal. Use the build that made them"
        )),
        Verdict::Unprovable { batch, gone } => Some(format!(
            "unprovable from batch {batch} on: retention has taken {gone} of partition \
             {partition}, and no checkpoint is left behind it; {batches} batches before it are \
             equal. [checkpoint] every must be shorter than the retention"
        )),
    }
}

fn equal(args: &Rebuild, results: &[Rebuilt]) -> String {
    let sum = |of: fn(&Rebuilt) -> u64| results.iter().map(of).sum::<u64>();
    let (batches, records) = (sum(|one| one.batches), sum(|one| one.records));
    let (timers, partitions) = (sum(|one| one.timers), results.len());
    let compared = match args.verify {
        true => "tables, changelogs and derived records are what they were",
        false => "every batch has the counts and digests of its schedule record",
    };
    format!(
        "equal: {partitions} partitions, {batches} batches, {records} records and {timers} timers \
         folded again; {compared}"
    )
}
