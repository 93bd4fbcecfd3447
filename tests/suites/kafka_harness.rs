//! Does the harness give what the suites on Kafka rely on: a real broker that keeps what it has
//! acknowledged, a secured listener, a gate in front, a schema registry?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rollcall_tests::gate::{Gate, Moment};
use rollcall_tests::kafka::Kafka;
use rollcall_tests::process::is_running;
use rollcall_tests::registry::Registry;
use rollcall_tests::{eventually, http, ports};
use serde_json::{Value, json};

const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

/// The first `count` records of `topic`, one per line.
fn records(kafka: &Kafka, topic: &str, count: usize) -> String {
    let count = count.to_string();
    let args = [
        "--topic",
        topic,
        "--from-beginning",
        "--max-messages",
        &count,
    ];
    let args = [&args[..], &["--timeout-ms", "30000"]].concat();
    kafka.tool(CONSUMER, &args, "").unwrap()
}

/// Connections to a paused broker are made, and answered later.
fn answers_when_a_pause_ends(kafka: &Kafka) {
    kafka.pause().unwrap();
    let mut stream = TcpStream::connect(kafka.bootstrap()).unwrap();
    // `ApiVersions`, as a client asks first.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    stream.write_all(&request).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut length = [0; 4];
    assert!(stream.read(&mut length).is_err());
    kafka.resume().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.read_exact(&mut length).unwrap();
    assert!(u32::from_be_bytes(length) > 6);
}

#[test]
fn what_is_acknowledged_outlives_a_pause_a_kill_and_a_stop() {
    let mut kafka = Kafka::start().unwrap();
    let bootstrap = kafka.bootstrap();
    kafka.create_topic("kept", 1).unwrap();
    kafka
        .tool(PRODUCER, &["--topic", "kept"], "one\ntwo\n")
        .unwrap();
    answers_when_a_pause_ends(&kafka);
    let first = kafka.id().unwrap();
    kafka.kill().unwrap();
    assert!(!is_running(first).unwrap());
    assert!(TcpStream::connect(&bootstrap).is_err());
    kafka.restart().unwrap();
    kafka.stop().unwrap();
    kafka.restart().unwrap();
    assert_eq!(kafka.bootstrap(), bootstrap);
    assert_eq!(records(&kafka, "kept", 2), "one\ntwo\n");
    let last = kafka.id().unwrap();
    let folder = kafka.folder().to_owned();
    drop(kafka);
    assert!(!is_running(last).unwrap());
    assert!(!folder.exists());
}

#[test]
fn the_secured_listener_lets_in_whoever_knows_the_password() {
    let kafka = Kafka::builder().secured().start().unwrap();
    let secured = kafka.secured().unwrap();
    let file = kafka.folder().join("client.properties");
    let properties = secured.java_properties().unwrap();
    let list = |properties: &str| {
        std::fs::write(&file, properties).unwrap();
        let address = secured.address.to_string();
        let file = file.display().to_string();
        let args = [
            "--bootstrap-server",
            &address,
            "--command-config",
            &file,
            "--list",
        ];
        kafka.tool_at(TOPICS, &args, "")
    };
    list(&properties).unwrap();
    let said = list(&properties.replace("the-password", "another")).unwrap_err();
    assert!(
        format!("{said:#}").contains("invalid credentials"),
        "{said:#}"
    );
}

