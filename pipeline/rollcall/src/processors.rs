//! The processors: one for each partition that is this process's, restored, run, and restored again
//! when somebody else may have gone on in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use rollcall_api::{Check, Comparisons, Condition, Health};
use rollcall_log::{Assigned, Clock, Log, on_assigned};
use rollcall_model::{Policy, Topic};
use rollcall_rocks::{PartitionTables, RocksStore};
use rollcall_runtime::self_check::Report;
use rollcall_runtime::{Error, GROUP, Processor, Setup};
use rollcall_tables::{Bounds, WriteBehind};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::self_check;

/// Pause before a partition is restored again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How often in a row restored tables may be others than the newest batch left.
const DOUBTS_MAX: u32 = 10;

type Restored = Processor<WriteBehind<PartitionTables>>;

/// What every processor works with.
#[derive(Clone)]
pub(crate) struct Processors {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<RocksStore>,
    pub(crate) policy: Policy,
    pub(crate) held_back: Bounds,
    pub(crate) health: Health,
    pub(crate) comparisons: Comparisons,
}

/// Processors that were restored before anybody is let in.
pub(crate) type First = Arc<Mutex<BTreeMap<u32, Restored>>>;

impl Processors {
    /// Restores, side by side, what is this process's from the start: on one node everything, on
    /// Kafka nothing, since the group has not been asked yet.
    pub(crate) async fn restore(&self, partitions: &BTreeSet<u32>) -> anyhow::Result<First> {
        let restoring = partitions.iter().map(|&partition| {
            self.health.register(&name(partition));
            let this = self.clone();
            let restored = tokio::task::spawn_blocking(move || this.open(partition));
            (partition, restored)
        });
        let restoring: Vec<_> = restoring.collect();
        let first = First::default();
        for (partition, restored) in restoring {
            let processor = restored.await.context("a restore was broken off")??;
            first.lock().insert(partition, processor);
        }
        Ok(first)
    }

    /// Runs a processor for each partition that is assigned, until `stop` shows true. `check` is
    /// ready once it is known which those are.
    pub(crate) async fn run(
        self,
        first: First,
        check: Check,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let joined = self.log.assigned(GROUP, &Topic::INPUTS)?;
        let (known, assigned) = watch::channel(joined.borrow().clone());
        if !first.lock().is_empty() {
            check.ready();
        }
        let health = self.health.clone();
        let announced = announce(health, joined, known, check);
        let work = on_assigned(assigned, stop, |partition, stop| {
            let this = self.clone();
            let ready = first.lock().remove(&partition);
            // Folds of different partitions do not wait for each other.
            let work = tokio::spawn(async move { this.partition(partition, ready, stop).await });
            async { work.await.context("a processor was broken off")? }
        });
        tokio::select! {
            ended = work => ended,
            never = announced => match never {},
        }
    }

    async fn partition(
        self,
        partition: u32,
        mut ready: Option<Restored>,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let mut doubts = 0;
        let mut told = Told::default();
        while !*stop.borrow() {
            let processor = match ready.take() {
                Some(processor) => processor,
                None => {
                    self.health.register(&name(partition));
                    let this = self.clone();
                    let restored = tokio::task::spawn_blocking(move || this.open(partition));
                    match restored.await.context("a restore was broken off")? {
                        Ok(processor) => processor,
                        // Another process may have gone on while this one restored; it is not
                        // damage unless it is there again and again.
                        Err(error) if is_digest(&error) && doubts < DOUBTS_MAX => {
                            doubts += 1;
                            self.pause(partition, &error, &mut told, &mut stop).await;
                            continue;
                        }
                        Err(error) => {
                            self.again(partition, error, &mut told, &mut stop).await?;
                            continue;
                        }
                    }
                }
            };
            doubts = 0;
            told.over(partition);
            match processor.run(stop.clone()).await {
                Ok(()) => break,
                Err(error) => {
                    let error = error.into();
                    self.again(partition, error, &mut told, &mut stop).await?;
                }
            }
        }
        self.health.forget(&name(partition));
        info!(partition, "Partition given back.");
        Ok(())
    }

    /// Waits before the partition is restored again. Errors: `error`, when that would not help.
    async fn again(
        &self,
        partition: u32,
        error: anyhow::Error,
        told: &mut Told,
        stop: &mut watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        if may_pass(&error) {
            self.pause(partition, &error, told, stop).await;
            return Ok(());
        }
        let check = self.health.register(&name(partition));
        check.failed(error.to_string());
        Err(error)
    }

    async fn pause(
        &self,
        partition: u32,
        error: &anyhow::Error,
        told: &mut Told,
        stop: &mut watch::Receiver<bool>,
    ) {
        self.health.register(&name(partition));
        told.tell(partition, format!("{error:#}"));
        let stopped = stop.wait_for(|stop| *stop);
        let _ = tokio::time::timeout(AGAIN_AFTER, stopped).await;
    }

    fn open(&self, partition: u32) -> anyhow::Result<Restored> {
        let tables = self
            .store
            .partition(partition)
            .context("cannot open a partition's tables")?;
        let setup = Setup {
            log: self.log.clone(),
            clock: self.clock.clone(),
            tables: WriteBehind::new(tables, self.held_back),
            partition,
            policy: self.policy.clone(),
        };
        let name = name(partition);
        let told_left = |left| self.health.restoring(&name, left);
        let (processor, restored) = Processor::open_and_tell(setup, &told_left)?;
        if let Some(report) = Report::of_restore(partition, restored, self.clock.now()) {
            self_check::tell(&self.comparisons, report);
        }
        self.health.ready(&name);
        Ok(processor)
    }
}

/// What was logged of a partition that cannot go on: the same thing once.
#[derive(Default)]
struct Told {
    error: String,
    /// How often it was the same.
    repeated: u32,
}

impl Told {
    fn tell(&mut self, partition: u32, error: String) {
        if self.error == error {
            self.repeated += 1;
            debug!(partition, error, "Looking again where it stands.");
        } else {
            warn!(partition, error, "Looking again where it stands.");
            self.error = error;
        }
    }

    /// The partition goes on.
    fn over(&mut self, partition: u32) {
        let Self { error, repeated } = std::mem::take(self);
        if !error.is_empty() {
            info!(partition, repeated, "Partition goes on.");
        }
    }
}

/// Tells `known` what the group says, once its checks are there: whoever is asked in between is
/// not ready.
async fn announce(
    health: Health,
    mut joined: Assigned,
    known: watch::Sender<BTreeSet<u32>>,
    check: Check,
) -> std::convert::Infallible {
    // What was known at the start has its checks.
    while joined.changed().await.is_ok() {
        let mine = joined.borrow_and_update().clone();
        let there = health.conditions();
        for partition in &mine {
            let condition = there.get(&name(*partition));
            if condition != Some(&Condition::Ready) {
                health.register(&name(*partition));
            }
        }
        known.send_replace(mine);
        check.ready();
    }
    // Nobody is left to change it.
    std::future::pending().await
}

/// Whether restored tables are not what the newest batch left.
fn is_digest(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Digest { .. }))
}

/// Whether the log took nothing of the last batch because somebody else may have gone on, or its
/// brokers do not answer: all that helps is to look again.
fn may_pass(error: &anyhow::Error) -> bool {
    let is_aborted =
        |source: &rollcall_log::Error| matches!(source, rollcall_log::Error::Aborted { .. });
    let Some(Error::Log { source, .. }) = error.downcast_ref() else {
        return false;
    };
    is_aborted(source) || source.may_pass()
}

fn name(partition: u32) -> String {
    format!("processor-{partition}")
}
