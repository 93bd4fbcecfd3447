//! Parts of the JSON view that several records share.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rollcall_model::event::{ReceiptOutcome, RequestBody};
use rollcall_model::ingress::IngressKind;
use rollcall_model::row::{Destination, Kind, Lookup, OfflineFact, Protocol, Session};
use rollcall_model::{Json, Millis, Policy, Received};
use serde_json::{Value, json};

use crate::wire::{self, Wire};

/// Null, or what `view` makes of it.
pub(super) fn optional<T>(value: &Option<T>, view: impl FnOnce(&T) -> Value) -> Value {
    value.as_ref().map_or(Value::Null, view)
}

pub(super) fn ms(at: &Millis) -> Value {
    at.0.into()
}

/// Anything by its text form: ids, coordinates, causes.
pub(super) fn text(value: &impl Display) -> Value {
    value.to_string().into()
}

pub(super) fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}

/// JSON as JSON.
pub(super) fn document(json: &Json) -> Value {
    json.value()
}

/// Text where the bytes are UTF-8, else base64 under a name that says so.
pub(super) fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({"base64": STANDARD.encode(bytes)}),
    }
}

/// Pairs as objects with `name` and `value`: names may repeat.
pub(super) fn pairs(pairs: &[(String, String)]) -> Value {
    pairs
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

pub(super) fn ingress_kind(kind: IngressKind) -> &'static str {
    match kind {
        IngressKind::Publish => "publish",
        IngressKind::BrokerLost => "broker-lost",
        IngressKind::RetainedAbsent => "retained-absent",
    }
}

pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Host => "host",
        Kind::Proxy => "proxy",
    }
}

pub(super) fn receipt_outcome(outcome: ReceiptOutcome) -> &'static str {
    match outcome {
        ReceiptOutcome::Acknowledged => "acknowledged",
        ReceiptOutcome::NoSubscriber => "no-subscriber",
        ReceiptOutcome::Failed => "failed",
    }
}

pub(super) fn session(session: &Session) -> Value {
    json!({
        "epoch": session.epoch,
        "connected_at": session.connected_at.0,
        "online_message_id": session.online_message_id,
        "online_sent": optional(&session.online_sent, ms),
        "received_at": session.received.at.0,
        "received_by": bridge(session.received.bridge),
        "received_order": session.received.order,
        "outlived_sent": optional(&session.outlived_sent, ms),
        "cause": text(&session.cause),
    })
}

pub(super) fn offline(fact: &OfflineFact) -> Value {
    json!({
        "at": fact.at.0,
        "reason": fact.reason.as_str(),
        "is_by_redelivery": fact.is_by_redelivery,
        "received": received(&fact.received),
        "sent": optional(&fact.sent, ms),
    })
}

pub(super) fn received(received: &Received) -> Value {
    json!({
        "at": received.at.0,
        "bridge": bridge(received.bridge),
        "order": received.order,
    })
}

/// A bridge by the hash that rows keep of its name.
fn bridge(hash: u64) -> String {
    format!("{hash:016x}")
}

pub(super) fn lookup(lookup: &Lookup) -> Value {
    json!({
        "id": text(&lookup.id),
        "asked_at": lookup.asked_at.0,
        "due_at": lookup.due_at.0,
        "why": lookup.why.as_str(),
        "attempt": lookup.attempt,
        "cause": text(&lookup.cause),
    })
}

pub(super) fn destination(destination: &Destination) -> Value {
    let protocol = match destination.protocol {
        Protocol::Mqtt => "mqtt",
        Protocol::Websocket => "websocket",
        Protocol::Stomp => "stomp",
        Protocol::Plugin => "plugin",
    };
    json!({
        "protocol": protocol,
        "mqtt_topic": destination.mqtt_topic,
        "websocket_url": destination.websocket_url,
        "stomp_queue": destination.stomp_queue,
        "plugin": destination.plugin,
    })
}

pub(super) fn request_body(body: &RequestBody) -> Value {
    match body {
        RequestBody::Data {
            directive,
            payload,
            metadata,
        } => json!({
            "kind": "data",
            "directive": directive,
            "payload": document(payload),
            "metadata": pairs(metadata),
        }),
        RequestBody::Command { command, arguments } => json!({
            "kind": "command",
            "command": command,
            "arguments": document(arguments),
        }),
    }
}

pub(super) fn delivery_change(change: &rollcall_model::derived::DeliveryChange) -> Value {
    json!({
        "id": text(&change.id),
        "state": change.state.as_str(),
        "attempt": change.attempt,
    })
}

/// The wire type has the names already.
pub(super) fn policy(policy: &Policy) -> Value {
    serde_json::to_value(wire::Policy::from_model(policy)).unwrap_or_default()
}
