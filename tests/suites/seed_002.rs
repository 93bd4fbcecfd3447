//! Seed 002, line by line, as its users see it: a real Kafka, MQTT broker and auth gateway, all
//! roles of `rollcall run`. The table in `docs/tenants.md` says which line is whose.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use rollcall_model::Topic;
use rollcall_tests::gateway::{GatewayProcess, Mood};
use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_node::Site;
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::mqtt::{Device, Will};
use rollcall_tests::{Rollcall, eventually, payload};
use serde_json::Value;

/// How often a client is asked for in vain before it is ignored: the seed's X.
const X: u64 = 2;

/// Periods of half an hour and of a day, in a moment. Nothing stands in for the gateway: no answer
/// is remembered.
fn settings() -> String {
    format!(
        "[policy]\nretry_after = \"300ms\"\nmax_failures = {X}\nlookup_backoff_min = \"50ms\"\n\
         lookup_backoff_max = \"200ms\"\ntenant_confirmed_for = \"0s\"\n"
    )
}

/// A node that asks a gateway of its own.
struct System {
    node: Rollcall,
    gateway: GatewayProcess,
    mosquitto: Mosquitto,
    _site: Site,
}

impl System {
    /// `refresh_after` is the stale processor's period.
    fn start(name: &str, mood: Mood, refresh_after: &str) -> Self {
        let gateway = GatewayProcess::start(env!("CARGO_BIN_EXE_auth-gateway"), mood).unwrap();
        let mosquitto = Mosquitto::start().unwrap();
        let site = Site::new(Kafka::shared(), name, &mosquitto.url()).unwrap();
        let url = gateway.url();
        let site = site.asking(&format!(
            "kind = \"gateway\"\nurl = \"{url}\"\ntimeout = \"500ms\"\nfound_for = \"1ms\"\n\
             unknown_for = \"1ms\""
        ));
        let site = site.with(&settings());
        let site = site.with(&format!("refresh_after = \"{refresh_after}\"\n"));
        let node = site.run("node", &[]).unwrap();
        Self {
            node,
            gateway,
            mosquitto,
            _site: site,
        }
    }

    fn online(&self, client: &str, id: &str) {
        let handshake = payload::handshake(id);
        self.node.publish_status(client, &handshake).unwrap();
    }

    fn row(&self, client: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.node.wait_for_row(client, what, holds).unwrap()
    }

    /// Why the client was looked up, each time.
    fn asked(&self, client: &str) -> Vec<String> {
        let records = self.node.records_of(Topic::Tenantless, client).unwrap();
        let why = |record: &Value| record["value"]["why"].as_str().unwrap().to_owned();
        records.iter().map(why).collect()
    }

    /// Messages that inventory got about the client.
    fn told(&self, client: &str) -> usize {
        self.node.inventory(client).unwrap().len()
    }

    /// Waits until the API lists just these.
    fn listed(&self, clients: &[&str]) {
        eventually(&format!("the API to list {clients:?}"), || {
            let mut listed = self.node.api_list()?;
            listed.sort();
            Ok((listed == clients).then_some(()))
        })
        .unwrap();
    }
}

fn failures(row: &Value) -> u64 {
    row["tenant_lookup_failure_count"].as_u64().unwrap()
}

fn asked_at(row: &Value) -> Option<i64> {
    row["tenant_lookup_timestamp"].as_i64()
}

/// Online without a tenant, and the look-up answered.
fn is_tenantless(row: &Value) -> bool {
    row["org_id"] == "" && row["account"] == "" && row["lookup"].is_null()
}

/// With a tenant, as the seed says: timestamp null, count 0.
fn is_known(row: &Value) -> bool {
    row["org_id"] == "10000"
        && row["account"] == "111000"
        && row["tenant_lookup_timestamp"].is_null()
        && row["tenant_lookup_failure_count"] == 0
        && row["lookup"].is_null()
}

#[test]
fn a_tenantless_client_connects_and_stays_connected_unseen() {
    let system = System::start("stays", Mood::Empty, "25h");
    let client = "nobodys-1";
    let topic = payload::status_topic(client);
    let will = Will {
        topic: &topic,
        payload: &payload::offline(),
    };
    let _device = Device::connect(system.mosquitto.address, client, &will).unwrap();
    system.online(client, "m-1");
    let row = system.row(client, "tenantless", is_tenantless);
    assert_eq!(row["presence"], "online");
    assert!(asked_at(&row).is_some(), "{row}");
    assert!(
        asked_at(&row) >= row["session"]["received_at"].as_i64(),
        "{row}"
    );
    system.row(client, "ignored", |row| failures(row) > X);
    // Another one that is let through shows what this one could have shown.
    system.gateway.be(Mood::Well).unwrap();
    system.online("known-1", "m-1");
    system.row("known-1", "known", is_known);
    system.listed(&["known-1"]);
    let status = system.node.api_status(client).unwrap();
    assert_eq!(status["status"], "disconnected");
    assert_eq!(system.told("known-1"), 1);
    assert_eq!(system.told(client), 0);
    assert_eq!(system.node.events(client).unwrap(), ["connected"]);
    // Nobody sent it a reconnect, or anything else.
    assert_eq!(
        system.node.records(Topic::Outbox).unwrap(),
        [] as [Value; 0]
    );
    let row = system.node.row(client).unwrap().unwrap();
    assert_eq!(row["presence"], "online");
}

