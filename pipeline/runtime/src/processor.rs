//! One partition's processor: the turn that reads, folds, appends and applies, and the loop around
//! it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_log::{Append, Clock, Log, Lookout, Position};
use rollcall_model::batch::{Batch, InputRange};
use rollcall_model::{Millis, Policy, Topic};
use rollcall_schemas::Record;
use rollcall_tables::Tables;
use tokio::sync::watch;
use tracing::{debug, info};
use xxhash_rust::xxh3::xxh3_64;

use crate::ahead::Ahead;
use crate::batch::{Folded, count, fold};
use crate::decode::Decoder;
use crate::error::Error;
use crate::inputs::{self, GROUP, Inputs};
use crate::metrics;
use crate::output::Output;
use crate::restore::{Progress, Restored, restore};

/// A partition without work writes an empty batch this often, so that its newest schedule record
/// never expires (DESIGN.md section 5).
const EMPTY_BATCH_AFTER_MS: i64 = rollcall_model::time::HOUR_MS;

/// How often it is shown for how long the log has not answered.
const SILENCE_SHOWN_EVERY: Duration = Duration::from_secs(1);

/// What a processor works with.
pub struct Setup<T> {
    /// Where inputs come from and everything goes.
    pub log: Arc<dyn Log>,
    /// The batch's clock.
    pub clock: Arc<dyn Clock>,
    /// The partition's tables.
    pub tables: T,
    /// The partition.
    pub partition: u32,
    /// The rules' numbers.
    pub policy: Policy,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A batch was committed.
    Folded {
        /// Input records in it.
        records: usize,
        /// Timers in it.
        timers: usize,
    },
    /// There was nothing to do; at this time there will be.
    Idle {
        /// The next timer, or the next empty batch.
        until: Millis,
    },
}

/// The processor of one partition.
pub struct Processor<T> {
    setup: Setup<T>,
    decoder: Decoder,
    policy_bytes: Vec<u8>,
    policy_hash: u64,
    progress: Progress,
    ahead: Ahead,
}

impl<T: Tables> Processor<T> {
    /// Restores the partition and makes it ready to fold.
    ///
    /// Errors: the log or the tables cannot be read, or do not belong together ([`Error::Ahead`],
    /// [`Error::Digest`]).
    pub fn open(setup: Setup<T>) -> Result<(Self, Restored), Error> {
        Self::open_and_tell(setup, &|_| ())
    }

    /// As [`Self::open`]; `told_left` hears how many offsets of the changelogs are left to go
    /// through, at first and then from chunk to chunk.
    pub fn open_and_tell(
        mut setup: Setup<T>,
        told_left: &dyn Fn(u64),
    ) -> Result<(Self, Restored), Error> {
        let partition = setup.partition;
        let policy_bytes = setup.policy.encode();
        let (progress, restored) = restore(
            setup.log.as_ref(),
            &mut setup.tables,
            partition,
            &policy_bytes,
            told_left,
        )?;
        for (topic, from) in Topic::INPUTS.into_iter().zip(progress.inputs) {
            let followed = setup.log.follow(topic, partition, from);
            followed.map_err(|source| Error::Log {
                partition,
                action: "follow its inputs",
                source,
            })?;
        }
        let partitions = setup.log.partitions(Topic::Status);
        let decoder = Decoder::new(partition, partitions, &setup.policy);
        let policy_hash = xxh3_64(&policy_bytes);
        if restored.is_verified {
            metrics::compared(partition, setup.clock.now(), None);
            metrics::found(partition, &[]);
        }
        info!(
            partition,
            batch = restored.batch,
            replayed = restored.replayed,
            "Partition restored."
        );
        Ok((
            Self {
                setup,
                decoder,
                policy_bytes,
                policy_hash,
                progress,
                ahead: Ahead::default(),
            },
            restored,
        ))
    }

    /// The partition's tables, as the last batch left them.
    #[cfg(test)]
    pub(crate) fn tables(&self) -> &T {
        &self.setup.tables
    }

    /// Ends the processor and gives its tables back.
    #[cfg(test)]
    pub(crate) fn into_tables(self) -> T {
        self.setup.tables
    }

    /// Runs until `stop` turns true; a batch that has begun is finished first, and tables that
    /// hold changes back write them: then, and whenever nothing waits.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let (log, partition) = (self.setup.log.clone(), self.setup.partition);
        let mut lookout = Lookout::new(log.as_ref(), GROUP, Some(partition));
        while !*stop.borrow() {
            lookout.mark();
            let turn = watched(log.as_ref(), partition, self.turn()).await?;
            lookout.found(matches!(turn, Turn::Folded { records: 1.., .. }));
            let Turn::Idle { until } = turn else { continue };
            // There is time for it, and whoever looks at the store finds what is.
            self.settle()?;
            let wait_ms = (until - self.setup.clock.now()).clamp(0, EMPTY_BATCH_AFTER_MS);
            let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or_default());
            let wait = tokio::time::sleep(wait);
            tokio::select! {
                is_open = lookout.wait() => if !is_open { break },
                () = watched(log.as_ref(), partition, wait) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        self.settle()
    }

