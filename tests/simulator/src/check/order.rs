//! Order per key: a row's changes and its events come in the order in which they happened.

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_model::{ConnectionEvent, ConnectionRow, Delivery, EventKind, Topic};
use rollcall_schemas::Record;
use rollcall_tables::Table;

use crate::history::{Committed, History};

/// The checker.
pub(super) fn check(history: &History) -> Result<(), String> {
    for (partition, batches) in history.batches.iter().enumerate() {
        let mut rows = BTreeMap::new();
        let mut told = BTreeMap::new();
        for committed in batches {
            let at = |what: String| {
                format!(
                    "batch {} of partition {partition}: {what}",
                    committed.batch.number
                )
            };
            let expired = events(committed, &mut told).map_err(at)?;
            changelogs(committed, &mut rows, &expired).map_err(at)?;
        }
    }
    Ok(())
}

/// A row's revision and the rest of it.
type Known = BTreeMap<(Table, Bytes), (u64, Bytes)>;

/// One record per key and batch, its revision higher than the last one; the same only when nothing
/// but the timer was set anew, and lower only for a row that left and came back in the batch.
fn changelogs(committed: &Committed, rows: &mut Known, expired: &[String]) -> Result<(), String> {
    let mut seen = Vec::new();
    for placed in &committed.records {
        let table = Table::ALL
            .into_iter()
            .find(|one| one.changelog() == placed.topic);
        let (Some(table), Some(key)) = (table, placed.record.key.clone()) else {
            continue;
        };
        let topic = placed.topic;
        if seen.contains(&(table, key.clone())) {
            return Err(format!("{topic} has {key:?} twice"));
        }
        seen.push((table, key.clone()));
        let Some(value) = placed.record.value.as_deref() else {
            if rows.remove(&(table, key.clone())).is_none() {
                return Err(format!("{topic} removes {key:?}, which was not there"));
            }
            continue;
        };
        let (revision, rest) = without_timer(table, value)?;
        let is_new = match table {
            Table::Connections => expired.iter().any(|id| id.as_bytes() == key),
            // The outbox forgets without an event.
            Table::Outbox => revision == 1,
        };
        let known = rows.insert((table, key.clone()), (revision, rest.clone()));
        let is_in_order = match known {
            _ if is_new => revision > 0,
            None => revision > 0,
            Some((before, same)) => revision > before || (revision == before && same == rest),
        };
        if !is_in_order {
            return Err(format!(
                "{topic} has {key:?} at revision {revision}, out of order"
            ));
        }
    }
    Ok(())
}

fn without_timer(table: Table, value: &[u8]) -> Result<(u64, Bytes), String> {
    let bad = |error| format!("{table:?} row does not decode: {error}");
    let (revision, rest) = match table {
        Table::Connections => {
            let mut row = ConnectionRow::decode(value).map_err(bad)?;
            row.due_at = None;
            (row.revision, row.encode())
        }
        Table::Outbox => {
            let mut row = Delivery::decode(value).map_err(bad)?;
            row.due_at = None;
            (row.revision, row.encode())
        }
    };
    Ok((revision, rest.into()))
}

/// An event's revisions go on from those of the event before: never back, and joined where it says
/// from what it came. Gives the clients whose rows left.
fn events(committed: &Committed, told: &mut BTreeMap<String, u64>) -> Result<Vec<String>, String> {
    let mut expired = Vec::new();
    let of_topic = committed
        .records
        .iter()
        .filter(|placed| placed.topic == Topic::Events);
    for placed in of_topic {
        let value = placed.record.value.as_deref().unwrap_or_default();
        let event = ConnectionEvent::decode(value).map_err(|error| error.to_string())?;
        let whose = match &event.delivery {
            Some(delivery) => format!("{} {}", event.client_id, delivery.id),
            None => event.client_id.to_string(),
        };
        let before = told.get(&whose).copied();
        let kind = event.kind.as_str();
        let is_in_order = match (before, event.revision_before) {
            // The first of a life; the outbox forgets without an event.
            (_, None) => event.revision_after == Some(1),
            (Some(before), Some(from)) => from >= before.saturating_sub(1),
            (None, Some(_)) => false,
        };
        let is_step = match (event.revision_before, event.revision_after) {
            (Some(before), Some(after)) => after == before + 1,
            (Some(_), None) => event.kind == EventKind::Expired,
            (None, after) => after == Some(1),
        };
        if !is_in_order || !is_step {
            return Err(format!(
                "{whose} {kind} goes from {:?} to {:?}, the event before it went to {before:?}",
                event.revision_before, event.revision_after
            ));
        }
        match event.revision_after {
            Some(after) => {
                told.insert(whose, after);
            }
            None => {
                told.remove(&whose);
                expired.push(whose);
            }
        }
    }
    Ok(expired)
}
