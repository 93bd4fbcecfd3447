//! Does a bad message ever stop the good one behind it, and does each leave a dead letter with its
//! cause?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use std::collections::BTreeMap;
use std::fs;

use rollcall_model::Topic;
use rollcall_model::ingress::PAYLOAD_BYTES_MAX;
use rollcall_tests::tidy::tree;
use rollcall_tests::{Dev, Rollcall, eventually, payload};
use serde_json::Value;

/// One client for everything: one key, one partition.
const CLIENT: &str = "poisoned";
/// What `expect` says of a payload that is folded; anything else is a dead letter's reason.
const FOLDED: [&str; 3] = ["online", "offline", "message"];
/// What a dead letter keeps of an oversized publish, in bytes (DESIGN.md, rule 9).
const OVERSIZED_KEPT_BYTES: usize = 4096;

/// A payload of `schemas/fixtures`, as its `index.json` describes it.
struct Fixture {
    file: String,
    topic: String,
    retain: bool,
    payload: Vec<u8>,
    expect: String,
    names: String,
}

/// Every fixture below `poison/`.
fn fixtures() -> Vec<Fixture> {
    let folder = tree::root().join("schemas/fixtures");
    let index = fs::read_to_string(folder.join("index.json")).unwrap();
    let entries: Vec<Value> = serde_json::from_str(&index).unwrap();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let poison = entries
        .iter()
        .filter(|entry| text(entry, "file").starts_with("poison/"));
    poison
        .map(|entry| Fixture {
            file: text(entry, "file"),
            topic: text(entry, "topic").replace("{client}", CLIENT),
            retain: entry["retain"].as_bool().unwrap(),
            payload: padded(fs::read(folder.join(text(entry, "file"))).unwrap(), entry),
            expect: text(entry, "expect"),
            names: text(entry, "names"),
        })
        .collect()
}

/// The payload with `@PAD@` replaced by as many `x` as the entry says.
fn padded(payload: Vec<u8>, entry: &Value) -> Vec<u8> {
    let Some(bytes) = entry["pad_bytes"].as_u64() else {
        return payload;
    };
    let padding = "x".repeat(usize::try_from(bytes).unwrap());
    String::from_utf8(payload)
        .unwrap()
        .replace("@PAD@", &padding)
        .into_bytes()
}

/// The log that the bridge picks for an MQTT topic.
fn log_of(mqtt_topic: &str) -> Topic {
    if mqtt_topic.ends_with("/data/out") {
        Topic::Messages
    } else {
        Topic::Status
    }
}

/// Dead letters, as soon as there are `count` of them.
fn dead_letters(rollcall: &Rollcall, count: usize) -> Vec<Value> {
    let mut last = 0;
    let letters = eventually("the dead letters", || {
        let letters = rollcall.records(Topic::DeadLetters)?;
        last = letters.len();
        Ok((last >= count).then_some(letters))
    });
    letters.unwrap_or_else(|error| panic!("{error:#}: {last} of {count}"))
}

