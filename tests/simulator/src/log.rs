//! The log of the simulated machine: the in-memory log behind a disk that may be slow, busy, or
//! gone in the middle of an append.
//!
//! It keeps a journal of all that ever was durable, in order, because the log itself is cleaned.
//! An append is whole or absent after a crash, as the trait promises; which of the two, nobody who
//! waited for it has learnt.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, pending, ready};
use parking_lot::Mutex;
use rollcall_log::{
    Append, Cleaning, Clock, Error, Log, MemoryLog, OffsetRange, ReadLimit, Stored,
};
use rollcall_model::Topic;
use rollcall_schemas::partition;
use tokio::sync::watch;

use crate::clock::SimClock;
use crate::faults::{Counts, Fault, Swarm};
use crate::random::Random;

/// Where a processor dies around its append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendCrash {
    /// Nothing was written.
    Before,
    /// Everything is durable, and nobody knows.
    AnswerLost,
}

/// One durable append.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its records in order, each with its place.
    pub(crate) records: Vec<(Topic, u32, Stored)>,
}

/// The log of the simulated machine.
pub(crate) struct SimLog {
    clock: Arc<SimClock>,
    inner: MemoryLog,
    counts: Arc<Counts>,
    state: Mutex<State>,
}

struct State {
    random: Random,
    swarm: Swarm,
    is_slow: bool,
    queue: VecDeque<Waiting>,
    armed: Option<(u32, AppendCrash)>,
    journal: Vec<Entry>,
}

struct Waiting {
    append: Append,
    answer: oneshot::Sender<Result<Vec<u64>, Error>>,
}

impl SimLog {
    /// An empty log.
    pub(crate) fn new(
        partitions: u32,
        clock: Arc<SimClock>,
        cleaning: Cleaning,
        counts: Arc<Counts>,
        swarm: Swarm,
        random: Random,
    ) -> Self {
        let inner = MemoryLog::with_cleaning(partitions, clock.clone(), cleaning);
        let state = Mutex::new(State {
            random,
            swarm,
            is_slow: false,
            queue: VecDeque::new(),
            armed: None,
            journal: Vec::new(),
        });
        Self {
            clock,
            inner,
            counts,
            state,
        }
    }

    /// From now on nothing goes wrong here.
    pub(crate) fn calm(&self) {
        self.state.lock().swarm = Swarm::none();
        self.set_slow(false);
    }

    /// Whether appends wait until [`SimLog::sync`] writes them.
    pub(crate) fn set_slow(&self, is_slow: bool) {
        if !is_slow {
            self.sync(usize::MAX);
        }
        self.state.lock().is_slow = is_slow;
    }

    /// Appends that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// Writes the first `appends` of those that wait, and tells who waits for them.
    pub(crate) fn sync(&self, appends: usize) {
        for _ in 0..appends {
            let mut state = self.state.lock();
            let Some(waiting) = state.queue.pop_front() else {
                return;
            };
            let written = self.write(&mut state, waiting.append);
            drop(state);
            // Whoever asked may be dead by now.
            let _ = waiting.answer.send(written);
        }
    }

    /// The machine dies: the first `kept` of the appends that wait are durable, the others gone.
    pub(crate) fn crash(&self, kept: usize) {
        let mut state = self.state.lock();
        state.armed = None;
        let queue = std::mem::take(&mut state.queue);
        for (at, waiting) in queue.into_iter().enumerate() {
            if at < kept {
                let _ = self.write(&mut state, waiting.append);
                self.counts.add(Fault::UnackedKept);
            } else {
                self.counts.add(Fault::UnackedLost);
            }
        }
    }

    /// The processor of `partition` is dead: its append, if one waits, is durable or gone.
    pub(crate) fn settle(&self, partition: u32, is_kept: bool) {
        let mut state = self.state.lock();
        state.armed = None;
        let is_its = |waiting: &Waiting| is_batch_of(&waiting.append, partition);
        let Some(at) = state.queue.iter().position(is_its) else {
            return;
        };
        let Some(waiting) = state.queue.remove(at) else {
            return;
        };
        if is_kept {
            let _ = self.write(&mut state, waiting.append);
            self.counts.add(Fault::UnackedKept);
        } else {
            self.counts.add(Fault::UnackedLost);
        }
    }

    /// The next append of a batch of `partition` ends as `crash` says, and never answers.
    pub(crate) fn arm(&self, partition: u32, crash: AppendCrash) {
        self.state.lock().armed = Some((partition, crash));
    }

    /// Takes the crash back if no append met it; true when it was still there.
    pub(crate) fn disarm(&self) -> bool {
        self.state.lock().armed.take().is_some()
    }

