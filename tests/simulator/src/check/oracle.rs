//! Equals the oracle: the schedule's batches, folded by the rules a second time, give the same
//! derived records, byte for byte and in the same order, and the same rows.

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_log::Stored;
use rollcall_model::{ConnectionRow, Delivery, Derived, Millis, Topic};
use rollcall_oracle::Oracle;
use rollcall_schemas::{Record, inventory};
use rollcall_tables::Table;

use super::reading::{Place, read};
use crate::history::{Committed, History};

/// The checker.
pub(super) fn check(history: &History) -> Result<(), String> {
    for (partition, batches) in history.batches.iter().enumerate() {
        let number = u32::try_from(partition).unwrap_or_default();
        let mut oracle = Oracle::new();
        for committed in batches {
            let at = |what: String| {
                format!(
                    "batch {} of partition {partition}: {what}",
                    committed.batch.number
                )
            };
            let derived = fold(history, number, committed, &mut oracle);
            compare_derived(&derived, committed).map_err(at)?;
            compare_changes(&oracle, committed).map_err(at)?;
        }
        compare_tables(history, partition, &oracle)?;
    }
    Ok(())
}

/// One batch by the oracle.
fn fold(
    history: &History,
    partition: u32,
    committed: &Committed,
    oracle: &mut Oracle,
) -> Vec<Derived> {
    let (batch, policy) = (&committed.batch, &committed.policy);
    let mut derived = oracle.begin(policy, batch.now, batch.timers_at);
    let mut left: Vec<(Topic, &[Stored])> = Vec::new();
    for range in &batch.inputs {
        let records = history.records_of(range.topic, partition);
        let from = usize::try_from(range.from).unwrap_or(usize::MAX);
        let to = usize::try_from(range.to).unwrap_or(usize::MAX);
        left.push((range.topic, records.get(from..to).unwrap_or_default()));
    }
    while let Some((topic, record)) = take_first(&mut left) {
        let place = Place {
            topic,
            partition,
            partitions: history.partitions,
        };
        // What cannot be read is dead-lettered, and no affair of the rules.
        if let Ok((client, event, arrival)) = read(place, policy, record) {
            derived.extend(oracle.apply(&client, &event, &arrival));
        }
    }
    derived
}

/// Takes what is folded next: what was appended first, of equals in the order of the topics; but of
/// `status` and `messages` what its bridge wrote first.
fn take_first<'a>(left: &mut [(Topic, &'a [Stored])]) -> Option<(Topic, &'a Stored)> {
    let first_of = |topic: Topic| {
        let found = left.iter().find(|(one, _)| *one == topic)?;
        found.1.first()
    };
    let is_free = |topic: Topic, record: &Stored| {
        let other = match topic {
            Topic::Status => Topic::Messages,
            Topic::Messages => Topic::Status,
            _ => return true,
        };
        let header = record.headers.iter().find(|(name, _)| name == "behind");
        let text = header.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        let behind = text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        first_of(other).is_none_or(|other| other.offset >= behind)
    };
    let mut firsts: Vec<(Millis, usize)> = Vec::new();
    for only_free in [true, false] {
        for (number, (topic, records)) in left.iter().enumerate() {
            let first = records
                .first()
                .filter(|first| !only_free || is_free(*topic, first));
            firsts.extend(first.map(|first| (first.appended_at, number)));
        }
        if !firsts.is_empty() {
            break;
        }
    }
    let (_, number) = firsts.into_iter().min()?;
    let (topic, records) = &mut left[number];
    let (first, rest) = records.split_first()?;
    *records = rest;
    Some((*topic, first))
}

