//! The tables are what the changelogs say, from the first record on, and what the newest batch
//! vouches for.

use rollcall_model::Topic;
use rollcall_schemas::body;
use rollcall_tables::{Digest, Table};

use crate::history::{History, Rows};

/// The checker.
pub(super) fn check(history: &History) -> Result<(), String> {
    for (partition, rows) in history.tables.iter().enumerate() {
        let number = u32::try_from(partition).unwrap_or_default();
        let replayed = replay(history, number);
        if let Some(difference) = difference(&replayed, rows) {
            return Err(format!("partition {partition}: {difference}"));
        }
        let Some(newest) = history.batches[partition].last() else {
            continue;
        };
        for table in Table::ALL {
            let mut digest = Digest::default();
            for ((_, key), value) in rows.iter().filter(|((of, _), _)| *of == table) {
                digest.insert(key, body(value));
            }
            let topic = table.changelog();
            let told = newest.batch.tables.iter().find(|one| one.topic == topic);
            if told.map(|one| one.digest) != Some(digest.0) {
                return Err(format!(
                    "partition {partition}: the digest of {topic} is {digest}, not the recorded one"
                ));
            }
        }
    }
    Ok(())
}

/// The rows that the changelogs make.
fn replay(history: &History, partition: u32) -> Rows {
    let mut rows = Rows::new();
    for table in Table::ALL {
        let topic: Topic = table.changelog();
        for record in history.records_of(topic, partition) {
            let key = (table, record.key.clone().unwrap_or_default());
            match record.value.clone() {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
    }
    rows
}

/// The first row in which two sets of tables differ.
pub(super) fn difference(expected: &Rows, found: &Rows) -> Option<String> {
    for ((table, key), value) in expected {
        match found.get(&(*table, key.clone())) {
            None => return Some(format!("{table:?} has no row {key:?}")),
            Some(other) if other != value => {
                return Some(format!("{table:?} has another row {key:?}"));
            }
            Some(_) => {}
        }
    }
    let is_new = |key: &&(Table, bytes::Bytes)| !expected.contains_key(*key);
    let (table, key) = found.keys().find(is_new)?;
    Some(format!("{table:?} has a row {key:?} too many"))
}
