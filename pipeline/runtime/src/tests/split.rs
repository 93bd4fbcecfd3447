//! Where a batch ends is chance, so it must not matter: any split of one history along the order of
//! inputs, at equal `now` and with no timer due, gives the same tables and derived records, however
//! the topics are dated.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use rollcall_log::{BEHIND_HEADER, Stored};
use rollcall_model::{Millis, Policy, Topic};
use rollcall_tables::{MemoryTables, Meta, Table, Tables};

use super::material::{Said, said};
use super::support::START;
use crate::batch::fold;
use crate::decode::Decoder;
use crate::inputs::{Inputs, Lag, Positions};
use crate::order::{Records, order};
use crate::output::{Output, TableDigests};

/// One input in its place.
type Input = (Topic, Stored);

/// What a sequence of batches leaves behind.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    rows: Vec<(Table, Bytes, Bytes)>,
    derived: Vec<(Topic, Option<Bytes>, Option<Bytes>)>,
    /// The last value of every key that the changelogs name.
    changelog: BTreeMap<(Topic, Option<Bytes>), Option<Bytes>>,
    digests: TableDigests,
}

/// A partition at work, without a log.
struct Partition {
    policy: Policy,
    tables: MemoryTables,
    left: Left,
    batches: u64,
}

impl Partition {
    fn new() -> Self {
        Self {
            policy: Policy::default(),
            tables: MemoryTables::new(),
            left: Left {
                rows: Vec::new(),
                derived: Vec::new(),
                changelog: BTreeMap::new(),
                digests: TableDigests::default(),
            },
            batches: 0,
        }
    }

    /// Folds `records` as one batch.
    fn fold(&mut self, now: Millis, records: &[Input]) {
        let of_topic = |topic: Topic| {
            let mut records: Vec<Stored> = (records.iter().filter(|(one, _)| *one == topic))
                .map(|(_, record)| record.clone())
                .collect();
            records.sort_by_key(|record| record.offset);
            (topic, records)
        };
        let by_topic = Topic::INPUTS.into_iter().map(of_topic);
        let by_topic = by_topic.filter(|(_, records)| !records.is_empty());
        let inputs = Inputs {
            now,
            // Before every timer.
            timers_at: START,
            records: by_topic.collect(),
            next: Positions::default(),
            refused: Vec::new(),
            lag: Lag::default(),
        };
        let decoder = Decoder::new(0, 1, &self.policy);
        let folded = fold(0, &self.policy, &decoder, &self.tables, &[], &inputs).unwrap();
        self.batches += 1;
        let mut output = Output::new(0, self.batches, now);
        output.derived(folded.derived);
        let derived = output.records.len();
        let (changes, _) = output.changelog(folded.dirty, &mut self.left.digests);
        let changelog = output.records.split_off(derived).into_iter();
        self.left
            .changelog
            .extend(changelog.map(|record| ((record.topic, record.key), record.value)));
        let derived = output.records.into_iter();
        self.left
            .derived
            .extend(derived.map(|record| (record.topic, record.key, record.value)));
        self.tables.apply(&changes, &Meta::default()).unwrap();
    }

    fn left(mut self) -> Left {
        for table in Table::ALL {
            let rows = self.tables.scan(table, None, usize::MAX).unwrap();
            let rows = rows.into_iter().map(|(key, value)| (table, key, value));
            self.left.rows.extend(rows);
        }
        self.left
    }
}

/// The ends of the topics.
type Ends = BTreeMap<Topic, u64>;

/// Gives every input its place, in the order in which it was said: one a millisecond, as one bridge
/// writes them, by the clocks of the topics, which go wrong by so many milliseconds.
fn placed(said: &[Said], begins_at: Millis, wrong: &[i64; 5], ends: &mut Ends) -> Vec<Input> {
    let mut dated: BTreeMap<Topic, Millis> = BTreeMap::new();
    let place = |(number, said): (i64, &Said)| {
        let topic = said.topic();
        let rank = Topic::INPUTS.iter().position(|one| *one == topic).unwrap();
        let at = begins_at + number + wrong[rank];
        let at = at.max(dated.get(&topic).copied().unwrap_or(at));
        dated.insert(topic, at);
        let other = match topic {
            Topic::Status => Topic::Messages,
            _ => Topic::Status,
        };
        let behind = ends.get(&other).copied().unwrap_or(0);
        let offset = ends.entry(topic).or_default();
        let said = Said {
            order: begins_at.0 + number,
            ..said.clone()
        };
        let record = Stored {
            offset: *offset,
            appended_at: at,
            key: Some(said.key()),
            value: Some(said.value(at)),
            headers: vec![(BEHIND_HEADER.to_owned(), behind.to_string().into())],
        };
        *offset += 1;
        (topic, record)
    };
    (0..).zip(said).map(place).collect()
}

/// The inputs in the order of folding.
fn in_order(inputs: Vec<Input>) -> Vec<Input> {
    let mut records: Records = Topic::INPUTS.map(|topic| (topic, Vec::new())).to_vec();
    for (topic, record) in inputs {
        let rank = Topic::INPUTS.iter().position(|one| *one == topic).unwrap();
        records[rank].1.push(record);
    }
    let order = order(&records);
    let taken = order.into_iter().map(|(queue, place)| {
        let (topic, records) = &records[queue];
        (*topic, records[place].clone())
    });
    taken.collect()
}

/// What each client said to its bridge, in order: offsets of `status` and `messages`.
fn told(inputs: &[Input]) -> BTreeMap<Option<Bytes>, Vec<(Topic, u64)>> {
    let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (topic, record) in inputs {
        if matches!(topic, Topic::Status | Topic::Messages) {
            let said = told.entry(record.key.clone()).or_default();
            said.push((*topic, record.offset));
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_split_gives_the_same(
        before in prop::collection::vec(said(), 0..20),
        said in prop::collection::vec(said(), 1..40),
        wrong in prop::array::uniform5(-20..20_i64),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut ends = Ends::new();
        // Both begin with the same rows.
        let before = placed(&before, START, &[0; 5], &mut ends);
        let now = START + 25_000;
        let records = placed(&said, now, &wrong, &mut ends);
        let as_told = told(&records);
        let records = in_order(records);
        // Whatever the clocks say, a client is heard in the order in which it spoke.
        prop_assert_eq!(told(&records), as_told);
        let mut whole = Partition::new();
        whole.fold(START, &before);
        whole.fold(now, &records);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(records.len())).collect();
        cuts.extend([0, records.len()]);
        cuts.sort_unstable();
        let mut split = Partition::new();
        split.fold(START, &before);
        for ends in cuts.windows(2) {
            split.fold(now, &records[ends[0]..ends[1]]);
        }
        prop_assert_eq!(whole.left(), split.left());
    }
}
