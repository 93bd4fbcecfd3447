//! A stage: reads one topic and appends what it makes of its records together with its position, so
//! that each record counts exactly once in the log. The resolver and the sender are stages; the
//! processor, which reads several topics at once, is not.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use rollcall_model::Topic;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::{Append, Error, Log, Lookout, NewRecord, Position, ReadLimit, Stored, on_assigned};

/// How long results wait before they are offered again to a log that takes no more appends.
const BUSY_DELAY: Duration = Duration::from_millis(50);

/// Pause before a log that did not answer is asked again.
const UNREACHABLE_DELAY: Duration = Duration::from_millis(500);

/// What a stage reads, and what it makes of it.
pub trait Stage: Send + Sync {
    /// The reader's name: its positions are kept under it.
    fn group(&self) -> &'static str;

    /// What it reads: one topic.
    fn topics(&self) -> &'static [Topic; 1];

    /// How much of a partition it takes at a time: read, worked on and appended as one.
    fn limit(&self) -> ReadLimit;

    /// What follows from `records`. May be called again for the same records: after a crash, or
    /// when it is dropped because the stage is told to stop.
    fn work<'a>(&'a self, partition: u32, records: &'a [Stored]) -> BoxFuture<'a, Vec<NewRecord>>;

    /// Retention took the records from `from` to `start` before they were read.
    fn skipped(&self, partition: u32, from: u64, start: u64);
}

/// Why a stage stopped. Never the fault of a record.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// It cannot share its partitions with others of its kind.
    #[error("{group} cannot join its group")]
    Join {
        /// The stage.
        group: &'static str,
        /// What the log said.
        #[source]
        source: Error,
    },
    /// Its topic cannot be read.
    #[error("{group} cannot read {topic}/{partition}")]
    Read {
        /// The stage.
        group: &'static str,
        /// What it reads.
        topic: Topic,
        /// Which partition.
        partition: u32,
        /// What the log said.
        #[source]
        source: Error,
    },
    /// Its results cannot be written; neither they nor its position were.
    #[error("{group} cannot append what it made of {topic}/{partition}")]
    Append {
        /// The stage.
        group: &'static str,
        /// What it reads.
        topic: Topic,
        /// Which partition.
        partition: u32,
        /// What the log said.
        #[source]
        source: Error,
    },
}

/// Runs `stage` on every partition that is assigned to this process until `stop` shows true or its
/// sender is gone, or the log fails.
///
/// Exactly once in the log: results and position are one append. On stop, work under way is dropped
/// and an append under way is waited for.
pub async fn run_stage(
    log: Arc<dyn Log>,
    stage: &dyn Stage,
    stop: watch::Receiver<bool>,
) -> Result<(), StageError> {
    let (group, topics) = (stage.group(), stage.topics());
    let assigned = log
        .assigned(group, topics)
        .map_err(|source| StageError::Join { group, source })?;
    on_assigned(assigned, stop, |partition, stop| {
        let reader = Reader {
            log: log.clone(),
            stage,
            partition,
        };
        reader.follow(stop)
    })
    .await
}

/// What became of results.
enum Written {
    /// They are in the log.
    Yes,
    /// They are not, and the position may be another by now.
    Aborted,
    /// The stage was told to stop while the log was too busy to take them.
    Stopped,
}

struct Reader<'a> {
    log: Arc<dyn Log>,
    stage: &'a dyn Stage,
    partition: u32,
}

