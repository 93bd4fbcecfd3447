//! JSON kept as the device sent it: checked text, not a tree.

mod tree;

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

pub use tree::Tree;

/// Deepest nesting accepted; serde_json refuses 128, and no fact is deeper than a few levels.
pub const DEPTH_MAX: usize = 64;

/// Valid JSON text as received, without the white space around it.
///
/// Stricter than the grammar where a reader could not follow: no lone surrogates, no numbers beyond
/// f64. Equality is equality of the text: a device that sends the same facts sends the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

/// Why a text is not kept as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON at all; the text says where.
    #[error("not valid JSON: {0}")]
    Invalid(String),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("JSON nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

impl Json {
    /// Checks `text` and keeps it.
    pub fn new(text: &str) -> Result<Self, JsonError> {
        let text = text.trim();
        if is_too_deep(text) {
            return Err(JsonError::TooDeep);
        }
        serde_json::from_str::<Sound>(text)
            .map_err(|error| JsonError::Invalid(error.to_string()))?;
        Ok(Self(text.into()))
    }

    /// An object without members.
    pub fn empty_object() -> Self {
        Self("{}".into())
    }

    /// The text as received.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text parsed; a [`Json`] is valid by construction, so this always gives a value.
    pub fn value(&self) -> serde_json::Value {
        let Tree(value) = serde_json::from_str(&self.0).unwrap_or_default();
        value
    }

    /// Whether this is an object with at least one member.
    pub fn is_filled_object(&self) -> bool {
        // Exact without parsing: the text is valid JSON, trimmed, so only an object begins with a
        // brace.
        self.0
            .strip_prefix('{')
            .is_some_and(|rest| !rest.trim_start().starts_with('}'))
    }

    /// Whether this is an object with one of `names` as a key.
    pub fn has_any_key(&self, names: &[&str]) -> bool {
        let mut text = serde_json::Deserializer::from_str(&self.0);
        // Only an error for what is no object: the text is valid JSON.
        text.deserialize_map(AnyKey(names)).unwrap_or(false)
    }
}

/// Looks for keys without building the values.
struct AnyKey<'a>(&'a [&'a str]);

impl<'de> Visitor<'de> for AnyKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut is_found = false;
        while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
            is_found |= self.0.contains(&key.as_str());
        }
        Ok(is_found)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value read to its last text and number, then forgotten.
///
/// `IgnoredAny` would skip over lone surrogates and numbers out of range, and [`Json::value`] would
/// then fail.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sound)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Sound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_str<E>(self, _: &str) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Sound, A::Error> {
        while seq.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sound, A::Error> {
        while map.next_entry::<Sound, Sound>()?.is_some() {}
        Ok(Sound)
    }
}

/// Whether a bracket is open deeper than [`DEPTH_MAX`]. A text with no more brackets than that, the
/// usual one, cannot be: counting them is one pass without branches.
fn is_too_deep(text: &str) -> bool {
    let brackets = text.bytes().filter(|byte| matches!(byte, b'{' | b'['));
    brackets.count() > DEPTH_MAX && depth(text) > DEPTH_MAX
}

/// Deepest open bracket outside of strings; wrong for invalid JSON, which is refused afterwards.
fn depth(text: &str) -> usize {
    let (mut deepest, mut open, mut in_string, mut escaped) = (0usize, 0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' if !in_string => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
