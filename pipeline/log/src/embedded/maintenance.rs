//! Cleaning the embedded log: retention by time, compaction by key. Runs beside the writer, in
//! small writes that wait for no disk; a crash may bring back what was just removed, and the next
//! run removes it again.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rocksdb::WriteBatch;
use rollcall_model::{Millis, Topic};

use super::Shared;
use super::keys;
use super::values::{self, Compacted};
use crate::cleaning::{Facts, Horizons};
use crate::heads::Head;
use crate::{Error, placement};

/// Records removed by one write: small enough that an append behind it hardly waits.
const CHUNK_RECORDS: usize = 1_000;
/// Memory for the keys that one run over a partition compares; one with more new keys takes several
/// runs.
pub(super) const KEYS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What a key needs beside its own bytes: its header and offset, the map's slack, the allocator's.
const ENTRY_BYTES: usize = 80;
/// New records that make a partition worth compacting, however few it keeps.
const NEW_RECORDS_MIN: u64 = 1_000;

/// When a partition is compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thoroughness {
    /// Whenever anything could go.
    Always,
    /// When as many new records came as were kept last time, so that the work for each record is
    /// constant.
    WhenWorth,
}

/// Tells the maintenance thread to end.
#[derive(Default)]
pub(super) struct Ending {
    is_ending: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    /// Ends the thread soon.
    pub(super) fn end(&self) {
        *self.is_ending.lock() = true;
        self.changed.notify_all();
    }

    fn is_ending(&self) -> bool {
        *self.is_ending.lock()
    }

    /// Waits that long, or until it is time to end; gives whether it is.
    fn wait(&self, interval: Duration) -> bool {
        let mut is_ending = self.is_ending.lock();
        let ending = |is_ending: &mut bool| !*is_ending;
        self.changed
            .wait_while_for(&mut is_ending, ending, interval);
        *is_ending
    }
}

/// Cleans every `interval` until told to end.
pub(super) fn run(shared: &Shared, interval: Duration) {
    while !shared.ending.wait(interval) {
        let now = shared.clock.now();
        if let Err(error) = clean(shared, now, Thoroughness::WhenWorth, KEYS_BYTES_MAX) {
            let path = shared.store.path();
            tracing::warn!(
                path,
                error = &error as &dyn std::error::Error,
                "Log not cleaned."
            );
        }
    }
}

/// Cleans every partition by the rules at `now`, with so many bytes of keys in memory at a time.
pub(super) fn clean(
    shared: &Shared,
    now: Millis,
    how: Thoroughness,
    keys_bytes_max: usize,
) -> Result<(), Error> {
    // One at a time: two would count what is kept twice.
    let mut compacted = shared.compacted.lock();
    let horizons = shared.cleaning.horizons(now, shared.opened_at);
    let plan = Plan {
        horizons,
        how,
        keys_bytes_max,
    };
    for topic in Topic::ALL {
        for partition in 0..shared.partitions {
            if shared.ending.is_ending() {
                return Ok(());
            }
            let slot = crate::heads::slot(topic, partition, shared.partitions);
            if placement::is_compacted(topic) {
                let place = Place {
                    topic,
                    partition,
                    slot,
                };
                compact(shared, place, &plan, &mut compacted[slot])?;
            } else if let Some(expired) = horizons.expired {
                expire(
                    shared,
                    Place {
                        topic,
                        partition,
                        slot,
                    },
                    expired,
                )?;
            }
        }
    }
    Ok(())
}

/// What one run over all partitions goes by.
struct Plan {
    horizons: Horizons,
    how: Thoroughness,
    keys_bytes_max: usize,
}

/// One partition.
#[derive(Clone, Copy, Debug)]
struct Place {
    topic: Topic,
    partition: u32,
    slot: usize,
}

impl Place {
    fn head(self, shared: &Shared) -> Head {
        *shared.state.read().heads.peek(self.slot)
    }

    fn key(self, offset: u64) -> [u8; 14] {
        keys::record(self.topic, self.partition, offset)
    }
}

/// Removes the records appended up to `expired`.
fn expire(shared: &Shared, place: Place, expired: Millis) -> Result<(), Error> {
    loop {
        let mut head = place.head(shared);
        let (start, mut seen) = (head.start, 0);
        head.start = head.end;
        let range = (start, head.end);
        shared
            .store
            .briefs((place.topic, place.partition), range, |offset, record| {
                let is_kept = record.appended_at > expired || seen == CHUNK_RECORDS;
                seen += 1;
                if is_kept {
                    head.start = offset;
                }
                !is_kept
            })?;
        if head.start == start {
            return Ok(());
        }
        // First for readers, then on the disk: who began before finds out by asking for the start
        // again.
        shared.state.write().heads.at(place.slot).start = head.start;
        let mut batch = WriteBatch::default();
        batch.delete_range(place.key(start), place.key(head.start));
        let head_key = keys::head(place.topic, place.partition);
        batch.put(head_key, values::head(&head, Compacted::default()));
        remove(shared, batch)?;
        if seen <= CHUNK_RECORDS || shared.ending.is_ending() {
            return Ok(());
        }
    }
}

