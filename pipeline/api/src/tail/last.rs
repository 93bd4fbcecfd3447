//! Where the last records of a topic begin, of all partitions together.

use std::collections::VecDeque;
use std::sync::Arc;

use rollcall_log::{Error, Log, OffsetRange};
use rollcall_model::{Millis, Topic};

use super::{Part, READ_LIMIT, Tail};

/// How much further back is looked when there was not enough: compaction leaves gaps.
const WIDER: u64 = 4;

impl Tail {
    /// A tail of `topic`; its first round is the newest `count` records that are there now, by
    /// (append time, partition, offset).
    ///
    /// Errors: what the log says.
    pub fn last(log: Arc<dyn Log>, topic: Topic, count: usize) -> Result<Self, Error> {
        let appended = log.appended();
        let mut ends = Vec::new();
        let mut newest: Vec<(Millis, u32, u64)> = Vec::new();
        for partition in 0..log.partitions(topic) {
            let range = log.offsets(topic, partition)?;
            ends.push(range.end);
            let found = newest_of(&*log, topic, partition, range, count)?;
            newest.extend(
                found
                    .into_iter()
                    .map(|(at, offset)| (at, partition, offset)),
            );
        }
        newest.sort_unstable();
        let chosen = &newest[newest.len().saturating_sub(count)..];
        let parts = (0..).zip(ends).map(|(partition, end)| {
            let its = chosen.iter().filter(|(_, of, _)| *of == partition);
            // Times never go back in a partition: what is chosen of it stands at its end.
            let next = its.map(|(_, _, offset)| *offset).min().unwrap_or(end);
            Part {
                next,
                end,
                waiting: VecDeque::new(),
            }
        });
        Ok(Self {
            parts: parts.collect(),
            log,
            topic,
            appended,
        })
    }
}

/// Times and offsets of the newest `count` records of a partition.
fn newest_of(
    log: &dyn Log,
    topic: Topic,
    partition: u32,
    range: OffsetRange,
    count: usize,
) -> Result<VecDeque<(Millis, u64)>, Error> {
    let mut window = count as u64;
    loop {
        let from = range.end.saturating_sub(window).max(range.start);
        let mut found = VecDeque::new();
        let mut next = from;
        while next < range.end {
            let records = match log.read(topic, partition, next, READ_LIMIT) {
                Err(Error::OutOfRange { start, .. }) => {
                    log.read(topic, partition, start, READ_LIMIT)?
                }
                other => other?,
            };
            next = records.last().map_or(range.end, |last| last.offset + 1);
            for record in records.into_iter().filter(|it| it.offset < range.end) {
                found.push_back((record.appended_at, record.offset));
                if found.len() > count {
                    found.pop_front();
                }
            }
        }
        if found.len() >= count || from == range.start {
            return Ok(found);
        }
        window = window.saturating_mul(WIDER);
    }
}
