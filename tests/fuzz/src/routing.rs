//! MQTT topics, and the other short texts that name things: client ids, coordinates, causes.

use rollcall_model::id::CLIENT_ID_BYTES_MAX;
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::{Cause, ClientId, Coordinates, Ingress, Millis, ReasonCode, Topic};
use rollcall_schemas::dialect::{Prefixes, Route, parse, route};
use rollcall_schemas::partition;

use crate::input::Input;

/// Any MQTT topic under any prefixes.
///
/// Shape: flags (bit 0: prefixes follow, else the default ones) | prefix of `rhc` | prefix of
/// `draft` | the topic.
pub fn topic_route(data: &[u8]) {
    let mut input = Input::new(data);
    let prefixes = match input.byte() & 1 {
        0 => Prefixes::default(),
        _ => Prefixes {
            rhc: input.text(),
            draft: input.text(),
        },
    };
    let bytes = input.rest();
    names(bytes);
    let Ok(topic) = std::str::from_utf8(bytes) else {
        return;
    };
    match route(topic, &prefixes) {
        Ok(Some(found)) => routed(topic, &prefixes, &found),
        Ok(None) => {}
        Err(error) => assert!(error.to_string().len() < 100, "{error}"),
    }
}

/// Route, parser and client id agree.
fn routed(topic: &str, prefixes: &Prefixes, found: &Route) {
    let client = found.client.as_str();
    let (prefix, log, shapes) = match found.dialect {
        Dialect::Draft => {
            let shapes = ["status", "in"].map(|level| format!("{level}/{client}"));
            (&prefixes.draft, Topic::Status, shapes)
        }
        Dialect::Rhc => {
            let shapes = ["control", "data"].map(|level| format!("{client}/{level}/out"));
            let is_data = topic.ends_with("/data/out");
            let log = if is_data {
                Topic::Messages
            } else {
                Topic::Status
            };
            (&prefixes.rhc, log, shapes)
        }
    };
    assert_eq!(found.topic, log);
    let rest = topic.strip_prefix(prefix.as_str());
    let rest = rest.and_then(|rest| rest.strip_prefix("/insights/"));
    assert!(shapes.iter().any(|shape| Some(&**shape) == rest));
    let publish = Ingress {
        kind: IngressKind::Publish,
        dialect: found.dialect,
        mqtt_topic: topic.to_owned(),
        payload: Vec::new(),
        qos: 1,
        retain: false,
        dup: false,
        user_properties: Vec::new(),
        received_at: Millis(0),
        bridge: String::new(),
        broker_generation: 0,
        received_order: 0,
    };
    parse(&publish, &found.client).expect("an empty publish is understood on every topic");
    let other = ClientId::new("somebody-else").expect("a client id");
    if other != found.client {
        let refusal = parse(&publish, &other).expect_err("another client's topic");
        assert_eq!(refusal.reason, ReasonCode::Misplaced);
    }
}

/// What reads as a name is written as that name.
fn names(bytes: &[u8]) {
    for partitions in [0, 1, 12] {
        assert!(partition::for_key(bytes, partitions) < partitions.max(1));
    }
    if let Ok(client) = ClientId::from_bytes(bytes) {
        assert_eq!(client.as_bytes(), bytes);
        assert!((1..=CLIENT_ID_BYTES_MAX).contains(&bytes.len()));
        assert!(!client.as_str().contains(['/', '+', '#', '\0', '\n']));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(at) = Coordinates::parse(text) {
        assert_eq!(Coordinates::parse(&at.to_string()), Some(at));
    }
    if let Some(cause) = Cause::parse(text) {
        assert_eq!(Cause::parse(&cause.to_string()), Some(cause));
    }
}