/// A handshake of exactly `bytes` bytes, by a member that nobody reads.
fn handshake_of(bytes: usize, id: &str) -> Vec<u8> {
    let bare = payload::handshake(id).replacen('{', r#"{"padding": "","#, 1);
    let padding = "x".repeat(bytes - bare.len());
    let full = bare.replacen(r#""padding": """#, &format!(r#""padding": "{padding}""#), 1);
    assert_eq!(full.len(), bytes);
    full.into_bytes()
}

#[test]
fn every_poison_is_a_dead_letter_and_the_good_one_behind_it_is_folded() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let fixtures = fixtures();
    let refused: Vec<&Fixture> = fixtures
        .iter()
        .filter(|one| !FOLDED.contains(&one.expect.as_str()))
        .collect();
    assert!(refused.len() > 30, "the fixtures have not been found");
    for one in &fixtures {
        rollcall
            .publish(&one.topic, &one.payload, one.retain)
            .unwrap_or_else(|error| panic!("{}: {error:#}", one.file));
    }
    rollcall
        .publish_status(CLIENT, &payload::handshake("the-good-one"))
        .unwrap();
    let is_good = |row: &Value| row["session"]["online_message_id"] == "the-good-one";
    let row = rollcall
        .wait_for_row(CLIENT, "the good one's", is_good)
        .unwrap();
    assert_eq!(row["presence"], "online");

    // Per log, the letters stand in the order in which their records arrived.
    let letters = dead_letters(&rollcall, refused.len());
    assert_eq!(letters.len(), refused.len(), "{letters:?}");
    let mut by_offset: BTreeMap<(Topic, u64), &Value> = BTreeMap::new();
    for letter in &letters {
        let source = letter["value"]["source"].as_str().unwrap();
        let at = rollcall_model::Coordinates::parse(source).unwrap();
        by_offset.insert((at.topic, at.offset), &letter["value"]);
    }
    for topic in [Topic::Status, Topic::Messages] {
        let found = by_offset.iter().filter(|((of, _), _)| *of == topic);
        let expected = refused.iter().filter(|one| log_of(&one.topic) == topic);
        assert_eq!(
            found.clone().count(),
            expected.clone().count(),
            "letters of {topic}"
        );
        for ((_, letter), one) in found.zip(expected) {
            let file = &one.file;
            assert_eq!(letter["reason"], one.expect.as_str(), "{file}: {letter}");
            assert_eq!(letter["stage"], "processor", "{file}: {letter}");
            assert_eq!(letter["mqtt_topic"], one.topic.as_str(), "{file}: {letter}");
            let text = letter["text"].as_str().unwrap();
            assert!(
                text.contains(&one.names),
                "{file}: {text} does not name {}",
                one.names
            );
        }
    }
}

#[test]
fn an_oversized_publish_is_acknowledged_and_kept_in_part() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let topic = payload::status_topic(CLIENT);
    let over = handshake_of(PAYLOAD_BYTES_MAX + 1, "over");
    rollcall.publish(&topic, &over, false).unwrap();
    rollcall
        .publish(
            &topic,
            &handshake_of(PAYLOAD_BYTES_MAX, "at-the-bound"),
            false,
        )
        .unwrap();
    let is_at_the_bound = |row: &Value| row["session"]["online_message_id"] == "at-the-bound";
    rollcall
        .wait_for_row(CLIENT, "at the bound", is_at_the_bound)
        .unwrap();

    let letters = dead_letters(&rollcall, 1);
    assert_eq!(letters.len(), 1, "{letters:?}");
    let letter = &letters[0]["value"];
    assert_eq!(letter["reason"], "too_large");
    assert_eq!(letter["stage"], "bridge");
    assert_eq!(letter["mqtt_topic"], topic.as_str());
    assert!(
        letter["source"].is_null(),
        "it never reached a log: {letter}"
    );
    let text = letter["text"].as_str().unwrap();
    assert!(
        text.contains(&over.len().to_string()),
        "the length is not named: {text}"
    );
    let kept = letter["value"].as_str().unwrap();
    assert_eq!(kept.as_bytes(), &over[..OVERSIZED_KEPT_BYTES]);
}

#[test]
fn a_topic_without_a_client_stops_nobody() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let long = payload::status_topic(&"x".repeat(rollcall_model::id::CLIENT_ID_BYTES_MAX + 1));
    rollcall
        .publish(&long, payload::handshake("id-1").as_bytes(), false)
        .unwrap();
    rollcall
        .publish("somebody/else", b"not ours", false)
        .unwrap();
    rollcall
        .publish_status(CLIENT, &payload::handshake("id-2"))
        .unwrap();
    rollcall
        .wait_for_row(CLIENT, "there", |row| row["presence"] == "online")
        .unwrap();

    let letters = dead_letters(&rollcall, 1);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["value"]["reason"], "misplaced");
    assert_eq!(letters[0]["value"]["mqtt_topic"], long.as_str());
    let status = rollcall.records(Topic::Status).unwrap();
    let strangers = status
        .iter()
        .filter(|record| record["key"] != CLIENT)
        .count();
    assert_eq!(strangers, 0, "{status:?}");
}