#[test]
fn an_online_with_a_tenant_begins_without_failures() {
    let system = System::start("begins", Mood::Empty, "25h");
    system.online("device-1", "m-1");
    let before = system.row("device-1", "refused", |row| failures(row) > X);
    assert!(asked_at(&before).is_some(), "{before}");
    system.gateway.be(Mood::Well).unwrap();
    // It is ignored until it comes again.
    system.online("device-1", "m-2");
    system.row("device-1", "known", is_known);
    system.listed(&["device-1"]);
    assert_eq!(system.told("device-1"), 1);
}

#[test]
fn an_online_whose_tenant_is_gone_makes_it_tenantless() {
    let system = System::start("gone", Mood::Well, "25h");
    system.online("device-1", "m-1");
    system.row("device-1", "known", is_known);
    system.listed(&["device-1"]);
    system.gateway.be(Mood::Empty).unwrap();
    system.online("device-1", "m-2");
    let row = system.row("device-1", "tenantless", is_tenantless);
    assert!(asked_at(&row).is_some(), "{row}");
    assert_eq!(row["presence"], "online");
    system.listed(&[]);
    assert_eq!(system.told("device-1"), 1);
}

#[test]
fn an_offline_takes_the_connection_away() {
    let system = System::start("offline", Mood::Well, "25h");
    for client in ["goes", "stays"] {
        system.online(client, "m-1");
        system.row(client, "known", is_known);
    }
    system.listed(&["goes", "stays"]);
    system
        .node
        .publish_status("goes", &payload::offline())
        .unwrap();
    system.row("goes", "offline", |row| row["presence"] == "offline");
    system.listed(&["stays"]);
    let status = system.node.api_status("goes").unwrap();
    assert_eq!(status["status"], "disconnected");
}

#[test]
fn the_stale_processor_confirms_a_tenant_and_tells_inventory() {
    let system = System::start("confirms", Mood::Well, "600ms");
    system.online("device-1", "m-1");
    let first = system.row("device-1", "known", is_known);
    eventually("inventory to be told anew, twice", || {
        Ok((system.told("device-1") >= 3).then_some(()))
    })
    .unwrap();
    let row = system.row("device-1", "known", is_known);
    assert_eq!(row["stale_timestamp"], first["stale_timestamp"]);
    let why = system.asked("device-1");
    assert_eq!(why[0], "registration");
    assert!(why[1..].iter().all(|why| why == "refresh"), "{why:?}");
}

#[test]
fn the_stale_processor_takes_a_tenant_away_and_leaves_the_tenantless_alone() {
    let system = System::start("takes", Mood::Well, "600ms");
    system.online("device-1", "m-1");
    let first = system.row("device-1", "known", is_known);
    system.gateway.be(Mood::Empty).unwrap();
    let row = system.row("device-1", "tenantless", |row| {
        is_tenantless(row) && failures(row) == 1
    });
    assert!(asked_at(&row).is_some(), "{row}");
    assert_eq!(row["stale_timestamp"], first["stale_timestamp"]);
    system.listed(&[]);
    // From now on it is the tenantless processor's.
    system.row("device-1", "ignored", |row| failures(row) > X);
    let why = system.asked("device-1");
    let refused = why.iter().rposition(|why| why == "refresh").unwrap();
    let after = &why[refused + 1..];
    assert_eq!(after, vec!["retry"; X as usize], "{why:?}");
}

