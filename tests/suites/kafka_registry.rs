//! With a schema registry: do values on Kafka stand under its ids, are those of other producers
//! read, and does a registry that is down, empty or forgetful cost nothing but time?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use rollcall_kafka::{KafkaLog, Settings};
use rollcall_log::conformance::block_on;
use rollcall_log::{Append, Log, NewRecord, ReadLimit, Stored};
use rollcall_model::{Millis, Topic};
use rollcall_schemas::{body, confluent, partition};
use rollcall_tests::kafka::Kafka;
use rollcall_tests::kafka_node::{PARTITIONS, Site};
use rollcall_tests::mosquitto::Mosquitto;
use rollcall_tests::registry::Registry;
use rollcall_tests::{Rollcall, eventually, http, payload};
use serde_json::{Value, json};

const ALL: ReadLimit = ReadLimit {
    records: 1_000_000,
    bytes: 1_000_000_000,
};

/// What `rollcall schemas register` prints of an empty registry, without the ids, which are the
/// registry's.
const REGISTERED: &str = "\
SUBJECT VERSION STATE
NAME.status-value 1 registered now
NAME.messages-value 1 registered now
NAME.requests-value 1 registered now
NAME.tenants-value 1 registered now
NAME.receipts-value 1 registered now
NAME.connections-value 1 registered now
NAME.outbox-value 1 registered now
NAME.events-value 1 registered now
NAME.tenantless-value 1 registered now
NAME.deliveries-value 1 registered now
NAME.dead-letters-value 1 registered now
NAME.schedule-value 1 registered now
";

/// A site with a registry of its own.
struct Place {
    site: Site,
    registry: Registry,
    mosquitto: Mosquitto,
    name: String,
}

impl Place {
    /// Its topics are made, its registry is empty. `more` are lines of `[registry]`.
    fn new(name: &str, clients: &[&str], more: &str) -> Self {
        let registry = Registry::start().unwrap();
        let mosquitto = Mosquitto::start().unwrap();
        let lines = format!("[registry]\nurl = {:?}\n{more}", registry.url());
        let site = Site::new(Kafka::shared(), name, &mosquitto.url()).unwrap();
        let clients: Vec<String> = clients.iter().map(|&client| client.to_owned()).collect();
        site.know(&clients).unwrap();
        Self {
            site: site.with(&lines),
            registry,
            mosquitto,
            name: name.to_owned(),
        }
    }

    /// The topics without a registry: bytes as they stand there.
    fn raw(&self) -> KafkaLog {
        let settings = Settings {
            bootstrap: Kafka::shared().bootstrap(),
            prefix: self.site.prefix.clone(),
            inventory_topic: String::new(),
            id: "raw".to_owned(),
            shards: 1,
            properties: Default::default(),
        };
        KafkaLog::open(settings).unwrap()
    }

    /// Registers `schema` for `topic`, as somebody else would.
    fn post(&self, topic: &str, schema: &str) -> u32 {
        let url = format!(
            "{}/subjects/{}.{topic}-value/versions",
            self.registry.url(),
            self.name
        );
        let kind = [("content-type", "application/vnd.schemaregistry.v1+json")];
        let reply = http::post(&url, &kind, &json!({ "schema": schema }).to_string()).unwrap();
        let id = reply.json().unwrap()["id"].as_u64().unwrap();
        u32::try_from(id).unwrap()
    }

    fn said(&self, args: &[&str]) -> (String, String, Option<i32>) {
        let output = self.site.command(args).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, error) = (text(output.stdout), text(output.stderr));
        (out, error, output.status.code())
    }

    fn verify(&self) {
        let (out, error, code) = self.said(&["rebuild", "--verify"]);
        assert_eq!(code, Some(0), "{out}{error}");
        assert!(out.contains("equal"), "{out}");
    }
}

/// What stands in a topic, in the order of partitions.
fn values(log: &KafkaLog, topic: Topic) -> Vec<Stored> {
    let partitions = 0..log.partitions(topic);
    partitions
        .flat_map(|partition| log.read(topic, partition, 0, ALL).unwrap())
        .collect()
}

