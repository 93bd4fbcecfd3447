//! The one thread that appends: it gives offsets and dates, and lets everything that came while the
//! disk was busy share the next write (group commit).

use std::sync::Arc;

use rocksdb::WriteBatch;

use super::Shared;
use super::keys;
use super::queue::{Failure, Job};
use super::values;
use crate::Error;
use crate::heads::Heads;

/// Writes until the queue is closed and empty.
pub(super) fn run(shared: &Shared) {
    // A panic below must not leave callers waiting for ever for a thread that is gone.
    let _stop = StopOnDrop(shared);
    let mut next = shared.state.read().heads.clone();
    while let Some(group) = shared.queue.take() {
        write(shared, &mut next, group);
    }
}

struct StopOnDrop<'a>(&'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        let ended = Failure(Arc::new("the writer has ended".into()));
        self.0.queue.stop(ended);
    }
}

/// Writes a group as one batch; then everybody sees it, then its callers hear of it.
fn write(shared: &Shared, next: &mut Heads, group: Vec<Job>) {
    let now = shared.clock.now();
    let mut batch = WriteBatch::default();
    let mut slots = Vec::new();
    let mut positions = Vec::new();
    let mut answers = Vec::with_capacity(group.len());
    for job in group {
        let mut offsets = Vec::with_capacity(job.records.len());
        for mut record in job.records {
            let slot = next.slot(record.topic, record.partition);
            let (offset, appended_at) = next.at(slot).take(now);
            values::set_appended_at(&mut record.value, appended_at);
            batch.put(
                keys::record(record.topic, record.partition, offset),
                &record.value,
            );
            slots.push(slot);
            offsets.push(offset);
        }
        for position in job.positions {
            let key = keys::position(&position.group, position.topic, position.partition);
            batch.put(key, position.next.to_be_bytes());
            positions.push(position);
        }
        answers.push((job.done, offsets));
    }
    if let Err(source) = shared.disk.write(batch, shared.sync) {
        let failure = Failure(Arc::new(source));
        tracing::error!(path = shared.store.path(), error = %failure, "Log stopped.");
        // First the queue: whoever hears of the failure finds it stopped.
        shared.queue.stop(failure.clone());
        for (done, _) in answers {
            let error: Error = shared.store.failed("append to", failure.clone());
            let _ = done.send(Err(error));
        }
        return;
    }
    let has_records = !slots.is_empty();
    slots.sort_unstable();
    slots.dedup();
    let mut state = shared.state.write();
    for slot in slots {
        // Not the start: that is maintenance's, and may have moved meanwhile.
        let (from, to) = (next.peek(slot), state.heads.at(slot));
        to.end = from.end;
        to.last_at = from.last_at;
    }
    for position in positions {
        let place = (position.group, position.topic, position.partition);
        state.positions.insert(place, position.next);
    }
    drop(state);
    if has_records {
        shared.appended.send_modify(|writes| *writes += 1);
    }
    for (done, offsets) in answers {
        // Nobody listens any more: the append stands all the same.
        let _ = done.send(Ok(offsets));
    }
}
