//! Values of the configuration: texts that become what their key wants, and how values, remedies
//! and readers' complaints look in an error.

use toml::{Table, Value};

use super::layers::is_free;

/// A text as the type of a known value wants it. Errors: the remedy.
pub(super) fn read(known: &Value, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    let read = match known {
        Value::String(_) => Some(Value::from(text)),
        Value::Integer(_) => trimmed.parse::<i64>().ok().map(Value::from),
        Value::Boolean(_) => trimmed.parse::<bool>().ok().map(Value::from),
        Value::Array(items) => list(items.first(), trimmed),
        _ => None,
    };
    read.ok_or_else(|| match known {
        Value::Array(_) => format!("{}, or its items with commas between them", wanted(known)),
        known => wanted(known),
    })
}

/// A list as people write it: in TOML, or its items with commas between them; empty is empty.
fn list(first: Option<&Value>, text: &str) -> Option<Value> {
    if text.starts_with('[') {
        let document: Table = format!("list = {text}").parse().ok()?;
        return document.get("list").filter(|list| list.is_array()).cloned();
    }
    let items = text.split(',').map(str::trim);
    let items = items.filter(|item| !item.is_empty());
    let items: Option<Vec<Value>> = items
        .map(|item| match first {
            Some(first) => read(first, item).ok(),
            None => Some(Value::from(item)),
        })
        .collect();
    items.map(Value::from)
}

/// What a key takes, with its default as the example.
pub(super) fn wanted(known: &Value) -> String {
    match known {
        Value::String(text) if text.is_empty() => "give a text".to_owned(),
        Value::String(_) => format!("give a text, such as {known}"),
        Value::Integer(_) => format!("give a whole number, such as {known}"),
        Value::Boolean(_) => "give true or false".to_owned(),
        Value::Array(_) => format!("give a list, such as {known}"),
        _ => "this is a section; name one of its keys".to_owned(),
    }
}

/// `[section] key = value`, without the values that may be secret.
pub(super) fn shown(path: &[String], value: &Value) -> String {
    let (key, section) = match path.split_last() {
        Some((key, section)) => (key.as_str(), section.join(".")),
        None => ("", String::new()),
    };
    let section = match section.is_empty() {
        true => String::new(),
        false => format!("[{section}] "),
    };
    match value {
        _ if is_free(path) => format!("{section}{key} = …"),
        Value::Table(_) => format!("{section}{key}"),
        value => format!("{section}{key} = {value}"),
    }
}

/// A reader's complaint as one line, in plain words.
pub(super) fn plain(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let most = [
        ("expected u8", u64::from(u8::MAX)),
        ("expected u16", u64::from(u16::MAX)),
        ("expected u32", u64::from(u32::MAX)),
        ("expected usize", i64::MAX as u64),
    ];
    let bound = most.into_iter().find(|(end, _)| line.ends_with(end));
    match bound {
        Some((_, most)) if line.starts_with("invalid value") => format!("give 0 to {most}"),
        _ => line,
    }
}
