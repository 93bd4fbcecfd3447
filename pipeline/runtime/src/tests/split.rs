//! Where a batch ends is chance, so it must not matter: any split of one input sequence that keeps
//! (rank, offset), at equal `now` and with no timer due, gives the same tables and derived records.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use rollcall_log::Stored;
use rollcall_model::{Millis, Policy, Topic};
use rollcall_tables::{MemoryTables, Meta, Table, Tables};

use super::material::{Said, said};
use super::support::START;
use crate::batch::fold;
use crate::decode::Decoder;
use crate::inputs::{Inputs, Lag, Positions};
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

    /// Folds `records`, which stand in the order (rank, offset), as one batch.
    fn fold(&mut self, now: Millis, records: &[Input]) {
        let by_topic = records.chunk_by(|(one, _), (next, _)| one == next);
        let by_topic = by_topic.map(|run| {
            let records = run.iter().map(|(_, record)| record.clone());
            (run[0].0, records.collect())
        });
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

/// Gives every input its place, and puts them in the order (rank, offset).
fn placed(said: &[Said], now: Millis, next: &mut BTreeMap<Topic, u64>) -> Vec<Input> {
    let mut records: Vec<Input> = said
        .iter()
        .map(|said| {
            let topic = said.topic();
            let next = next.entry(topic).or_default();
            let offset = *next;
            *next += 1;
            let record = Stored {
                offset,
                appended_at: now,
                key: Some(said.key()),
                value: Some(said.value(now)),
                headers: Vec::new(),
            };
            (topic, record)
        })
        .collect();
    let rank = |topic: Topic| Topic::INPUTS.iter().position(|one| *one == topic);
    records.sort_by_key(|(topic, record)| (rank(*topic), record.offset));
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_split_gives_the_same(
        before in prop::collection::vec(said(), 0..20),
        said in prop::collection::vec(said(), 1..30),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut next = BTreeMap::new();
        // Both begin with the same rows.
        let before = placed(&before, START, &mut next);
        let now = START + 25_000;
        let records = placed(&said, now, &mut next);
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
