//! Does `rollcall run` on Kafka do what one node does: rows, answers, dead letters, deliveries; in
//! one process, in two that share the roles, and through a secured listener?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use rollcall_model::Topic;
use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_node::{PARTITIONS, Site};
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::mqtt::{Device, Will};
use rollcall_tests::records::IDENTITY_10000;
use rollcall_tests::{Rollcall, eventually, http, payload};
use serde_json::Value;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

fn is_settled(row: &Value) -> bool {
    row["presence"] == "online" && row["org_id"] == "10000" && row["lookup"].is_null()
}

/// Topics on the shared broker, and an MQTT broker.
fn site(name: &str, clients: &[&str]) -> (Site, Mosquitto) {
    let mosquitto = Mosquitto::start().unwrap();
    let site = Site::new(Kafka::shared(), name, &mosquitto.url()).unwrap();
    let clients: Vec<String> = clients.iter().map(|&client| client.to_owned()).collect();
    site.know(&clients).unwrap();
    (site, mosquitto)
}

/// Standard output, standard error and exit code.
fn said(site: &Site, args: &[&str]) -> (String, String, Option<i32>) {
    let output = site.command(args).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

fn online(rollcall: &Rollcall, client: &str, id: &str) {
    rollcall
        .publish_status(client, &payload::handshake(id))
        .unwrap();
}

/// What the operator sees of a client that came and has a tenant.
fn is_known(rollcall: &Rollcall, client: &str) {
    rollcall
        .wait_for_row(client, "settled", is_settled)
        .unwrap();
    rollcall
        .wait_for_events(client, &["connected", "tenant-found"])
        .unwrap();
    assert_eq!(rollcall.inventory(client).unwrap().len(), 1);
}

/// Posts a message to a client that listens; it arrives.
fn deliver(api: &Rollcall, mosquitto: &Mosquitto, client: &str) {
    let topic = payload::status_topic(client);
    let will = Will {
        topic: &topic,
        payload: &payload::offline(),
    };
    let device = Device::connect(mosquitto.address, client, &will).unwrap();
    let path = format!("/api/cloud-connector/v2/connections/{client}/message");
    let url = format!("http://{}{path}", api.http);
    let body = r#"{"directive": "echo", "payload": "hello"}"#;
    eventually("the API to know the client", || {
        let reply = http::post(&url, &[("x-rh-identity", IDENTITY_10000)], body)?;
        anyhow::ensure!(reply.status == 201, "{} {}", reply.status, reply.body);
        Ok(Some(()))
    })
    .unwrap();
    device.heard("echo").unwrap();
}

#[test]
fn one_process_does_everything_and_a_restart_keeps_it() {
    let (site, mosquitto) = site("one", &["device"]);
    let rollcall = site.run("node", &[]).unwrap();
    online(&rollcall, "device", "id-1");
    online(&rollcall, "nobodys", "id-2");
    is_known(&rollcall, "device");
    let tenantless = rollcall.wait_for_row("nobodys", "tenantless", |row| {
        row["org_id"] == "" && row["lookup"].is_null()
    });
    assert!(!tenantless.unwrap()["tenant_lookup_timestamp"].is_null());
    assert_eq!(rollcall.inventory("nobodys").unwrap().len(), 0);
    let poison = payload::status_topic("device");
    rollcall.publish(&poison, b"{\"type\": ", false).unwrap();
    let letter = eventually("the dead letter", || {
        Ok(rollcall.records(Topic::DeadLetters)?.into_iter().next())
    })
    .unwrap();
    assert_eq!(letter["key"], "device", "{letter}");
    deliver(&rollcall, &mosquitto, "device");
    eventually("the API's list", || {
        Ok((rollcall.api_list()? == ["device"]).then_some(()))
    })
    .unwrap();

    // The same from Kafka itself, without asking the node.
    let changelog = site.records(Topic::Connections).unwrap();
    assert!(changelog.iter().any(|record| record["key"] == "nobodys"));
    let (lines, error, code) = said(
        &site,
        &["tail", "events", "--from", "beginning", "--no-follow"],
    );
    assert_eq!(code, Some(0), "{error}");
    assert!(lines.contains("tenant-found"), "{lines}");

    let device = rollcall.wait_for_row("device", "offline", |row| row["presence"] == "offline");
    let before = (device.unwrap(), rollcall.row("nobodys").unwrap());
    let status = rollcall.terminate().unwrap();
    assert_eq!(status.code(), Some(0), "exit code after SIGTERM");
    let rollcall = site.run("node", &[]).unwrap();
    let after = ["device", "nobodys"].map(|client| rollcall.row(client).unwrap());
    assert_eq!(after, [Some(before.0), before.1], "rows as they were");
    online(&rollcall, "device", "id-3");
    rollcall.wait_for_row("device", "back", is_settled).unwrap();
    assert_eq!(rollcall.records(Topic::DeadLetters).unwrap(), [letter]);
    assert!(rollcall.terminate().unwrap().success());
}

#[test]
fn two_processes_share_the_roles() {
    let (site, mosquitto) = site("two", &["device"]);
    let edge = site.run("edge", &["bridge", "api"]).unwrap();
    let core = site.run("core", &["process", "resolve", "send"]).unwrap();
    online(&edge, "device", "id-1");
    is_known(&edge, "device");
    // Only who answers for rows keeps them; the other says who that is.
    let reply = core.ops("/ops/connections/device").unwrap();
    assert_eq!(reply.status, 501, "{}", reply.body);
    assert!(reply.body.contains("no API role"), "{}", reply.body);
    deliver(&edge, &mosquitto, "device");
    assert_eq!(edge.api_status("device").unwrap()["account"], "111000");
    let metrics = core.ops("/metrics").unwrap().body;
    assert!(
        metrics.contains("rollcall_process_derived_total"),
        "{metrics}"
    );
    for rollcall in [core, edge] {
        assert!(rollcall.terminate().unwrap().success());
    }
}

#[test]
fn ready_means_assigned_and_restored() {
    let (site, _mosquitto) = site("ready", &["device"]);
    let rollcall = site.run("node", &["process"]).unwrap();
    // Whoever is ready has its partitions, all of them restored.
    let checks = rollcall.ops("/readyz").unwrap().json().unwrap()["checks"].take();
    for partition in 0..PARTITIONS {
        let check = &checks[format!("processor-{partition}")];
        assert_eq!(check["state"], "ready", "{checks}");
    }
    assert!(rollcall.terminate().unwrap().success());
}

#[test]
fn topics_are_made_compared_and_mended() {
    let kafka = Kafka::shared();
    let site = Site::without_topics(kafka, "topics", "").unwrap();
    let (differences, _, code) = said(&site, &["topics", "diff"]);
    assert_eq!(code, Some(1), "{differences}");
    assert!(
        differences.contains("topics.status: is not there"),
        "{differences}"
    );
    assert_eq!(differences.lines().count(), Topic::ALL.len());
    let (status, error) = site.run_to_end("node", &["process"]).unwrap();
    assert_eq!(status.code(), Some(1), "{error}");
    for word in ["topics.status", "run `rollcall topics apply`"] {
        assert!(error.contains(word), "no {word} in: {error}");
    }
    let made = site.apply().unwrap();
    assert!(made.contains("topics.schedule: made"), "{made}");
    assert_eq!(
        said(&site, &["topics", "diff"]),
        ("equal\n".to_owned(), String::new(), Some(0))
    );
    assert_eq!(site.apply().unwrap(), "", "nothing is left to do");
}

#[test]
fn topics_that_do_not_fit_are_refused_with_the_remedy() {
    let kafka = Kafka::shared();
    let site = Site::without_topics(kafka, "unequal", "").unwrap();
    kafka.create_topic("unequal.messages", 2).unwrap();
    let (_, error, code) = said(&site, &["topics", "apply"]);
    assert_eq!(code, Some(1), "{error}");
    let remedy = "unequal.messages: has 2 partitions, [kafka] partitions asks for 4; set it to 2";
    assert!(error.contains(remedy), "{error}");
    let (status, error) = site.run_to_end("node", &["process"]).unwrap();
    assert_eq!(status.code(), Some(1), "{error}");
    for word in ["unequal.messages has 2 partitions", "replay the inputs"] {
        assert!(error.contains(word), "no {word} in: {error}");
    }
    let described = kafka.tool(TOPICS, &["--describe", "--topic", "unequal.messages"], "");
    assert!(described.unwrap().contains("PartitionCount: 2"));
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let site = Site::without_topics(Kafka::shared(), "nowhere", "").unwrap();
    let nobody = rollcall_tests::ports::free().unwrap().to_string();
    site.at(&nobody);
    let (status, error) = site.run_to_end("node", &["process"]).unwrap();
    assert_eq!(status.code(), Some(1), "{error}");
    let last = error.lines().last().unwrap();
    assert!(last.contains(&nobody) && last.contains("reach"), "{error}");
}

#[test]
fn a_secured_listener_is_reached_and_the_password_is_not_shown() {
    let kafka = Kafka::builder().secured().start().unwrap();
    let mosquitto = Mosquitto::start().unwrap();
    let secured = kafka.secured().unwrap();
    let lines = |password: &str| {
        let properties = secured.properties.iter();
        let own = properties.filter(|(name, _)| *name != "bootstrap.servers");
        let line = |(name, value): &(&str, String)| match *name {
            "sasl.password" => format!("{name:?} = {password:?}\n"),
            _ => format!("{name:?} = {value:?}\n"),
        };
        format!("[kafka.properties]\n{}", own.map(line).collect::<String>())
    };
    let password = "the-password";
    let site = Site::without_topics(&kafka, "secured", &mosquitto.url()).unwrap();
    let site = site.with(&lines(password));
    site.at(&secured.address.to_string());
    site.know(&["device".to_owned()]).unwrap();
    site.apply().unwrap();
    let rollcall = site.run("node", &[]).unwrap();
    online(&rollcall, "device", "id-1");
    is_known(&rollcall, "device");
    assert!(!rollcall.tail().contains(password));
    assert!(rollcall.terminate().unwrap().success());

    let (shown, error, code) = said(&site, &["config"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(shown.contains("SCRAM-SHA-512"), "{shown}");
    assert!(!shown.contains(password), "{shown}");

    let site = Site::without_topics(&kafka, "secured", "").unwrap();
    let site = site.with(&lines("another"));
    site.at(&secured.address.to_string());
    let (status, error) = site.run_to_end("node", &["process"]).unwrap();
    assert_eq!(status.code(), Some(1), "{error}");
    assert!(error.contains("uthentication"), "{error}");
}