/// A producer's own idea of a publish: other names of its own, another order, a field more.
fn theirs(name: &str) -> String {
    json!({"type": "record", "name": "Ingress", "namespace": format!("com.example.{name}"),
    "fields": [
        {"name": "site", "type": "string", "default": ""},
        {"name": "received_at", "type": "int"},
        {"name": "mqtt_topic", "type": "string"},
        {"name": "payload", "type": "bytes"},
        {"name": "dialect", "type": {
            "type": "enum", "name": "Dialect", "symbols": ["rhc", "draft"]}},
    ]})
    .to_string()
}

/// A handshake as that producer writes it under `id`.
fn their_value(id: u32, client: &str, message: &str) -> Vec<u8> {
    let topic = payload::status_topic(client);
    let handshake = payload::handshake(message);
    let mut written = Vec::new();
    text(&mut written, "north");
    long(&mut written, 1_700);
    text(&mut written, &topic);
    text(&mut written, &handshake);
    // The second of the dialects.
    long(&mut written, 1);
    confluent::frame(id, &written)
}

/// Avro's string, or bytes.
fn text(to: &mut Vec<u8>, text: &str) {
    long(to, i64::try_from(text.len()).unwrap());
    to.extend_from_slice(text.as_bytes());
}

/// Avro's long.
fn long(to: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        to.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

fn produce(log: &KafkaLog, client: &str, value: Vec<u8>) {
    let record = NewRecord {
        topic: Topic::Status,
        partition: Some(partition::for_key(client.as_bytes(), PARTITIONS)),
        key: Some(Bytes::copy_from_slice(client.as_bytes())),
        value: Some(value.into()),
        headers: Vec::new(),
    };
    let records = vec![record];
    let positions = Vec::new();
    block_on(log.append(Append { records, positions })).unwrap();
}

fn is_settled(row: &Value) -> bool {
    row["presence"] == "online" && row["org_id"] == "10000" && row["lookup"].is_null()
}

fn is_known(rollcall: &Rollcall, client: &str) {
    rollcall
        .wait_for_row(client, "settled", is_settled)
        .unwrap();
    rollcall
        .wait_for_events(client, &["connected", "tenant-found"])
        .unwrap();
    assert_eq!(rollcall.inventory(client).unwrap().len(), 1);
}

/// The state of a check on the ops port.
fn check(rollcall: &Rollcall, name: &str) -> Value {
    let checks = rollcall.ops("/readyz").unwrap().json().unwrap()["checks"].take();
    checks[name]["state"].clone()
}

/// A table of `rollcall schemas`: its words without the ids, and the id of each subject.
fn split(table: &str) -> (String, BTreeMap<String, u32>) {
    let mut words = String::new();
    let mut ids = BTreeMap::new();
    for line in table.lines() {
        let mut line: Vec<&str> = line.split_whitespace().collect();
        if let Ok(id) = line.remove(1).parse() {
            ids.insert(line[0].to_owned(), id);
        }
        words += &format!("{}\n", line.join(" "));
    }
    (words, ids)
}

#[test]
fn schemas_are_registered_first_and_values_stand_under_their_ids() {
    let place = Place::new("ids", &["device"], "");
    let (status, error) = place.site.run_to_end("node", &["process"]).unwrap();
    assert_eq!(status.code(), Some(1), "{error}");
    for word in ["ids.schedule-value", "rollcall schemas register"] {
        assert!(error.contains(word), "no {word} in: {error}");
    }
    let (out, _, code) = place.said(&["schemas", "check"]);
    assert_eq!(code, Some(1), "{out}");
    assert_eq!(out.matches("missing").count(), 12, "{out}");
    let named = REGISTERED.replace("NAME", "ids");
    let (out, error, code) = place.said(&["schemas", "register"]);
    assert_eq!((split(&out).0, code), (named.clone(), Some(0)), "{error}");
    let ids = split(&out).1;
    // The publishes of two topics have one schema, and one id.
    assert_eq!(ids["ids.status-value"], ids["ids.messages-value"]);
    let again = named.replace(" now", "");
    for command in ["register", "check"] {
        let (out, error, code) = place.said(&["schemas", command]);
        let found = split(&out);
        assert_eq!((found.0, code), (again.clone(), Some(0)), "{error}");
        assert_eq!(found.1, ids);
    }

    let node = place.site.run("node", &[]).unwrap();
    assert_eq!(check(&node, "registry"), "ready");
    node.publish_status("device", &payload::handshake("id-1"))
        .unwrap();
    is_known(&node, "device");
    assert_eq!(node.api_status("device").unwrap()["account"], "111000");
    let raw = place.raw();
    let written = [
        Topic::Status,
        Topic::Tenants,
        Topic::Connections,
        Topic::Events,
        Topic::Tenantless,
        Topic::Schedule,
    ];
    for topic in written {
        let values = values(&raw, topic);
        assert!(!values.is_empty(), "{topic}");
        for stored in values {
            let (found, _) = confluent::split(stored.value.as_deref().unwrap()).unwrap();
            assert_eq!(found, ids[&format!("ids.{topic}-value")], "{topic}");
        }
    }
    let inventory = values(&raw, Topic::Inventory).remove(0).value.unwrap();
    assert_eq!(inventory[0], b'{');
    drop(raw);
    assert!(node.terminate().unwrap().success());
    let events = place.site.records(Topic::Events).unwrap();
    assert!(events.len() >= 2, "{events:?}");
    place.verify();
}

#[test]
fn producers_with_schemas_of_their_own_are_read_or_dead_lettered() {
    let clients = ["theirs", "late", "other", "before"];
    let more = "register = true\nask_again_for = \"1s\"\n";
    let place = Place::new("theirs", &clients, more);
    let node = place.site.run("node", &[]).unwrap();
    let raw = place.raw();
    let their = place.post("status", &theirs("one"));
    produce(&raw, "theirs", their_value(their, "theirs", "m-1"));
    is_known(&node, "theirs");

    // Nothing that fits stands under these: a number that nobody has, and another record.
    let unfit = place.post("other", r#"{"type":"record","name":"Ingress","fields":[]}"#);
    produce(&raw, "other", their_value(unfit, "other", "m-2"));
    let unknown = unfit + 3;
    produce(&raw, "late", their_value(unknown, "late", "m-3"));
    let letters = eventually("the dead letters", || {
        let letters = node.records(Topic::DeadLetters)?;
        Ok((letters.len() == 2).then_some(letters))
    })
    .unwrap();
    for (letter, id) in letters.iter().zip([unfit, unknown]) {
        let letter = letter.to_string();
        assert!(letter.contains("unknown_schema"), "{letter}");
        assert!(
            letter.contains("of a schema registry"),
            "{id} is not named in {letter}"
        );
    }
    // What was written before there was a registry, or by somebody without one.
    let mut ours = values(&raw, Topic::Tenants);
    let tenant = ours.remove(0).value.unwrap();
    assert!(confluent::split(&tenant).is_some());
    let ingress = rollcall_model::Ingress {
        mqtt_topic: payload::status_topic("before"),
        payload: payload::handshake("m-4").into_bytes(),
        dialect: rollcall_model::ingress::Dialect::Draft,
        received_at: Millis(1),
        kind: Default::default(),
        qos: 1,
        retain: false,
        dup: false,
        user_properties: Vec::new(),
        bridge: String::new(),
        broker_generation: 0,
        received_order: 0,
    };
    let single = rollcall_schemas::Record::encode(&ingress);
    assert!(body(&single).len() < single.len());
    produce(&raw, "before", single);
    is_known(&node, "before");
    assert!(node.terminate().unwrap().success());
    place.verify();

    // Now the number has its schema: what was refused stays refused.
    let mut newer = (0..10).map(|number| place.post("status", &theirs(&format!("n{number}"))));
    assert!(newer.any(|id| id == unknown));
    place.verify();
    let node = place.site.run("node", &[]).unwrap();
    produce(&raw, "late", their_value(unknown, "late", "m-5"));
    is_known(&node, "late");
    assert_eq!(node.records(Topic::DeadLetters).unwrap().len(), 2);
    assert!(node.terminate().unwrap().success());
    place.verify();
}

#[test]
fn a_registry_that_is_down_makes_who_needs_it_wait_and_nobody_else() {
    let clients = ["steady", "waiting"];
    let place = Place::new("down", &clients, "register = true\n");
    let node = place.site.run("node", &[]).unwrap();
    let their = place.post("status", &theirs("new"));
    place.registry.gate.refuse();
    // All that is ours is known.
    node.publish_status("steady", &payload::handshake("m-1"))
        .unwrap();
    is_known(&node, "steady");
    assert_eq!(node.ops("/readyz").unwrap().status, 200);
    let raw = place.raw();
    for number in 0..3 {
        let message = format!("n-{number}");
        produce(&raw, "waiting", their_value(their, "waiting", &message));
    }
    eventually("the wait to show", || {
        let metrics = node.ops("/metrics")?.body;
        let is_shown = metrics.contains("rollcall_registry_waiting 1");
        Ok((is_shown && check(&node, "registry") == "waiting").then_some(()))
    })
    .unwrap();
    assert!(node.row("waiting").unwrap().is_none());
    assert!(node.records(Topic::DeadLetters).unwrap().is_empty());
    place.registry.gate.open();
    is_known(&node, "waiting");
    node.wait_until_ready().unwrap();
    // Another start finds its ids only with it, and waits.
    assert!(node.terminate().unwrap().success());
    place.registry.gate.answer(503, "{}");
    let gate = &place.registry.gate;
    let asked = gate.connections();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            eventually("the start to ask", || {
                Ok((gate.connections() > asked + 1).then_some(()))
            })
            .unwrap();
            gate.open();
        });
        let node = place.site.run("node", &[]).unwrap();
        assert!(node.terminate().unwrap().success());
    });
    drop(raw);
    place.verify();
    assert!(place.mosquitto.folder().is_dir());
}

