//! Reads the changelogs into the replica: from where it stood before, first up to the end seen at
//! the start, then for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rollcall_log::{Clock, Error as LogError, Log, Lookout, ReadLimit};
use rollcall_model::{Millis, Topic};
use rollcall_tables::Table;
use tokio::sync::watch;

use super::compare::{COMPARE_EVERY_MS, Moment, Planned, newest_batch};
use super::cursor::{Anew, Cursor};
use super::progress::{Progress, head};
use super::write::Writer;
use super::{NOT_BEHIND, PRESENCES, Replica, keys};
use crate::error::Error;
use crate::metrics;
use crate::serve::stopped;

/// Records applied in one write.
const READ_LIMIT: ReadLimit = ReadLimit {
    records: 2_000,
    bytes: 1024 * 1024,
};

/// Pause before a log that did not answer is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A schedule whose newest batch is older than the rows is read again after this.
const SCHEDULE_AGAIN_MS: i64 = 1_000;

/// Keeps a [`Replica`] up to date while it runs.
pub struct Follower {
    log: Arc<dyn Log>,
    log_name: String,
    max_failures: u32,
    clock: Arc<dyn Clock>,
    replica: Replica,
    writer: Writer,
    /// When a partition's schedule is to be read next.
    schedules: BTreeMap<u32, Millis>,
    /// Whether the changelogs had anything in this turn.
    has_read: bool,
}

/// What one look at a changelog partition came to.
enum Step {
    /// Nothing was waiting.
    AtEnd,
    /// Something was read.
    Moved,
    /// What has been read is not to be believed.
    Anew(Anew),
}

impl Follower {
    pub(super) fn new(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        replica: Replica,
        log_name: String,
        max_failures: u32,
    ) -> Self {
        let writer = Writer::new(replica.shared.pairs.clone(), max_failures);
        Self {
            log,
            log_name,
            max_failures,
            clock,
            replica,
            writer,
            schedules: BTreeMap::new(),
            has_read: false,
        }
    }

    /// Follows until `stop` shows true or its sender is gone, or a changelog cannot be read.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let mut lookout = Lookout::new(self.log.as_ref(), "replica", None);
        let mut cursors = Vec::new();
        // Questions in a row that were not answered.
        let mut unanswered = 0;
        while !*stop.borrow() {
            lookout.mark();
            let turned = self.turn(&mut cursors).await;
            if turned.is_ok() {
                lookout.found(std::mem::take(&mut self.has_read));
                metrics::reachable(std::mem::take(&mut unanswered));
            }
            match turned {
                Ok(true) => continue,
                Ok(false) => {}
                // The replica stays as it is meanwhile.
                Err(error) if is_unreachable(&error) => {
                    unanswered += 1;
                    metrics::unreachable(&error, unanswered);
                    self.behind_since(cursors.iter().map(Cursor::as_of).min());
                    let _ = tokio::time::timeout(AGAIN_AFTER, stopped(&mut stop)).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = stopped(&mut stop) => break,
                is_open = lookout.wait() => if !is_open { break },
            }
        }
        let flushed = self.replica.shared.pairs.flush();
        flushed.map_err(|source| kept("flush", source))
    }

    /// Begins if it has not, then one read of every partition that has something; false when none
    /// had.
    async fn turn(&mut self, cursors: &mut Vec<Cursor>) -> Result<bool, Error> {
        if cursors.is_empty() {
            *cursors = self.begin()?;
        }
        let mut has_moved = false;
        for cursor in cursors.iter_mut() {
            match self.step(cursor)? {
                Step::AtEnd => {}
                Step::Moved => {
                    has_moved = true;
                    // A long catch-up shares the thread with those who answer probes.
                    tokio::task::yield_now().await;
                }
                Step::Anew(why) => {
                    *cursors = self.anew(why)?;
                    return Ok(true);
                }
            }
        }
        self.report(cursors, has_moved);
        let mut has_planned = false;
        if self.replica.is_ready() {
            has_planned = self.plan(cursors)?;
            if let Some(why) = self.compare_all(cursors)? {
                *cursors = self.anew(why)?;
                return Ok(true);
            }
        }
        Ok(has_moved || has_planned)
    }

