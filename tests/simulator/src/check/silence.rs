//! An outage of the processor makes nobody silent: whoever is called silent has said nothing for
//! as long as the policy allows, by the log's own times.

use std::collections::BTreeMap;

use rollcall_model::{
    Cause, ClientId, ConnectionEvent, Event, EventKind, Millis, TimerKind, Topic,
};
use rollcall_schemas::Record;

use super::reading::{Place, read};
use crate::history::{Committed, History};

/// The checker.
pub(super) fn check(history: &History) -> Result<(), String> {
    if history.was_clock_set_back {
        return Ok(());
    }
    for (partition, batches) in history.batches.iter().enumerate() {
        let number = u32::try_from(partition).unwrap_or_default();
        let mut step_ms_max = 0;
        let signs = signs_of_life(history, number);
        for committed in batches {
            // A policy may step more finely than the one under which the client spoke.
            let step_ms = committed.policy.activity_step_ms;
            step_ms_max = step_ms_max.max(step_ms);
            let unseen_ms = step_ms_max - step_ms;
            for event in events(committed)? {
                let Cause::Timer { kind, due_at } = event.cause else {
                    continue;
                };
                let allowed_ms = match (event.kind, kind) {
                    (EventKind::Inactive, TimerKind::Inactive) => {
                        committed.policy.inactive_after_ms
                    }
                    (EventKind::Disconnected, TimerKind::Silent) => {
                        committed.policy.disconnect_after_ms
                    }
                    _ => continue,
                };
                let signs = signs.get(&event.client_id).map_or(&[][..], Vec::as_slice);
                let is_in_time =
                    |at: &&Millis| **at > due_at - allowed_ms + unseen_ms && **at < due_at;
                if let Some(at) = signs.iter().find(is_in_time) {
                    return Err(format!(
                        "batch {} calls {} {} at {due_at}, though it spoke at {at}",
                        committed.batch.number,
                        event.client_id,
                        event.kind.as_str()
                    ));
                }
            }
        }
    }
    Ok(())
}

fn events(committed: &Committed) -> Result<Vec<ConnectionEvent>, String> {
    let of_topic = committed
        .records
        .iter()
        .filter(|placed| placed.topic == Topic::Events);
    let decoded = of_topic.map(|placed| {
        let value = placed.record.value.as_deref().unwrap_or_default();
        ConnectionEvent::decode(value).map_err(|error| error.to_string())
    });
    decoded.collect()
}

/// When each client of a partition spoke, by append time. An online may have been refused, so only
/// messages count here.
fn signs_of_life(history: &History, partition: u32) -> BTreeMap<ClientId, Vec<Millis>> {
    let mut signs: BTreeMap<ClientId, Vec<Millis>> = BTreeMap::new();
    for committed in &history.batches[partition as usize] {
        for range in &committed.batch.inputs {
            let place = Place {
                topic: range.topic,
                partition,
                partitions: history.partitions,
            };
            let records = history.records_of(range.topic, partition);
            let from = usize::try_from(range.from).unwrap_or(usize::MAX);
            let to = usize::try_from(range.to).unwrap_or(usize::MAX);
            for record in records.get(from..to).unwrap_or_default() {
                if let Ok((client, Event::Message(_), arrival)) =
                    read(place, &committed.policy, record)
                    && !arrival.is_retained
                {
                    signs.entry(client).or_default().push(arrival.appended_at);
                }
            }
        }
    }
    signs
}