impl Reader<'_> {
    async fn follow(self, mut stop: watch::Receiver<bool>) -> Result<(), StageError> {
        let mut lookout = Lookout::new(self.log.as_ref(), self.stage.group(), Some(self.partition));
        let mut next = None;
        // Questions in a row that were not answered.
        let mut unanswered = 0;
        while !*stop.borrow() {
            lookout.mark();
            let (from, records) = match self.read(next) {
                Err(StageError::Read { source, .. }) if source.may_pass() => {
                    unanswered += 1;
                    self.wait(&source, unanswered, &mut stop).await;
                    continue;
                }
                other => other?,
            };
            reachable(self.stage.group(), self.partition, &mut unanswered);
            next = Some(from);
            lookout.found(!records.is_empty());
            let Some(last) = records.last() else {
                tokio::select! {
                    () = stopped(&mut stop) => break,
                    is_open = lookout.wait() => if !is_open { break },
                }
                continue;
            };
            let after = last.offset + 1;
            let made = tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                made = self.stage.work(self.partition, &records) => made,
            };
            match self.write(made, after, &mut stop).await? {
                Written::Yes => next = Some(after),
                Written::Aborted => next = None,
                Written::Stopped => break,
            }
        }
        Ok(())
    }

    /// Appends results and position.
    async fn write(
        &self,
        records: Vec<NewRecord>,
        after: u64,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Written, StageError> {
        let position = Position {
            group: self.stage.group().to_owned(),
            topic: self.stage.topics()[0],
            partition: self.partition,
            next: after,
        };
        let append = Append {
            records,
            positions: vec![position],
        };
        loop {
            match self.log.append(append.clone()).await {
                Ok(_) => return Ok(Written::Yes),
                Err(Error::Busy { .. }) => tokio::select! {
                    biased;
                    () = stopped(stop) => return Ok(Written::Stopped),
                    () = tokio::time::sleep(BUSY_DELAY) => {}
                },
                // Others may have gone on: the same records may be somebody else's by now.
                Err(Error::Aborted { .. }) => return Ok(Written::Aborted),
                Err(source) => {
                    return Err(StageError::Append {
                        group: self.stage.group(),
                        topic: self.stage.topics()[0],
                        partition: self.partition,
                        source,
                    });
                }
            }
        }
    }

    /// Where the group left off, or the first record kept.
    fn first(&self) -> Result<u64, StageError> {
        let (topic, partition) = (self.stage.topics()[0], self.partition);
        let position = self.log.position(self.stage.group(), topic, partition);
        let first = position.and_then(|position| match position {
            Some(next) => Ok(next),
            None => Ok(self.log.offsets(topic, partition)?.start),
        });
        first.map_err(|source| self.unreadable(source))
    }

    /// The next records and where they were looked for: from `next` on, or where the group left
    /// off, and behind those that retention took.
    fn read(&self, next: Option<u64>) -> Result<(u64, Vec<Stored>), StageError> {
        let (topic, limit) = (self.stage.topics()[0], self.stage.limit());
        let mut next = match next {
            Some(next) => next,
            None => self.first()?,
        };
        let read = match self.log.read(topic, self.partition, next, limit) {
            Err(Error::OutOfRange { from, start, .. }) => {
                self.stage.skipped(self.partition, from, start);
                next = start;
                self.log.read(topic, self.partition, start, limit)
            }
            other => other,
        };
        let records = read.map_err(|source| self.unreadable(source))?;
        Ok((next, records))
    }

    /// Waits before a log that did not answer is asked again.
    async fn wait(&self, error: &Error, times: u32, stop: &mut watch::Receiver<bool>) {
        let (group, partition) = (self.stage.group(), self.partition);
        unreachable(group, partition, error, times);
        let _ = tokio::time::timeout(UNREACHABLE_DELAY, stopped(stop)).await;
    }

    fn unreadable(&self, source: Error) -> StageError {
        StageError::Read {
            group: self.stage.group(),
            topic: self.stage.topics()[0],
            partition: self.partition,
            source,
        }
    }
}

/// Done once `stop` shows true or nobody is left to say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|is_stopping| *is_stopping).await;
}

/// The log did not answer, the `times`th time in a row: told once.
fn unreachable(group: &str, partition: u32, error: &Error, times: u32) {
    let error: &dyn std::error::Error = error;
    if times == 1 {
        warn!(group, partition, error, "Cannot read the log, retrying.");
    } else {
        debug!(
            group,
            partition, error, times, "Cannot read the log, retrying."
        );
    }
}

/// The log answered, after it had not for so many times.
fn reachable(group: &str, partition: u32, times: &mut u32) {
    match std::mem::take(times) {
        0 => {}
        times => info!(group, partition, times, "Reading the log again."),
    }
}
