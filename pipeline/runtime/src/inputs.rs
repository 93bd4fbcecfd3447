//! What a batch is made of: the next records of every input topic, in the order (rank, offset), and
//! the two times that are recorded with it.

use rollcall_log::{Clock, Log, ReadLimit, Stored};
use rollcall_model::batch::InputRange;
use rollcall_model::{Millis, Policy, Topic};

use crate::error::Error;

/// The group under which the processor's positions are committed.
pub const GROUP: &str = "processor";

/// The least that can be read of a topic.
const ONE_RECORD: ReadLimit = ReadLimit {
    records: 1,
    bytes: 1,
};

/// Next offset to read of each input, in rank order.
pub(crate) type Positions = [u64; Topic::INPUTS.len()];

/// The inputs of one batch.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// The batch's clock.
    pub(crate) now: Millis,
    /// Timers due up to here fire before the records.
    pub(crate) timers_at: Millis,
    /// Records in rank order.
    pub(crate) records: Vec<(Topic, Vec<Stored>)>,
    /// Positions after the batch.
    pub(crate) next: Positions,
    /// What the batch refused for lack of a schema when it was folded first, in rank order: it is
    /// refused again, whoever knows the schema by now.
    pub(crate) refused: Vec<InputRange>,
    /// How far behind the partition is when the batch is done.
    pub(crate) lag: Lag,
}

impl Inputs {
    /// Whether the batch refused that record when it was folded first.
    pub(crate) fn was_refused(&self, topic: Topic, offset: u64) -> bool {
        let is_in =
            |range: &InputRange| range.topic == topic && (range.from..range.to).contains(&offset);
        self.refused.iter().any(is_in)
    }
}

/// How far a partition is behind its inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// Offsets that no batch has read; on Kafka the ends of transactions are among them.
    pub(crate) records: u64,
    /// How long the oldest record of the batch had waited, in milliseconds.
    pub(crate) ms: i64,
}

impl Lag {
    /// After a batch of `inputs`, which were read when the log ended at `ends`.
    fn of(inputs: &Inputs, ends: &Positions) -> Self {
        let behind = ends.iter().zip(inputs.next);
        Self {
            records: behind.map(|(end, next)| end.saturating_sub(next)).sum(),
            ms: inputs.now - inputs.timers_at,
        }
    }
}

/// Reads the next batch from `positions` on.
///
/// `timers_at` is `now` when nothing was waiting, else the smallest append time among the records
/// that were waiting: a timer never overtakes a record that could have stopped it (DESIGN.md
/// section 5). Neither goes back behind `floor`.
///
/// A message never overtakes a status that was appended before it: it would find no row yet, or
/// wake one that has not gone offline yet, and what it says of its client would be lost.
pub(crate) fn read(
    log: &dyn Log,
    clock: &dyn Clock,
    partition: u32,
    policy: &Policy,
    positions: &Positions,
    floor: (Millis, Millis),
) -> Result<Inputs, Error> {
    let failed = |source| Error::Log {
        partition,
        action: "read its inputs",
        source,
    };
    let ends = ends(log, partition, positions).map_err(failed)?;
    // Read after the ends: every record below them was appended before this instant.
    let now = clock.now().max(floor.0);
    let is_behind = |rank: &usize| ends[*rank] > positions[*rank];
    let mut waiting = (0..ends.len()).filter(is_behind).count();
    let mut inputs = Inputs {
        now,
        timers_at: now,
        records: Vec::new(),
        next: *positions,
        refused: Vec::new(),
        lag: Lag::default(),
    };
    let mut budget = Budget::of(policy);
    // The append time of the last status taken, when others wait behind it.
    let mut statuses_up_to = Millis(i64::MAX);
    for (rank, topic) in Topic::INPUTS.into_iter().enumerate() {
        if ends[rank] <= positions[rank] {
            continue;
        }
        // Lower ranks are sure of their share, so that a flood of statuses starves no answer.
        // Once the time is up, one record each: `timers_at` needs the first of every topic.
        let is_late = clock.now() - now >= policy.batch_wait_ms;
        let limit = if is_late {
            ONE_RECORD
        } else {
            budget.share(waiting)
        };
        waiting -= 1;
        let limit = within(limit, ends[rank] - positions[rank]);
        let mut records = log
            .read(topic, partition, positions[rank], limit)
            .map_err(failed)?;
        records.retain(|record| record.offset < ends[rank]);
        let Some(first) = records.first() else {
            // Only gaps are left below the end.
            inputs.next[rank] = ends[rank];
            continue;
        };
        inputs.timers_at = inputs.timers_at.min(first.appended_at);
        if topic == Topic::Messages {
            records.retain(|record| record.appended_at <= statuses_up_to);
        }
        let Some(last) = records.last() else { continue };
        inputs.next[rank] = last.offset + 1;
        if topic == Topic::Status && last.offset + 1 < ends[rank] {
            statuses_up_to = last.appended_at;
        }
        budget.spend(&records);
        inputs.records.push((topic, records));
    }
    inputs.lag = Lag::of(&inputs, &ends);
    inputs.timers_at = inputs.timers_at.max(floor.1);
    Ok(inputs)
}

/// Where each input ends. Those that have been read up to there are followed, or nobody would tell
/// that more has come: another reader may have taken this one's place.
fn ends(
    log: &dyn Log,
    partition: u32,
    positions: &Positions,
) -> Result<Positions, rollcall_log::Error> {
    let mut ends = [0; Topic::INPUTS.len()];
    for ((end, topic), position) in ends.iter_mut().zip(Topic::INPUTS).zip(positions) {
        *end = log.offsets(topic, partition)?.end;
        if *end <= *position {
            log.follow(topic, partition, *position)?;
        }
    }
    Ok(ends)
}

/// No more than there are offsets below the end: what comes behind it is the next batch's, and a
/// log that is read on where it was left would have to go back for it.
fn within(limit: ReadLimit, offsets: u64) -> ReadLimit {
    ReadLimit {
        records: limit
            .records
            .min(usize::try_from(offsets).unwrap_or(usize::MAX)),
        ..limit
    }
}

/// What is left of a batch's bounds.
struct Budget {
    records: usize,
    bytes: usize,
}

impl Budget {
    fn of(policy: &Policy) -> Self {
        Self {
            records: policy.batch_records_max as usize,
            bytes: policy.batch_bytes_max as usize,
        }
    }

    /// An equal part for each topic that still waits, one record at least.
    fn share(&self, waiting: usize) -> ReadLimit {
        let parts = waiting.max(1);
        ReadLimit {
            records: (self.records / parts).max(1),
            bytes: (self.bytes / parts).max(1),
        }
    }

    fn spend(&mut self, records: &[Stored]) {
        self.records = self.records.saturating_sub(records.len());
        let bytes: usize = records.iter().map(Stored::size).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
