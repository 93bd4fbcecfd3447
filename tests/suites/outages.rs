//! Does an outage show within 5 s, in probes, metrics, log and API; does everything go on when it
//! is over; and does a stop end in time whatever is down?
//!
//! The rows of docs/operations.md, one function each, on one set-up, one after the other: each
//! begins with a node that is ready, and leaves everything whole.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rollcall_tests::gateway::{GatewayProcess, Mood};
use rollcall_tests::http::{self, Reply};
use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_node::Site;
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::mqtt::{self, Publish};
use rollcall_tests::records::IDENTITY_10000;
use rollcall_tests::registry::Registry;
use rollcall_tests::tidy::{docs, tree};
use rollcall_tests::{Rollcall, eventually, payload};
use serde_json::Value;

/// What docs/operations.md promises.
const SHOWS_WITHIN: Duration = Duration::from_secs(5);
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// How long the broker is away: what is tried is what is said of it meanwhile.
const OUTAGE: Duration = Duration::from_secs(12);

/// Lines about an outage, at most: each part that meets it says so once.
const LINES_MAX: usize = 25;

const MESSAGE: &str = r#"{"directive": "echo", "payload": "hello"}"#;

/// A system on Kafka, and all that stands outside of it.
struct Place {
    kafka: Kafka,
    registry: Registry,
    gateway: GatewayProcess,
    mosquitto: Mosquitto,
    site: Site,
    /// Devices so far.
    devices: usize,
}

impl Place {
    fn new() -> Self {
        let kafka = std::thread::spawn(|| Kafka::start().unwrap());
        let registry = Registry::start().unwrap();
        let kafka = kafka.join().unwrap();
        let program = env!("CARGO_BIN_EXE_auth-gateway");
        let gateway = GatewayProcess::start(program, Mood::Well).unwrap();
        let mosquitto = Mosquitto::start().unwrap();
        let tenant = format!(
            "kind = \"gateway\"\nurl = {:?}\ntimeout = \"500ms\"\nfound_for = \"1ms\"",
            gateway.url()
        );
        let lines = format!("[registry]\nurl = {:?}\nregister = true\n", registry.url());
        let site = Site::new(&kafka, "outages", &mosquitto.url()).unwrap();
        Self {
            site: site.asking(&tenant).with(&lines),
            kafka,
            registry,
            gateway,
            mosquitto,
            devices: 0,
        }
    }

    /// A node with all roles that does its work.
    fn node(&mut self) -> Rollcall {
        let node = self.site.run("node", &[]).unwrap();
        self.works(&node);
        node
    }

    /// A device comes online and is known.
    fn works(&mut self, node: &Rollcall) -> String {
        self.devices += 1;
        let client = format!("device-{}", self.devices);
        let handshake = payload::handshake("m-1");
        node.publish_status(&client, &handshake).unwrap();
        let is_known = |row: &Value| row["org_id"] == "10000" && row["lookup"].is_null();
        node.wait_for_row(&client, "known", is_known).unwrap();
        client
    }

    /// Publishes that nobody acknowledges while the log is down: they are on their way.
    fn publish_in_vain(&self) {
        let address = self.mosquitto.address;
        std::thread::spawn(move || {
            let payload = payload::handshake("m-2");
            let publish = Publish {
                topic: &payload::status_topic("in-vain"),
                payload: payload.as_bytes(),
                retain: false,
            };
            // The broker may go meanwhile.
            drop(mqtt::try_publish(address, &publish));
        });
    }
}

/// `/readyz`.
fn ready(node: &Rollcall) -> (u16, Value) {
    let reply = node.ops("/readyz").unwrap();
    (reply.status, reply.json().unwrap())
}

/// Waits until `/readyz` says what is wanted, which has to be soon after `began`.
fn shows(
    node: &Rollcall,
    began: Instant,
    what: &str,
    holds: impl Fn(u16, &Value) -> bool,
) -> Value {
    let told = eventually(what, || {
        let (status, told) = ready(node);
        anyhow::ensure!(holds(status, &told), "{status} {told}");
        Ok(Some(told))
    });
    let told = told.unwrap_or_else(|error| panic!("{error:#}\n{}", node.tail()));
    let took = began.elapsed();
    assert!(took < SHOWS_WITHIN, "{what} took {took:?}");
    told
}

