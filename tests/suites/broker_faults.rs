//! Mosquitto and the node in the middle of a load, killed, paused and restarted in turn: is
//! everything there that Mosquitto acknowledged, in the log at least once and in the tables exactly
//! once?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::{BTreeMap, BTreeSet};

use rollcall_model::Topic;
use rollcall_tests::load::{self, DEVICES, Load, Work};
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::{Dev, Rollcall, eventually};
use serde_json::Value;

/// Publishers at a time.
const CONNECTIONS: usize = 8;
/// Messages a second, all together.
const RATE: usize = 5_000;
/// PUBACKs before something happens.
const ENOUGH: usize = 2_500;
/// Loads, each with clients of its own.
const ROUNDS: usize = 4;

/// A tenant for every device that there will be.
fn tenants() -> String {
    let mut entries = Vec::new();
    for round in 0..ROUNDS {
        for number in 0..CONNECTIONS {
            for device in 0..DEVICES {
                let name = load::device_name(&load::client_name(round, number), device);
                entries.push(format!(
                    r#""{name}": {{"accountId": "1", "orgId": "10000"}}"#
                ));
            }
        }
    }
    format!("{{{}}}", entries.join(", "))
}

fn start_load(mosquitto: &Mosquitto, round: usize) -> Load {
    let load = Load::of(Work {
        broker: mosquitto.address,
        round,
        connections: CONNECTIONS,
        rate: Some(RATE),
        message: load::onlines,
    });
    wait_for_pubacks(&load, ENOUGH);
    load
}

fn wait_for_pubacks(load: &Load, count: usize) {
    let enough = || Ok((load.acknowledged() >= count).then_some(()));
    eventually("PUBACKs", enough).unwrap();
}

/// How often each message id stands in `status`.
fn stored(rollcall: &Rollcall) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for record in rollcall.records(Topic::Status)? {
        let payload = record["value"]["payload"].as_str().unwrap_or_default();
        let payload: Value = serde_json::from_str(payload)?;
        let id = payload["message_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        *found.entry(id).or_default() += 1;
    }
    Ok(found)
}

/// Waits until every one of `ids` is in the log; gives how often each stands there.
fn wait_until_stored(rollcall: &Rollcall, ids: &BTreeSet<String>) -> BTreeMap<String, usize> {
    let all = eventually("everything acknowledged to be in the log", || {
        let stored = stored(rollcall)?;
        let missing = ids.iter().filter(|id| !stored.contains_key(*id)).count();
        anyhow::ensure!(missing == 0, "{missing} of {} are missing", ids.len());
        Ok(Some(stored))
    });
    all.unwrap()
}

/// Connections of the bridge so far.
fn connections(rollcall: &Rollcall) -> anyhow::Result<u64> {
    let metrics = rollcall.ops("/metrics")?.body;
    let name = "rollcall_mqtt_connections_total{client=\"bridge\"} ";
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.unwrap_or("0").parse()?)
}

