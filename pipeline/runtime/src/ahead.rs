//! Inputs that were read and belong into a later batch: a log on Kafka begins a fetch anew for a
//! reader that goes back.

use rollcall_log::{ReadLimit, Stored};
use rollcall_model::Topic;

use crate::inputs::Positions;

/// What was read too early, by rank. Never more than one batch may read.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    records: [Vec<Stored>; Topic::INPUTS.len()],
    /// The position that the records of each input come next at.
    at: Positions,
}

impl Ahead {
    /// Takes what stands at `position`, as much as `limit` allows; at least one record if there is
    /// one.
    pub(crate) fn take(&mut self, rank: usize, position: u64, limit: ReadLimit) -> Vec<Stored> {
        let mut records = std::mem::take(&mut self.records[rank]);
        if self.at[rank] != position {
            return Vec::new();
        }
        let mut bytes = 0;
        let fits = |record: &&Stored| {
            let is_open = bytes < limit.bytes;
            bytes += record.size();
            is_open
        };
        let count = records.iter().take(limit.records).take_while(fits).count();
        let rest = records.split_off(count.max(1).min(records.len()));
        self.put(rank, &records, position, rest);
        records
    }

    /// Keeps `rest`, which comes behind `before`, or at `position` when that is empty.
    pub(crate) fn put(
        &mut self,
        rank: usize,
        before: &[Stored],
        position: u64,
        mut rest: Vec<Stored>,
    ) {
        rest.append(&mut self.records[rank]);
        self.records[rank] = rest;
        self.at[rank] = before.last().map_or(position, |last| last.offset + 1);
    }

    /// Whether nothing of that rank is kept.
    pub(crate) fn is_empty(&self, rank: usize) -> bool {
        self.records[rank].is_empty()
    }
}
