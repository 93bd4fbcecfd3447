//! What the registry says, and what becomes of values: each answer that a server could give.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rollcall_log::{NewRecord, Stored};
use rollcall_model::{DeadLetter, Ingress, Millis, Topic};
use rollcall_schemas::{DecodeError, Record, body, confluent, fingerprint, schemas};
use rollcall_tests::gate::Gate;
use rollcall_tests::ports;
use serde_json::json;

use super::{Client, Error, Frames, Registry, Settings, SettingsError};

const UNKNOWN: &str = r#"{"error_code":40403,"message":"Schema 7 not found"}"#;

fn gate() -> Gate {
    Gate::before(ports::free().unwrap()).unwrap()
}

fn settings(gate: &Gate) -> Settings {
    Settings {
        url: format!("http://{}/", gate.address),
        ..Settings::default()
    }
}

/// Frames of a registry behind `gate`, with one id to write with.
fn frames(gate: &Gate) -> Frames {
    let ours = fingerprint(&ingress().encode()).unwrap();
    let ids = HashMap::from([((Topic::Status, ours), 5)]);
    Frames::new(Client::new(&settings(gate)).unwrap(), ids, Duration::ZERO)
}

/// Frames that wait for an id, of which none is theirs.
fn patient(gate: &Gate, wait: Duration) -> Frames {
    Frames::new(Client::new(&settings(gate)).unwrap(), HashMap::new(), wait)
}

fn text(record: &str) -> &'static str {
    let all = schemas();
    let is_its = |text: &&rollcall_schemas::SchemaText| text.subject == record && text.is_current;
    all.iter().find(is_its).unwrap().json
}

/// What a registry answers about an id.
fn schema(text: &str) -> String {
    json!({ "schema": text }).to_string()
}

fn ingress() -> Ingress {
    Ingress {
        kind: rollcall_model::ingress::IngressKind::Publish,
        dialect: rollcall_model::ingress::Dialect::Rhc,
        mqtt_topic: "redhat/insights/c1/control/out".to_owned(),
        payload: b"{}".to_vec(),
        qos: 1,
        retain: false,
        dup: false,
        user_properties: Vec::new(),
        received_at: Millis(1),
        bridge: "b".to_owned(),
        broker_generation: 0,
        received_order: 0,
    }
}