    /// Goes on with what is kept, if it is a beginning of what the log holds.
    fn begin(&mut self) -> Result<Vec<Cursor>, Error> {
        self.unready();
        let view = self.replica.shared.pairs.view();
        let failed = |source| kept("read", source);
        let found = view.get(keys::HEAD).map_err(failed)?;
        let Some(found) = found else {
            drop(view);
            return self.fill();
        };
        if found != self.head() {
            drop(view);
            return self.anew(Anew::OtherLog);
        }
        let mut cursors = Vec::new();
        for (table, partition) in self.changelogs() {
            let value = view.get(&keys::progress(table, partition));
            let progress = value.map_err(failed)?.as_ref().and_then(Progress::decode);
            let mut cursor = self.cursor(table, partition, progress)?;
            let why = cursor.check(self.log.as_ref());
            let why = why.map_err(|source| failed_at(table, partition, source))?;
            if let Some(why) = why {
                drop(view);
                return self.anew(why);
            }
            cursors.push(cursor);
        }
        drop(view);
        self.writer.resume().map_err(failed)?;
        *self.replica.shared.totals.write() = self.writer.totals();
        Ok(cursors)
    }

    /// Tells why, and begins from the first record that is kept.
    fn anew(&mut self, why: Anew) -> Result<Vec<Cursor>, Error> {
        metrics::anew(why.as_str());
        self.fill()
    }

    /// Empties the replica and puts every cursor to the first record kept.
    fn fill(&mut self) -> Result<Vec<Cursor>, Error> {
        // First, so that nobody takes what is left for everything.
        self.unready();
        let head = self.head();
        let cleared = self.writer.clear(head);
        cleared.map_err(|source| kept("empty", source))?;
        *self.replica.shared.totals.write() = self.writer.totals();
        self.changelogs()
            .into_iter()
            .map(|(table, partition)| self.cursor(table, partition, None))
            .collect()
    }

    fn head(&self) -> Vec<u8> {
        head(self.log.as_ref(), &self.log_name, self.max_failures)
    }

    fn unready(&mut self) {
        self.replica.shared.is_ready.store(false, Ordering::Release);
        self.schedules.clear();
    }

    fn changelogs(&self) -> Vec<(Table, u32)> {
        let tables = Table::ALL.into_iter();
        let changelogs = tables.flat_map(|table| {
            let partitions = 0..self.log.partitions(table.changelog());
            partitions.map(move |partition| (table, partition))
        });
        changelogs.collect()
    }

    fn cursor(
        &self,
        table: Table,
        partition: u32,
        progress: Option<Progress>,
    ) -> Result<Cursor, Error> {
        let now = self.clock.now();
        let cursor = Cursor::new(self.log.as_ref(), (table, partition), progress, now);
        cursor.map_err(|source| failed_at(table, partition, source))
    }

    fn step(&mut self, cursor: &mut Cursor) -> Result<Step, Error> {
        let (topic, partition) = (cursor.table.changelog(), cursor.partition);
        let failed = |source| failed_at(cursor.table, partition, source);
        let next = cursor.progress.next;
        cursor.end = self.log.offsets(topic, partition).map_err(failed)?.end;
        if next >= cursor.end {
            // Or nobody would tell that more has come.
            self.log.follow(topic, partition, next).map_err(failed)?;
            // Else nobody knows what is waiting.
            if self.log.unanswered_for().is_none() {
                cursor.caught_up(self.clock.now());
            }
            return Ok(Step::AtEnd);
        }
        let mut records = match self.log.read(topic, partition, next, READ_LIMIT) {
            Err(LogError::OutOfRange { .. }) => return Ok(Step::Anew(Anew::Overtaken)),
            other => other.map_err(failed)?,
        };
        if records.is_empty() {
            // Compaction leaves gaps, also at the end.
            cursor.progress.next = cursor.end;
            return Ok(Step::Moved);
        }
        self.has_read = true;
        metrics::applied(topic, records.len() as u64);
        if let Some(end) = cursor.planned.and_then(|planned| planned.end_in(&records)) {
            let later = records.split_off(end);
            self.apply(cursor, records)?;
            if let Some(why) = self.compare(cursor, true)? {
                return Ok(Step::Anew(why));
            }
            records = later;
        }
        self.apply(cursor, records)?;
        Ok(Step::Moved)
    }

    fn apply(
        &mut self,
        cursor: &mut Cursor,
        records: Vec<rollcall_log::Stored>,
    ) -> Result<(), Error> {
        let Some(first) = records.first().map(|record| record.offset) else {
            return Ok(());
        };
        let (table, partition) = (cursor.table, cursor.partition);
        let applied = self
            .writer
            .apply((table, partition), &cursor.progress, records);
        cursor.progress = applied.map_err(|source| Error::Apply {
            topic: table.changelog(),
            partition,
            offset: first,
            source,
        })?;
        *self.replica.shared.totals.write() = self.writer.totals();
        Ok(())
    }

