//! JSON kept as the device sent it: checked text, not a tree.

use std::fmt;
use std::sync::Arc;

/// Deepest nesting accepted; serde_json refuses 128, and no fact is deeper than a few levels.
pub const DEPTH_MAX: usize = 64;

/// Valid JSON text as received, without the white space around it.
///
/// Equality is equality of the text: a device that sends the same facts sends the same bytes.
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
        if depth(text) > DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        serde_json::from_str::<serde::de::IgnoredAny>(text)
            .map_err(|error| JsonError::Invalid(error.to_string()))?;
        Ok(Self(text.into()))
    }

    /// The text as received.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text parsed; a [`Json`] is valid by construction, so this always gives a value.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// Whether this is an object with at least one member.
    pub fn is_filled_object(&self) -> bool {
        // Exact without parsing: the text is valid JSON, trimmed, so only an object begins with a brace.
        self.0.strip_prefix('{').is_some_and(|rest| !rest.trim_start().starts_with('}'))
    }

    /// Whether this is an object with one of `names` as a key.
    pub fn has_any_key(&self, names: &[&str]) -> bool {
        match self.value() {
            serde_json::Value::Object(map) => names.iter().any(|name| map.contains_key(*name)),
            _ => false,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
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