fn stored(offset: u64, value: impl Into<Bytes>) -> Stored {
    Stored {
        offset,
        appended_at: Millis(0),
        key: None,
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

fn with_id(id: u32) -> Vec<u8> {
    confluent::frame(id, body(&ingress().encode()))
}

fn read(frames: &Frames, values: &[&[u8]]) -> Result<Vec<Bytes>, Error> {
    let records = values.iter().enumerate();
    let records = records.map(|(at, value)| stored(at as u64, value.to_vec()));
    let read = frames.read(Topic::Status, records.collect())?;
    Ok(read.into_iter().map(|one| one.value.unwrap()).collect())
}

#[test]
fn what_is_written_stands_under_its_id_and_comes_back_the_same() {
    let gate = gate();
    let frames = frames(&gate);
    let value = Bytes::from(ingress().encode());
    let mut record = NewRecord {
        topic: Topic::Status,
        partition: None,
        key: None,
        value: Some(value.clone()),
        headers: Vec::new(),
    };
    frames.write(&mut record);
    let framed = record.value.clone().unwrap();
    assert_eq!(&framed[..5], [0, 0, 0, 0, 5]);
    // What is written is known: nobody is needed.
    gate.refuse();
    assert_eq!(
        read(&frames, &[&framed]).unwrap(),
        std::slice::from_ref(&value)
    );
    assert_eq!(read(&frames, &[&framed, &framed]).unwrap().len(), 2);
    // In another topic the id is another one's, and there are values without a schema.
    for (topic, other) in [(Topic::Messages, value), (Topic::Status, "{}".into())] {
        record.topic = topic;
        record.value = Some(other.clone());
        frames.write(&mut record);
        assert_eq!(record.value, Some(other));
    }
    record.value = None;
    frames.write(&mut record);
    assert_eq!(record.value, None);
}

#[test]
fn what_has_another_frame_or_none_is_read_as_it_is() {
    let gate = gate();
    gate.refuse();
    let frames = frames(&gate);
    let ours = ingress().encode();
    let values: [&[u8]; 4] = [&ours, b"{}", b"", b"\0\0\0\0"];
    assert_eq!(read(&frames, &values).unwrap(), values);
    let json = stored(0, with_id(7));
    let read = frames.read(Topic::Inventory, vec![json.clone()]).unwrap();
    assert_eq!(read, [json]);
}

#[test]
fn an_id_that_the_registry_does_not_know_makes_a_dead_letter() {
    let gate = gate();
    gate.answer(404, UNKNOWN);
    let frames = frames(&gate);
    let values = read(&frames, &[&with_id(7), &with_id(7)]).unwrap();
    assert_eq!(values, [with_id(7), with_id(7)]);
    let error = Ingress::decode(&values[0]).unwrap_err();
    assert_eq!(error, DecodeError::UnknownId { id: 7 });
    assert!(frames.waited_for().is_none());
    assert_eq!(gate.connections(), 1);
}

/// Reads an id that the registry does not know until it has been asked `times`, and is told to wait
/// each time.
fn not_known(frames: &Frames, gate: &Gate, times: u64) {
    while gate.connections() < times {
        let error = read(frames, &[&with_id(7)]).unwrap_err();
        assert!(error.may_pass(), "{error}");
        assert!(error.to_string().contains("does not know id 7 yet"));
        let (_, why) = frames.waited_for().unwrap();
        assert!(why.contains("id 7"), "{why}");
    }
}

#[test]
fn an_id_that_another_registry_has_heard_of_is_asked_for_again() {
    let gate = gate();
    gate.answer(404, UNKNOWN);
    let frames = patient(&gate, Duration::from_secs(3_600));
    not_known(&frames, &gate, 3);
    // What stands before it is read meanwhile.
    let ours = ingress().encode();
    assert_eq!(read(&frames, &[&ours, &with_id(7)]).unwrap(), [ours]);
    gate.answer(200, &schema(text("ingress")));
    let values = read(&frames, &[&with_id(7)]).unwrap();
    assert_eq!(Ingress::decode(&values[0]).unwrap(), ingress());
    assert!(frames.waited_for().is_none());
}

#[test]
fn an_id_that_stays_unknown_makes_a_dead_letter_after_its_time() {
    let gate = gate();
    gate.answer(404, UNKNOWN);
    let frames = patient(&gate, Duration::from_millis(600));
    let begun = Instant::now();
    let values = loop {
        match read(&frames, &[&with_id(7)]) {
            Ok(values) => break values,
            Err(error) => assert!(error.may_pass(), "{error}"),
        }
    };
    assert!(begun.elapsed() >= Duration::from_millis(600));
    assert_eq!(values, [with_id(7)]);
    let error = Ingress::decode(&values[0]).unwrap_err();
    assert_eq!(error, DecodeError::UnknownId { id: 7 });
    assert!(frames.waited_for().is_none());
    // The next one that somebody made up holds nobody up.
    assert_eq!(read(&frames, &[&with_id(8)]).unwrap(), [with_id(8)]);
}

#[test]
fn what_is_no_schema_of_the_topic_makes_a_dead_letter() {
    let other_type = json!({"schema": "{}", "schemaType": "JSON"}).to_string();
    let reference = json!({"name": "a", "subject": "a", "version": 1});
    let refers = json!({"schema": text("ingress"), "references": [reference]}).to_string();
    let no_schema = schema("nonsense");
    let other = schema(r#"{"type":"record","name":"Ingress","fields":[]}"#);
    for answer in [other_type, refers, no_schema, other] {
        let gate = gate();
        gate.answer(200, &answer);
        let frames = frames(&gate);
        let values = read(&frames, &[&with_id(7)]).unwrap();
        assert_eq!(values, [with_id(7)], "{answer}");
    }
}

#[test]
fn bytes_that_are_not_what_their_schema_says_stay_as_they_are() {
    let mut theirs: serde_json::Value = serde_json::from_str(text("ingress")).unwrap();
    let more = json!({"name": "more", "type": "string", "default": ""});
    theirs["fields"].as_array_mut().unwrap().insert(0, more);
    let gate = gate();
    gate.answer(200, &schema(&theirs.to_string()));
    let frames = frames(&gate);
    let good = confluent::frame(8, &[b"\x02x", body(&ingress().encode())].concat());
    let bad = confluent::frame(8, b"\x02");
    let values = read(&frames, &[&good, &bad]).unwrap();
    assert_eq!(Ingress::decode(&values[0]).unwrap(), ingress());
    assert_eq!(values[1], bad);
}

/// Down is not gone: none of these says that there is no such schema.
#[test]
fn a_registry_that_is_of_no_help_makes_the_reader_wait() {
    let no_such_page = r#"{"error_code":404,"message":"no such page"}"#;
    for (status, answer) in [
        (503, r#"{"error_code":50301,"message":"later"}"#),
        (500, "<html>"),
        (404, no_such_page),
        (404, "<html>"),
        (401, r#"{"error_code":40101,"message":"who are you"}"#),
        (200, "<html>"),
        (200, "{}"),
    ] {
        let gate = gate();
        gate.answer(status, answer);
        let frames = frames(&gate);
        let error = read(&frames, &[&with_id(7)]).unwrap_err();
        assert!(error.may_pass(), "{status} {answer}: {error}");
        assert!(frames.waited_for().is_some());
    }
}

#[test]
fn what_stands_before_an_id_that_nobody_tells_is_read() {
    let gate = gate();
    gate.refuse();
    let frames = frames(&gate);
    let ours = ingress().encode();
    let values = read(&frames, &[&ours, &ours, &with_id(7), &ours]).unwrap();
    assert_eq!(values, [&ours[..], &ours[..]]);
    assert!(read(&frames, &[&with_id(7), &ours]).is_err());
    // Once it is back, all of it.
    gate.answer(200, &schema(text("ingress")));
    rollcall_tests::eventually("the registry to be asked again", || {
        Ok(read(&frames, &[&with_id(7), &ours]).ok())
    })
    .unwrap();
    assert!(frames.waited_for().is_none());
}

#[test]
fn a_question_ends_in_time_and_is_not_asked_by_all() {
    // It takes the request and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = Gate::before(silent.local_addr().unwrap()).unwrap();
    let frames = frames(&gate);
    let begun = Instant::now();
    assert!(read(&frames, &[&with_id(7)]).is_err());
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let asked = gate.connections();
    // Another one finds that it was just asked.
    assert!(read(&frames, &[&with_id(8)]).is_err());
    assert_eq!(gate.connections(), asked);
}

#[test]
fn a_command_says_what_is_wrong_with_the_registry() {
    let gate = gate();
    gate.answer(401, r#"{"error_code":40101,"message":"who are you"}"#);
    let registry = Registry::open(&settings(&gate), "p.").unwrap();
    let error = registry.check().unwrap_err();
    assert!(!error.may_pass());
    assert!(error.to_string().contains("401, who are you"), "{error}");
    gate.answer(404, "<html>");
    let error = registry.check().unwrap_err().to_string();
    assert!(error.contains("[registry] url"), "{error}");
    let begun = Instant::now();
    gate.refuse();
    let error = registry.register().unwrap_err();
    assert!(error.may_pass() && begun.elapsed() < Duration::from_secs(20));
}

/// A server that hears one request and turns it away; gives what it was asked.
fn hear_one(listener: &TcpListener) -> String {
    let (mut client, _) = listener.accept().unwrap();
    let mut heard = Vec::new();
    let mut part = [0; 1024];
    while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = client.read(&mut part).unwrap();
        assert!(count > 0, "the client has hung up");
        heard.extend_from_slice(&part[..count]);
    }
    let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\n{}";
    client.write_all(answer).unwrap();
    String::from_utf8_lossy(&heard).to_lowercase()
}

#[test]
fn the_password_of_the_file_goes_with_each_question() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let settings = Settings {
        url: format!("http://{}/api", listener.local_addr().unwrap()),
        username: "me".to_owned(),
        password_file: Some(file),
        ..Settings::default()
    };
    let registry = Registry::open(&settings, "p.").unwrap();
    std::thread::scope(|scope| {
        let heard = scope.spawn(|| hear_one(&listener));
        let error = registry.check().unwrap_err();
        assert!(!error.may_pass() && error.to_string().contains("403"));
        let heard = heard.join().unwrap();
        assert!(
            heard.starts_with("post /api/subjects/p.status-value"),
            "{heard}"
        );
        // me:secret
        assert!(heard.contains("basic bwu6c2vjcmv0"), "{heard}");
    });
}

#[test]
fn settings_are_refused_with_the_reason() {
    let of = |url: &str| Settings {
        url: url.to_owned(),
        ..Settings::default()
    };
    for url in ["registry:8081", "ftp://registry", "", "http://r/?a=b"] {
        assert_eq!(of(url).check(), Err(SettingsError::Url), "{url}");
    }
    let secret = of("http://me:secret@registry/").check().unwrap_err();
    assert_eq!(secret, SettingsError::Credentials);
    assert!(!secret.to_string().contains("secret@"));
    let file = Some("no/such/file".into());
    let nobody = Settings {
        password_file: file.clone(),
        ..of("http://registry")
    };
    assert_eq!(nobody.check(), Err(SettingsError::Username));
    let plain = Settings {
        ca_file: file.clone(),
        ..of("http://registry")
    };
    assert_eq!(plain.check(), Err(SettingsError::Plain));
    let missing = Settings {
        username: "me".to_owned(),
        password_file: file,
        ..of("http://registry")
    };
    let error = Client::new(&missing).err().unwrap().to_string();
    assert_eq!(error, "cannot use [registry] password_file no/such/file");
    assert!(of("https://registry/api").check().is_ok());
    assert!(Client::new(&of("https://registry/api")).is_ok());
}

#[test]
fn dead_letters_have_a_subject_too() {
    assert_eq!(DeadLetter::SUBJECT, "dead_letter");
    let names = crate::names::Names::new("p.");
    let subject = super::subject(&names, Topic::DeadLetters);
    assert_eq!(subject, "p.dead-letters-value");
}
