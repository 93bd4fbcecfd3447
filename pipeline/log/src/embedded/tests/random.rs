//! The embedded log against the one in memory: long random scripts, and both must answer the same.

use std::time::Duration;

use super::*;
use crate::{Cleaning, MemoryLog, Position};

const PARTITIONS: u32 = 2;
const TOPICS: [Topic; 3] = [Topic::Status, Topic::Connections, Topic::Outbox];

/// Numbers that repeat with their seed (xorshift64).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn append(&mut self) -> Append {
        let records = (0..self.below(6)).map(|_| self.record()).collect();
        let positions = (0..self.below(3)).map(|_| self.position()).collect();
        Append { records, positions }
    }

    fn record(&mut self) -> NewRecord {
        let topic = TOPICS[self.below(3) as usize];
        let key = format!("key-{}", self.below(8));
        let partition = self.below(PARTITIONS.into()) as u32;
        let value = "x".repeat(self.below(50) as usize);
        let mut record = record(topic, partition, &key, &value);
        if self.below(4) == 0 {
            record.value = None;
        }
        if self.below(4) == 0 {
            record.headers = vec![(key, Bytes::from(value))];
        }
        record
    }

    fn position(&mut self) -> Position {
        let group = format!("group-{}", self.below(2));
        let partition = self.below(PARTITIONS.into()) as u32;
        Position {
            group,
            topic: Topic::Status,
            partition,
            next: self.below(100),
        }
    }
}

fn cleaning() -> Cleaning {
    Cleaning {
        retention: Some(Duration::from_millis(100)),
        compaction_lag: Duration::from_millis(20),
        tombstone_retention: Duration::from_millis(60),
    }
}

fn compare(memory: &MemoryLog, embedded: &EmbeddedLog, limit: ReadLimit, context: &str) {
    for partition in 0..PARTITIONS {
        for topic in TOPICS {
            let range = memory.offsets(topic, partition).unwrap();
            assert_eq!(
                embedded.offsets(topic, partition).unwrap(),
                range,
                "{context}"
            );
            let mut from = range.start;
            while from <= range.end {
                let expected = memory.read(topic, partition, from, limit).unwrap();
                let found = embedded.read(topic, partition, from, limit).unwrap();
                assert_eq!(found, expected, "{topic}/{partition}/{from} {context}");
                from = expected
                    .last()
                    .map_or(range.end + 1, |last| last.offset + 1);
            }
        }
        for group in ["group-0", "group-1"] {
            let expected = memory.position(group, Topic::Status, partition).unwrap();
            let found = embedded.position(group, Topic::Status, partition).unwrap();
            assert_eq!(found, expected, "{group} {context}");
        }
    }
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let folder = TempDir::new().unwrap();
    let clock = clock();
    let mut memory = MemoryLog::with_cleaning(PARTITIONS, clock.clone(), cleaning());
    let open = || {
        let Cleaning {
            retention,
            compaction_lag,
            tombstone_retention,
        } = cleaning();
        let options = EmbeddedOptions {
            partitions: PARTITIONS,
            sync: false,
            retention,
            compaction_lag,
            tombstone_retention,
            ..manual(folder.path())
        };
        EmbeddedLog::open(options, clock.clone()).unwrap()
    };
    let mut embedded = open();
    for step in 0..300 {
        let context = format!("seed {seed}, step {step}");
        clock.advance(random.below(10) as i64 - 2);
        if random.below(10) == 0 {
            memory.maintain(clock.now()).unwrap();
            embedded.maintain(clock.now()).unwrap();
        }
        if random.below(40) == 0 {
            drop(embedded);
            embedded = open();
            memory.opened_at = clock.now();
        }
        let append = random.append();
        let expected = block_on(memory.append(append.clone())).unwrap();
        assert_eq!(
            block_on(embedded.append(append)).unwrap(),
            expected,
            "{context}"
        );
        if step % 10 == 0 {
            let limit = ReadLimit {
                records: 5,
                bytes: random.below(200) as usize,
            };
            compare(&memory, &embedded, limit, &context);
        }
    }
}

#[test]
fn both_logs_answer_the_same() {
    for seed in 1..=6 {
        run(seed);
    }
}
