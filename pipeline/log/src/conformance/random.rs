//! Long random scripts: whatever was appended, cleaned and reopened, a log answers like the one in
//! memory.

use std::time::Duration;

use bytes::Bytes;
use rollcall_model::Topic;

use super::{Fixture, Open, Setup, keyed};
use crate::{Append, Cleaning, Clock, Log, MemoryLog, NewRecord, Position, ReadLimit};

const PARTITIONS: u32 = 2;
const TOPICS: [Topic; 3] = [Topic::Status, Topic::Connections, Topic::Outbox];
const STEPS: u64 = 300;

/// Runs the script of that seed. `open` opens the log, first a new one; before it is asked for it
/// again, the one that it gave has been dropped.
///
/// # Panics
/// When an answer is not that of the log in memory.
pub fn check_random(seed: u64, mut open: impl FnMut(Setup) -> Box<dyn super::OneNode>) {
    let setup = Setup {
        partitions: PARTITIONS,
        cleaning: Cleaning {
            retention: Some(Duration::from_millis(100)),
            compaction_lag: Duration::from_millis(20),
            tombstone_retention: Duration::from_millis(60),
        },
        ..Setup::usual()
    };
    let (clock, cleaning) = (setup.clock.clone(), setup.cleaning.clone());
    let mut memory = MemoryLog::with_cleaning(PARTITIONS, clock.clone(), cleaning);
    let open: &mut Open<'_> = &mut open;
    let mut fixture = Fixture::new(open(setup.clone()), setup);
    let mut random = Random(seed);
    for step in 0..STEPS {
        let context = format!("seed {seed}, step {step}");
        clock.advance(random.below(10).cast_signed() - 2);
        if random.below(10) == 0 {
            memory.maintain(clock.now()).expect("the log is open");
            fixture.maintain();
        }
        if random.below(40) == 0 {
            fixture = fixture.reopen(open);
            memory.opened_at = clock.now();
        }
        let append = random.append();
        let expected = super::block_on(memory.append(append.clone()));
        let found = fixture.try_append(append);
        assert_eq!(found.ok(), expected.ok(), "{context}");
        if step % 10 == 0 {
            let limit = ReadLimit {
                records: 5,
                bytes: random.index(200),
            };
            compare(&memory, fixture.log.as_ref(), limit, &context);
        }
    }
}

/// Numbers that repeat with their seed, which is not 0 (xorshift64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// The same for lengths and places.
    fn index(&mut self, bound: u32) -> usize {
        self.partition(bound) as usize
    }

    fn partition(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound.into())).expect("below a bound of 32 bits")
    }

    fn append(&mut self) -> Append {
        let records = (0..self.below(6)).map(|_| self.record()).collect();
        let positions = (0..self.below(3)).map(|_| self.position()).collect();
        Append { records, positions }
    }

    fn record(&mut self) -> NewRecord {
        let topic = TOPICS[self.index(3)];
        let key = format!("key-{}", self.below(8));
        let value = "x".repeat(self.index(50));
        let mut record = NewRecord {
            partition: Some(self.partition(PARTITIONS)),
            ..keyed(topic, &key, &value)
        };
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
        Position {
            group,
            topic: Topic::Status,
            partition: self.partition(PARTITIONS),
            next: self.below(100),
        }
    }
}

fn compare(memory: &MemoryLog, log: &dyn Log, limit: ReadLimit, context: &str) {
    for partition in 0..PARTITIONS {
        for topic in TOPICS {
            let range = memory.offsets(topic, partition).expect("it exists");
            let found = log.offsets(topic, partition);
            assert_eq!(found.ok(), Some(range), "{topic}/{partition} {context}");
            let below = range.start.checked_sub(1);
            if let Some(below) = below {
                let read = log.read(topic, partition, below, limit);
                assert!(read.is_err(), "{topic}/{partition}/{below} {context}");
            }
            let mut from = range.start;
            while from <= range.end {
                let expected = memory.read(topic, partition, from, limit);
                let expected = expected.expect("nothing is out of range");
                let found = log.read(topic, partition, from, limit).ok();
                from = expected
                    .last()
                    .map_or(range.end + 1, |last| last.offset + 1);
                assert_eq!(found, Some(expected), "{topic}/{partition} {context}");
            }
        }
        for group in ["group-0", "group-1"] {
            let expected = memory.position(group, Topic::Status, partition).ok();
            let found = log.position(group, Topic::Status, partition).ok();
            assert_eq!(found, expected, "{group} {context}");
        }
    }
}
