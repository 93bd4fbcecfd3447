//! Does the deployed ingress topic come over as the bridge would have written it, continuously, and
//! without harm when it comes twice?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::process::Command;

use rollcall_model::Topic;
use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_node::Site;
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::{Rollcall, eventually, payload};
use serde_json::{Value, json};

const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";

/// What yggd publishes on its control topic.
fn status(state: &str, id: &str) -> String {
    let facts = json!({"fqdn": "h", "insights_id": "cabb61b6-e61d-4d70-b475-01f5c009e93c"});
    json!({
        "type": "connection-status", "message_id": id, "version": 1,
        "sent": "2026-08-20T10:00:00.123456789Z",
        "content": {
            "canonical_facts": facts, "dispatchers": {"rhc-worker-playbook": {}}, "state": state,
        },
    })
    .to_string()
}

/// A record as the deployed bridge writes it, as a line for Kafka's console producer.
fn line(topic: &str, client: &str, received: &str, payload: &str) -> String {
    format!("topic:{topic},mqtt_message_id:7,date_received:{received}\t{client}\t{payload}\n")
}

fn control(client: &str, payload: &str) -> String {
    line(
        &payload::control_topic(client),
        client,
        "2026-08-20T10:00:01.5Z",
        payload,
    )
}

fn produce(topic: &str, lines: &str) {
    let properties = ["parse.key=true", "parse.headers=true"];
    let properties = properties
        .iter()
        .flat_map(|property| ["--reader-property", property]);
    let args: Vec<_> = ["--topic", topic].into_iter().chain(properties).collect();
    Kafka::shared().tool(PRODUCER, &args, lines).unwrap();
}

/// A system, a deployed topic, and clients that belong to organisation 10000.
fn site(name: &str, clients: &[&str]) -> (Site, Mosquitto, Rollcall, String) {
    let mosquitto = Mosquitto::start().unwrap();
    let site = Site::new(Kafka::shared(), name, &mosquitto.url()).unwrap();
    let clients: Vec<_> = clients.iter().map(|&client| client.to_owned()).collect();
    site.know(&clients).unwrap();
    let topic = format!("deployed-{name}");
    Kafka::shared().create_topic(&topic, 3).unwrap();
    let rollcall = site.run("node", &["process", "resolve", "api"]).unwrap();
    (site, mosquitto, rollcall, topic)
}

