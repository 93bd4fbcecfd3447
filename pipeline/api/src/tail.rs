//! Records of a topic, all partitions merged: what is there in the order of its times, then what
//! comes.
//!
//! `rollcall tail` uses it on a stopped data directory, the ops port on the running log.

mod last;
mod line;

use std::collections::VecDeque;
use std::sync::Arc;

use rollcall_log::{Error, LOOK_EVERY, Log, ReadLimit, Stored};
use rollcall_model::Topic;
use tokio::sync::watch;

pub use line::Line;
pub(crate) use line::decoded;

/// Records of one partition that wait to be merged.
const READ_LIMIT: ReadLimit = ReadLimit {
    records: 128,
    bytes: 64 * 1024,
};

/// Where a tail begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first record kept.
    Beginning,
    /// With the next record to be written.
    End,
}

impl Start {
    /// Reads `beginning` or `end`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "beginning" => Some(Start::Beginning),
            "end" => Some(Start::End),
            _ => None,
        }
    }
}

/// One record and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: u32,
    /// The record.
    pub record: Stored,
}

/// A reader of all partitions of a topic.
///
/// Order: rounds. A round is what was in the log when it began, by (append time, partition,
/// offset); the next one begins when it has been read. So an old topic comes in the order of time,
/// and a new record never waits for another partition.
pub struct Tail {
    log: Arc<dyn Log>,
    topic: Topic,
    parts: Vec<Part>,
    appended: watch::Receiver<u64>,
}

/// One partition of a tail.
struct Part {
    /// Next offset to read from the log.
    next: u64,
    /// Where the round ends.
    end: u64,
    /// Read, and not given out yet.
    waiting: VecDeque<Stored>,
}

impl Tail {
    /// A tail of `topic`; its first round is what is there now.
    ///
    /// Errors: what the log says.
    pub fn open(log: Arc<dyn Log>, topic: Topic, start: Start) -> Result<Self, Error> {
        let mut appended = log.appended();
        appended.borrow_and_update();
        let mut parts = Vec::new();
        for partition in 0..log.partitions(topic) {
            let range = log.offsets(topic, partition)?;
            let next = match start {
                Start::Beginning => range.start,
                Start::End => range.end,
            };
            parts.push(Part {
                next,
                end: range.end,
                waiting: VecDeque::new(),
            });
        }
        Ok(Self {
            log,
            topic,
            parts,
            appended,
        })
    }

    /// The next record that is there; `None` when all were given.
    ///
    /// Records that retention takes before they are read are left out. Errors: what the log says.
    pub fn pull(&mut self) -> Result<Option<Entry>, Error> {
        if let Some(entry) = self.pull_round()? {
            return Ok(Some(entry));
        }
        // Marked before the ends are read: what comes later wakes `wait`.
        self.appended.borrow_and_update();
        for (partition, part) in (0..).zip(&mut self.parts) {
            part.end = self.log.offsets(self.topic, partition)?.end;
            if part.next >= part.end {
                // Or nobody would tell that more has come.
                self.log.follow(self.topic, partition, part.next)?;
            }
        }
        self.pull_round()
    }

    /// The next record of those that were there when the tail was opened; `None` after the last.
    ///
    /// Errors: as [`Tail::pull`].
    pub(crate) fn pull_there(&mut self) -> Result<Option<Entry>, Error> {
        self.pull_round()
    }

    /// Waits until the log has grown since [`Tail::pull`] gave `None`, or it is time to look all
    /// the same; false when it never will again.
    pub async fn wait(&mut self) -> bool {
        let told = tokio::time::timeout(LOOK_EVERY, self.appended.changed()).await;
        told.is_err() || told.is_ok_and(|told| told.is_ok())
    }

    /// The round's next record.
    fn pull_round(&mut self) -> Result<Option<Entry>, Error> {
        for (partition, part) in (0..).zip(&mut self.parts) {
            part.fill(&*self.log, self.topic, partition)?;
        }
        let first = (0..).zip(&mut self.parts).min_by_key(|(partition, part)| {
            let appended_at = part.waiting.front().map(|record| record.appended_at);
            (appended_at.is_none(), appended_at, *partition)
        });
        let topic = self.topic;
        Ok(first.and_then(|(partition, part)| {
            part.waiting.pop_front().map(|record| Entry {
                topic,
                partition,
                record,
            })
        }))
    }
}

impl Part {
    /// Reads on when nothing waits and the round is not over.
    fn fill(&mut self, log: &dyn Log, topic: Topic, partition: u32) -> Result<(), Error> {
        if !self.waiting.is_empty() || self.next >= self.end {
            return Ok(());
        }
        let mut records = match log.read(topic, partition, self.next, READ_LIMIT) {
            Err(Error::OutOfRange { start, .. }) => {
                log.read(topic, partition, start, READ_LIMIT)?
            }
            other => other?,
        };
        records.retain(|record| record.offset < self.end);
        // Compaction leaves gaps, also at the end.
        self.next = records.last().map_or(self.end, |last| last.offset + 1);
        self.waiting = records.into();
        Ok(())
    }
}