#[test]
fn a_gate_stops_a_request_or_its_answer_and_may_lose_it() {
    let address = ports::free().unwrap();
    let listener = TcpListener::bind(address).unwrap();
    let gate = Gate::framed(address).unwrap();
    let message = |word: u8| [0, 0, 0, 1, word];
    let mut heard = [0; 5];
    for (moment, is_lost) in [
        (Moment::Said, false),
        (Moment::Said, true),
        (Moment::Answered, false),
        (Moment::Answered, true),
    ] {
        let mut client = TcpStream::connect(gate.address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        // One message in two parts is one message.
        client.write_all(&message(1)[..3]).unwrap();
        client.write_all(&message(1)[3..]).unwrap();
        server.read_exact(&mut heard).unwrap();
        gate.stop_at(|said| said.ends_with(&[2]), moment);
        client.write_all(&message(2)).unwrap();
        server.write_all(&message(11)).unwrap();
        if moment == Moment::Answered {
            server.read_exact(&mut heard).unwrap();
            assert_eq!(heard, message(2));
            server.write_all(&message(12)).unwrap();
        }
        // What was asked before is answered.
        client.read_exact(&mut heard).unwrap();
        assert_eq!(heard, message(11));
        eventually("the stop", || Ok(gate.has_stopped().then_some(()))).unwrap();
        match is_lost {
            true => gate.lose(),
            false => gate.open(),
        }
        let next = match moment {
            Moment::Said => server.read_exact(&mut heard),
            Moment::Answered => client.read_exact(&mut heard),
        };
        assert_eq!(next.is_err(), is_lost, "{moment:?}");
    }
}

#[test]
fn what_a_gate_holds_back_arrives_when_its_sender_has_gone() {
    let address = ports::free().unwrap();
    let listener = TcpListener::bind(address).unwrap();
    let gate = Gate::before(address).unwrap();
    let mut client = TcpStream::connect(gate.address).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"at once").unwrap();
    let mut text = [0; 7];
    server.read_exact(&mut text).unwrap();
    gate.hold();
    client.write_all(b"delayed").unwrap();
    server.write_all(b"replies").unwrap();
    client.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"replies");
    drop(client);
    server
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(server.read_exact(&mut text).is_err());
    gate.open();
    server
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    server.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"delayed");
    gate.refuse();
    eventually("the cut", || {
        Ok(server.read(&mut text)?.eq(&0).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_gated_broker_sends_its_clients_back_through_the_gate() {
    let kafka = Kafka::builder()
        .gated()
        .property("num.partitions", "3")
        .start()
        .unwrap();
    let gate = kafka.gate().unwrap();
    let address = gate.address.to_string();
    let created = [
        "--bootstrap-server",
        &address,
        "--create",
        "--topic",
        "gated",
    ];
    kafka.tool_at(TOPICS, &created, "").unwrap();
    gate.refuse();
    let said = kafka.tool(TOPICS, &["--describe"], "").unwrap();
    assert!(
        said.contains("Topic: gated") && said.contains("PartitionCount: 3"),
        "{said}"
    );
    assert!(
        TcpStream::connect(gate.address)
            .unwrap()
            .read(&mut [0])
            .map_or(0, |read| read)
            == 0
    );
}

#[test]
fn the_registry_gives_ids_and_the_gate_makes_it_fail() {
    let mut registry = Registry::start().unwrap();
    let schema = r#"{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]}"#;
    let versions = format!("{}/subjects/a-value/versions", registry.url());
    let kind = [("content-type", "application/vnd.schemaregistry.v1+json")];
    let register = || http::post(&versions, &kind, &json!({"schema": schema}).to_string());
    let id = register().unwrap().json().unwrap()["id"].clone();
    assert!(id.is_u64(), "{id}");
    assert_eq!(register().unwrap().json().unwrap()["id"], id);
    let by_id = format!("{}/schemas/ids/{id}", registry.url());
    let found = http::get(&by_id, &[]).unwrap().json().unwrap();
    let text: Value = serde_json::from_str(found["schema"].as_str().unwrap()).unwrap();
    assert_eq!(text, serde_json::from_str::<Value>(schema).unwrap());
    registry.gate.answer(503, "{\"error_code\":50301}");
    let reply = http::get(&by_id, &[]).unwrap();
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (503, "{\"error_code\":50301}")
    );
    registry.gate.refuse();
    assert!(http::get(&by_id, &[]).is_err());
    registry.gate.open();
    assert_eq!(http::get(&by_id, &[]).unwrap().status, 200);
    registry.kill().unwrap();
    assert!(http::get(&by_id, &[]).is_err());
    registry.restart().unwrap();
    assert_eq!(http::get(&by_id, &[]).unwrap().status, 404);
}

/// Run by the next test too, in a process of its own.
#[test]
fn a_shared_broker_is_one_and_up_within_seconds() {
    let began = Instant::now();
    let kafka = Kafka::shared();
    println!("up after {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(Kafka::shared().id().unwrap(), kafka.id().unwrap());
    let folder = kafka.folder().display();
    println!("|broker|{}|{folder}|", kafka.id().unwrap());
}

#[test]
fn a_shared_broker_ends_with_its_process() {
    let this = std::env::current_exe().unwrap();
    let name = "a_shared_broker_is_one_and_up_within_seconds";
    let output = Command::new(this)
        .args(["--exact", name, "--nocapture"])
        .output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    let (_, rest) = said
        .split_once("|broker|")
        .unwrap_or_else(|| panic!("{said}"));
    let mut words = rest.split('|');
    let id = words.next().unwrap().parse().unwrap();
    let folder = PathBuf::from(words.next().unwrap());
    eventually("the end of the broker and its folder", || {
        Ok((!is_running(id)? && !folder.exists()).then_some(()))
    })
    .unwrap();
}