/// Brings everything that is there; gives standard output.
fn import(site: &Site, topic: &str, more: &[&str]) -> String {
    let args = [&["import", "--from-topic", topic, "--until-end"], more].concat();
    let output = site.command(&args).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn is_online(row: &Value) -> bool {
    row["presence"] == "online" && row["org_id"] == "10000" && row["lookup"].is_null()
}

#[test]
fn what_the_deployed_bridge_wrote_is_folded() {
    let (site, _mosquitto, rollcall, topic) = site("raw", &["came", "went"]);
    let data = json!({
        "type": "data", "message_id": "d-1", "response_to": "", "version": 1,
        "sent": "2026-08-20T10:00:00Z", "directive": "echo", "metadata": {}, "content": 1,
    });
    let received = "2026-08-20T10:00:02Z";
    let lines = [
        control("came", &status("online", "id-1")),
        line(
            "redhat/insights/came/data/out",
            "came",
            received,
            &data.to_string(),
        ),
        control("went", &status("online", "id-2")),
        control("went", &status("offline", "id-3")),
        control("came", r#"{"type": "#),
        line("someone/elses/topic", "came", received, "{}"),
        "mqtt_message_id:7\tnobody\t{}\n".to_owned(),
    ];
    produce(&topic, &lines.concat());
    let said = import(&site, &topic, &[]);
    assert!(said.contains("5 records written"), "{said}");
    assert!(said.contains("1 dead letters"), "{said}");
    assert!(said.contains("1 left out"), "{said}");
    let row = rollcall.wait_for_row("came", "online", is_online).unwrap();
    assert_eq!(row["session"]["online_message_id"], "id-1", "{row}");
    assert_eq!(row["dialect"], "rhc", "{row}");
    rollcall
        .wait_for_row("went", "offline", |row| row["presence"] == "offline")
        .unwrap();
    let status = rollcall.records_of(Topic::Status, "came").unwrap();
    let ingress = &status[0]["value"];
    assert_eq!(ingress["bridge"], "import", "{ingress}");
    assert_eq!(ingress["mqtt_topic"], "redhat/insights/came/control/out");
    assert_eq!(
        rollcall.records_of(Topic::Messages, "came").unwrap().len(),
        1
    );
    let letters = eventually("both dead letters", || {
        let letters = rollcall.records(Topic::DeadLetters)?;
        Ok((letters.len() == 2).then_some(letters))
    })
    .unwrap();
    let mut found: Vec<_> = letters
        .iter()
        .map(|letter| {
            (
                letter["value"]["stage"].as_str(),
                letter["value"]["reason"].as_str(),
            )
        })
        .collect();
    found.sort_unstable();
    let expected = [("import", "misplaced"), ("processor", "malformed_json")];
    assert_eq!(
        found,
        expected.map(|(stage, reason)| (Some(stage), Some(reason)))
    );

    let said = import(&site, &topic, &[]);
    assert!(said.contains("0 records written"), "{said}");
}

#[test]
fn what_comes_twice_leaves_everyone_as_they_are() {
    let (site, _mosquitto, rollcall, topic) = site("twice", &["stays", "flaps", "gone"]);
    let lines = [
        control("stays", &status("online", "s-1")),
        control("flaps", &status("online", "f-1")),
        control("flaps", &status("offline", "will")),
        control("flaps", &status("online", "f-2")),
        control("gone", &status("online", "g-1")),
        control("gone", &status("offline", "will")),
    ];
    produce(&topic, &lines.concat());
    let runs: [(&str, &[&str]); 3] = [("a", &[]), ("b", &[]), ("c", &["--beside-bridge"])];
    for (times, (group, more)) in (1..).zip(runs) {
        let said = import(&site, &topic, &[&["--group", group], more].concat());
        assert!(said.contains("6 records written"), "{said}");
        // The last that each of them brings, every time.
        let ends = [
            ("flaps", "connected", times + 1),
            ("gone", "disconnected", times),
        ];
        for (client, kind, count) in ends {
            eventually("the last event", || {
                let events = rollcall.events(client)?;
                let found = events.iter().filter(|event| *event == kind).count();
                anyhow::ensure!(found <= count, "{client}: {events:?}");
                Ok((found == count).then_some(()))
            })
            .unwrap();
        }
        let presence = |client: &str| rollcall.row(client).unwrap().unwrap()["presence"].clone();
        let presences = ["stays", "flaps", "gone"].map(presence);
        assert_eq!(presences, ["online", "online", "offline"], "{group}");
        let connected = rollcall.events("stays").unwrap();
        let connected = connected
            .iter()
            .filter(|event| *event == "connected")
            .count();
        assert_eq!(connected, 1, "{group}");
    }
}

#[test]
fn it_goes_on_until_it_is_told_to_stop() {
    let (site, _mosquitto, rollcall, topic) = site("on", &["one", "two"]);
    let mut import = site.begin(&["import", "--from-topic", &topic]).unwrap();
    for client in ["one", "two"] {
        produce(&topic, &control(client, &status("online", client)));
        rollcall.wait_for_row(client, "online", is_online).unwrap();
    }
    let id = import.id().to_string();
    let told = Command::new("sh")
        .args(["-c", "kill -TERM \"$1\"", "sh", &id])
        .status();
    assert!(told.unwrap().success());
    let status = eventually("its end", || Ok(import.try_wait()?)).unwrap();
    assert!(status.success(), "{status}");
    // Nothing is brought again that was committed.
    let said = self::import(&site, &topic, &[]);
    assert!(said.contains("0 records written"), "{said}");
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let mosquitto = Mosquitto::start().unwrap();
    let site = Site::new(Kafka::shared(), "nowhere", &mosquitto.url()).unwrap();
    let output = site.command(&["import", "--from-topic", "absent"]).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("absent"), "{errors}");
}