#[test]
fn what_is_wrong_is_said_with_its_remedy() {
    let site = Site::without_topics(Kafka::shared(), "wrong", "").unwrap();
    let code = |site: &Site, args: &[&str]| {
        let output = site.command(args).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (error, output.status.code())
    };
    let (error, status) = code(&site, &["schemas", "check"]);
    assert_eq!(status, Some(2), "{error}");
    assert!(error.contains("[registry] url is not set"), "{error}");
    let site = Site::without_topics(Kafka::shared(), "wrong", "").unwrap();
    let site = site.with("[registry]\nurl = \"http://me:the-secret@registry\"\n");
    for args in [&["schemas", "register"][..], &["config"]] {
        let (error, status) = code(&site, args);
        assert_eq!(status, Some(2), "{error}");
        assert!(error.contains("password_file"), "{error}");
        assert!(!error.contains("the-secret"), "{error}");
    }
}

/// Somebody registered something else first: nothing is put over it.
#[test]
fn a_subject_that_is_somebody_elses_is_left_alone() {
    let place = Place::new("taken", &[], "register = true\n");
    let other = r#"{"type":"record","name":"Receipt","fields":[{"name":"x","type":"int"}]}"#;
    place.post("receipts", other);
    for command in ["check", "register"] {
        let (out, error, code) = place.said(&["schemas", command]);
        assert_eq!(code, Some(1), "{out}{error}");
        let line = out.lines().find(|line| line.contains("receipts")).unwrap();
        assert!(line.contains("does not fit: version 1"), "{line}");
    }
    let (status, error) = place.site.run_to_end("node", &["process"]).unwrap();
    assert_eq!(status.code(), Some(1), "{error}");
    assert!(error.contains("taken.receipts-value"), "{error}");
}
