//! What a read gives: where it begins, how much it takes, whom it disturbs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rollcall_model::Topic;

use super::super::{EVERYTHING, block_on, keyed, plain};
use super::Any;
use crate::{Append, ReadLimit};

/// Far above what a reader needs to see an append: only a fault meets it.
const DEADLINE: Duration = Duration::from_secs(60);

/// Offsets that one read of the first partition of statuses gives.
fn read(fixture: &Any, from: u64, records: usize, bytes: usize) -> Vec<u64> {
    let read = fixture
        .log
        .read(Topic::Status, 0, from, ReadLimit { records, bytes });
    read.expect("the offset can be read")
        .iter()
        .map(|record| record.offset)
        .collect()
}

fn settled_end(fixture: &Any) -> u64 {
    let end = fixture.log.settled_end(Topic::Status, 0);
    end.expect("the partition exists")
}

/// A log may give less than it has: what it gives is what comes next, and no more than asked for.
pub(super) fn limits_bound_a_read(fixture: Any) {
    // Key and value have 10 bytes together.
    let all =
        fixture.append(["a", "b", "c", "d"].map(|key| keyed(Topic::Status, key, "123456789")));
    fixture.all(Topic::Status, 0);
    // (from which record, records, bytes, how many at most)
    let table = [
        (0, 3, 1_000, 3),
        (1, 3, 1_000, 3),
        (2, 3, 1_000, 2),
        (0, 10, 30, 3),
        (0, 10, 29, 2),
        (0, 1, 30, 1),
    ];
    for (at, records, bytes, most) in table {
        let given = read(&fixture, all[at], records, bytes);
        assert!((1..=most).contains(&given.len()), "{given:?} of {all:?}");
        assert_eq!(given, all[at..at + given.len()]);
    }
}

pub(super) fn the_first_record_always_fits(fixture: Any) {
    let offsets = fixture.append([
        plain(Topic::Status, 0, "123"),
        plain(Topic::Status, 0, "456"),
    ]);
    fixture.all(Topic::Status, 0);
    // (from which record, records, bytes)
    for (at, records, bytes) in [(0, 10, 0), (0, 10, 2), (1, 10, 2), (0, 0, 100)] {
        assert_eq!(read(&fixture, offsets[at], records, bytes), [offsets[at]]);
    }
}

pub(super) fn reading_at_the_end_is_empty(fixture: Any) {
    for round in 0..2 {
        fixture.append([plain(Topic::Status, 0, "v"), plain(Topic::Status, 0, "w")]);
        let end = settled_end(&fixture);
        assert_eq!(read(&fixture, end, 10, 100), [0_u64; 0], "round {round}");
    }
}

pub(super) fn reads_of_pages_give_every_record(fixture: Any) {
    for number in 0..100 {
        // Neighbours must not leak in: other partitions and topics have records too.
        fixture.append([
            plain(Topic::Status, 0, &number.to_string()),
            plain(Topic::Status, 1, "other partition"),
            plain(Topic::Messages, 0, "other topic"),
        ]);
    }
    let end = settled_end(&fixture);
    let (mut from, mut values) = (0, Vec::new());
    while from < end {
        let limit = ReadLimit {
            records: 7,
            bytes: 12,
        };
        let page = fixture.log.read(Topic::Status, 0, from, limit);
        let page = page.expect("the offset can be read");
        let Some(last) = page.last() else {
            break;
        };
        from = last.offset + 1;
        values.extend(page.into_iter().filter_map(|record| record.value));
    }
    let expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(values, expected);
}

pub(super) fn readers_of_one_partition_do_not_disturb_each_other(fixture: Any) {
    const READERS: usize = 3;
    let values: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    for some in values.chunks(3) {
        let record = |at: usize| plain(Topic::Status, 0, &some[at]);
        fixture.append([record(0), record(1), record(2)]);
    }
    let end = settled_end(&fixture);
    let limit = ReadLimit {
        records: 2,
        bytes: 1_000,
    };
    let (mut next, mut seen) = ([0; READERS], [const { Vec::new() }; READERS]);
    let mut turn = 0;
    while next.iter().any(|next| *next < end) {
        // Each at its own pace, all from the start.
        let reader = [0, 1, 0, 2, 0, 1][turn % 6];
        turn += 1;
        let page = fixture.log.read(Topic::Status, 0, next[reader], limit);
        let page = page.expect("the offset can be read");
        next[reader] = page.last().map_or(end, |last| last.offset + 1);
        seen[reader].extend(page.into_iter().filter_map(|record| record.value));
    }
    for seen in seen {
        assert_eq!(seen, values);
    }
}

pub(super) fn whoever_follows_is_woken(fixture: Any) {
    let log = &fixture.log;
    for round in 0..20_u32 {
        let partition = round % 3;
        let next = log.settled_end(Topic::Status, partition);
        let next = next.expect("the partition exists");
        let followed = log.follow(Topic::Status, partition, next);
        followed.expect("the offset can be read");
        let mut appended = log.appended();
        appended.mark_unchanged();
        let value = round.to_string();
        // One record, or several as one.
        match round % 2 {
            0 => drop(fixture.append([plain(Topic::Status, partition, &value)])),
            _ => drop(fixture.append([0; 2].map(|_| plain(Topic::Status, partition, &value)))),
        }
        let began = Instant::now();
        loop {
            let read = log.read(Topic::Status, partition, next, EVERYTHING);
            if let Some(first) = read.expect("nothing is out of range").first() {
                assert_eq!(first.value.as_deref(), Some(value.as_bytes()));
                break;
            }
            // Nothing yet: then it is still to be told.
            while !appended.has_changed().expect("the log is open") {
                assert!(
                    began.elapsed() < DEADLINE,
                    "nobody was woken, round {round}"
                );
                std::thread::yield_now();
            }
            appended.mark_unchanged();
        }
    }
}

pub(super) fn a_settled_end_is_whole(fixture: Any) {
    const TOGETHER: usize = 5;
    const ROUNDS: usize = 10;
    let is_enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for caller in 0..3 {
            let (log, is_enough) = (fixture.log.clone(), &is_enough);
            scope.spawn(move || {
                let mut number = 0;
                while !is_enough.load(Ordering::SeqCst) {
                    number += 1;
                    let value = format!("{caller}/{number}");
                    let append = Append {
                        records: vec![plain(Topic::Status, 0, &value); TOGETHER],
                        positions: Vec::new(),
                    };
                    block_on(log.append(append)).expect("it is in order");
                }
            });
        }
        let _enough = Enough(&is_enough);
        let (mut next, mut counts, mut rounds) = (0, BTreeMap::new(), 0);
        let began = Instant::now();
        while rounds < ROUNDS {
            assert!(began.elapsed() < DEADLINE, "nothing is seen behind {next}");
            let end = settled_end(&fixture);
            rounds += usize::from(end > next);
            while next < end {
                let read = fixture.try_read(Topic::Status, 0, next);
                let read = read.expect("nothing is out of range");
                let last = read.last().map(|last| last.offset + 1);
                next = last.unwrap_or(end);
                for record in read {
                    *counts.entry(record.value).or_insert(0) += 1;
                }
            }
        }
        is_enough.store(true, Ordering::SeqCst);
        assert!(counts.len() > ROUNDS);
    });
    // Whatever was in the midst of it then is whole now.
    let mut counts = BTreeMap::new();
    for value in fixture.values(Topic::Status, 0) {
        *counts.entry(value).or_insert(0) += 1;
    }
    assert!(
        counts.values().all(|count| *count == TOGETHER),
        "{counts:?}"
    );
}

/// Ends the threads that append, also when the reader has failed.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