/// The turn of a publisher in which it published a message.
fn turn(id: &str) -> usize {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// The last of `ids` of each device.
fn last_of_each(ids: &BTreeSet<String>) -> BTreeMap<String, usize> {
    let mut last = BTreeMap::new();
    for id in ids {
        let (publisher, turn) = (id.rsplit_once('-').unwrap().0, turn(id));
        let device = load::device_name(publisher, turn % DEVICES);
        let newest = last.entry(device).or_insert(turn);
        *newest = turn.max(*newest);
    }
    last
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_counts_twice_in_mqtt_5() {
    check("version = 5\n");
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_counts_twice_in_mqtt_3() {
    check("version = 4\n");
}

fn check(version: &str) {
    let mut mosquitto = Mosquitto::start().unwrap();
    let node = Dev::with_tenants("", &tenants()).unwrap();
    let mqtt = mosquitto.url() + version;
    let mut rollcall = node.run(&mqtt, &[]).unwrap();
    let mut acknowledged = BTreeSet::new();

    // Restarted: what it has not delivered is on its disk.
    let load = start_load(&mosquitto, 0);
    mosquitto.terminate().unwrap();
    acknowledged.extend(load.gone().unwrap());
    mosquitto.resume().unwrap();

    // Paused, until nobody hears anything, and woken again.
    let load = start_load(&mosquitto, 1);
    mosquitto.signal("STOP").unwrap();
    let mut before = 0;
    eventually("silence", || {
        let now = load.acknowledged();
        let is_silent = std::mem::replace(&mut before, now) == now;
        Ok(is_silent.then_some(()))
    })
    .unwrap();
    mosquitto.signal("CONT").unwrap();
    wait_for_pubacks(&load, before + ENOUGH);
    acknowledged.extend(load.end().unwrap());

    // The node killed. Mosquitto goes on, keeps what comes, and sends again what was on its way.
    let load = start_load(&mosquitto, 2);
    rollcall.kill().unwrap();
    wait_for_pubacks(&load, 2 * ENOUGH);
    rollcall = node.run(&mqtt, &[]).unwrap();
    acknowledged.extend(load.end().unwrap());

    // Killed: its memory is lost, so what it may not lose is what has left it.
    let load = start_load(&mosquitto, 3);
    let safe = load.acknowledged_ids();
    wait_until_stored(&rollcall, &safe);
    let connected = connections(&rollcall).unwrap();
    mosquitto.kill().unwrap();
    let told = load.gone().unwrap();
    acknowledged.extend(safe);
    mosquitto.resume().unwrap();
    eventually("the bridge to be back", || {
        Ok((connections(&rollcall)? > connected).then_some(()))
    })
    .unwrap();

    let stored = wait_until_stored(&rollcall, &acknowledged);
    let lost = told.iter().filter(|id| !stored.contains_key(*id)).count();
    let twice = stored.values().filter(|count| **count > 1).count();
    println!(
        "{} acknowledged, all in the log, {twice} of them more than once; {lost} that Mosquitto \
         had not delivered were lost with its memory",
        acknowledged.len()
    );
    check_tables(&rollcall, &acknowledged);
}

/// Each device is online as its last message says, came once, and each message counted once.
fn check_tables(rollcall: &Rollcall, acknowledged: &BTreeSet<String>) {
    let last = last_of_each(acknowledged);
    assert_eq!(last.len(), ROUNDS * CONNECTIONS * DEVICES);
    let names = eventually("every row to be as its device's last message says", || {
        let mut names = BTreeSet::new();
        let reply = rollcall.ops("/ops/connections?limit=1000")?;
        let rows = reply.json()?;
        let rows = rows["data"].as_array().cloned().unwrap_or_default();
        anyhow::ensure!(rows.len() == last.len(), "{} rows", rows.len());
        for row in rows {
            let client = row["client_id"].as_str().unwrap_or_default();
            let name = row["canonical_facts"]["fqdn"].as_str().unwrap_or_default();
            // A message without a PUBACK may have counted too.
            anyhow::ensure!(
                row["presence"] == "online" && turn(name) >= last[client],
                "{client} says {name}, and turn {} was acknowledged",
                last[client]
            );
            names.insert(name.to_owned());
        }
        Ok(Some(names))
    })
    .unwrap();
    // Onlines that wait for one tenant answer share one message: what the row says is told.
    eventually("inventory to hear what every row says", || {
        let told = told(rollcall)?;
        let missing = names.iter().find(|name| !told.contains_key(*name));
        anyhow::ensure!(missing.is_none(), "{missing:?} was not told to inventory");
        Ok(Some(()))
    })
    .unwrap();
    let mut came = BTreeMap::new();
    for event in rollcall.records(Topic::Events).unwrap() {
        let client = event["key"].as_str().unwrap().to_owned();
        let counts: &mut BTreeMap<String, usize> = came.entry(client).or_default();
        let kind = event["value"]["kind"].as_str().unwrap().to_owned();
        *counts.entry(kind).or_default() += 1;
    }
    for (client, kinds) in &came {
        assert_eq!(kinds["connected"], 1, "{client}: {kinds:?}");
        assert!(!kinds.contains_key("disconnected"), "{client}: {kinds:?}");
    }
    let told = told(rollcall).unwrap();
    let doubled: Vec<_> = told.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "told to inventory twice: {doubled:?}");
}

/// How often inventory was told each name.
fn told(rollcall: &Rollcall) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut told = BTreeMap::new();
    for message in rollcall.records(Topic::Inventory)? {
        let name = message["value"]["data"]["fqdn"].as_str();
        *told.entry(name.unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    Ok(told)
}
