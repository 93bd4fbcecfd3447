//! Two nodes with the bridge role on one Kafka and one MQTT broker: is every publish taken once, by
//! one of them, and does the other go on where it was left when that one is killed?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rollcall_model::Topic;
use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_node::Site;
use rollcall_tests::load::{self, Load, Work};
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::{Rollcall, eventually, payload};
use serde_json::Value;

/// Messages a second.
const RATE: usize = 200;
/// Messages between two events of a test.
const SOME: usize = 300;

/// What a node does: all that speaks to the MQTT broker.
const ROLES: [&str; 2] = ["bridge", "send"];

/// A node whose id sorts as its name does: of those that are there, the first one leads.
fn start(site: &Site, name: &str) -> Rollcall {
    let folder = site.data_dir(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("process-id"), name).unwrap();
    site.run(name, &ROLES).unwrap()
}

/// What `/readyz` says of a node's session, and its gauge.
fn state(node: &Rollcall) -> anyhow::Result<(String, bool)> {
    let mut ready = node.ops("/readyz")?.json()?;
    let state = ready["checks"]["mqtt"]["state"].take();
    let metrics = node.ops("/metrics")?.body;
    let mut lines = metrics.lines();
    let leads = lines.find_map(|line| line.strip_prefix("rollcall_bridge_is_leader "));
    Ok((
        state.as_str().unwrap_or_default().to_owned(),
        leads == Some("1"),
    ))
}

fn wait_until(node: &Rollcall, state: &str, leads: bool) {
    let found = eventually(&format!("a node to be {state}"), || {
        let found = self::state(node)?;
        anyhow::ensure!(found == (state.to_owned(), leads), "{found:?}");
        anyhow::ensure!(node.ops("/readyz")?.status == 200);
        Ok(Some(()))
    });
    found.unwrap_or_else(|error| panic!("{error:#}\n{}", node.tail()));
}

fn wait_for_more(load: &Load) {
    let enough = load.acknowledged() + SOME;
    eventually("PUBACKs", || {
        Ok((load.acknowledged() >= enough).then_some(()))
    })
    .unwrap();
}

/// The records of each message in `status`, in order: whether each says that it is a repetition.
fn stored(site: &Site) -> anyhow::Result<BTreeMap<String, Vec<bool>>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for record in site.records(Topic::Status)? {
        let payload = record["value"]["payload"].as_str().unwrap_or_default();
        let payload: Value = serde_json::from_str(payload)?;
        let id = payload["message_id"].as_str().unwrap_or_default();
        let is_dup = record["value"]["dup"].as_bool().unwrap_or_default();
        found.entry(id.to_owned()).or_default().push(is_dup);
    }
    Ok(found)
}

fn wait_until_stored(site: &Site, ids: &BTreeSet<String>) -> BTreeMap<String, Vec<bool>> {
    eventually("everything acknowledged to be in the log", || {
        let stored = stored(site)?;
        let missing = ids.iter().filter(|id| !stored.contains_key(*id)).count();
        anyhow::ensure!(missing == 0, "{missing} of {} are missing", ids.len());
        Ok(Some(stored))
    })
    .unwrap()
}

fn check(name: &str, version: &str) {
    let mosquitto = Mosquitto::start().unwrap();
    let mqtt = mosquitto.url() + version;
    let site = Site::new(Kafka::shared(), name, &mqtt).unwrap();
    let first = start(&site, "a");
    wait_until(&first, "ready", true);
    let load = Load::of(Work {
        broker: mosquitto.address,
        round: 0,
        connections: 4,
        rate: Some(RATE),
        message: load::onlines,
    });
    wait_for_more(&load);
    // A second one takes nothing.
    let second = start(&site, "b");
    wait_until(&second, "standby", false);
    wait_until(&first, "ready", true);
    wait_for_more(&load);
    let stored = wait_until_stored(&site, &load.acknowledged_ids());
    let twice: Vec<_> = stored.iter().filter(|(_, dup)| dup.len() > 1).collect();
    assert!(twice.is_empty(), "taken twice: {twice:?}");

    let killed_at = Instant::now();
    first.kill().unwrap();
    wait_until(&second, "ready", true);
    println!(
        "the second one leads {:?} after the kill",
        killed_at.elapsed()
    );
    wait_for_more(&load);
    // The first one is back, and in its place again.
    let first = start(&site, "a");
    wait_until(&first, "ready", true);
    wait_until(&second, "standby", false);
    wait_for_more(&load);
    assert!(first.terminate().unwrap().success());
    wait_until(&second, "ready", true);
    wait_for_more(&load);

    let acknowledged = load.end().unwrap();
    let stored = wait_until_stored(&site, &acknowledged);
    let (mut again, mut silently) = (0, Vec::new());
    for (id, dups) in &stored {
        again += dups.len() - 1;
        if dups[1..].iter().any(|is_dup| !is_dup) {
            silently.push((id, dups));
        }
    }
    assert!(silently.is_empty(), "doubled without DUP: {silently:?}");
    println!(
        "{} acknowledged, {again} of them again, as DUP",
        acknowledged.len()
    );
    assert!(second.terminate().unwrap().success());
}

#[test]
fn one_of_two_takes_each_publish_and_the_other_goes_on_in_mqtt_5() {
    check("bridges-5", "version = 5\n");
}

#[test]
fn one_of_two_takes_each_publish_and_the_other_goes_on_in_mqtt_3() {
    check("bridges-3", "version = 4\n");
}

#[test]
fn what_came_while_nobody_led_is_taken_once() {
    let mosquitto = Mosquitto::start().unwrap();
    let site = Site::new(Kafka::shared(), "bridges-gap", &mosquitto.url()).unwrap();
    let first = start(&site, "a");
    let second = start(&site, "b");
    wait_until(&first, "ready", true);
    wait_until(&second, "standby", false);
    first.kill().unwrap();
    // The session that is queued for is the one that the second resumes.
    let publish = |id: &str| {
        let topic = payload::status_topic(id);
        let payload = payload::handshake(id);
        let publish = rollcall_tests::mqtt::Publish {
            topic: &topic,
            payload: payload.as_bytes(),
            retain: false,
        };
        rollcall_tests::mqtt::publish(mosquitto.address, &publish).unwrap();
    };
    let ids: BTreeSet<String> = (0..10).map(|number| format!("gap-{number}")).collect();
    ids.iter().for_each(|id| publish(id));
    let stored = wait_until_stored(&site, &ids);
    assert!(ids.iter().all(|id| stored[id] == [false]), "{stored:?}");
    wait_until(&second, "ready", true);
}
