//! Nothing doubled: every derived record is there once.
//!
//! CloudEvents 1.0, "id": producers must ensure that source and id are unique for each distinct
//! event. Consumers tell duplicates by it, so two events with one id are one event lost.

use std::collections::BTreeMap;

use rollcall_model::Topic;

use crate::history::History;

/// What processors derive.
const DERIVED: [Topic; 5] = [
    Topic::Events,
    Topic::Inventory,
    Topic::Tenantless,
    Topic::Deliveries,
    Topic::DeadLetters,
];

/// The checker.
pub(super) fn check(history: &History) -> Result<(), String> {
    let mut seen: BTreeMap<(Topic, String, String), (u32, u64)> = BTreeMap::new();
    for topic in DERIVED {
        for partition in 0..history.partitions {
            for record in history.records_of(topic, partition) {
                let header = |name: &str| {
                    let mut headers = record.headers.iter();
                    let found = headers.find(|(header, _)| header == name);
                    found.map(|(_, text)| String::from_utf8_lossy(text).into_owned())
                };
                let at = (partition, record.offset);
                let (Some(id), Some(source)) = (header("ce_id"), header("ce_source")) else {
                    return Err(format!("{topic}/{at:?} has no ce_id or no ce_source"));
                };
                if let Some(first) = seen.insert((topic, source, id.clone()), at) {
                    return Err(format!(
                        "{topic}/{first:?} and {at:?} have the same ce_id {id}"
                    ));
                }
            }
        }
    }
    Ok(())
}
