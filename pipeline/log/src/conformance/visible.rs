//! What others see while appends are under way: whole ones, and only when they can be read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rollcall_model::Topic;

use super::{EVERYTHING, Fixture, block_on, plain, position};
use crate::{Append, Log};

/// Records of one append in one partition.
const TOGETHER: u64 = 5;
/// Callers that append at the same time.
const CALLERS: u32 = 3;
/// How many different states a reader has to have met, so that it has looked in the midst of it.
const STATES: u64 = 40;
/// Appends of a caller for each of them: the reader is never left behind, nor without work.
const APPENDS_AHEAD: u64 = 4;
/// Far above what a reader needs to see the next append: only a fault meets it.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `append` from several threads, with its caller and number, until `look` has met enough
/// different ends of the partition that it watches. `look` gives that end.
fn beside(
    log: &dyn Log,
    append: impl Fn(u32, u64) -> Append + Sync,
    mut look: impl FnMut() -> u64,
) {
    let seen = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (append, seen) = (&append, &seen);
            scope.spawn(move || {
                for number in 0..STATES * APPENDS_AHEAD {
                    while number / APPENDS_AHEAD > seen.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    if seen.load(Ordering::SeqCst) >= STATES {
                        return;
                    }
                    block_on(log.append(append(caller, number))).expect("it is in order");
                }
            });
        }
        let _enough = Enough(&seen);
        let (mut last, began) = (0, Instant::now());
        while seen.load(Ordering::SeqCst) < STATES {
            let end = look();
            assert!(end >= last, "the end went back from {last} to {end}");
            assert!(began.elapsed() < DEADLINE, "nothing is seen behind {last}");
            seen.fetch_add(u64::from(end > last), Ordering::SeqCst);
            last = end;
            std::thread::yield_now();
        }
    });
}

/// Ends the threads that append, also when the reader has failed.
struct Enough<'a>(&'a AtomicU64);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(STATES, Ordering::SeqCst);
    }
}

pub(super) fn a_partition_shows_whole_appends(fixture: Fixture) {
    let append = |caller, number| {
        let value = format!("{caller}/{number}");
        let record = |_| plain(Topic::Status, 0, &value);
        Append {
            records: (0..TOGETHER).map(record).collect(),
            positions: Vec::new(),
        }
    };
    let mut next = 0;
    beside(fixture.log.as_ref(), append, || {
        let end = fixture.range(Topic::Status, 0).end;
        assert_eq!(end % TOGETHER, 0, "an end in the middle of an append");
        let read = fixture.try_read(Topic::Status, 0, next);
        let read = read.expect("nothing is out of range");
        assert!(
            next + read.len() as u64 >= end,
            "what ends there can be read"
        );
        for records in read.chunks(TOGETHER as usize) {
            assert_eq!(records.len() as u64, TOGETHER, "a part of an append");
            for record in records {
                assert_eq!(record.offset, next);
                assert_eq!(record.value, records[0].value);
                assert!(record.appended_at >= records[0].appended_at);
                next += 1;
            }
        }
        end
    });
}

/// Places of one append of [`all_places_show_an_append_at_once`].
const PLACES: [(Topic, u32); 4] = [
    (Topic::Status, 0),
    (Topic::Connections, 2),
    (Topic::Events, 1),
    (Topic::Status, 1),
];

pub(super) fn all_places_show_an_append_at_once(fixture: Fixture) {
    let group = |caller: u32| caller.to_string();
    let append = |caller, number| {
        let value = format!("{caller}/{number}");
        let record = |(topic, partition)| crate::NewRecord {
            partition: Some(partition),
            ..super::keyed(topic, &value, &value)
        };
        Append {
            records: PLACES.map(record).into(),
            positions: vec![position(&group(caller), Topic::Status, 2, number + 1)],
        }
    };
    let log = &fixture.log;
    let mut is_forward = false;
    beside(log.as_ref(), append, || {
        is_forward = !is_forward;
        let committed = |caller| {
            fixture
                .position(&group(caller), Topic::Status, 2)
                .unwrap_or(0)
        };
        let mut least = if is_forward {
            (0..CALLERS).map(committed).sum()
        } else {
            0
        };
        let mut places = PLACES;
        if !is_forward {
            places.reverse();
        }
        // Whatever was seen in one place is seen in every other one that is asked later.
        for (topic, partition) in places {
            let end = fixture.range(topic, partition).end;
            assert!(end >= least, "{topic}/{partition} lags: {end} < {least}");
            let last = log.read(topic, partition, end.saturating_sub(1), EVERYTHING);
            let last = last.expect("nothing is out of range");
            assert!(end == 0 || !last.is_empty(), "what ends there can be read");
            least = last.last().map_or(end, |record| record.offset + 1);
        }
        if !is_forward {
            assert!(
                (0..CALLERS).map(committed).sum::<u64>() >= least,
                "positions lag"
            );
        }
        least
    });
}

pub(super) fn whoever_is_woken_can_read(fixture: Fixture) {
    let log = &fixture.log;
    let mut appended = log.appended();
    let (go, gone) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for partition in gone {
                let append = Append {
                    records: vec![plain(Topic::Status, partition, "v")],
                    positions: Vec::new(),
                };
                block_on(log.append(append)).expect("it is in order");
            }
        });
        let mut ends = [0; 3];
        for round in 0..100_u32 {
            let partition = round % 3;
            appended.mark_unchanged();
            go.send(partition).expect("the other thread waits for it");
            // No waiting in a queue: whoever comes first must find it readable.
            let began = Instant::now();
            while !appended.has_changed().expect("the log is open") {
                assert!(
                    began.elapsed() < DEADLINE,
                    "nobody was woken, round {round}"
                );
                std::thread::yield_now();
            }
            // Nothing else was appended: this record is what the change is about.
            let end = &mut ends[partition as usize];
            let read = fixture.try_read(Topic::Status, partition, *end);
            assert_eq!(
                read.expect("nothing is out of range").len(),
                1,
                "round {round}"
            );
            *end += 1;
            assert_eq!(fixture.range(Topic::Status, partition).end, *end);
            // Its caller hears of it too, before the next round marks the channel.
            let position = vec![position("barrier", Topic::Status, 0, u64::from(round))];
            let barrier = Append {
                records: Vec::new(),
                positions: position,
            };
            fixture.try_append(barrier).expect("it is in order");
        }
        drop(go);
    });
}

pub(super) fn dates_never_go_back_beside_each_other(fixture: Fixture) {
    let clock = &fixture.setup.clock;
    let append = |_, number: u64| {
        // Whoever comes: the clock is set back as often as it goes on.
        clock.advance(if number.is_multiple_of(2) { 7 } else { -6 });
        Append {
            records: vec![plain(Topic::Status, 0, "v"), plain(Topic::Status, 1, "v")],
            positions: Vec::new(),
        }
    };
    let mut last = [super::BEGIN - 1_000_000; 2];
    let mut next = [0; 2];
    beside(fixture.log.as_ref(), append, || {
        for (partition, (last, next)) in (0..).zip(last.iter_mut().zip(&mut next)) {
            let read = fixture.try_read(Topic::Status, partition, *next);
            for record in read.expect("nothing is out of range") {
                assert!(
                    record.appended_at >= *last,
                    "the date of {record:?} went back"
                );
                *last = record.appended_at;
                *next += 1;
            }
        }
        next[0]
    });
}
