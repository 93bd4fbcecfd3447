//! kill -9 under load, again and again: is everything there that was acknowledged, once, and does
//! the life of the node come out the same when it is folded again?
//!
//! `KILL_ROUNDS` says how often (3 by default; `tests/kill-9` runs 20), `KILL_SEED` which moments.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::{BTreeMap, BTreeSet};

use rollcall_model::Topic;
use rollcall_tests::load::Load;
use rollcall_tests::moments::{draw, number};
use rollcall_tests::{Dev, eventually, process};
use serde_json::Value;

/// Rows go, and tenants are asked for again, while the load goes on.
const POLICY: &str = "[policy]\nrow_retention = \"1s\"\nretry_after = \"1s\"\n";
/// Publishers at a time.
const CONNECTIONS: usize = 8;
/// The kill comes after this many PUBACKs at most.
const PUBACKS_MAX: u64 = 3_000;

/// How often each message id stands in a topic of the stopped node.
fn ids(dev: &Dev, topic: Topic) -> BTreeMap<String, usize> {
    let folder = dev.data_dir().display().to_string();
    let output = process::run(&[
        "tail",
        topic.as_str(),
        "--data-dir",
        &folder,
        "--from",
        "beginning",
        "--no-follow",
        "--json",
    ])
    .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut found = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let payload = record["value"]["payload"].as_str().unwrap();
        let payload: Value = serde_json::from_str(payload).unwrap();
        let id = payload["message_id"].as_str().unwrap().to_owned();
        *found.entry(id).or_default() += 1;
    }
    found
}

/// Folds the stopped node's life again; gives what the command says.
fn verify(dev: &Dev) -> String {
    let folder = dev.data_dir().display().to_string();
    let output = process::run(&["rebuild", "--data-dir", &folder, "--verify"]).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{error}");
    assert!(said.starts_with("equal: "), "{said}");
    said
}

/// Every acknowledged id is there, and none twice.
fn check(dev: &Dev, acknowledged: &BTreeSet<String>) {
    let mut stored = ids(dev, Topic::Status);
    stored.extend(ids(dev, Topic::Messages));
    let missing: Vec<&String> = acknowledged
        .iter()
        .filter(|id| !stored.contains_key(*id))
        .collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    let doubled = stored.iter().find(|(_, count)| **count > 1);
    assert_eq!(doubled, None, "stored twice");
}

#[test]
fn nothing_acknowledged_is_lost_and_every_rebuild_is_equal() {
    let (rounds, seed) = (number("KILL_ROUNDS", 3), number("KILL_SEED", 1));
    let dev = Dev::new(POLICY).unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        let rollcall = dev.start().unwrap();
        let load = Load::start(rollcall.mqtt, round as usize, CONNECTIONS);
        let enough = (1 + draw(seed, round) % PUBACKS_MAX) as usize;
        eventually("PUBACKs", || {
            Ok((load.acknowledged() >= enough).then_some(()))
        })
        .unwrap();
        rollcall.kill().unwrap();
        acknowledged.extend(load.gone().unwrap());
        let said = verify(&dev);
        check(&dev, &acknowledged);
        println!(
            "round {round}: {} acknowledged so far, all there; {}",
            acknowledged.len(),
            said.trim()
        );
    }
    // Now without a kill, until everything that waits has been folded.
    let said = eventually("every record to be folded", || {
        let rollcall = dev.start()?;
        let status = rollcall.terminate()?;
        anyhow::ensure!(status.success(), "ended with {status}");
        let said = verify(&dev);
        Ok((!said.contains("wait for the next batch")).then_some(said))
    })
    .unwrap();
    check(&dev, &acknowledged);
    println!("at the end: {}", said.trim());
}
