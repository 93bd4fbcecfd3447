//! What does a full disk do to devices and to their rows? Nothing is acknowledged that is not
//! stored, the process ends and says why, and with room again nothing is missing.
//!
//! The disk is a limit on the length of the process's files; see `Rollcall::limit_files`.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rollcall_model::Topic;
use rollcall_tests::mqtt::{self, Publish};
use rollcall_tests::records::told_of;
use rollcall_tests::{Dev, Rollcall, payload};
use serde_json::Value;

/// The log's folder.
const LOG: &str = "log";
/// The folder of the broker's retained messages.
const RETAINED: &str = "broker/retained";
/// Publishers at the same time.
const PUBLISHERS: u32 = 3;
/// Room for some dozens of handshakes and what is folded out of them, bytes.
const ROOM: u64 = 200_000;
/// Publishes of one publisher, at most: the room is used up long before.
const PUBLISHES_MAX: u32 = 10_000;

fn is_settled(row: &Value) -> bool {
    row["presence"] == "online" && row["org_id"] == "10000" && row["lookup"].is_null()
}

/// Length of the newest write-ahead log of a store below the data folder.
fn wal_bytes(dev: &Dev, store: &str) -> u64 {
    let entries = fs::read_dir(dev.data_dir().join(store)).unwrap();
    let wals = entries
        .map(Result::unwrap)
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "log"));
    let newest = wals.max_by_key(fs::DirEntry::file_name).unwrap();
    newest.metadata().unwrap().len()
}

/// Publishes a handshake of `client`; whether it was acknowledged.
fn is_acknowledged(rollcall: &Rollcall, client: &str) -> bool {
    let payload = payload::handshake(client);
    let publish = Publish {
        topic: &payload::status_topic(client),
        payload: payload.as_bytes(),
        retain: false,
    };
    let output = mqtt::try_publish(rollcall.mqtt, &publish).unwrap();
    output.status.success() && output.stderr.is_empty()
}

/// Every one of them has its row, and it was folded once.
fn check_folded_once(rollcall: &Rollcall, clients: &BTreeSet<String>) {
    for client in clients {
        rollcall
            .wait_for_row(client, "settled", is_settled)
            .unwrap();
        rollcall
            .wait_for_events(client, &["connected", "tenant-found"])
            .unwrap();
    }
    let inventory = rollcall.records(Topic::Inventory).unwrap();
    let sent: Vec<String> = inventory.iter().filter_map(told_of).collect();
    for client in clients {
        assert_eq!(
            sent.iter().filter(|id| *id == client).count(),
            1,
            "{client}"
        );
    }
}

/// It ended because of a store below the data folder, and says where that is.
fn check_end(rollcall: &mut Rollcall, dev: &Dev, store: &str) {
    let status = rollcall.wait_for_end().unwrap();
    let said = rollcall.tail();
    assert_eq!(status.code(), Some(1), "{said}");
    let last = said.lines().rfind(|line| line.starts_with("rollcall: "));
    let last = last.unwrap_or_else(|| panic!("no last word: {said}"));
    assert!(
        last.contains(dev.data_dir().join(store).to_str().unwrap()),
        "{last}"
    );
    assert!(last.contains("File too large"), "{last}");
}

#[test]
fn what_was_acknowledged_before_the_disk_was_full_is_folded_once() {
    let dev = Dev::new("").unwrap();
    let mut rollcall = dev.start_limitable(None).unwrap();
    rollcall
        .limit_files(Some(wal_bytes(&dev, LOG) + ROOM))
        .unwrap();
    let publishers: Vec<_> = std::thread::scope(|scope| {
        let rollcall = &rollcall;
        let publish = |publisher| scope.spawn(move || publish_until_refused(rollcall, publisher));
        let running: Vec<_> = (0..PUBLISHERS).map(publish).collect();
        running.into_iter().map(|p| p.join().unwrap()).collect()
    });
    check_end(&mut rollcall, &dev, LOG);

    let rollcall = dev.start().unwrap();
    let acknowledged: BTreeSet<String> = publishers.iter().flat_map(|p| p.0.clone()).collect();
    let refused: BTreeSet<String> = publishers.into_iter().map(|p| p.1).collect();
    assert!(acknowledged.len() > 10, "{acknowledged:?}");
    check_folded_once(&rollcall, &acknowledged);
    let status = rollcall.records(Topic::Status).unwrap();
    let stored: Vec<String> = status
        .iter()
        .map(|record| record["key"].as_str().unwrap().to_owned())
        .collect();
    let distinct: BTreeSet<String> = stored.iter().cloned().collect();
    assert_eq!(distinct.len(), stored.len(), "nothing is stored twice");
    assert!(distinct.is_superset(&acknowledged), "nothing is missing");
    // One that was stored may have lost its PUBACK with the process.
    let others: BTreeSet<_> = distinct.difference(&acknowledged).cloned().collect();
    assert!(refused.is_superset(&others), "{others:?} came from nowhere");
    // Devices send again what was not acknowledged.
    for client in &refused {
        assert!(is_acknowledged(&rollcall, client), "{client}");
    }
    check_folded_once(&rollcall, &refused);
}