/// The derived records of a batch but its dead letters, in order.
fn compare_derived(derived: &[Derived], committed: &Committed) -> Result<(), String> {
    let is_derived = |topic| {
        matches!(
            topic,
            Topic::Events | Topic::Inventory | Topic::Tenantless | Topic::Deliveries
        )
    };
    let mut live = committed
        .records
        .iter()
        .filter(|placed| is_derived(placed.topic));
    for expected in derived {
        let Some((topic, key, value)) = encode(expected) else {
            continue;
        };
        let Some(placed) = live.next() else {
            return Err(format!("the oracle also derives {expected:?}"));
        };
        let record = &placed.record;
        let is_same = placed.topic == topic
            && record.key.as_deref() == Some(&key[..])
            && record.value.as_deref() == Some(&value[..]);
        if !is_same {
            return Err(format!(
                "the oracle derives {expected:?}, the processor another record to {}",
                placed.topic
            ));
        }
    }
    match live.next() {
        None => Ok(()),
        Some(placed) => Err(format!(
            "the processor derives {}/{}, the oracle does not",
            placed.topic, placed.record.offset
        )),
    }
}

/// Topic, key and value of a derived record; nothing for a dead letter.
fn encode(derived: &Derived) -> Option<(Topic, Vec<u8>, Vec<u8>)> {
    let client = |id: &rollcall_model::ClientId| id.as_bytes().to_vec();
    Some(match derived {
        Derived::Event(event) => (Topic::Events, client(&event.client_id), event.encode()),
        Derived::Inventory(message) => {
            let key = message.org_id.as_bytes().to_vec();
            (Topic::Inventory, key, inventory::encode(message))
        }
        Derived::LookupDue(due) => (Topic::Tenantless, client(&due.client_id), due.encode()),
        Derived::Delivery(delivery) => (
            Topic::Deliveries,
            client(&delivery.client_id),
            delivery.encode(),
        ),
        Derived::DeadLetter(_) => return None,
    })
}

/// What the batch wrote to the changelogs is what the oracle holds after it.
fn compare_changes(oracle: &Oracle, committed: &Committed) -> Result<(), String> {
    for placed in &committed.records {
        let key = placed.record.key.as_deref().unwrap_or_default();
        let value = placed.record.value.as_deref();
        let expected = match placed.topic {
            Topic::Connections => connection(oracle, key).map(Record::encode),
            Topic::Outbox => delivery(oracle, key).map(Record::encode),
            _ => continue,
        };
        if expected.as_deref() != value {
            let found = match placed.topic {
                Topic::Connections => {
                    format!("{:?}", value.map(ConnectionRow::decode))
                }
                _ => format!("{:?}", value.map(Delivery::decode)),
            };
            let expected = match placed.topic {
                Topic::Connections => format!("{:?}", connection(oracle, key)),
                _ => format!("{:?}", delivery(oracle, key)),
            };
            return Err(format!("{} is {found}, not {expected}", placed.topic));
        }
    }
    Ok(())
}

fn connection<'a>(oracle: &'a Oracle, key: &[u8]) -> Option<&'a ConnectionRow> {
    let client = rollcall_model::ClientId::from_bytes(key).ok()?;
    oracle.connection(&client)
}

fn delivery<'a>(oracle: &'a Oracle, key: &[u8]) -> Option<&'a Delivery> {
    let at = key.iter().position(|byte| *byte == 0)?;
    let client = rollcall_model::ClientId::from_bytes(&key[..at]).ok()?;
    let id = uuid::Uuid::from_slice(&key[at + 1..]).ok()?;
    oracle.delivery(&client, rollcall_model::DeliveryId(id))
}

/// At the end both hold the same rows, those too that no batch wrote.
fn compare_tables(history: &History, partition: usize, oracle: &Oracle) -> Result<(), String> {
    let mut expected: BTreeMap<(Table, Bytes), Bytes> = BTreeMap::new();
    for (client, row) in oracle.connections() {
        let key = Bytes::copy_from_slice(client.as_bytes());
        expected.insert((Table::Connections, key), row.encode().into());
    }
    for (client, delivery) in oracle.deliveries() {
        let key = [client.as_bytes(), &[0], delivery.id.0.as_bytes()].concat();
        expected.insert((Table::Outbox, key.into()), delivery.encode().into());
    }
    match super::tables::difference(&expected, &history.tables[partition]) {
        None => Ok(()),
        Some(what) => Err(format!("partition {partition}, beside the oracle: {what}")),
    }
}