/// Removes what later records of the same key have superseded, and tombstones that everybody has
/// seen.
fn compact(
    shared: &Shared,
    place: Place,
    plan: &Plan,
    compacted: &mut Compacted,
) -> Result<(), Error> {
    loop {
        let head = place.head(shared);
        let is_worth = |to: u64| {
            let new = to - compacted.to;
            plan.how == Thoroughness::Always || new >= compacted.kept.max(NEW_RECORDS_MIN)
        };
        if !is_worth(head.end) {
            return Ok(());
        }
        let Newest { last, to, is_full } = newest(shared, place, plan, (compacted.to, head.end))?;
        // As much as memory takes is worth it too: more would not come together next time either.
        if !is_full && !is_worth(to) {
            return Ok(());
        }
        let Some(kept) = sweep(shared, place, &plan.horizons, &last, (to, head.end))? else {
            return Ok(());
        };
        let after = Compacted { to, kept };
        if after != *compacted {
            let mut batch = WriteBatch::default();
            batch.put(
                keys::head(place.topic, place.partition),
                values::head(&head, after),
            );
            remove(shared, batch)?;
            *compacted = after;
        }
        if !is_full {
            return Ok(());
        }
    }
}

/// What the records that came since the last run say about the ones before them.
#[derive(Default)]
struct Newest {
    /// The newest offset of every key among them.
    last: HashMap<Vec<u8>, u64>,
    /// The offset behind them.
    to: u64,
    /// Whether memory was the reason to end there.
    is_full: bool,
}

/// Reads the records from `from` on that are old enough, as far as memory goes.
fn newest(
    shared: &Shared,
    place: Place,
    plan: &Plan,
    (from, end): (u64, u64),
) -> Result<Newest, Error> {
    let mut newest = Newest {
        to: from,
        ..Newest::default()
    };
    let mut bytes = 0;
    shared.store.briefs(
        (place.topic, place.partition),
        (from, end),
        |offset, record| {
            newest.is_full = bytes >= plan.keys_bytes_max;
            if record.appended_at > plan.horizons.compacted || newest.is_full {
                return false;
            }
            let key = record.key.unwrap_or_default();
            match newest.last.get_mut(key) {
                Some(known) => *known = offset,
                None => {
                    bytes += key.len() + ENTRY_BYTES;
                    newest.last.insert(key.to_vec(), offset);
                }
            }
            newest.to = offset + 1;
            true
        },
    )?;
    Ok(newest)
}

/// Goes through everything before `to` and removes what is superfluous; gives how many records
/// stay, or `None` when it was told to end before it was through.
///
/// In offset order, and the writes keep that order: a tombstone never goes before the values it
/// removes.
fn sweep(
    shared: &Shared,
    place: Place,
    horizons: &Horizons,
    last: &HashMap<Vec<u8>, u64>,
    (to, end): (u64, u64),
) -> Result<Option<u64>, Error> {
    let (mut kept, mut from) = (0, 0);
    loop {
        let mut superfluous = Vec::new();
        let mut is_through = true;
        shared.store.briefs(
            (place.topic, place.partition),
            (from, to),
            |offset, record| {
                if superfluous.len() == CHUNK_RECORDS {
                    is_through = false;
                    return false;
                }
                let (appended_at, is_tombstone) = (record.appended_at, record.is_tombstone);
                let facts = Facts {
                    offset,
                    appended_at,
                    is_tombstone,
                };
                let newest = record.key.and_then(|key| last.get(key)).copied();
                if horizons.keeps(facts, newest, end) {
                    kept += 1;
                } else {
                    superfluous.push(offset);
                }
                from = offset + 1;
                true
            },
        )?;
        let mut batch = WriteBatch::default();
        for offset in superfluous {
            batch.delete(place.key(offset));
        }
        if !batch.is_empty() {
            remove(shared, batch)?;
        }
        if is_through {
            return Ok(Some(kept));
        }
        if shared.ending.is_ending() {
            return Ok(None);
        }
    }
}

fn remove(shared: &Shared, batch: WriteBatch) -> Result<(), Error> {
    shared
        .disk
        .write(batch, false)
        .map_err(|source| shared.store.failed("clean", source))
}
