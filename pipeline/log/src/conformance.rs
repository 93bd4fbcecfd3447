//! One suite for every implementation of [`Log`]: whoever passes it answers like the others.
//!
//! Each question is a script on a fresh log with its answers written out: those of every log
//! (`any`), those of logs on one node, which have offsets without gaps, a given clock, and are
//! cleaned when they are told to (`append`, `read`, `clean`, `visible`, `reopen`), and a random
//! script whose answers come from the log in memory (`random`). The suite reports by panicking, as
//! tests do, and is part of the crate so that implementations elsewhere can run it.

mod any;
mod append;
mod clean;
pub(crate) mod random;
mod read;
mod reopen;
mod visible;

pub use any::{check_any, check_any_reopen};
pub use random::check_random;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, current, park};
use std::time::Duration;

use bytes::Bytes;
use rollcall_model::{Millis, Topic};

use crate::{
    Append, Cleaning, Error, Log, ManualClock, NewRecord, OffsetRange, Position, ReadLimit, Stored,
};

/// What a log under test is made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Partitions of every topic.
    pub partitions: u32,
    /// The clock that it must use.
    pub clock: Arc<ManualClock>,
    /// The rules of cleaning that it must follow.
    pub cleaning: Cleaning,
}

/// A log under test, and what is not part of the trait.
pub trait Subject {
    /// The log.
    fn log(&self) -> Arc<dyn Log>;
    /// Closes it.
    fn close(&self);
}

/// A log on one node under test, which is cleaned when it is told to.
pub trait OneNode: Subject {
    /// Cleans it by the rules at `now`.
    fn maintain(&self, now: Millis);
}

/// Runs every script of logs on one node, each on a log from one call of `make`.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check(mut make: impl FnMut(Setup) -> Box<dyn OneNode>) {
    check_any(|setup| make(setup));
    let scripts: [fn(Fixture); 21] = [
        append::offsets_count_from_zero,
        append::dates_never_go_back,
        append::readers_hear_of_appends,
        read::limits_bound_a_read,
        read::reading_behind_the_end_is_empty,
        clean::retention_moves_the_start,
        clean::offsets_go_on_when_everything_expired,
        clean::compaction_keeps_the_last_of_every_key,
        clean::compaction_spares_the_young,
        clean::tombstones_go_in_the_end,
        clean::the_newest_record_stays,
        clean::compaction_is_no_retention,
        clean::cleaning_again_finds_what_is_new,
        clean::the_start_never_goes_back,
        clean::positions_outlive_what_they_point_at,
        clean::what_stays_is_as_it_was,
        clean::appends_and_reads_go_on_beside_cleaning,
        visible::a_partition_shows_whole_appends,
        visible::whoever_is_woken_can_read,
        visible::dates_never_go_back_beside_each_other,
        visible::all_places_show_an_append_at_once,
    ];
    for script in scripts {
        let setup = Setup::usual();
        script(Fixture::new(make(setup.clone()), setup));
    }
}

/// Runs the scripts of durable logs on one node. `open` opens the log of that number, which is a
/// new one when the number is; before it is asked for the same one again, the one that it gave has
/// been dropped.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check_reopen(mut open: impl FnMut(usize, Setup) -> Box<dyn OneNode>) {
    let scripts: [fn(Fixture, &mut Open<'_>); 5] = [
        reopen::dates_never_go_back,
        reopen::offsets_go_on_when_everything_expired,
        reopen::cleaning_goes_on,
        reopen::the_start_never_goes_back,
        reopen::what_was_compacted_stays_gone,
    ];
    check_any_reopen(|setup| open(scripts.len(), setup));
    for (number, script) in scripts.into_iter().enumerate() {
        let mut open = |setup| open(number, setup);
        let setup = Setup::usual();
        script(Fixture::new(open(setup.clone()), setup), &mut open);
    }
}

type Open<'a, S = dyn OneNode> = dyn FnMut(Setup) -> Box<S> + 'a;

/// Where the clock of every script begins.
const BEGIN: Millis = Millis(1_700_000_000_000);
/// Retention of the usual setup.
const RETENTION_MS: i64 = 60_000;
/// Compaction lag of the usual setup.
const LAG_MS: i64 = 1_000;
/// Tombstone retention of the usual setup.
const TOMBSTONES_MS: i64 = 10_000;

