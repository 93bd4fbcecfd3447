//! Does a running node notice that its store was damaged, tell the operator, keep serving, and is
//! the remedy one?
//!
//! It stands here and not among the suites because it damages a store, which needs RocksDB.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only #[test] functions for tests"
)]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use rollcall_rocks::RocksStore;
use rollcall_schemas::leading;
use rollcall_tables::{Change, RowIndex, Table, Tables as _};
use rollcall_tests::{Dev, Rollcall, eventually, payload};
use serde_json::Value;

/// As it stands in `default.toml`.
const PARTITIONS: u32 = 4;
const MEMORY_BYTES: usize = 16 * 1024 * 1024;
const CLIENTS: [&str; 3] = ["device-1", "device-2", "device-3"];
const CLIENT: &str = CLIENTS[0];

/// Connects the devices and waits until nothing more is going to change.
fn connect(rollcall: &Rollcall) {
    for client in CLIENTS {
        let handshake = payload::handshake(client);
        rollcall.publish_status(client, &handshake).unwrap();
        let is_settled = |row: &Value| row["org_id"] == "10000" && row["lookup"].is_null();
        rollcall
            .wait_for_row(client, "settled", is_settled)
            .unwrap();
    }
}

/// Flips the last bit of a client's row and leaves everything else as it was; gives its partition.
fn damage(tables: &Path) -> u32 {
    let store = RocksStore::open(tables, PARTITIONS, MEMORY_BYTES).unwrap();
    for partition in 0..PARTITIONS {
        let mut tables = store.partition(partition).unwrap();
        let Some(row) = tables.get(Table::Connections, CLIENT.as_bytes()).unwrap() else {
            continue;
        };
        let meta = tables.meta().unwrap().unwrap();
        let (due_at, org_id) = leading(&row).unwrap();
        let index = RowIndex { due_at, org_id };
        let mut flipped = row.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        let change = Change {
            table: Table::Connections,
            key: Bytes::from_static(CLIENT.as_bytes()),
            old: Some(index.clone()),
            new: Some((flipped.into(), index)),
        };
        tables.apply(&[change], &meta).unwrap();
        drop(tables);
        store.close().unwrap();
        return partition;
    }
    panic!("{CLIENT} has no row");
}

/// Waits until `/readyz` says something of every partition for which `holds`; it is 200 throughout.
fn wait_for(rollcall: &Rollcall, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let found = eventually(what, || {
        let reply = rollcall.ops("/readyz")?;
        last = reply.json()?;
        assert_eq!(reply.status, 200, "an alert, not an outage: {last}");
        let check = &last["self_check"];
        let told = (0..PARTITIONS).map(|partition| &check["partitions"][partition.to_string()]);
        Ok(told.clone().all(&holds).then(|| check.clone()))
    });
    found.unwrap_or_else(|error| panic!("{error:#}: {last}\n{}", rollcall.tail()))
}

fn is_walked(partition: &Value) -> bool {
    partition["how"] == "walk"
}

fn metrics(rollcall: &Rollcall) -> String {
    rollcall.ops("/metrics").unwrap().body
}

/// The value of a metric's series, as text.
fn value_of(metrics: &str, series: &str) -> Option<String> {
    let mut lines = metrics.lines();
    lines.find_map(|line| Some(line.strip_prefix(series)?.trim().to_owned()))
}

/// Waits for a walk that has seen every row and found nothing.
fn wait_until_sound(rollcall: &Rollcall) {
    eventually("a walk over every row", || {
        let check = wait_for(rollcall, "a walk", is_walked);
        assert_eq!(check["has_mismatch"], false, "{check}");
        let partitions = check["partitions"].as_object().unwrap().values();
        let rows: u64 = partitions.map(|one| one["rows"].as_u64().unwrap()).sum();
        Ok((rows == CLIENTS.len() as u64).then_some(()))
    })
    .unwrap();
    let metrics = metrics(rollcall);
    for partition in 0..PARTITIONS {
        let alert = value_of(&metrics, &alert(partition));
        assert_eq!(alert.as_deref(), Some("0"), "{metrics}");
        let at = "rollcall_self_check_last_timestamp_seconds";
        let at = value_of(&metrics, &format!("{at}{{partition=\"{partition}\"}}"));
        assert!(at.unwrap().parse::<f64>().unwrap() > 1_700_000_000.0);
    }
}

/// The series that an operator has an alert on.
fn alert(partition: u32) -> String {
    format!("rollcall_self_check_mismatch{{partition=\"{partition}\"}}")
}

/// `/readyz` and the alert name the damaged partition, and no other.
fn check_told(rollcall: &Rollcall, damaged: u32) {
    let check = wait_for(rollcall, "a walk over the damage", is_walked);
    assert_eq!(check["has_mismatch"], true, "{check}");
    let metrics = metrics(rollcall);
    for partition in 0..PARTITIONS {
        let text = &check["partitions"][partition.to_string()]["mismatch"];
        let alert = value_of(&metrics, &alert(partition)).unwrap();
        if partition != damaged {
            assert!(text.is_null() && alert == "0", "{check}");
            continue;
        }
        let text = text.as_str().unwrap();
        let expected = format!("rows of table Connections of partition {partition} have digest");
        assert!(
            text.starts_with(&expected) && text.contains("remove its `tables`"),
            "{text}"
        );
        assert_eq!(alert, "1");
    }
}

#[test]
fn damaged_row_raises_an_alert_and_the_remedy_heals_it() {
    let dev = Dev::new("[self_check]\ninterval = \"1s\"\n").unwrap();
    let rollcall = dev.start().unwrap();
    connect(&rollcall);
    wait_until_sound(&rollcall);
    rollcall.terminate().unwrap();
    let tables = dev.data_dir().join("tables");
    let damaged = damage(&tables);

    let rollcall = dev.start().unwrap();
    check_told(&rollcall, damaged);
    eventually("the damage to be found again", || {
        let count = "rollcall_self_check_mismatches_total{kind=\"digest\"}";
        let count = value_of(&metrics(&rollcall), count).unwrap_or_default();
        Ok((count.parse::<u32>()? >= 2).then_some(()))
    })
    .unwrap();
    let said = rollcall.tail();
    let lines = said.matches("Self-check found damage").count();
    assert_eq!(lines, 1, "once a finding:\n{said}");
    assert_eq!(rollcall.api_status(CLIENT).unwrap()["status"], "connected");
    rollcall.terminate().unwrap();

    fs::remove_dir_all(&tables).unwrap();
    let rollcall = dev.start().unwrap();
    wait_until_sound(&rollcall);
}

#[test]
fn restore_counts_as_a_comparison_and_the_walk_can_be_switched_off() {
    let dev = Dev::new("[self_check]\ninterval = \"off\"\n").unwrap();
    let rollcall = dev.start().unwrap();
    connect(&rollcall);
    rollcall.terminate().unwrap();
    let rollcall = dev.start().unwrap();
    let check = wait_for(&rollcall, "the restore", |one| one["how"] == "restore");
    assert_eq!(check["has_mismatch"], false, "{check}");
    let metrics = metrics(&rollcall);
    let at = "rollcall_self_check_last_timestamp_seconds{partition=\"0\"}";
    assert!(value_of(&metrics, at).is_some(), "{metrics}");
    let walked = value_of(&metrics, "rollcall_self_check_rows_total");
    assert!(walked.is_none_or(|rows| rows == "0"), "{metrics}");
}
