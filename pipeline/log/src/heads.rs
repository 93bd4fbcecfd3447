//! What every partition of every topic holds, in numbers: both homes of the log count in the same
//! way.

use rollcall_model::{Millis, Topic};

use crate::record::OffsetRange;
use crate::{Error, placement};

/// One partition in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The first offset kept.
    pub(crate) start: u64,
    /// The next offset to be written.
    pub(crate) end: u64,
    /// When the newest record was appended; the next one is never dated before it.
    pub(crate) last_at: Millis,
}

impl Head {
    /// A partition to which nothing was ever appended.
    pub(crate) const EMPTY: Head = Head {
        start: 0,
        end: 0,
        last_at: Millis(i64::MIN),
    };

    /// Gives the next record its offset and date.
    pub(crate) fn take(&mut self, now: Millis) -> (u64, Millis) {
        let offset = self.end;
        self.end += 1;
        self.last_at = self.last_at.max(now);
        (offset, self.last_at)
    }

    /// The same as users see it.
    pub(crate) fn range(&self) -> OffsetRange {
        OffsetRange {
            start: self.start,
            end: self.end,
        }
    }
}

/// A head for every partition of every topic, by [`slot`].
#[derive(Clone, Debug)]
pub(crate) struct Heads {
    partitions: u32,
    heads: Vec<Head>,
}

impl Heads {
    /// Heads of an empty log.
    pub(crate) fn new(partitions: u32) -> Self {
        let slots = partitions as usize * Topic::ALL.len();
        Self {
            partitions,
            heads: vec![Head::EMPTY; slots],
        }
    }

    /// Partitions of every topic.
    pub(crate) fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Where the head of a partition stands; the partition must exist.
    pub(crate) fn slot(&self, topic: Topic, partition: u32) -> usize {
        slot(topic, partition, self.partitions)
    }

    /// The head of a partition.
    ///
    /// Errors: [`Error::NoPartition`].
    pub(crate) fn get(&self, topic: Topic, partition: u32) -> Result<&Head, Error> {
        placement::check_partition(topic, partition, self.partitions)?;
        Ok(&self.heads[self.slot(topic, partition)])
    }

    /// The head at a slot.
    pub(crate) fn at(&mut self, slot: usize) -> &mut Head {
        &mut self.heads[slot]
    }

    /// The head at a slot, to look at.
    pub(crate) fn peek(&self, slot: usize) -> &Head {
        &self.heads[slot]
    }
}

/// Where what is kept for each partition of every topic stands in a list; the partition must exist.
pub(crate) fn slot(topic: Topic, partition: u32, partitions: u32) -> usize {
    debug_assert!(partition < partitions);
    topic as usize * partitions as usize + partition as usize
}
