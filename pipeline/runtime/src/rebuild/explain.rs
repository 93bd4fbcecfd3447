//! What differs between two values, in words that an operator can follow.

use rollcall_model::Topic;
use rollcall_schemas::json::to_json;
use serde_json::Value;

/// Characters shown of a value: enough to recognise it, too few to leak a payload.
const SHOWN_CHARS_MAX: usize = 60;

/// A key as text; `client id/delivery id` for the outbox.
pub(super) fn key(topic: Topic, key: &[u8]) -> String {
    let delivery = (topic == Topic::Outbox)
        .then(|| key.iter().position(|byte| *byte == 0))
        .flatten();
    let (client, id) = key.split_at(delivery.unwrap_or(key.len()));
    let client = String::from_utf8_lossy(client).escape_debug().to_string();
    match id.get(1..).and_then(|id| uuid::Uuid::from_slice(id).ok()) {
        Some(id) => format!("{client}/{id}"),
        None => client,
    }
}

/// The first member in which two values of `topic` differ.
pub(super) fn values(topic: Topic, live: Option<&[u8]>, rebuilt: Option<&[u8]>) -> String {
    let (live, rebuilt) = match (live, rebuilt) {
        (Some(live), Some(rebuilt)) => (live, rebuilt),
        (Some(_), None) => return "live has a value, rebuilt a null".to_owned(),
        (None, _) => return "live has a null, rebuilt a value".to_owned(),
    };
    match (to_json(topic, live), to_json(topic, rebuilt)) {
        (Ok(live), Ok(rebuilt)) => {
            member("", &live, &rebuilt).unwrap_or_else(|| "same content in other bytes".to_owned())
        }
        (Err(error), _) => format!("the live value cannot be decoded: {error}"),
        (_, Err(error)) => format!("the rebuilt value cannot be decoded: {error}"),
    }
}

fn member(path: &str, live: &Value, rebuilt: &Value) -> Option<String> {
    if live == rebuilt {
        return None;
    }
    if let (Value::Object(live), Value::Object(rebuilt)) = (live, rebuilt) {
        let names = live
            .keys()
            .chain(rebuilt.keys().filter(|name| !live.contains_key(*name)));
        return names.into_iter().find_map(|name| {
            let at = |members: &serde_json::Map<String, Value>| {
                members.get(name).cloned().unwrap_or_default()
            };
            let dot = if path.is_empty() { "" } else { "." };
            member(&format!("{path}{dot}{name}"), &at(live), &at(rebuilt))
        });
    }
    let path = if path.is_empty() { "value" } else { path };
    Some(format!(
        "{path} is {} live, {} rebuilt",
        shown(live),
        shown(rebuilt)
    ))
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
