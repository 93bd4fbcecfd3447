//! Nothing lost: what was acknowledged is in the log, what is in the log was folded, once, and what
//! could not be folded is a dead letter with its cause.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_bridge::Outcome;
use rollcall_model::{Coordinates, DeadLetter, Ingress, ReasonCode, Topic};
use rollcall_schemas::Record;

use super::reading::{Place, read};
use crate::device::NUMBER;
use crate::history::History;

/// The checker.
pub(super) fn check(history: &History) -> Result<(), String> {
    let letters = dead_letters(history)?;
    acknowledged(history, &letters)?;
    folded(history, &letters.of_records)
}

struct Letters {
    /// Of records, by place; more than one is a finding of its own.
    of_records: BTreeMap<Coordinates, ReasonCode>,
    /// Of publishes that never became a record, by MQTT topic.
    of_publishes: BTreeMap<String, usize>,
}

fn dead_letters(history: &History) -> Result<Letters, String> {
    let mut letters = Letters {
        of_records: BTreeMap::new(),
        of_publishes: BTreeMap::new(),
    };
    for partition in 0..history.partitions {
        for record in history.records_of(Topic::DeadLetters, partition) {
            let value = record.value.as_deref().unwrap_or_default();
            let letter = DeadLetter::decode(value)
                .map_err(|error| format!("dead letter {partition}/{}: {error}", record.offset))?;
            let Some(source) = letter.source else {
                *letters.of_publishes.entry(letter.mqtt_topic).or_default() += 1;
                continue;
            };
            if letters.of_records.insert(source, letter.reason).is_some() {
                return Err(format!("{source} has two dead letters"));
            }
        }
    }
    Ok(letters)
}

/// Every publish that a device may forget is where the bridge said.
fn acknowledged(history: &History, letters: &Letters) -> Result<(), String> {
    let mut stored = BTreeSet::new();
    for topic in [Topic::Status, Topic::Messages] {
        for partition in 0..history.partitions {
            for record in history.records_of(topic, partition) {
                let value = record.value.as_deref().unwrap_or_default();
                let Ok(ingress) = Ingress::decode(value) else {
                    continue;
                };
                let mut properties = ingress.user_properties.into_iter();
                let number = properties.find(|(name, _)| name == NUMBER);
                stored.extend(number.and_then(|(_, text)| text.parse::<usize>().ok()));
            }
        }
    }
    let mut buried: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, fate) in history.fates.iter().enumerate() {
        match fate.acknowledged {
            Some(Outcome::Stored) if !stored.contains(&number) => {
                let topic = &fate.topic;
                return Err(format!(
                    "publish #{number} to {topic} was acknowledged and is gone"
                ));
            }
            Some(Outcome::DeadLettered) => *buried.entry(&fate.topic).or_default() += 1,
            _ => {}
        }
    }
    for (topic, publishes) in buried {
        let found = letters.of_publishes.get(topic).copied().unwrap_or_default();
        if found < publishes {
            return Err(format!(
                "{publishes} refused publishes to {topic}, {found} dead letters"
            ));
        }
    }
    Ok(())
}

/// Every input is in one batch, and has a dead letter if, and only if, it cannot be read.
fn folded(history: &History, letters: &BTreeMap<Coordinates, ReasonCode>) -> Result<(), String> {
    let mut seen = 0;
    for partition in 0..history.partitions {
        let mut next: BTreeMap<Topic, usize> = BTreeMap::new();
        for committed in &history.batches[partition as usize] {
            for range in &committed.batch.inputs {
                let records = history.records_of(range.topic, partition);
                let from = usize::try_from(range.from).unwrap_or(usize::MAX);
                let to = usize::try_from(range.to).unwrap_or(usize::MAX);
                let Some(records) = records.get(from..to) else {
                    let (number, topic) = (committed.batch.number, range.topic);
                    return Err(format!(
                        "batch {number} of partition {partition} folded {topic} {from} to {to}, \
                         which the log never had"
                    ));
                };
                next.insert(range.topic, to);
                for record in records {
                    let topic = range.topic;
                    let place = Place {
                        topic,
                        partition,
                        partitions: history.partitions,
                    };
                    let at = Coordinates {
                        topic,
                        partition,
                        offset: record.offset,
                    };
                    let expected = read(place, &committed.policy, record).err();
                    let found = letters.get(&at).copied();
                    seen += usize::from(found.is_some());
                    if expected != found {
                        return Err(format!(
                            "{at} should have the dead letter {expected:?}, it has {found:?}"
                        ));
                    }
                }
            }
        }
        for topic in Topic::INPUTS {
            let end = history.records_of(topic, partition).len();
            let folded = next.get(&topic).copied().unwrap_or_default();
            if folded != end {
                return Err(format!(
                    "{topic}/{partition} has {end} records, and {folded} were folded"
                ));
            }
        }
    }
    if seen == letters.len() {
        return Ok(());
    }
    Err(format!(
        "{} dead letters of {seen} refused records",
        letters.len()
    ))
}
