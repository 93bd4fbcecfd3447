//! The drill: 50,000 connected clients with tenants, and the auth gateway is down for two refresh
//! periods. Real Kafka, MQTT broker and gateway, all roles of `rollcall run`.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use rollcall_model::Topic;
use rollcall_tests::gateway::{GatewayProcess, Mood};
use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_node::Site;
use rollcall_tests::load::{Load, Work};
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::records::told_of;
use rollcall_tests::{Rollcall, eventually, payload, while_it_moves};

const CLIENTS: usize = 50_000;

/// Requests a second that the gateway may see.
const RATE: u64 = 2_500;

/// Longer than it takes to ask for everybody once.
const REFRESH_AFTER: Duration = Duration::from_secs(22);

/// How long nothing may move. The gateway's breaker pauses for a minute at most, and is tried by
/// the next row that asks: with the longest backoff, that is half a minute later. What one machine
/// does in that time, another needs twice as long for.
const STILL: Duration = Duration::from_secs(2 * (60 + 30));

/// Rows on a page of the API, its most.
const PAGE: usize = 1_000;

/// Requests to the gateway come this much later than they were begun, at most: when a busy machine
/// lets the resolver or the gateway wait, some come together.
const LATE_MS: u64 = 500;

/// A client that comes online once, named after its message.
fn arrives(_publisher: &str, _turn: usize, id: &str) -> (String, String) {
    (payload::status_topic(id), payload::handshake(id))
}

/// Everybody comes; gives their names.
fn arrive(mosquitto: &Mosquitto) -> BTreeSet<String> {
    let load = Load::of(Work {
        broker: mosquitto.address,
        round: 0,
        connections: 8,
        rate: None,
        message: arrives,
    });
    eventually("all clients to come", || {
        Ok((load.acknowledged() >= CLIENTS).then_some(()))
    })
    .unwrap();
    load.end().unwrap()
}

/// Look-ups answered with a tenant so far.
fn found(node: &Rollcall) -> anyhow::Result<usize> {
    let metrics = node.ops("/metrics")?.body;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("rollcall_tenant_lookups_total{outcome=\"found\"} "));
    Ok(line.map_or(Ok(0), str::parse)?)
}

/// Waits until so many look-ups were answered with a tenant.
fn wait_for_found(node: &Rollcall, count: usize) {
    while_it_moves("tenants were found", count, STILL, || found(node)).unwrap();
}

/// Everybody whom the API shows.
fn listed(node: &Rollcall) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for offset in (0..).step_by(PAGE) {
        let path = format!("/api/cloud-connector/v2/connections?limit={PAGE}&offset={offset}");
        let page = node.api(&path).unwrap().json().unwrap();
        let page = page["data"].as_array().unwrap();
        if page.is_empty() {
            return all;
        }
        let names = page
            .iter()
            .map(|row| row["client_id"].as_str().unwrap().to_owned());
        all.extend(names);
    }
    all
}

#[test]
fn an_outage_of_two_refresh_periods_costs_nobody_anything() {
    let program = env!("CARGO_BIN_EXE_auth-gateway");
    let mut gateway = GatewayProcess::start(program, Mood::Well).unwrap();
    let mosquitto = Mosquitto::start().unwrap();
    let site = Site::new(Kafka::shared(), "drill", &mosquitto.url()).unwrap();
    let url = gateway.url();
    let site = site.asking(&format!(
        "kind = \"gateway\"\nurl = \"{url}\"\nrate_per_second = {RATE}\nfound_for = \"1ms\""
    ));
    let period = REFRESH_AFTER.as_secs();
    let site = site.with(&format!(
        "[policy]\nrefresh_after = \"{period}s\"\nlookup_backoff_max = \"30s\"\n"
    ));
    let node = site.run("node", &[]).unwrap();
    let clients = arrive(&mosquitto);
    wait_for_found(&node, clients.len());
    eventually("the API to show everybody", || {
        Ok((listed(&node) == clients).then_some(()))
    })
    .unwrap();
    // Everybody is due once while it is down, and again. The outage is the fault itself.
    gateway.kill().unwrap();
    std::thread::sleep(2 * REFRESH_AFTER);
    assert!(listed(&node) == clients, "somebody is hidden");
    let before = found(&node).unwrap();
    gateway.restart(Mood::Well).unwrap();
    wait_for_found(&node, before + clients.len());
    let came = gateway.came().unwrap();
    is_at_the_rate(&came);
    assert!(listed(&node) == clients, "somebody is hidden afterwards");
    nobody_lost_a_tenant(&site, &clients);
    inventory_is_consistent(&site, &clients);
    assert!(node.terminate().unwrap().success());
}

/// Not more than the gateway may see: over all of it by a hundredth, and in no second as if the
/// waiting had come at once.
fn is_at_the_rate(came: &[u64]) {
    let (count, took) = (came.len() as u64, *came.last().unwrap());
    let allowed = RATE * (took + LATE_MS) / 1_000;
    assert!(
        count <= allowed + allowed / 100,
        "{count} requests in {took} ms"
    );
    let mut from = 0;
    for (number, at) in came.iter().enumerate() {
        while at - came[from] >= 1_000 {
            from += 1;
        }
        let within = (number - from) as u64;
        let allowed = RATE * (1_000 + LATE_MS) / 1_000;
        assert!(within <= allowed, "{within} requests within a second");
    }
    println!("caught up: {count} requests in {took} ms");
}

fn nobody_lost_a_tenant(site: &Site, clients: &BTreeSet<String>) {
    let mut kinds: HashMap<String, usize> = HashMap::new();
    site.each_record(Topic::Events, |record| {
        let kind = record["value"]["kind"].as_str().unwrap().to_owned();
        *kinds.entry(kind).or_default() += 1;
    })
    .unwrap();
    let count = clients.len();
    let expected = [("connected", count), ("tenant-found", count)];
    let expected = expected.map(|(kind, count)| (kind.to_owned(), count));
    assert_eq!(kinds, HashMap::from(expected));
}

/// Everybody was told when his tenant was found, and again after the outage, each message once.
fn inventory_is_consistent(site: &Site, clients: &BTreeSet<String>) {
    let mut all = HashMap::new();
    let again = while_it_moves("were told again", clients.len(), STILL, || {
        let (mut told, mut requests) = (HashMap::<String, usize>::new(), HashSet::new());
        site.each_record(Topic::Inventory, |record| {
            let (data, about) = (
                &record["value"]["data"],
                &record["value"]["platform_metadata"],
            );
            assert_eq!(data["org_id"], "10000");
            assert!(
                requests.insert(about["request_id"].to_string()),
                "twice the same: {record}"
            );
            let client = told_of(&record).unwrap();
            *told.entry(client).or_default() += 1;
        })?;
        all = told;
        let again = clients.iter().filter(|client| all.get(*client) >= Some(&2));
        Ok(again.count())
    });
    again.unwrap();
    assert_eq!(all.len(), clients.len());
}