    /// Cleans the log by its rules; gives whether compaction and retention took anything.
    pub(crate) fn maintain(&self) -> (bool, bool) {
        let before = self.kept();
        let _ = self.inner.maintain(self.clock.now());
        let after = self.kept();
        (after.0 < before.0, after.1 > before.1)
    }

    /// Records in the changelogs, and the sum of all first offsets.
    fn kept(&self) -> (usize, u64) {
        let (mut records, mut starts) = (0, 0);
        let everything = ReadLimit {
            records: usize::MAX,
            bytes: usize::MAX,
        };
        for partition in 0..self.inner.partitions(Topic::Status) {
            for topic in [Topic::Connections, Topic::Outbox] {
                let read = self.inner.read(topic, partition, 0, everything);
                records += read.map_or(0, |records| records.len());
            }
            for topic in Topic::ALL {
                let range = self.inner.offsets(topic, partition);
                starts += range.map_or(0, |range| range.start);
            }
        }
        (records, starts)
    }

    /// Everything that was ever durable, in order; it is gone from here afterwards.
    pub(crate) fn take_journal(&self) -> Vec<Entry> {
        std::mem::take(&mut self.state.lock().journal)
    }

    /// Looks at the journal from entry `from` on.
    pub(crate) fn with_journal<T>(&self, from: usize, look: impl FnOnce(&[Entry]) -> T) -> T {
        let state = self.state.lock();
        look(&state.journal[from.min(state.journal.len())..])
    }

    fn write(&self, state: &mut State, append: Append) -> Result<Vec<u64>, Error> {
        let partitions = self.inner.partitions(Topic::Status);
        let places: Vec<(Topic, u32)> = append
            .records
            .iter()
            .map(|record| {
                let by_key = || {
                    let key = record.key.as_deref();
                    key.map_or(0, |key| partition::for_key(key, partitions))
                };
                (record.topic, record.partition.unwrap_or_else(by_key))
            })
            .collect();
        let written = self.inner.append(append).now_or_never();
        let offsets = written.unwrap_or(Err(Error::Closed))?;
        let mut records = Vec::with_capacity(offsets.len());
        for ((topic, partition), offset) in places.into_iter().zip(&offsets) {
            let one = ReadLimit {
                records: 1,
                bytes: 1,
            };
            let stored = self.inner.read(topic, partition, *offset, one)?;
            records.extend(stored.into_iter().map(|one| (topic, partition, one)));
        }
        state.journal.push(Entry { records });
        Ok(offsets)
    }
}

/// Whether an append is the commit of a batch of `partition`.
fn is_batch_of(append: &Append, partition: u32) -> bool {
    let is_its = |record: &rollcall_log::NewRecord| {
        record.topic == Topic::Schedule && record.partition == Some(partition)
    };
    append.records.iter().any(is_its)
}

impl Log for SimLog {
    fn partitions(&self, topic: Topic) -> u32 {
        self.inner.partitions(topic)
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Vec<u64>, Error>> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let armed = state.armed;
        if let Some((_, crash)) = armed.filter(|(its, _)| is_batch_of(&append, *its)) {
            state.armed = None;
            if crash == AppendCrash::AnswerLost {
                // Those before it were called before it, and the disk keeps that order.
                for waiting in std::mem::take(&mut state.queue) {
                    let written = self.write(state, waiting.append);
                    let _ = waiting.answer.send(written);
                }
                let _ = self.write(state, append);
            }
            return pending().boxed();
        }
        if state.swarm.strikes(Fault::LogBusy, &mut state.random) {
            self.counts.add(Fault::LogBusy);
            let (waiting, bytes) = (state.queue.len(), 0);
            return ready(Err(Error::Busy { waiting, bytes })).boxed();
        }
        if !state.is_slow {
            return ready(self.write(state, append)).boxed();
        }
        self.counts.add(Fault::SlowDisk);
        let (answer, answered) = oneshot::channel();
        state.queue.push_back(Waiting { append, answer });
        let outcome = async move {
            match answered.await {
                Ok(outcome) => outcome,
                // The machine died: nobody will ever hear.
                Err(_) => pending().await,
            }
        };
        outcome.boxed()
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        mut limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.swarm.strikes(Fault::ShortRead, &mut state.random) {
            let records = 1 + state.random.below(4);
            if records < limit.records {
                limit.records = records;
                self.counts.add(Fault::ShortRead);
            }
        }
        if Topic::INPUTS.contains(&topic) && state.swarm.strikes(Fault::SlowRead, &mut state.random)
        {
            self.clock.advance(state.random.between(1, 60));
            self.counts.add(Fault::SlowRead);
        }
        drop(guard);
        self.inner.read(topic, partition, from, limit)
    }

    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        self.inner.offsets(topic, partition)
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Result<Option<u64>, Error> {
        self.inner.position(group, topic, partition)
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.inner.appended()
    }
}
