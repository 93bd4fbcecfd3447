//! Records going in and coming out, positions, limits.

use bytes::Bytes;
use rollcall_model::{Millis, Topic};

/// A record to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Where to.
    pub topic: Topic,
    /// Which partition; `None` = by key, as Java's default partitioner does it (murmur2), 0 without
    /// a key.
    pub partition: Option<u32>,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; `None` = a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Vec<(String, Bytes)>,
}

/// Header of a record of `status` or `messages`: the end of the other topic, in the same partition,
/// as far as the record's bridge had written it before. The record came later than all of that.
pub const BEHIND_HEADER: &str = "behind";

/// A record as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its offset.
    pub offset: u64,
    /// When the log took it (LogAppendTime); never goes back within a partition.
    pub appended_at: Millis,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; `None` = a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Vec<(String, Bytes)>,
}

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The reader.
    pub group: String,
    /// The topic read.
    pub topic: Topic,
    /// The partition read.
    pub partition: u32,
    /// The next offset to read.
    pub next: u64,
}

/// What an append makes durable as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Append {
    /// Records, in order.
    pub records: Vec<NewRecord>,
    /// Positions.
    pub positions: Vec<Position>,
}

/// How much one read may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Records at most.
    pub records: usize,
    /// Bytes of keys and values at most (but at least one record).
    pub bytes: usize,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    /// The first offset kept.
    pub start: u64,
    /// The next offset to be written.
    pub end: u64,
}

impl NewRecord {
    /// Bytes of key, value and headers.
    pub fn size(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.len() + value.len());
        length(&self.key) + length(&self.value) + headers.sum::<usize>()
    }
}

impl Stored {
    /// What it counts against a [`ReadLimit`]: bytes of key and value.
    pub fn size(&self) -> usize {
        length(&self.key) + length(&self.value)
    }
}

fn length(part: &Option<Bytes>) -> usize {
    part.as_ref().map_or(0, Bytes::len)
}

impl ReadLimit {
    /// The limit as something that is used up record by record.
    pub fn budget(self) -> Budget {
        Budget {
            left: self,
            is_first: true,
        }
    }
}

/// What is left of a [`ReadLimit`].
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: ReadLimit,
    is_first: bool,
}

impl Budget {
    /// Whether there is room for `record`, and takes it. The first one always fits: a reader that
    /// got nothing would stand still for ever.
    pub fn admits(&mut self, record: &Stored) -> bool {
        let bytes = record.size();
        let is_first = std::mem::replace(&mut self.is_first, false);
        if !is_first && (self.left.records == 0 || bytes > self.left.bytes) {
            return false;
        }
        self.left.records = self.left.records.saturating_sub(1);
        self.left.bytes = self.left.bytes.saturating_sub(bytes);
        true
    }

    /// Whether no further record can fit, whatever its size.
    pub fn is_spent(&self) -> bool {
        !self.is_first && (self.left.records == 0 || self.left.bytes == 0)
    }
}
