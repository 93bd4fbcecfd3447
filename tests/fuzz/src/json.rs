//! JSON that is kept as text, and written into messages for devices.

use rollcall_model::json::DEPTH_MAX;
use rollcall_model::{DeliveryId, Json, JsonError, Millis};
use rollcall_schemas::dialect::{Data, draft, rhc};
use serde_json::Value;
use uuid::Uuid;

mod naive;

/// Any text as JSON: kept if and only if another reader takes it, and then with its meaning.
pub fn json_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Json::new(text) {
        Ok(json) => {
            check(&json);
            assert_eq!(Json::new(json.as_str()).as_ref(), Ok(&json));
            outgoing(&json);
        }
        Err(JsonError::TooDeep) => assert!(brackets(text) > DEPTH_MAX),
        Err(JsonError::Invalid(why)) => {
            assert!(plain(text.trim()).is_none(), "{why}");
            assert!(why.len() < 200, "{why}");
        }
    }
}

/// What must hold of any JSON that is kept.
pub(crate) fn check(json: &Json) {
    let text = json.as_str();
    let value = plain(text).expect("another reader takes it too");
    assert_eq!(json.value(), value, "the value is what the text says");
    assert!(depth(&value) <= DEPTH_MAX);
    let members = value.as_object();
    assert_eq!(
        json.is_filled_object(),
        members.is_some_and(|members| !members.is_empty())
    );
    let has = |name: &str| members.is_some_and(|members| members.contains_key(name));
    for name in ["a", "catalog"] {
        assert_eq!(json.has_any_key(&[name]), has(name));
    }
}

/// A second reader. serde_json's own value takes an object whose first member has a private name of
/// serde_json for something else, so it is built from what any other type gives.
pub(crate) fn plain(text: &str) -> Option<Value> {
    serde_json::from_str::<naive::Tree>(text)
        .ok()
        .map(|tree| tree.0)
}

/// How deep arrays and objects are nested; 0 for a number.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Opening brackets, wherever they stand: never fewer than the depth.
fn brackets(text: &str) -> usize {
    text.bytes().filter(|b| matches!(b, b'{' | b'[')).count()
}

/// Messages for devices carry the JSON unchanged.
fn outgoing(json: &Json) {
    let id = DeliveryId(Uuid::nil());
    let data = Data {
        directive: "a",
        payload: json,
        metadata: &[],
    };
    let message = value_of(&rhc::encode_data(id, Millis(0), &data));
    assert_eq!(message["content"], json.value());
    let message = value_of(&draft::encode_message(id, Millis(0), &data));
    assert_eq!(message["payload"], json.value());
    let command = rhc::Command {
        command: "a",
        arguments: json,
    };
    let message = value_of(&rhc::encode_command(id, Millis(0), &command));
    for (_, text) in message["content"]["arguments"]
        .as_object()
        .into_iter()
        .flatten()
    {
        assert!(text.is_string(), "yggd takes texts only");
    }
}

fn value_of(message: &[u8]) -> Value {
    let text = std::str::from_utf8(message).expect("messages are text");
    plain(text).expect("messages are JSON")
}
