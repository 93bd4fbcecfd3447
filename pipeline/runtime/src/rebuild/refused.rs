//! Inputs that were refused for lack of a schema: a rebuild refuses them again, as they stood in
//! the log, although a registry or a later build may know their schema by now. What was known is an
//! answer from outside, and the schedule has recorded it.

use rollcall_log::{Log, ReadLimit, Stored};
use rollcall_model::Topic;
use rollcall_model::batch::{Batch, InputRange};

use crate::batch::count;
use crate::error::Error;

/// Read at a time.
const PAGE: ReadLimit = ReadLimit {
    records: 1_000,
    bytes: 4 * 1024 * 1024,
};

/// Gives those of `records` that lie in `refused` the bytes that stand in the log.
pub(super) fn put_back(
    log: &dyn Log,
    partition: u32,
    refused: &[InputRange],
    topic: Topic,
    records: &mut [Stored],
) -> Result<(), Error> {
    for range in refused.iter().filter(|range| range.topic == topic) {
        let is_in = |record: &Stored| (range.from..range.to).contains(&record.offset);
        let mut wanted = records.iter_mut().filter(|record| is_in(record)).peekable();
        while let Some(first) = wanted.peek() {
            let page = log
                .read_as_written(topic, partition, first.offset, PAGE)
                .map_err(|source| Error::Log {
                    partition,
                    action: "read what it has refused",
                    source,
                })?;
            let Some(last) = page.last().map(|record| record.offset) else {
                break;
            };
            for stored in page {
                if let Some(record) = wanted.next_if(|record| record.offset == stored.offset) {
                    record.value = stored.value;
                }
            }
            // One that is gone meanwhile is compared as it is.
            while wanted.next_if(|record| record.offset <= last).is_some() {}
        }
    }
    Ok(())
}

/// What the schedule says of refused inputs and the batch folded again does not; `None` when both
/// say the same. Builds before this one only counted them.
pub(super) fn disagreement(batch: &Batch, again: &[InputRange]) -> Option<String> {
    let (recorded, rebuilt) = (batch.refused_for_schema, count(again));
    let only_counted = batch.refused_inputs.is_empty();
    if recorded == rebuilt && (only_counted || batch.refused_inputs == again) {
        return None;
    }
    Some(format!(
        "{recorded} inputs refused for lack of a schema recorded, {rebuilt} rebuilt"
    ))
}

/// Inputs whose schema was known when they were folded first, and is not now: no record was
/// changed, and whatever else differs follows from it.
pub(super) fn forgotten(batch: &Batch, again: &[InputRange]) -> Option<(Topic, String)> {
    if count(again) <= batch.refused_for_schema {
        return None;
    }
    let is_new = |range: &&InputRange| !batch.refused_inputs.contains(range);
    let &InputRange { topic, from, to } = again.iter().find(is_new)?;
    let what = format!(
        "the schema of {} records from offset {from} on was known when they were folded first, \
         and is not known now: is [registry] set, and does it have its schemas?",
        to.saturating_sub(from)
    );
    Some((topic, what))
}
