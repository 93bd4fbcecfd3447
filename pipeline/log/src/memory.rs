//! The log in memory: for tests and the simulator. Same answers as the embedded one, gone with its
//! value.
//!
//! Nothing here waits: an append has happened when the call returns, and its future is ready. So
//! the order of everything is the order of the calls, and a run with a [`crate::ManualClock`]
//! repeats exactly.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;
use rollcall_model::{Millis, Topic};
use tokio::sync::watch;

use crate::cleaning::{Cleaning, Facts, Horizons};
use crate::heads::Heads;
use crate::record::{Append, OffsetRange, ReadLimit, Stored};
use crate::{Clock, Error, Log, placement};

#[cfg(test)]
mod tests;

/// A log that lives in memory.
pub struct MemoryLog {
    clock: Arc<dyn Clock>,
    cleaning: Cleaning,
    /// Since when readers can see tombstones; tests that open the other log again set it.
    pub(crate) opened_at: Millis,
    state: Mutex<State>,
    /// Number of appends that brought records.
    appended: watch::Sender<u64>,
}

struct State {
    heads: Heads,
    /// Records by [`Heads::slot`], in offset order.
    records: Vec<VecDeque<Stored>>,
    /// By group, topic and partition.
    positions: BTreeMap<(String, Topic, u32), u64>,
    is_closed: bool,
}

impl MemoryLog {
    /// An empty log with that many partitions for every topic (at least one), which is never
    /// cleaned before [`MemoryLog::maintain`] is called.
    pub fn new(partitions: u32, clock: Arc<dyn Clock>) -> Self {
        Self::with_cleaning(partitions, clock, Cleaning::default())
    }

    /// The same with other rules for cleaning.
    pub fn with_cleaning(partitions: u32, clock: Arc<dyn Clock>, cleaning: Cleaning) -> Self {
        let partitions = partitions.max(1);
        let slots = partitions as usize * Topic::ALL.len();
        let state = State {
            heads: Heads::new(partitions),
            records: vec![VecDeque::new(); slots],
            positions: BTreeMap::new(),
            is_closed: false,
        };
        let opened_at = clock.now();
        let appended = watch::Sender::new(0);
        Self {
            clock,
            cleaning,
            opened_at,
            state: Mutex::new(state),
            appended,
        }
    }

    /// From now on everything answers [`Error::Closed`].
    pub fn close(&self) {
        self.state.lock().is_closed = true;
    }

    /// Cleans every partition by the rules at `now`.
    ///
    /// Errors: [`Error::Closed`].
    pub fn maintain(&self, now: Millis) -> Result<(), Error> {
        let horizons = self.cleaning.horizons(now, self.opened_at);
        let mut guard = self.open()?;
        let state = &mut *guard;
        for topic in Topic::ALL {
            for partition in 0..state.heads.partitions() {
                let slot = state.heads.slot(topic, partition);
                if placement::is_compacted(topic) {
                    let end = state.heads.peek(slot).end;
                    compact(&mut state.records[slot], &horizons, end);
                } else if let Some(expired) = horizons.expired {
                    let records = &mut state.records[slot];
                    let gone = records.partition_point(|record| record.appended_at <= expired);
                    records.drain(..gone);
                    let head = state.heads.at(slot);
                    head.start = records.front().map_or(head.end, |first| first.offset);
                }
            }
        }
        Ok(())
    }

    fn append_now(&self, append: Append) -> Result<Vec<u64>, Error> {
        let mut guard = self.open()?;
        let state = &mut *guard;
        let partitions = state.heads.partitions();
        let places = append
            .records
            .iter()
            .map(|record| placement::place(record, partitions));
        let places = places.collect::<Result<Vec<u32>, _>>()?;
        for position in &append.positions {
            state.heads.get(position.topic, position.partition)?;
        }
        // Nothing below can fail: from here on it is all or all.
        let now = self.clock.now();
        let mut offsets = Vec::with_capacity(append.records.len());
        for (record, partition) in append.records.into_iter().zip(places) {
            let slot = state.heads.slot(record.topic, partition);
            let (offset, appended_at) = state.heads.at(slot).take(now);
            offsets.push(offset);
            state.records[slot].push_back(Stored {
                offset,
                appended_at,
                key: record.key,
                value: record.value,
                headers: record.headers,
            });
        }
        for position in append.positions {
            let key = (position.group, position.topic, position.partition);
            state.positions.insert(key, position.next);
        }
        drop(guard);
        if !offsets.is_empty() {
            self.appended.send_modify(|appends| *appends += 1);
        }
        Ok(offsets)
    }

    fn open(&self) -> Result<parking_lot::MutexGuard<'_, State>, Error> {
        let state = self.state.lock();
        if state.is_closed {
            Err(Error::Closed)
        } else {
            Ok(state)
        }
    }
}

impl Log for MemoryLog {
    fn partitions(&self, _topic: Topic) -> u32 {
        self.state.lock().heads.partitions()
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Vec<u64>, Error>> {
        ready(self.append_now(append)).boxed()
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        let state = self.open()?;
        let start = state.heads.get(topic, partition)?.start;
        if from < start {
            return Err(Error::OutOfRange {
                topic,
                partition,
                from,
                start,
            });
        }
        let records = &state.records[state.heads.slot(topic, partition)];
        let first = records.partition_point(|record| record.offset < from);
        let mut budget = limit.budget();
        Ok(records
            .range(first..)
            .take_while(|record| budget.admits(record))
            .cloned()
            .collect())
    }

    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error> {
        Ok(self.open()?.heads.get(topic, partition)?.range())
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Result<Option<u64>, Error> {
        let state = self.open()?;
        state.heads.get(topic, partition)?;
        Ok(state
            .positions
            .get(&(group.to_owned(), topic, partition))
            .copied())
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }
}

/// Takes out what a later record or time has made superfluous.
fn compact(records: &mut VecDeque<Stored>, horizons: &Horizons, end: u64) {
    let old = records.partition_point(|record| record.appended_at <= horizons.compacted);
    let last: HashMap<_, _> = records
        .range(..old)
        .map(|record| (record.key.clone(), record.offset))
        .collect();
    records.retain(|record| {
        let facts = Facts {
            offset: record.offset,
            appended_at: record.appended_at,
            is_tombstone: record.value.is_none(),
        };
        record.appended_at > horizons.compacted
            || horizons.keeps(facts, last.get(&record.key).copied(), end)
    });
}
