//! Reads the changelogs into the replica: first up to the end seen at the start, then for ever.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rollcall_log::{Error as LogError, Log, ReadLimit, Stored};
use rollcall_model::Topic;
use rollcall_tables::Table;
use tokio::sync::watch;

use super::Replica;
use super::state::{PRESENCES, State};
use crate::error::Error;
use crate::metrics;
use crate::serve::stopped;

/// Records applied under one lock: readers wait for no more than that.
const READ_LIMIT: ReadLimit = ReadLimit {
    records: 512,
    bytes: 1024 * 1024,
};

/// Pause before a log that did not answer is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Keeps a [`Replica`] up to date while it runs.
pub struct Follower {
    log: Arc<dyn Log>,
    replica: Replica,
}

/// How far one partition of one changelog has been read.
struct Cursor {
    table: Table,
    partition: u32,
    /// Next offset to read.
    next: u64,
    /// The end at the start: past it, the replica is ready.
    goal: u64,
    /// The end at the last look.
    end: u64,
}

/// What one look at a changelog partition came to.
enum Step {
    /// Nothing was waiting.
    AtEnd,
    /// Something was read.
    Moved,
    /// Retention took records that were never read: tombstones may be among them, so nothing is
    /// believed.
    Overtaken,
}

impl Follower {
    pub(super) fn new(log: Arc<dyn Log>, replica: Replica) -> Self {
        Self { log, replica }
    }

    /// Follows until `stop` shows true or its sender is gone, or a changelog cannot be read.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let mut appended = self.log.appended();
        let mut cursors = None;
        while !*stop.borrow() {
            // Marked before reading: what is appended meanwhile wakes the wait below.
            appended.borrow_and_update();
            match self.round(&mut cursors).await {
                Ok(true) => continue,
                Ok(false) => {}
                // The replica stays as it is meanwhile.
                Err(error) if is_unreachable(&error) => {
                    metrics::unreachable(&error);
                    let _ = tokio::time::timeout(AGAIN_AFTER, stopped(&mut stop)).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = stopped(&mut stop) => break,
                changed = appended.changed() => if changed.is_err() { break },
            }
        }
        Ok(())
    }

    /// Empties the replica and puts every cursor to the first record kept.
    fn begin(&self) -> Result<Vec<Cursor>, Error> {
        let shared = &self.replica.shared;
        shared.is_ready.store(false, Ordering::Release);
        *shared.state.write() = State::default();
        let mut cursors = Vec::new();
        for table in Table::ALL {
            for partition in 0..self.log.partitions(table.changelog()) {
                let range = self.log.offsets(table.changelog(), partition);
                let range = range.map_err(|source| failed(table, partition, source))?;
                let (next, end) = (range.start, range.end);
                cursors.push(Cursor {
                    table,
                    partition,
                    next,
                    goal: end,
                    end,
                });
            }
        }
        Ok(cursors)
    }

    /// One read of every partition that has something; false when none had. Without cursors it
    /// begins.
    async fn round(&self, begun: &mut Option<Vec<Cursor>>) -> Result<bool, Error> {
        let cursors = match begun {
            Some(cursors) => cursors,
            None => begun.insert(self.begin()?),
        };
        let mut has_moved = false;
        for cursor in cursors.iter_mut() {
            match self.step(cursor)? {
                Step::AtEnd => {}
                Step::Moved => {
                    has_moved = true;
                    // A long catch-up shares the thread with those who answer probes.
                    tokio::task::yield_now().await;
                }
                Step::Overtaken => {
                    *begun = None;
                    return Ok(true);
                }
            }
        }
        self.report(cursors, has_moved);
        Ok(has_moved)
    }

    fn step(&self, cursor: &mut Cursor) -> Result<Step, Error> {
        let (topic, partition) = (cursor.table.changelog(), cursor.partition);
        let range = self.log.offsets(topic, partition);
        cursor.end = range
            .map_err(|source| failed(cursor.table, partition, source))?
            .end;
        if cursor.next >= cursor.end {
            // Or nobody would tell that more has come.
            let followed = self.log.follow(topic, partition, cursor.next);
            followed.map_err(|source| failed(cursor.table, partition, source))?;
            return Ok(Step::AtEnd);
        }
        let records = match self.log.read(topic, partition, cursor.next, READ_LIMIT) {
            Err(LogError::OutOfRange { from, start, .. }) => {
                metrics::restarted(topic, partition, from, start);
                return Ok(Step::Overtaken);
            }
            other => other.map_err(|source| failed(cursor.table, partition, source))?,
        };
        // Compaction leaves gaps, also at the end.
        cursor.next = records.last().map_or(cursor.end, |last| last.offset + 1);
        metrics::applied(topic, records.len() as u64);
        self.apply(cursor, records)?;
        Ok(Step::Moved)
    }

    fn apply(&self, cursor: &Cursor, records: Vec<Stored>) -> Result<(), Error> {
        let mut state = self.replica.shared.state.write();
        for Stored {
            offset, key, value, ..
        } in records
        {
            // The processor gives every row a key; a record without one says nothing of any row.
            let Some(key) = key else { continue };
            state.apply(cursor.table, key, value).map_err(|source| {
                let topic = cursor.table.changelog();
                Error::Apply {
                    topic,
                    partition: cursor.partition,
                    offset,
                    source,
                }
            })?;
        }
        Ok(())
    }

    /// Publishes how far the replica is, and wakes who waits for it.
    fn report(&self, cursors: &[Cursor], has_moved: bool) {
        let shared = &self.replica.shared;
        let mut lag = 0;
        for table in Table::ALL {
            let of_table = cursors.iter().filter(|cursor| cursor.table == table);
            let behind: u64 = of_table
                .map(|cursor| cursor.end.saturating_sub(cursor.next))
                .sum();
            metrics::lag(table.changelog(), behind);
            lag += behind;
        }
        shared.lag.store(lag, Ordering::Release);
        for presence in PRESENCES {
            metrics::connections(presence, self.replica.count(presence));
        }
        let is_ready = cursors.iter().all(|cursor| cursor.next >= cursor.goal);
        let was_ready = shared.is_ready.fetch_or(is_ready, Ordering::AcqRel);
        if has_moved || was_ready != is_ready {
            shared.rounds.send_modify(|rounds| *rounds += 1);
        }
    }
}

/// Whether the log may answer later.
fn is_unreachable(error: &Error) -> bool {
    matches!(error, Error::Read { source, .. } if source.may_pass())
}

fn failed(table: Table, partition: u32, source: LogError) -> Error {
    let topic: Topic = table.changelog();
    Error::Read {
        topic,
        partition,
        source,
    }
}
