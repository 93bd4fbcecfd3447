//! Who sees what: a tenantless row, and one that is offline, is shown to nobody and never reaches
//! inventory; the API's replica has the rows of the tables.

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_model::row::Presence;
use rollcall_model::{ConnectionRow, Topic};
use rollcall_schemas::Record;
use rollcall_tables::Table;

use crate::history::History;

/// The checker.
pub(super) fn check(history: &History) -> Result<(), String> {
    if let Some(failure) = &history.replica_failure {
        return Err(format!("the replica stopped: {failure}"));
    }
    let mut rows = BTreeMap::new();
    for ((table, key), value) in history.tables.iter().flatten() {
        if *table == Table::Connections {
            rows.insert(key.clone(), value.clone());
        }
    }
    let replica: BTreeMap<Bytes, Bytes> = history.replica.iter().cloned().collect();
    if replica != rows {
        let (found, expected) = (replica.len(), rows.len());
        return Err(format!(
            "the replica has other rows than the tables ({found} and {expected})"
        ));
    }
    shown(history, &rows)?;
    inventory(history)
}

fn shown(history: &History, rows: &BTreeMap<Bytes, Bytes>) -> Result<(), String> {
    for shown in &history.shown {
        let org_id = shown.org_id.as_str();
        for value in &shown.values {
            let row = decode(value)?;
            if row.org_id.is_empty() || row.presence == Presence::Offline {
                return Err(format!(
                    "org {org_id:?} sees {}, which has no tenant or is offline",
                    row.client_id
                ));
            }
        }
        let mut expected = Vec::new();
        for value in rows.values() {
            let row = decode(value)?;
            let is_visible = !row.org_id.is_empty() && row.presence != Presence::Offline;
            if is_visible && row.org_id == org_id {
                expected.push(value.clone());
            }
        }
        if expected != shown.values {
            let (found, expected) = (shown.values.len(), expected.len());
            return Err(format!(
                "org {org_id:?} sees {found} rows, not its {expected}"
            ));
        }
    }
    Ok(())
}

/// Inventory hears of a client only under the organisation that the client has, or had in the batch
/// that tells it.
fn inventory(history: &History) -> Result<(), String> {
    for batches in &history.batches {
        for committed in batches {
            let told = committed
                .records
                .iter()
                .filter(|placed| placed.topic == Topic::Inventory);
            for placed in told {
                let value = placed.record.value.as_deref().unwrap_or_default();
                let org_id = placed.record.key.as_deref().unwrap_or_default();
                let text = String::from_utf8_lossy(value);
                let named = format!("\"org_id\":\"{}\"", String::from_utf8_lossy(org_id));
                if org_id.is_empty() || !text.contains(&named) {
                    let number = committed.batch.number;
                    return Err(format!("batch {number} tells inventory of nobody's host"));
                }
            }
        }
    }
    Ok(())
}

fn decode(value: &[u8]) -> Result<ConnectionRow, String> {
    ConnectionRow::decode(value).map_err(|error| format!("a row does not decode: {error}"))
}
