//! Topics read from their beginning to the end seen at the start, page by page.

use std::collections::VecDeque;

use rollcall_log::{Log, OffsetRange, ReadLimit, Stored};
use rollcall_model::Topic;

use crate::error::Error;

/// Read at a time: bounds what a rebuild holds of each topic.
const PAGE: ReadLimit = ReadLimit {
    records: 1_000,
    bytes: 4 * 1024 * 1024,
};

/// The records of one partition of a topic, one after the other.
pub(super) struct Reader<'a> {
    log: &'a dyn Log,
    topic: Topic,
    partition: u32,
    next: u64,
    end: u64,
    page: VecDeque<Stored>,
}

impl<'a> Reader<'a> {
    /// From offset `from` up to `to`, both of which the log must still know.
    pub(super) fn new(
        log: &'a dyn Log,
        topic: Topic,
        partition: u32,
        (from, to): (u64, u64),
    ) -> Self {
        Self {
            log,
            topic,
            partition,
            next: from,
            end: to,
            page: VecDeque::new(),
        }
    }

    /// Everything that there is now.
    pub(super) fn whole(log: &'a dyn Log, topic: Topic, partition: u32) -> Result<Self, Error> {
        let range = offsets(log, topic, partition)?;
        Ok(Self::new(log, topic, partition, (range.start, range.end)))
    }

    /// The next record, without taking it.
    pub(super) fn peek(&mut self) -> Result<Option<&Stored>, Error> {
        if self.page.is_empty() && self.next < self.end {
            // No more than is wanted: whoever reads on from the end finds the log there.
            let wanted = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
            let page = ReadLimit {
                records: PAGE.records.min(wanted),
                ..PAGE
            };
            let records = self
                .log
                .read(self.topic, self.partition, self.next, page)
                .map_err(|source| failed(self.partition, source))?;
            // Compaction and the ends of transactions leave gaps, at the end too.
            self.next = records.last().map_or(self.end, |last| last.offset + 1);
            let end = self.end;
            self.page
                .extend(records.into_iter().filter(|record| record.offset < end));
        }
        Ok(self.page.front())
    }

    /// The next record.
    pub(super) fn take(&mut self) -> Result<Option<Stored>, Error> {
        self.peek()?;
        Ok(self.page.pop_front())
    }

    /// The next record, if its offset is smaller than `to`.
    pub(super) fn take_before(&mut self, to: u64) -> Result<Option<Stored>, Error> {
        match self.peek()? {
            Some(next) if next.offset < to => self.take(),
            _ => Ok(None),
        }
    }
}

/// First offset kept and the next one to be written.
pub(super) fn offsets(log: &dyn Log, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
    log.offsets(topic, partition)
        .map_err(|source| failed(partition, source))
}

fn failed(partition: u32, source: rollcall_log::Error) -> Error {
    Error::Log {
        partition,
        action: "read what it has written and read before",
        source,
    }
}