impl Setup {
    fn usual() -> Self {
        let duration = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        Self {
            partitions: 3,
            clock: Arc::new(ManualClock::at(BEGIN)),
            cleaning: Cleaning {
                retention: Some(duration(RETENTION_MS)),
                compaction_lag: duration(LAG_MS),
                tombstone_retention: duration(TOMBSTONES_MS),
            },
        }
    }
}

/// A log under test with the questions that scripts ask.
struct Fixture<S: ?Sized = dyn OneNode> {
    subject: Box<S>,
    log: Arc<dyn Log>,
    setup: Setup,
}

impl Fixture {
    fn wait(&self, duration_ms: i64) {
        self.setup.clock.advance(duration_ms);
    }

    fn maintain(&self) {
        self.subject
            .maintain(crate::Clock::now(self.setup.clock.as_ref()));
    }
}

impl<S: Subject + ?Sized> Fixture<S> {
    fn new(subject: Box<S>, setup: Setup) -> Self {
        Self {
            log: subject.log(),
            subject,
            setup,
        }
    }

    fn reopen(self, open: &mut Open<'_, S>) -> Self {
        let Self {
            subject,
            log,
            setup,
        } = self;
        subject.close();
        drop((subject, log));
        Self::new(open(setup.clone()), setup)
    }

    fn try_append(&self, append: Append) -> Result<Vec<u64>, Error> {
        block_on(self.log.append(append))
    }

    /// Appends records of one append; gives their offsets.
    fn append<const N: usize>(&self, records: [NewRecord; N]) -> Vec<u64> {
        let append = Append {
            records: records.into(),
            positions: Vec::new(),
        };
        self.try_append(append).expect("the append is in order")
    }

    fn try_read(&self, topic: Topic, partition: u32, from: u64) -> Result<Vec<Stored>, Error> {
        self.log.read(topic, partition, from, EVERYTHING)
    }

    /// Everything that a partition holds.
    fn all(&self, topic: Topic, partition: u32) -> Vec<Stored> {
        let end = self.log.settled_end(topic, partition);
        let end = end.expect("the partition exists");
        let mut next = self.range(topic, partition).start;
        let mut all = Vec::new();
        loop {
            let read = self.try_read(topic, partition, next);
            let read = read.expect("nothing is out of range");
            // A log may give less at a time than it has, and offsets need not have a record.
            next = read.last().map_or(end, |last| last.offset + 1);
            all.extend(read);
            if next >= end {
                return all;
            }
        }
    }

    /// The values that a partition holds, as text.
    fn values(&self, topic: Topic, partition: u32) -> Vec<String> {
        let all = self.all(topic, partition).into_iter();
        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        all.map(|record| record.value.map_or("null".to_owned(), text))
            .collect()
    }

    /// Offset, key and value of everything that partition 0 holds, as text.
    fn texts(&self, topic: Topic) -> Vec<String> {
        let text = |bytes: &Option<Bytes>| match bytes {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => "null".to_owned(),
        };
        let line = |r: &Stored| format!("{} {}={}", r.offset, text(&r.key), text(&r.value));
        self.all(topic, 0).iter().map(line).collect()
    }

    fn range(&self, topic: Topic, partition: u32) -> OffsetRange {
        self.log
            .offsets(topic, partition)
            .expect("the partition exists")
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Option<u64> {
        self.log
            .position(group, topic, partition)
            .expect("the partition exists")
    }
}

/// More than any script writes.
const EVERYTHING: ReadLimit = ReadLimit {
    records: 1_000_000,
    bytes: 1_000_000_000,
};

/// A record for partition 0 with a key, and a value unless it is `null`.
fn keyed(topic: Topic, key: &str, value: &str) -> NewRecord {
    let value = (value != "null").then(|| Bytes::copy_from_slice(value.as_bytes()));
    let key = Some(Bytes::copy_from_slice(key.as_bytes()));
    NewRecord {
        topic,
        partition: Some(0),
        key,
        value,
        headers: Vec::new(),
    }
}

/// A record for a partition, without key.
fn plain(topic: Topic, partition: u32, value: &str) -> NewRecord {
    NewRecord {
        partition: Some(partition),
        key: None,
        ..keyed(topic, "", value)
    }
}

fn position(group: &str, topic: Topic, partition: u32, next: u64) -> Position {
    Position {
        group: group.to_owned(),
        topic,
        partition,
        next,
    }
}

/// Waits for `future` on this thread, without a runtime: a log must need none.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => park(),
        }
    }
}