/// Whether the node is not ready because of that check, and its reason names `word`.
fn waits_for(check: &str, word: &str) -> impl Fn(u16, &Value) -> bool + use<> {
    let (check, word) = (check.to_owned(), word.to_owned());
    move |status, told| {
        let found = &told["checks"][&check];
        status == 503 && told["status"] == "waiting" && is(found, "waiting", &word)
    }
}

/// Whether the node is ready although that does not answer.
fn goes_on_without(check: &str, word: &str) -> impl Fn(u16, &Value) -> bool + use<> {
    let (check, word) = (check.to_owned(), word.to_owned());
    move |status, told| status == 200 && is(&told["checks"][&check], "degraded", &word)
}

fn is(check: &Value, state: &str, word: &str) -> bool {
    let has = |member: &str, word: &str| check[member].as_str().is_some_and(|it| it.contains(word));
    check["state"] == state && has("reason", word) && has("since", "T")
}

fn is_ready(status: u16, told: &Value) -> bool {
    let mut checks = told["checks"].as_object().unwrap().values();
    status == 200 && checks.all(|check| check["state"] == "ready")
}

/// The value of one sample of `/metrics`.
fn metric(node: &Rollcall, name: &str) -> f64 {
    let metrics = node.ops("/metrics").unwrap().body;
    let prefix = format!("{name} ");
    let mut lines = metrics.lines();
    let found = lines.find_map(|line| line.strip_prefix(&prefix)?.parse().ok());
    found.unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

fn is_metric(node: &Rollcall, name: &str, wanted: f64) {
    eventually(name, || {
        let found = metric(node, name);
        anyhow::ensure!(found == wanted, "{name} is {found}");
        Ok(Some(()))
    })
    .unwrap();
}

/// Log lines that hold all of `words`.
fn lines(node: &Rollcall, words: &[&str]) -> usize {
    let mut count = 0;
    node.said::<()>(|line| {
        count += usize::from(words.iter().all(|word| line.contains(word)));
        None
    });
    count
}

/// Asks for a message to be sent to `client`.
fn send(node: &Rollcall, client: &str) -> Reply {
    let path = format!("/api/cloud-connector/v2/connections/{client}/message");
    let url = format!("http://{}{path}", node.http);
    http::post(&url, &[("x-rh-identity", IDENTITY_10000)], MESSAGE).unwrap()
}

/// SIGTERM: everything is put down in time and in order.
fn ends_in_time(mut node: Rollcall) {
    let began = Instant::now();
    node.signal("TERM").unwrap();
    let status = node.wait_for_end().unwrap();
    let took = began.elapsed();
    let said = node.tail();
    assert!(took < ENDS_WITHIN, "the stop took {took:?}:\n{said}");
    assert!(status.success(), "{status}:\n{said}");
    println!("ended after {took:?}");
}

/// Waits until `began` is so long ago: the length of the outage is what is tried.
fn lasts(began: Instant, outage: Duration) {
    std::thread::sleep(outage.saturating_sub(began.elapsed()));
}

#[test]
fn outages_show_at_once_and_end_without_a_trace() {
    let mut place = Place::new();
    let node = place.node();
    everything_is_counted_from_the_start(&node);
    let node = the_auth_gateway_killed(&mut place, node);
    let node = the_schema_registry_killed(&mut place, node);
    let node = the_mqtt_broker_killed(&mut place, node);
    let node = the_only_broker_hangs(&mut place, node);
    let node = the_only_broker_killed(&mut place, node);
    let node = everything_hangs_at_a_stop(&mut place, node);
    everything_killed_at_a_stop(&mut place, node);
    a_stop_while_the_start_waits_for_brokers(&place);
}

/// Nobody can alert on what is not there. Histograms need a sample, and a route a request.
fn everything_is_counted_from_the_start(node: &Rollcall) {
    let document = tree::read(docs::METRICS).unwrap();
    let shown = node.ops("/metrics").unwrap().body;
    let names = |line: &str| line.split(['{', ' ']).next().map(str::to_owned);
    let shown: BTreeSet<String> = shown.lines().filter_map(names).collect();
    let is_wanted = |line: &&str| {
        let is_elsewhere = ["rollcall_broker_", "rollcall_self_check_", "_checkpoint_"];
        line.contains("| counter |") | line.contains("| gauge |")
            && !is_elsewhere.iter().any(|part| line.contains(part))
    };
    let rows = document.lines().filter(is_wanted);
    let wanted: BTreeSet<String> = rows
        .filter_map(|row| Some(row.strip_prefix("| `")?.split('`').next()?.to_owned()))
        .collect();
    assert!(
        wanted.len() > 40,
        "the table has not been found: {wanted:?}"
    );
    let missing: Vec<_> = wanted.difference(&shown).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn the_auth_gateway_killed(place: &mut Place, node: Rollcall) -> Rollcall {
    let client = place.works(&node);
    let began = Instant::now();
    place.gateway.kill().unwrap();
    let address = place.gateway.address.to_string();
    let holds = goes_on_without("gateway", &address);
    shows(&node, began, "the gateway to be missed", holds);
    is_metric(&node, "rollcall_tenant_gateway_up", 0.0);
    // Nobody loses a tenant; who is new waits.
    assert_eq!(node.api_status(&client).unwrap()["account"], "111000");
    let handshake = payload::handshake("m-1");
    node.publish_status("waiting", &handshake).unwrap();
    let waits = |row: &Value| row["lookup"].is_object();
    node.wait_for_row("waiting", "waiting", waits).unwrap();
    assert_eq!(
        lines(&node, &["WARN", "auth gateway"]),
        1,
        "{}",
        node.tail()
    );
    place.gateway.restart(Mood::Well).unwrap();
    let is_known = |row: &Value| row["org_id"] == "10000";
    node.wait_for_row("waiting", "known", is_known).unwrap();
    eventually("the gateway to be back", || {
        let (status, told) = ready(&node);
        Ok(is_ready(status, &told).then_some(()))
    })
    .unwrap();
    is_metric(&node, "rollcall_tenant_gateway_up", 1.0);
    node
}

fn the_schema_registry_killed(place: &mut Place, node: Rollcall) -> Rollcall {
    is_metric(&node, "rollcall_registry_up", 1.0);
    let began = Instant::now();
    place.registry.gate.refuse();
    let holds = goes_on_without("registry", &place.registry.url());
    shows(&node, began, "the registry to be missed", holds);
    is_metric(&node, "rollcall_registry_up", 0.0);
    // All that is ours is known.
    place.works(&node);
    assert_eq!(
        lines(&node, &["WARN", "schema registry"]),
        1,
        "{}",
        node.tail()
    );
    place.registry.gate.open();
    is_metric(&node, "rollcall_registry_up", 1.0);
    let changes = "rollcall_registry_state_changes_total{state=\"up\"}";
    is_metric(&node, changes, 1.0);
    node
}

fn the_mqtt_broker_killed(place: &mut Place, node: Rollcall) -> Rollcall {
    let client = place.works(&node);
    let began = Instant::now();
    place.mosquitto.kill().unwrap();
    let address = place.mosquitto.address.to_string();
    shows(
        &node,
        began,
        "the broker to be missed",
        waits_for("mqtt", &address),
    );
    is_metric(&node, "rollcall_mqtt_connected{client=\"bridge\"}", 0.0);
    // The rest goes on.
    assert_eq!(node.api_status(&client).unwrap()["status"], "connected");
    assert_eq!(send(&node, &client).status, 201);
    let said = lines(&node, &["WARN", "MQTT not connected", "bridge"]);
    assert!((1..=2).contains(&said), "{said} lines: {}", node.tail());
    place.mosquitto.resume().unwrap();
    node.wait_until_ready().unwrap();
    is_metric(&node, "rollcall_mqtt_connected{client=\"bridge\"}", 1.0);
    place.works(&node);
    node
}

fn the_only_broker_hangs(place: &mut Place, node: Rollcall) -> Rollcall {
    let client = place.works(&node);
    let began = Instant::now();
    place.kafka.pause().unwrap();
    let bootstrap = place.kafka.bootstrap();
    shows(
        &node,
        began,
        "the hang to show",
        waits_for("kafka", &bootstrap),
    );
    is_metric(&node, "rollcall_kafka_up", 0.0);
    assert_eq!(send(&node, &client).status, 503);
    assert_eq!(node.ops("/livez").unwrap().status, 200);
    place.kafka.resume().unwrap();
    node.wait_until_ready().unwrap();
    is_metric(&node, "rollcall_kafka_up", 1.0);
    place.works(&node);
    node
}

fn the_only_broker_killed(place: &mut Place, node: Rollcall) -> Rollcall {
    let client = place.works(&node);
    let changes = "rollcall_kafka_state_changes_total{state=\"down\"}";
    let before = metric(&node, changes);
    let (said, answered) = (lines(&node, &[]), lines(&node, &["Kafka answers again."]));
    let began = Instant::now();
    place.kafka.kill().unwrap();
    place.publish_in_vain();
    let bootstrap = place.kafka.bootstrap();
    let told = shows(
        &node,
        began,
        "the kill to show",
        waits_for("kafka", &bootstrap),
    );
    assert_eq!(told["replica"]["lag_known"], false, "{told}");
    is_metric(&node, "rollcall_kafka_up", 0.0);
    assert_eq!(metric(&node, changes), before + 1.0);
    eventually("lag that is not 0", || {
        let lags = [
            metric(&node, "rollcall_replica_lag_seconds"),
            metric(&node, "rollcall_process_lag_seconds{partition=\"0\"}"),
        ];
        anyhow::ensure!(lags.iter().all(|lag| *lag > 0.0), "{lags:?}");
        Ok(Some(()))
    })
    .unwrap();
    // Writes are refused at once, reads go on.
    let asked = Instant::now();
    let refused = send(&node, &client);
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(refused.json().unwrap()["title"], "Log unreachable");
    assert!(asked.elapsed() < SHOWS_WITHIN);
    assert!(node.api_list().unwrap().contains(&client));
    assert_eq!(node.ops("/livez").unwrap().status, 200);
    lasts(began, OUTAGE);
    assert_eq!(
        lines(&node, &["Kafka does not answer."]),
        2,
        "{}",
        node.tail()
    );
    let more = lines(&node, &[]) - said;
    assert!(more < LINES_MAX, "{more} lines:\n{}", node.tail());
    println!("{more} lines in {OUTAGE:?}");
    place.kafka.restart().unwrap();
    node.wait_until_ready().unwrap();
    assert_eq!(
        lines(&node, &["Kafka answers again.", "held_back"]),
        answered + 1
    );
    place.works(&node);
    node.wait_for_row("in-vain", "there", |_| true).unwrap();
    node
}

fn everything_hangs_at_a_stop(place: &mut Place, node: Rollcall) -> Rollcall {
    // Batches are under way, and publishes wait for the log.
    for number in 0..20 {
        let client = format!("under-way-{number}");
        let handshake = payload::handshake("m-1");
        node.publish_status(&client, &handshake).unwrap();
    }
    place.kafka.pause().unwrap();
    place.publish_in_vain();
    eventually("a publish to wait for the log", || {
        let waiting = metric(&node, "rollcall_mqtt_in_flight{client=\"bridge\"}");
        Ok((waiting > 0.0).then_some(()))
    })
    .unwrap();
    place.mosquitto.signal("STOP").unwrap();
    place.gateway.be(Mood::Silent).unwrap();
    place.registry.gate.hold();
    ends_in_time(node);
    place.registry.gate.open();
    place.gateway.be(Mood::Well).unwrap();
    place.mosquitto.signal("CONT").unwrap();
    place.kafka.resume().unwrap();
    place.node()
}

fn everything_killed_at_a_stop(place: &mut Place, node: Rollcall) {
    let began = Instant::now();
    place.kafka.kill().unwrap();
    place.publish_in_vain();
    shows(&node, began, "the kill to show", waits_for("kafka", ""));
    place.mosquitto.kill().unwrap();
    place.gateway.kill().unwrap();
    place.registry.gate.refuse();
    ends_in_time(node);
    place.registry.gate.open();
    place.gateway.restart(Mood::Well).unwrap();
    place.mosquitto.resume().unwrap();
    place.kafka.restart().unwrap();
    let node = place.node();
    ends_in_time(node);
}

fn a_stop_while_the_start_waits_for_brokers(place: &Place) {
    place
        .site
        .at(&rollcall_tests::ports::free().unwrap().to_string());
    let said = "Kafka does not answer.";
    let began = Instant::now();
    let (status, said) = place.site.stop_once("node", said).unwrap();
    // It takes a few seconds until that is said.
    let took = began.elapsed();
    assert!(took < SHOWS_WITHIN + ENDS_WITHIN, "{took:?}: {said}");
    assert!(status.success(), "{status}: {said}");
}
