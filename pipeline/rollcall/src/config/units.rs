//! Quantities as people write them: `30m`, `256 MiB`, `off`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest duration: times have room for it, and nobody means more.
const SPAN_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A duration with its unit: `50ms`, `30m`, `25h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    /// In milliseconds.
    pub(crate) fn ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let span = humantime::parse_duration(&text).map_err(|error| {
            format!("{text:?} is no duration ({error}); give a number with a unit, such as \"30m\"")
        })?;
        match span <= SPAN_MAX {
            true => Ok(Self(span)),
            false => Err(format!(
                "{text:?} is longer than a hundred years; give less"
            )),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        humantime::format_duration(span.0).to_string()
    }
}

/// A duration, or `off`: inputs are kept for ever, or something is never done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct SpanOrOff(pub(crate) Option<Duration>);

impl TryFrom<String> for SpanOrOff {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let span = Span::try_from(text).map_err(|error| format!("{error}, or \"off\""))?;
        Ok(Self(Some(span.0)))
    }
}

impl From<SpanOrOff> for String {
    fn from(span: SpanOrOff) -> String {
        span.0
            .map_or_else(|| "off".to_owned(), |span| String::from(Span(span)))
    }
}

/// An amount of memory: `64 MiB`, `1 GiB`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Bytes(pub(crate) usize);

const UNITS: [(&str, usize); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let unit = UNITS.iter().find(|(name, _)| trimmed.ends_with(name));
        let (number, factor) = match unit {
            Some((name, factor)) => (trimmed.trim_end_matches(name).trim_end(), *factor),
            None => (trimmed, 1),
        };
        let amount = number
            .parse::<usize>()
            .ok()
            .and_then(|n| n.checked_mul(factor));
        amount
            .map(Bytes)
            .ok_or_else(|| format!("{text:?} is no amount of memory; give one such as \"256 MiB\""))
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> String {
        bytes.to_string()
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits =
            |(_, factor): &&(&str, usize)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        match UNITS.iter().find(fits) {
            Some((name, factor)) => write!(f, "{} {name}", self.0 / factor),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// What is not given is the empty text, so that `rollcall config` prints every key.
pub(super) mod unless_empty {
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => "".serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, T: From<String>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok((!text.is_empty()).then(|| T::from(text)))
    }
}
