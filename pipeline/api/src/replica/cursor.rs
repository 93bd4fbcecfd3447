//! Where the follower stands in one changelog partition, and whether it can go on from where it
//! stood before. No IO but the look-ups in the log that the answer takes.

use rollcall_log::{Error as LogError, Log, ReadLimit};
use rollcall_model::Millis;
use rollcall_tables::Table;

use super::compare::Planned;
use super::progress::Progress;

/// How far one partition of one changelog has been read.
pub(super) struct Cursor {
    pub(super) table: Table,
    pub(super) partition: u32,
    pub(super) progress: Progress,
    /// The end at the start: past it, the replica is ready.
    pub(super) goal: u64,
    /// The end at the last look.
    pub(super) end: u64,
    /// When nothing was waiting, last; at first, when it began.
    caught_up_at: Option<Millis>,
    began_at: Millis,
    /// The comparison that waits for its moment.
    pub(super) planned: Option<Planned>,
    /// Whether its rows were kept from before, and no comparison has vouched for them yet.
    pub(super) is_unproven: bool,
}

/// Why what is kept is no beginning of what the log holds. The names are a metric's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anew {
    /// Retention took records that were never read: tombstones may be among them.
    Overtaken,
    /// The log ends before what has been read: it was truncated or made anew.
    Ahead,
    /// Another log, other partitions, or pairs of another build.
    OtherLog,
    /// The rows kept from before are not those of the schedule: compaction has taken tombstones
    /// that were never read, or the log is another one after all.
    Digest,
}

impl Anew {
    pub(crate) const ALL: [Self; 4] = [Self::Overtaken, Self::Ahead, Self::OtherLog, Self::Digest];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Overtaken => "overtaken",
            Self::Ahead => "ahead",
            Self::OtherLog => "other_log",
            Self::Digest => "digest",
        }
    }
}

impl Cursor {
    /// At `progress` if there is one, else at the first record that is kept.
    pub(super) fn new(
        log: &dyn Log,
        (table, partition): (Table, u32),
        progress: Option<Progress>,
        now: Millis,
    ) -> Result<Self, LogError> {
        let range = log.offsets(table.changelog(), partition)?;
        let next = range.start;
        Ok(Self {
            table,
            partition,
            progress: progress.unwrap_or(Progress {
                next,
                ..Progress::default()
            }),
            goal: range.end,
            end: range.end,
            caught_up_at: None,
            began_at: now,
            planned: None,
            is_unproven: progress.is_some(),
        })
    }

    /// Why it cannot go on from where it stands, if so.
    ///
    /// The last record read is looked for again, where compaction has left it: another log that is
    /// long enough has another one in its place. What it cannot find out, the first comparison of
    /// digests does.
    pub(super) fn check(&mut self, log: &dyn Log) -> Result<Option<Anew>, LogError> {
        let topic = self.table.changelog();
        let Progress { next, last, .. } = self.progress;
        let range = log.offsets(topic, self.partition)?;
        if next < range.start {
            return Ok(Some(Anew::Overtaken));
        }
        if next > range.end {
            // What was read may not be shown again yet.
            self.end = log.settled_end(topic, self.partition)?;
            self.goal = self.end;
            if next > self.end {
                return Ok(Some(Anew::Ahead));
            }
        }
        let Some((offset, appended_at)) = last.filter(|(offset, _)| *offset >= range.start) else {
            return Ok(None);
        };
        let one = ReadLimit {
            records: 1,
            bytes: 1,
        };
        let found = match log.read(topic, self.partition, offset, one) {
            Err(LogError::OutOfRange { .. }) => return Ok(Some(Anew::Overtaken)),
            other => other?,
        };
        let found = found.first().filter(|found| found.offset == offset);
        let is_other = found.is_some_and(|found| found.appended_at != appended_at);
        Ok(is_other.then_some(Anew::OtherLog))
    }

    /// Whether something is waiting.
    pub(super) fn is_behind(&self) -> bool {
        self.progress.next < self.end
    }

    /// Nothing is waiting.
    pub(super) fn caught_up(&mut self, now: Millis) {
        self.caught_up_at = self.caught_up_at.max(Some(now));
    }

    /// Rows are those of this moment, or newer ones.
    pub(super) fn as_of(&self) -> Millis {
        let applied_at = self.progress.last.map(|(_, appended_at)| appended_at);
        self.caught_up_at.max(applied_at).unwrap_or(self.began_at)
    }
}
