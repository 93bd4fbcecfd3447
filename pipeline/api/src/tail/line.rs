//! A record as one line of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rollcall_model::{DeliveryId, Topic};
use rollcall_schemas::json::to_json;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Entry;

/// A record for people: `{topic, partition, offset, appended_at, key, headers, value}`.
///
/// `appended_at` is in milliseconds UTC. Keys and headers are text, or `{"base64": …}` when they
/// are not UTF-8; a header given twice is an array; a key of `outbox` is `client id/delivery id`.
/// `value` is the decoded record, null for a tombstone, and `{"undecodable": why, "base64": …}` for
/// what does not decode.
#[derive(Debug, PartialEq, Serialize)]
pub struct Line {
    /// The topic.
    pub topic: &'static str,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// When the log took it.
    pub appended_at: i64,
    /// The key; null without one.
    pub key: Value,
    /// Headers by name.
    pub headers: Map<String, Value>,
    /// The decoded value.
    pub value: Value,
}

impl Line {
    /// The line of a record.
    pub fn of(entry: &Entry) -> Self {
        let record = &entry.record;
        Self {
            topic: entry.topic.as_str(),
            partition: entry.partition,
            offset: record.offset,
            appended_at: record.appended_at.0,
            key: record
                .key
                .as_deref()
                .map_or(Value::Null, |key| key_text(entry.topic, key)),
            headers: headers(&record.headers),
            value: record
                .value
                .as_deref()
                .map_or(Value::Null, |value| decoded(entry.topic, value)),
        }
    }

    /// The line as JSON, with its line feed.
    pub fn to_ndjson(&self) -> String {
        // Strings, numbers and maps with text keys: there is nothing that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// A value as JSON, or why it is none.
pub(crate) fn decoded(topic: Topic, value: &[u8]) -> Value {
    to_json(topic, value).unwrap_or_else(
        |error| json!({ "undecodable": error.to_string(), "base64": STANDARD.encode(value) }),
    )
}

fn key_text(topic: Topic, key: &[u8]) -> Value {
    let delivery = (topic == Topic::Outbox)
        .then(|| delivery_key(key))
        .flatten();
    delivery.map_or_else(|| text(key), Value::String)
}

/// Shape: client id, 0x00, delivery id (16 bytes).
fn delivery_key(key: &[u8]) -> Option<String> {
    let (client, id) = key.split_at_checked(key.len().checked_sub(17)?)?;
    let id: [u8; 16] = id.strip_prefix(&[0])?.try_into().ok()?;
    let id = DeliveryId(uuid::Uuid::from_bytes(id));
    Some(format!("{}/{id}", std::str::from_utf8(client).ok()?))
}

fn headers(headers: &[(String, bytes::Bytes)]) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in headers {
        let value = text(value);
        match map.get_mut(name) {
            None => {
                map.insert(name.clone(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    map
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}