#[test]
fn the_tenantless_processor_counts_what_fails_and_ignores_it_after_x_times() {
    let system = System::start("counts", Mood::Empty, "25h");
    system.online("old", "m-1");
    let first = system.row("old", "tenantless", is_tenantless);
    assert_eq!(failures(&first), 0, "registration is no failed retry");
    let mut seen = asked_at(&first).unwrap();
    for count in 1..=X + 1 {
        let row = system.row("old", "refused again", |row| failures(row) >= count);
        let at = asked_at(&row).unwrap();
        assert!(at > seen, "{row}");
        assert_eq!(row["stale_timestamp"], first["stale_timestamp"]);
        seen = at;
    }
    // As long as another one takes for all of its retries, this one is not asked for.
    system.online("young", "m-1");
    system.row("young", "ignored", |row| failures(row) > X);
    let row = system.node.row("old").unwrap().unwrap();
    assert_eq!((failures(&row), asked_at(&row)), (X + 1, Some(seen)));
    let mut all = vec!["registration"];
    all.extend(vec!["retry"; X as usize + 1]);
    assert_eq!(system.asked("old"), all);
    // A new session begins anew.
    system
        .node
        .publish_status("old", &payload::offline())
        .unwrap();
    system.row("old", "offline", |row| row["presence"] == "offline");
    system.online("old", "m-2");
    system.row("old", "counted anew", |row| {
        row["presence"] == "online" && (1..=X).contains(&failures(row))
    });
}

#[test]
fn the_tenantless_processor_records_a_tenant_that_it_finds() {
    let system = System::start("finds", Mood::Empty, "25h");
    system.online("device-1", "m-1");
    let first = system.row("device-1", "refused", |row| failures(row) >= 1);
    system.gateway.be(Mood::Well).unwrap();
    let row = system.row("device-1", "known", is_known);
    assert_eq!(row["stale_timestamp"], first["stale_timestamp"]);
    system.listed(&["device-1"]);
    system
        .node
        .wait_for_events("device-1", &["connected", "tenant-found"])
        .unwrap();
    // At once, and not when it would have gone stale.
    eventually("inventory to be told", || {
        Ok((system.told("device-1") == 1).then_some(()))
    })
    .unwrap();
    // Known, it is not the tenantless processor's any more.
    let why = system.asked("device-1");
    system.gateway.be(Mood::Empty).unwrap();
    system.online("other", "m-1");
    system.row("other", "ignored", |row| failures(row) > X);
    assert_eq!(system.asked("device-1"), why);
    assert!(is_known(&system.node.row("device-1").unwrap().unwrap()));
}

#[test]
fn the_oldest_is_asked_for_first() {
    let system = System::start("oldest", Mood::Empty, "25h");
    let clients: Vec<String> = (0..12).map(|n| format!("device-{n}")).collect();
    for client in &clients {
        system.online(client, "m-1");
        // Its timestamp is the answer's, so the next one's is later.
        system.row(client, "tenantless", is_tenantless);
    }
    for client in &clients {
        system.row(client, "ignored", |row| failures(row) > X);
    }
    // In each partition, for its batches are its own.
    let mut asked = system.node.records(Topic::Tenantless).unwrap();
    asked.retain(|record| record["value"]["why"] == "retry");
    for partition in 0..rollcall_tests::kafka_node::PARTITIONS {
        let own = asked
            .iter()
            .filter(|record| record["partition"] == partition);
        let mut first: Vec<&str> = Vec::new();
        for client in own.filter_map(|record| record["key"].as_str()) {
            if !first.contains(&client) {
                first.push(client);
            }
        }
        let rank = |client: &&str| clients.iter().position(|one| one == client);
        assert!(first.is_sorted_by_key(rank), "{first:?}");
    }
}

#[test]
fn a_service_that_is_down_slow_or_wrong_is_no_answer() {
    let mut system = System::start("down", Mood::Well, "600ms");
    system.online("known", "m-1");
    system.row("known", "known", is_known);
    for (number, mood) in [None, Some(Mood::Slow(2_000)), Some(Mood::Broken(500))]
        .into_iter()
        .enumerate()
    {
        match mood {
            None => system.gateway.kill().unwrap(),
            Some(mood) => system.gateway.be(mood).unwrap(),
        }
        let late = format!("late-{number}");
        system.online(&late, "m-1");
        let row = system.row(&late, "asked for again", |row| {
            row["lookup"]["attempt"].as_u64() >= Some(3)
        });
        assert_eq!((row["org_id"].as_str(), failures(&row)), (Some(""), 0));
        let known = system.row("known", "looked up", |row| row["lookup"].is_object());
        assert_eq!(known["org_id"], "10000");
        assert_eq!(failures(&known), 0);
        let listed = system.node.api_list().unwrap();
        assert!(listed.contains(&"known".to_owned()), "{mood:?}: {listed:?}");
        assert!(!listed.contains(&late), "{mood:?}: {listed:?}");
        match mood {
            None => system.gateway.restart(Mood::Well).unwrap(),
            Some(_) => system.gateway.be(Mood::Well).unwrap(),
        }
        system.row(&late, "known", is_known);
        system.row("known", "confirmed", is_known);
    }
}