    /// Reads the schedule of one partition that it is time for, and plans its comparisons; false
    /// when it is time for none. One at a time: on Kafka each is a question to a broker, and rows
    /// wait meanwhile.
    fn plan(&mut self, cursors: &mut [Cursor]) -> Result<bool, Error> {
        let now = self.clock.now();
        let is_due = |partition: &u32| {
            let due_at = self.schedules.get(partition);
            due_at.is_none_or(|due_at| *due_at <= now)
        };
        let Some(partition) = (0..self.log.partitions(Topic::Schedule)).find(is_due) else {
            return Ok(false);
        };
        let batch = newest_batch(self.log.as_ref(), partition).map_err(|source| Error::Read {
            topic: Topic::Schedule,
            partition,
            source,
        })?;
        let mut again_ms = COMPARE_EVERY_MS;
        for cursor in cursors.iter_mut().filter(|one| one.partition == partition) {
            cursor.planned = batch
                .as_ref()
                .and_then(|batch| Planned::of(batch, cursor.table));
            let moment = cursor
                .planned
                .map(|planned| planned.moment(&cursor.progress, false));
            if moment == Some(Moment::Past) {
                again_ms = SCHEDULE_AGAIN_MS;
            }
        }
        self.schedules.insert(partition, now + again_ms);
        Ok(true)
    }

    /// Makes the comparisons whose moment has come.
    fn compare_all(&mut self, cursors: &mut [Cursor]) -> Result<Option<Anew>, Error> {
        for cursor in cursors {
            if let Some(why) = self.compare(cursor, false)? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// Compares if the moment has come; `is_end`: the next record is of a later batch. Gives why
    /// to begin anew: where rows that were kept from before differ, tombstones may have been
    /// compacted away meanwhile, and to read everything again is the remedy. Rows that were read
    /// from the beginning and differ are told.
    fn compare(&mut self, cursor: &mut Cursor, is_end: bool) -> Result<Option<Anew>, Error> {
        let Some(planned) = cursor.planned else {
            return Ok(None);
        };
        let (table, partition) = (cursor.table, cursor.partition);
        let is_equal = planned.is_equal(&cursor.progress);
        let is_decided = match planned.moment(&cursor.progress, is_end) {
            Moment::Now => true,
            Moment::NotYet => return Ok(None),
            Moment::IfAtEnd if is_equal => true,
            Moment::IfAtEnd if cursor.is_behind() => return Ok(None),
            Moment::IfAtEnd => {
                let end = self.log.settled_end(table.changelog(), partition);
                let end = end.map_err(|source| failed_at(table, partition, source))?;
                if cursor.progress.next < end {
                    return Ok(None);
                }
                true
            }
            Moment::Past => false,
        };
        cursor.planned = None;
        if !is_decided {
            return Ok(None);
        }
        if !is_equal && cursor.is_unproven {
            return Ok(Some(Anew::Digest));
        }
        cursor.is_unproven = false;
        let mismatch = (!is_equal).then(|| planned.difference(&cursor.progress));
        let mut compared = self.replica.shared.compared.lock();
        compared.report(
            (table, partition),
            self.clock.now(),
            planned.batch(),
            mismatch,
        );
        Ok(None)
    }

    /// Publishes how far the replica is, and wakes who waits for it.
    fn report(&self, cursors: &[Cursor], has_moved: bool) {
        let shared = &self.replica.shared;
        let mut lag = 0;
        for table in Table::ALL {
            let of_table = cursors.iter().filter(|cursor| cursor.table == table);
            let behind: u64 = of_table
                .map(|cursor| cursor.end.saturating_sub(cursor.progress.next))
                .sum();
            metrics::lag(table.changelog(), behind);
            lag += behind;
        }
        shared.lag.store(lag, Ordering::Release);
        let behind = cursors.iter().filter(|cursor| cursor.is_behind());
        self.behind_since(behind.map(Cursor::as_of).min());
        for presence in PRESENCES {
            metrics::connections(presence, self.replica.count(presence));
        }
        let is_ready = cursors
            .iter()
            .all(|cursor| cursor.progress.next >= cursor.goal);
        let was_ready = shared.is_ready.fetch_or(is_ready, Ordering::AcqRel);
        if has_moved || was_ready != is_ready {
            shared.rounds.send_modify(|rounds| *rounds += 1);
        }
    }

    /// Publishes since when records are waiting, if any are.
    fn behind_since(&self, since: Option<Millis>) {
        let since = since.map_or(NOT_BEHIND, |since| since.0);
        let shared = &self.replica.shared;
        shared.behind_since.store(since, Ordering::Release);
        metrics::lag_seconds(self.replica.lag_ms());
    }
}

/// Whether the log may answer later.
fn is_unreachable(error: &Error) -> bool {
    matches!(error, Error::Read { source, .. } if source.may_pass())
}

fn failed_at(table: Table, partition: u32, source: LogError) -> Error {
    let topic: Topic = table.changelog();
    Error::Read {
        topic,
        partition,
        source,
    }
}

fn kept(action: &'static str, source: rollcall_tables::Error) -> Error {
    Error::Keep { action, source }
}