    /// Writes what the tables hold back.
    fn settle(&mut self) -> Result<(), Error> {
        let partition = self.setup.partition;
        self.setup.tables.settle().map_err(|source| Error::Tables {
            partition,
            action: "write what was held back",
            source,
        })
    }

    /// Folds and commits the next batch, if there is one.
    pub async fn turn(&mut self) -> Result<Turn, Error> {
        let begun = Instant::now();
        let partition = self.setup.partition;
        let inputs = inputs::read(
            self.setup.log.as_ref(),
            self.setup.clock.as_ref(),
            partition,
            &self.setup.policy,
            &self.progress.inputs,
            (self.progress.now, self.progress.timers_at),
            &mut self.ahead,
        )?;
        let limit = self.setup.policy.timers_per_batch_max as usize;
        let failed = |source| Error::Tables {
            partition,
            action: "read its timers",
            source,
        };
        let due = self
            .setup
            .tables
            .due(inputs.timers_at, limit)
            .map_err(failed)?;
        let records: usize = inputs
            .records
            .iter()
            .map(|(_, records)| records.len())
            .sum();
        let empty_at = self.progress.now + EMPTY_BATCH_AFTER_MS;
        metrics::lag(partition, inputs.lag);
        if records == 0 && due.is_empty() && inputs.now < empty_at {
            let next = self.setup.tables.next_due().map_err(failed)?;
            return Ok(Turn::Idle {
                until: next.map_or(empty_at, |due| due.min(empty_at)),
            });
        }
        let tables = &self.setup.tables;
        let folded = fold(
            partition,
            &self.setup.policy,
            &self.decoder,
            tables,
            &due,
            &inputs,
        )?;
        self.commit(&inputs, folded).await?;
        let number = self.progress.batch;
        let timers = due.len();
        metrics::committed(
            partition,
            number,
            timers as u64,
            records,
            begun.elapsed().as_secs_f64(),
        );
        debug!(partition, number, records, timers, "Batch committed.");
        Ok(Turn::Folded { records, timers })
    }

    /// Appends everything that the batch made together with its positions; then the tables follow.
    async fn commit(&mut self, inputs: &Inputs, folded: Folded) -> Result<(), Error> {
        let partition = self.setup.partition;
        let mut next = self.progress.clone();
        next.batch += 1;
        next.now = inputs.now;
        next.timers_at = inputs.timers_at;
        next.inputs = inputs.next;
        next.policy_hash = self.policy_hash;
        let mut output = Output::new(partition, next.batch, inputs.now);
        output.derived(folded.derived);
        let (changes, tables) = output.changelog(folded.dirty, &mut next.digests);
        output.schedule(&Batch {
            number: next.batch,
            now: inputs.now,
            timers_at: inputs.timers_at,
            policy_hash: self.policy_hash,
            policy: (self.policy_hash != self.progress.policy_hash)
                .then(|| self.setup.policy.clone()),
            fold_revision: rollcall_fold::REVISION,
            inputs: ranges(&self.progress, inputs),
            tables,
            derived_digest: output.derived_digest.0,
            refused_for_schema: count(&folded.refused),
            refused_inputs: folded.refused,
        });
        let topics: Vec<Topic> = output.records.iter().map(|record| record.topic).collect();
        let append = Append {
            records: output.records,
            positions: positions(partition, inputs),
        };
        let appended = self.setup.log.append(append).await;
        let offsets = appended.map_err(|source| Error::Log {
            partition,
            action: "commit a batch",
            source,
        })?;
        for (topic, offset) in topics.into_iter().zip(offsets) {
            let table = rollcall_tables::Table::ALL
                .iter()
                .position(|t| t.changelog() == topic);
            if let Some(at) = table {
                next.changelogs[at] = offset + 1;
            }
        }
        let meta = next.meta(&self.policy_bytes);
        self.setup
            .tables
            .apply(&changes, &meta)
            .map_err(|source| Error::Tables {
                partition,
                action: "apply a batch",
                source,
            })?;
        self.progress = next;
        Ok(())
    }
}

/// Waits for `work`, and shows meanwhile how old what is known of the log's ends is, if it does not
/// answer: nobody else knows that a partition may be behind then.
async fn watched<F: Future>(log: &dyn Log, partition: u32, work: F) -> F::Output {
    tokio::pin!(work);
    loop {
        if let Some(silent) = log.unanswered_for() {
            metrics::unanswered(partition, silent);
        }
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(SILENCE_SHOWN_EVERY) => {}
        }
    }
}

/// What the batch read, topic by topic.
fn ranges(before: &Progress, inputs: &Inputs) -> Vec<InputRange> {
    let all = Topic::INPUTS
        .into_iter()
        .zip(before.inputs)
        .zip(inputs.next);
    all.filter(|((_, from), to)| from != to)
        .map(|((topic, from), to)| InputRange { topic, from, to })
        .collect()
}

fn positions(partition: u32, inputs: &Inputs) -> Vec<Position> {
    let all = Topic::INPUTS.into_iter().zip(inputs.next);
    all.map(|(topic, next)| Position {
        group: GROUP.to_owned(),
        topic,
        partition,
        next,
    })
    .collect()
}
