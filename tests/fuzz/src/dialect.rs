//! Publishes of devices, in both dialects: payloads, user properties and flags of anybody.

use rollcall_model::event::Online;
use rollcall_model::ingress::{Dialect, IngressKind};
use rollcall_model::{
    Cause, ClientId, Coordinates, Event, Ingress, InventoryMessage, Json, Millis, ReasonCode,
    RequestId, Topic,
};
use rollcall_schemas::dialect::{
    ERROR_TEXT_BYTES_MAX, ROW_JSON_BYTES_MAX, Refusal, SHORT_TEXT_BYTES_MAX, parse,
};
use rollcall_schemas::identity::system;
use serde_json::Value;
use uuid::Uuid;

use crate::input::Input;
use crate::{REFUSAL_BYTES_MAX, inventory, json};

/// The property that a device's session epoch stands in.
const EPOCH_PROPERTY: &str = "session-epoch";

/// A publish of seed 000's devices.
///
/// Shape: flags (bit 0: the other topic, 1: retain, 2: dup, 3 and 4: QoS, 5 and 6: number of user
/// properties) | each property: whether it is another one than the session epoch (1), its value |
/// the payload.
pub fn dialect_draft(data: &[u8]) {
    publish(data, Dialect::Draft, ["status/c-1", "in/c-1"]);
}

/// A publish of deployed devices; shape as for [`dialect_draft`].
pub fn dialect_rhc(data: &[u8]) {
    publish(data, Dialect::Rhc, ["c-1/control/out", "c-1/data/out"]);
}

fn publish(data: &[u8], dialect: Dialect, topics: [&str; 2]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let user_properties = (0..flags >> 5 & 3)
        .map(|_| {
            let name = if input.byte() == 0 {
                EPOCH_PROPERTY
            } else {
                "a"
            };
            (name.to_owned(), input.text())
        })
        .collect();
    let ingress = Ingress {
        kind: IngressKind::Publish,
        dialect,
        mqtt_topic: format!("redhat/insights/{}", topics[usize::from(flags & 1)]),
        payload: input.rest().to_vec(),
        qos: (flags >> 3 & 3) % 3,
        retain: flags & 2 != 0,
        dup: flags & 4 != 0,
        user_properties,
        received_at: Millis(0),
        bridge: String::new(),
        broker_generation: 0,
        received_order: 0,
    };
    let client = client();
    let result = parse(&ingress, &client);
    assert_eq!(result, parse(&ingress, &client), "the same every time");
    let is_text = std::str::from_utf8(&ingress.payload).is_ok();
    match result {
        Ok(event) => {
            assert!(is_text);
            understood(&ingress, &event);
        }
        Err(refusal) => {
            assert_eq!(refusal.reason == ReasonCode::NotUtf8, !is_text);
            refused(&refusal);
        }
    }
}

fn client() -> ClientId {
    ClientId::new("c-1").expect("a client id")
}

/// What an event holds is bounded, and what another reader sees in the payload.
fn understood(ingress: &Ingress, event: &Event) {
    let payload = Payload::of(ingress);
    match event {
        Event::Online(online) => {
            assert_eq!(online.dialect, ingress.dialect);
            payload.same_text("message_id", &online.message_id);
            payload.same_epoch(ingress, online.epoch);
            understood_online(&payload, online);
            told(online);
        }
        Event::Offline(offline) => {
            payload.same_text("message_id", &offline.message_id);
            payload.same_epoch(ingress, offline.epoch);
        }
        Event::Message(message) => {
            payload.same_text("message_id", &message.message_id);
            let error = message.error.as_deref().unwrap_or_default();
            assert!(error.len() <= ERROR_TEXT_BYTES_MAX);
        }
        other => panic!("no device says {other:?}"),
    }
}

fn understood_online(payload: &Payload, online: &Online) {
    let status = payload.status();
    let documents = [
        ("canonical_facts", &online.canonical_facts),
        ("dispatchers", &online.dispatchers),
        ("catalog_service_facts", &online.catalog_service_facts),
        ("tags", &online.tags),
    ];
    for (name, found) in documents {
        if let Some(json) = found {
            assert!(json.as_str().len() <= ROW_JSON_BYTES_MAX);
            assert!(name == "tags" || json.as_str().starts_with('{'));
            json::check(json);
        }
        if let Some(status) = status {
            let sent = status.get(name).filter(|value| !value.is_null());
            assert_eq!(found.as_ref().map(Json::value).as_ref(), sent, "{name}");
        }
    }
    for (name, found) in [
        ("client_name", &online.client_name),
        ("client_version", &online.client_version),
    ] {
        assert!(found.len() <= SHORT_TEXT_BYTES_MAX);
        if let Some(status) = status {
            let sent = status.get(name).and_then(Value::as_str);
            assert_eq!(sent.unwrap_or_default(), found, "{name}");
        }
    }
    let topic = &online.destination.mqtt_topic;
    assert!(
        ["redhat/insights/out/c-1", "redhat/insights/c-1/data/in"].contains(&&**topic),
        "{topic}"
    );
}

/// What inventory would be told of it.
fn told(online: &Online) {
    let Some(facts) = &online.canonical_facts else {
        return;
    };
    let at = Coordinates {
        topic: Topic::Status,
        partition: 0,
        offset: 0,
    };
    inventory::check(&InventoryMessage {
        client_id: client(),
        org_id: "10000".to_owned(),
        account: String::new(),
        identity: system(&client(), "10000", ""),
        canonical_facts: facts.clone(),
        tags: online.tags.clone(),
        request_id: RequestId(Uuid::nil()),
        stale_timestamp: online.sent.unwrap_or(Millis(0)),
        cause: Cause::Record(at),
    });
}

/// A refusal is one short line that says what to do.
fn refused(refusal: &Refusal) {
    let text = &refusal.text;
    assert!(text.len() <= REFUSAL_BYTES_MAX, "{} bytes", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.contains("send "), "no remedy: {text}");
}

/// The payload as another reader sees it; `None` where only ours can follow (a lone surrogate or a
/// number beyond f64 in what is left out).
struct Payload {
    value: Option<Value>,
    body: &'static str,
}

impl Payload {
    fn of(ingress: &Ingress) -> Self {
        let text = std::str::from_utf8(&ingress.payload).unwrap_or_default();
        let body = match ingress.dialect {
            Dialect::Draft => "payload",
            Dialect::Rhc => "content",
        };
        Self {
            value: json::plain(text),
            body,
        }
    }

    /// The status body.
    fn status(&self) -> Option<&serde_json::Map<String, Value>> {
        let body = self.value.as_ref()?.get(self.body);
        Some(body.and_then(Value::as_object).expect("an online has one"))
    }

    fn same_text(&self, name: &str, found: &str) {
        assert!(found.len() <= SHORT_TEXT_BYTES_MAX);
        if let Some(value) = &self.value {
            let sent = value.get(name).and_then(Value::as_str);
            assert_eq!(sent.unwrap_or_default(), found, "{name}");
        }
    }

    /// The user property counts, then the member, as a number or a text.
    fn same_epoch(&self, ingress: &Ingress, found: Option<i64>) {
        let mut properties = ingress.user_properties.iter();
        let property = properties.find(|(name, _)| name == EPOCH_PROPERTY);
        if let Some((_, text)) = property {
            assert_eq!(text.trim().parse().ok(), found);
        } else if let Some(value) = &self.value {
            let sent = value.get("session_epoch").and_then(|epoch| match epoch {
                Value::String(text) => text.trim().parse().ok(),
                number => number.as_i64(),
            });
            assert_eq!(sent, found);
        }
    }
}
