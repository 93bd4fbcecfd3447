//! What a batch is made of: the next records of every input topic, cut where their order
//! ([`crate::order`]) would be unknown, and the two times that are recorded with it.

use rollcall_log::{Clock, Error as LogError, Log, ReadLimit, Stored};
use rollcall_model::batch::InputRange;
use rollcall_model::{Millis, Policy, Topic};

use crate::ahead::Ahead;
use crate::error::Error;
use crate::order::{self, Behind, Records};

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
    /// Records, topic by topic, in rank order.
    pub(crate) records: Records,
    /// Positions after the batch.
    pub(crate) next: Positions,
    /// What the batch refused for lack of a schema when it was folded first, in the order of
    /// folding: it is refused again, whoever knows the schema by now.
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

    /// Keeps the first so many records of each topic; the others are for another batch.
    fn keep(&mut self, taken: &[usize], positions: &Positions, ahead: &mut Ahead) {
        for ((topic, records), taken) in self.records.iter_mut().zip(taken) {
            if *taken == records.len() {
                continue;
            }
            let rest = records.split_off(*taken);
            let rank = rank(*topic);
            let next = records.last().map(|last| last.offset + 1);
            self.next[rank] = next.unwrap_or(positions[rank]);
            ahead.put(rank, records, positions[rank], rest);
        }
        self.records.retain(|(_, records)| !records.is_empty());
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
/// No record overtakes one that comes before it in the order of inputs. A message that did would
/// find no row yet, or wake one that has not gone offline yet, and what it says would be lost.
pub(crate) fn read(
    log: &dyn Log,
    clock: &dyn Clock,
    partition: u32,
    policy: &Policy,
    positions: &Positions,
    floor: (Millis, Millis),
    ahead: &mut Ahead,
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
    let mut behind = [Behind::Nothing; Topic::INPUTS.len()];
    for (rank, topic) in Topic::INPUTS.into_iter().enumerate() {
        if ends[rank] <= positions[rank] {
            continue;
        }
        // Each topic is sure of its share: what is folded of it is up to the order. Once the time
        // is up, one record each: `timers_at` needs the first of every topic.
        let is_late = clock.now() - now >= policy.batch_wait_ms;
        let limit = Some(ONE_RECORD).filter(|_| is_late);
        let limit = limit.unwrap_or_else(|| budget.share(waiting));
        waiting -= 1;
        let place = Place {
            rank,
            partition,
            position: positions[rank],
            end: ends[rank],
        };
        let records = place.read(log, limit, ahead).map_err(failed)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            // Only gaps are left below the end.
            inputs.next[rank] = ends[rank];
            continue;
        };
        inputs.timers_at = inputs.timers_at.min(first.appended_at);
        inputs.next[rank] = last.offset + 1;
        if last.offset + 1 < ends[rank] {
            behind[rank] = Behind::More(last.appended_at);
        }
        budget.spend(&records);
        inputs.records.push((topic, records));
    }
    let mut known = Known::new(log, partition, inputs.next, ends);
    let is_missing = |topic, end| known.is_missing(topic, end);
    let taken = order::cut(&inputs.records, behind, is_missing);
    inputs.keep(&taken, positions, ahead);
    inputs.lag = Lag::of(&inputs, &ends);
    inputs.timers_at = inputs.timers_at.max(floor.1);
    Ok(inputs)
}

/// Where the inputs end. Statuses come last: what is said of a client elsewhere is then behind
/// them. Those that have been read up to there are followed, or nothing would tell that more has
/// come: another reader may have taken this one's place.
fn ends(log: &dyn Log, partition: u32, positions: &Positions) -> Result<Positions, LogError> {
    let mut ends = [0; Topic::INPUTS.len()];
    let inputs = ends.iter_mut().zip(Topic::INPUTS).zip(positions);
    for ((end, topic), position) in inputs.rev() {
        *end = log.offsets(topic, partition)?.end;
        if *end <= *position {
            log.follow(topic, partition, *position)?;
        }
    }
    Ok(ends)
}

/// What is known of where the inputs end.
struct Known<'a> {
    log: &'a dyn Log,
    partition: u32,
    read_to: Positions,
    ends: Positions,
    /// Of which inputs the log was asked where they really end.
    is_settled: [bool; Topic::INPUTS.len()],
}

impl<'a> Known<'a> {
    fn new(log: &'a dyn Log, partition: u32, read_to: Positions, ends: Positions) -> Self {
        Self {
            log,
            partition,
            read_to,
            ends,
            is_settled: [false; Topic::INPUTS.len()],
        }
    }

    /// Whether an input has records before `end` that were not read. An end that was never written
    /// is some producer's fault, and holds nothing up; nor does a log that does not answer.
    fn is_missing(&mut self, topic: Topic, end: u64) -> bool {
        let rank = rank(topic);
        if end > self.ends[rank] && !self.is_settled[rank] {
            self.is_settled[rank] = true;
            let settled = self.log.settled_end(topic, self.partition);
            self.ends[rank] = self.ends[rank].max(settled.unwrap_or_default());
        }
        end > self.read_to[rank] && end <= self.ends[rank]
    }
}

/// Where an input is read on.
struct Place {
    rank: usize,
    partition: u32,
    position: u64,
    /// Where the log ended when the batch began.
    end: u64,
}

impl Place {
    /// The next records, at first those that were read too early; what was written since the batch
    /// began is kept for another one.
    fn read(
        &self,
        log: &dyn Log,
        limit: ReadLimit,
        ahead: &mut Ahead,
    ) -> Result<Vec<Stored>, LogError> {
        let mut records = ahead.take(self.rank, self.position, limit);
        let from = records.last().map_or(self.position, |last| last.offset + 1);
        let left = Budget::left(limit, &records);
        if let Some(left) = left.filter(|_| ahead.is_empty(self.rank) && from < self.end) {
            let topic = Topic::INPUTS[self.rank];
            records.extend(log.read(topic, self.partition, from, left)?);
        }
        let beyond = records.partition_point(|record| record.offset < self.end);
        let rest = records.split_off(beyond);
        if !rest.is_empty() {
            ahead.put(self.rank, &records, self.position, rest);
        }
        Ok(records)
    }
}

/// The place of an input among the inputs.
fn rank(topic: Topic) -> usize {
    let found = Topic::INPUTS.iter().position(|one| *one == topic);
    found.expect("only inputs are read")
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

    /// What of `limit` is left beside `records`; `None` when nothing is.
    fn left(limit: ReadLimit, records: &[Stored]) -> Option<ReadLimit> {
        let bytes: usize = records.iter().map(Stored::size).sum();
        let left = ReadLimit {
            records: limit.records.saturating_sub(records.len()),
            bytes: limit.bytes.saturating_sub(bytes),
        };
        (left.records > 0 && left.bytes > 0).then_some(left)
    }

    fn spend(&mut self, records: &[Stored]) {
        self.records = self.records.saturating_sub(records.len());
        let bytes: usize = records.iter().map(Stored::size).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
