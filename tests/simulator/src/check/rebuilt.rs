//! Rebuilt equals live, byte for byte: the product's own rebuild over a log that kept everything.

use std::sync::Arc;

use futures::FutureExt;
use rollcall_log::{Append, Log, ManualClock, MemoryLog, NewRecord, Position};
use rollcall_model::Topic;
use rollcall_runtime::GROUP;
use rollcall_runtime::rebuild::{Depth, Verdict, rebuild};
use rollcall_tables::MemoryTables;

use crate::history::History;
use crate::tables::contents;

/// The checker.
pub(super) fn check(history: &History) -> Result<(), String> {
    let log = log_of(history)?;
    for partition in 0..history.partitions {
        let mut tables = MemoryTables::new();
        let rebuilt = rebuild(&log, &mut tables, partition, Depth::Records, &mut |_| {})
            .map_err(|error| format!("partition {partition}: {error}"))?;
        match rebuilt.verdict {
            Verdict::Equal => {}
            Verdict::Different(difference) => return Err(difference.to_string()),
            other => return Err(format!("partition {partition}: {other:?}")),
        }
        let batches = history.batches[partition as usize].len() as u64;
        if rebuilt.batches != batches {
            let found = rebuilt.batches;
            return Err(format!(
                "partition {partition}: {found} of {batches} batches"
            ));
        }
        let rows = contents(&tables).into_iter();
        let rows = rows.map(|(table, key, value)| ((table, key), value));
        let live = &history.tables[partition as usize];
        if let Some(what) = super::tables::difference(&rows.collect(), live) {
            return Err(format!("partition {partition}, beside the rebuilt: {what}"));
        }
    }
    Ok(())
}

/// A log with every record that ever was, each at its time.
fn log_of(history: &History) -> Result<MemoryLog, String> {
    let clock = Arc::new(ManualClock::default());
    let log = MemoryLog::new(history.partitions, clock.clone());
    let append = |append: Append| match log.append(append).now_or_never() {
        Some(Ok(_)) => Ok(()),
        other => Err(format!(
            "the log of the rebuild refuses a record: {other:?}"
        )),
    };
    for ((topic, partition), records) in &history.records {
        for record in records {
            clock.set(record.appended_at);
            let record = NewRecord {
                topic: *topic,
                partition: Some(*partition),
                key: record.key.clone(),
                value: record.value.clone(),
                headers: record.headers.clone(),
            };
            append(Append {
                records: vec![record],
                positions: Vec::new(),
            })?;
        }
    }
    let mut positions = Vec::new();
    for partition in 0..history.partitions {
        for topic in Topic::INPUTS {
            positions.push(Position {
                group: GROUP.to_owned(),
                topic,
                partition,
                next: history.records_of(topic, partition).len() as u64,
            });
        }
    }
    append(Append {
        records: Vec::new(),
        positions,
    })?;
    Ok(log)
}