/// Publishes handshakes of one client after the other. Gives the clients that were acknowledged,
/// and the first that was not.
fn publish_until_refused(rollcall: &Rollcall, publisher: u32) -> (Vec<String>, String) {
    let mut acknowledged = Vec::new();
    for number in 0..PUBLISHES_MAX {
        let client = format!("device-{publisher}-{number}");
        if !is_acknowledged(rollcall, &client) {
            return (acknowledged, client);
        }
        acknowledged.push(client);
    }
    panic!("the disk was never full");
}

/// Starts a node with one settled client, which has nothing to do any more.
fn start_idle(dev: &Dev, errors: Option<&Path>) -> (Rollcall, BTreeSet<String>) {
    let rollcall = dev.start_limitable(errors).unwrap();
    assert!(is_acknowledged(&rollcall, "first"));
    let clients = BTreeSet::from(["first".to_owned()]);
    check_folded_once(&rollcall, &clients);
    (rollcall, clients)
}

#[test]
fn a_node_without_work_ends_at_the_first_refusal_too() {
    let dev = Dev::new("").unwrap();
    let (mut rollcall, clients) = start_idle(&dev, None);
    rollcall.limit_files(Some(wal_bytes(&dev, LOG))).unwrap();
    assert!(!is_acknowledged(&rollcall, "second"));
    check_end(&mut rollcall, &dev, LOG);

    let rollcall = dev.start().unwrap();
    assert_eq!(rollcall.row("second").unwrap(), None);
    check_folded_once(&rollcall, &clients);
}

#[test]
fn standard_error_on_the_full_disk_changes_nothing() {
    let dev = Dev::new("").unwrap();
    let errors = tempfile::NamedTempFile::new().unwrap();
    let (mut rollcall, clients) = start_idle(&dev, Some(errors.path()));
    // Nothing fits into any file, not even a log line.
    rollcall.limit_files(Some(0)).unwrap();
    assert!(!is_acknowledged(&rollcall, "second"));
    assert_eq!(rollcall.wait_for_end().unwrap().code(), Some(1));

    let rollcall = dev.start().unwrap();
    assert_eq!(rollcall.row("second").unwrap(), None);
    check_folded_once(&rollcall, &clients);
}

#[test]
fn tables_that_cannot_be_flushed_at_the_end_come_back_from_the_log() {
    let dev = Dev::new("").unwrap();
    let (rollcall, clients) = start_idle(&dev, None);
    rollcall.limit_files(Some(0)).unwrap();
    let status = rollcall.terminate().unwrap();
    assert_eq!(status.code(), Some(1), "what was asked for did not happen");

    let rollcall = dev.start().unwrap();
    check_folded_once(&rollcall, &clients);
    assert!(is_acknowledged(&rollcall, "second"));
    check_folded_once(&rollcall, &BTreeSet::from(["second".to_owned()]));
}

#[test]
fn a_node_that_cannot_retain_ends_too() {
    let dev = Dev::new("").unwrap();
    let (mut rollcall, clients) = start_idle(&dev, None);
    // Not our topic: the broker retains it, the log never hears of it and stays the shorter one.
    let (topic, large) = ("elsewhere", "x".repeat(200_000));
    rollcall.publish(topic, large.as_bytes(), true).unwrap();
    let room = wal_bytes(&dev, RETAINED);
    assert!(room > wal_bytes(&dev, LOG) + 100_000);
    rollcall.limit_files(Some(room)).unwrap();
    assert!(rollcall.publish(topic, b"refused", true).is_err());
    check_end(&mut rollcall, &dev, RETAINED);

    let rollcall = dev.start().unwrap();
    let retained = mqtt::retained(rollcall.mqtt, topic).unwrap().unwrap();
    assert!(
        retained == large.as_bytes(),
        "what was acknowledged is retained"
    );
    check_folded_once(&rollcall, &clients);
}
