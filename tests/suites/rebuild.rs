//! Does `rollcall rebuild` prove a stopped node, make tables that a node can start from, and name
//! what was changed?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use rollcall_tests::{Dev, eventually, payload, process};
use serde_json::Value;

fn is_settled(row: &Value) -> bool {
    row["presence"] == "online" && row["org_id"] == "10000" && row["lookup"].is_null()
}

/// Standard output, standard error and exit code of `rollcall rebuild`.
fn rebuild(data_dir: &Path, flags: &[&str]) -> (String, String, Option<i32>) {
    let folder = data_dir.display().to_string();
    let mut args = vec!["rebuild", "--data-dir", &folder];
    args.extend(flags);
    let Output {
        status,
        stdout,
        stderr,
    } = process::run(&args).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(stdout), text(stderr), status.code())
}

/// A stopped node with a few settled devices and a dead letter.
fn stopped() -> Dev {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    for client in ["device-1", "device-2", "device-3"] {
        let handshake = payload::handshake(client);
        rollcall.publish_status(client, &handshake).unwrap();
        rollcall
            .wait_for_row(client, "settled", is_settled)
            .unwrap();
    }
    let topic = payload::status_topic("device-1");
    rollcall.publish(&topic, b"poison", false).unwrap();
    rollcall
        .publish_status("device-2", &payload::offline())
        .unwrap();
    rollcall
        .wait_for_row("device-2", "offline", |row| row["presence"] == "offline")
        .unwrap();
    assert!(rollcall.terminate().unwrap().success());
    dev
}

#[test]
fn stopped_node_is_proven_and_changed_by_nothing() {
    let dev = stopped();
    for _ in 0..2 {
        let (said, error, code) = rebuild(&dev.data_dir(), &["--verify"]);
        assert_eq!(code, Some(0), "{said}{error}");
        assert!(said.starts_with("equal: 4 partitions, "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let left: Vec<_> = std::fs::read_dir(dev.data_dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn node_starts_from_rebuilt_tables() {
    let dev = stopped();
    let into = dev.data_dir().join("new-tables");
    let flag = into.display().to_string();
    let (said, error, code) = rebuild(&dev.data_dir(), &["--into", &flag]);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.contains(&flag), "{said}");
    let (_, error, code) = rebuild(&dev.data_dir(), &["--into", &flag]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("is not empty"), "{error}");
    let tables = dev.data_dir().join("tables");
    std::fs::remove_dir_all(&tables).unwrap();
    std::fs::rename(&into, &tables).unwrap();
    let rollcall = dev.start().unwrap();
    let row = rollcall.row("device-3").unwrap().unwrap();
    assert!(is_settled(&row), "{row}");
    rollcall
        .publish_status("device-3", &payload::offline())
        .unwrap();
    rollcall
        .wait_for_row("device-3", "offline", |row| row["presence"] == "offline")
        .unwrap();
    rollcall.kill().unwrap();
    let (said, error, code) = rebuild(&dev.data_dir(), &["--verify"]);
    assert_eq!(code, Some(0), "{said}{error}");
}

#[test]
fn running_node_and_wrong_folders_are_refused() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let (_, error, code) = rebuild(&dev.data_dir(), &["--verify"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("stop it"), "{error}");
    drop(rollcall);
    let (_, error, code) = rebuild(&dev.data_dir().join("none"), &["--verify"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("holds no log"), "{error}");
    let (_, error, code) = rebuild(&dev.data_dir(), &[]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("--verify"), "{error}");
}

/// The checkpoints below a data folder, those of batch 1 apart: every partition has it.
fn checkpoints(dev: &Dev) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dev.data_dir().join("checkpoints"));
    let paths = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|name| name == "checkpoint"))
        .filter(|path| !path.to_string_lossy().contains("-00000000000000000001."))
        .collect();
    paths.sort();
    paths
}

#[test]
fn rebuild_begins_with_a_checkpoint_and_believes_no_damaged_one() {
    let dev = Dev::new("[checkpoint]\nevery = \"1s\"\nkeep = 2\n").unwrap();
    let rollcall = dev.start().unwrap();
    let greet = |id: &str| {
        rollcall
            .publish_status("device-1", &payload::handshake(id))
            .unwrap();
        rollcall
            .wait_for_row("device-1", "news", |row| {
                row["session"]["online_message_id"] == id
            })
            .unwrap();
    };
    let mut seen = BTreeSet::new();
    let mut number = 0;
    // More than are kept.
    eventually("checkpoints", || {
        number += 1;
        greet(&format!("m-{number}"));
        seen.extend(checkpoints(&dev));
        Ok((seen.len() > 3).then_some(()))
    })
    .unwrap();
    greet("after the last checkpoint");
    assert!(rollcall.terminate().unwrap().success());
    let kept = checkpoints(&dev);
    assert!(kept.len() <= 2, "{kept:?}");

    let mut folded = Vec::new();
    for from in ["beginning", "oldest", "newest"] {
        let (said, error, code) = rebuild(&dev.data_dir(), &["--verify", "--from", from]);
        assert_eq!(code, Some(0), "{from}: {said}{error}");
        assert!(said.starts_with("equal: "), "{said}");
        let has_base = said.contains("begins with the checkpoint of batch");
        assert_eq!(has_base, from != "beginning", "{said}");
        let batches = said.split(", ").nth(1).unwrap().split(' ').next().unwrap();
        folded.push(batches.parse::<u64>().unwrap());
    }
    assert!(
        folded.is_sorted_by(|more, fewer| more > fewer),
        "{folded:?}"
    );

    let newest = kept.last().unwrap();
    let mut bytes = std::fs::read(newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(newest, bytes).unwrap();
    let (_, error, code) = rebuild(&dev.data_dir(), &["--verify", "--from", "newest"]);
    assert_eq!(code, Some(1), "{error}");
    let name = newest.file_name().unwrap().to_str().unwrap();
    assert!(error.contains(name) && error.contains("damaged"), "{error}");
}
