//! Members of a JSON object by name, as text, without a tree: one pass, no allocation.
//!
//! Every value is looked at only when it is asked for, and then as what it should be; a wrong one
//! becomes a [`Refusal`] that names it. What is never asked for is skipped, however deep it is
//! nested.

use std::borrow::Cow;
use std::fmt;

use rollcall_model::{Json, ReasonCode};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{ROW_JSON_BYTES_MAX, Refusal, SHORT_TEXT_BYTES_MAX, refuse};
use crate::text::shorten;

/// The members of one object that have one of `N` names.
#[derive(Debug)]
pub(super) struct Members<'a, const N: usize> {
    /// Path of the object: `None` for the payload itself.
    parent: Option<&'static str>,
    names: &'static [&'static str; N],
    found: [Option<&'a RawValue>; N],
    twice: Option<&'static str>,
}

impl<'a, const N: usize> Members<'a, N> {
    /// Reads a payload.
    ///
    /// # Errors
    /// `malformed_json`; `invalid_field` when it is no object or gives one of `names` twice.
    pub(super) fn of_payload(
        text: &'a str,
        names: &'static [&'static str; N],
    ) -> Result<Self, Refusal> {
        let members = Self::read(text, names).map_err(|error| match error.classify() {
            Category::Data => invalid(format!(
                "payload is {}; send a JSON object",
                shorten(text.trim_ascii())
            )),
            _ => malformed(format!("payload is not JSON: {error}; {}", remedy(text))),
        })?;
        members.once()
    }

    /// The member called `names[index]`.
    pub(super) fn field(&self, index: usize) -> Field<'a> {
        let raw = self.found[index]
            .map(RawValue::get)
            .filter(|raw| *raw != "null");
        let is_null = raw.is_none() && self.found[index].is_some();
        Field {
            parent: self.parent,
            name: self.names[index],
            raw,
            is_null,
        }
    }

    /// Only syntax is an error here, or something that is no object (category `Data`).
    fn read(text: &'a str, names: &'static [&'static str; N]) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let members = Find(names).deserialize(&mut json)?;
        json.end()?;
        Ok(members)
    }

    fn once(self) -> Result<Self, Refusal> {
        match self.twice {
            None => Ok(self),
            Some(name) => Err(invalid(format!(
                "field `{}` is given twice; send it once",
                Path(self.parent, name)
            ))),
        }
    }
}

/// One member, perhaps absent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    parent: Option<&'static str>,
    name: &'static str,
    /// Its text; `None` when absent or null.
    raw: Option<&'a str>,
    is_null: bool,
}

impl<'a> Field<'a> {
    /// The value's JSON text; `None` when absent or null.
    pub(super) fn raw(&self) -> Option<&'a str> {
        self.raw
    }

    /// As text. `None` when absent or null.
    ///
    /// # Errors
    /// `invalid_field` when it is something else, `malformed_json` for a lone surrogate.
    pub(super) fn text(&self) -> Result<Option<Cow<'a, str>>, Refusal> {
        let Some(raw) = self.raw else {
            return Ok(None);
        };
        let Some(inner) = raw
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
        else {
            return Err(self.invalid("send a text in quotes"));
        };
        if !inner.contains('\\') {
            return Ok(Some(Cow::Borrowed(inner)));
        }
        match serde_json::from_str(raw) {
            Ok(text) => Ok(Some(Cow::Owned(text))),
            Err(error) => Err(self.malformed(&error)),
        }
    }

    /// As text of at most [`SHORT_TEXT_BYTES_MAX`] bytes; `""` when absent or null.
    ///
    /// # Errors
    /// As [`Field::text`], and `invalid_field` when it is longer.
    pub(super) fn short_text(&self) -> Result<String, Refusal> {
        let text = self.text()?.unwrap_or_default();
        if text.len() > SHORT_TEXT_BYTES_MAX {
            return Err(invalid(format!(
                "field `{}` has {} bytes ({}); send at most {SHORT_TEXT_BYTES_MAX}",
                self.path(),
                text.len(),
                shorten(&text)
            )));
        }
        Ok(text.into_owned())
    }

    /// As an object kept whole. `None` when absent or null.
    ///
    /// # Errors
    /// `invalid_field` when it is something else; as [`Field::any`].
    pub(super) fn object(&self) -> Result<Option<Json>, Refusal> {
        match self.raw {
            Some(raw) if !raw.starts_with('{') => Err(self.invalid("send an object or null")),
            _ => self.any(),
        }
    }

    /// Kept whole, whatever it is. `None` when absent or null.
    ///
    /// # Errors
    /// `too_large` over [`ROW_JSON_BYTES_MAX`]; `malformed_json` when it is nested too deep, or
    /// holds a lone surrogate or a number beyond f64.
    pub(super) fn any(&self) -> Result<Option<Json>, Refusal> {
        let Some(raw) = self.raw else {
            return Ok(None);
        };
        if raw.len() > ROW_JSON_BYTES_MAX {
            return Err(refuse(
                ReasonCode::TooLarge,
                format!(
                    "field `{}` has {} bytes; send at most {ROW_JSON_BYTES_MAX}",
                    self.path(),
                    raw.len()
                ),
            ));
        }
        Json::new(raw)
            .map(Some)
            .map_err(|error| self.malformed(&error))
    }

    /// The members of this object that have one of `names`.
    ///
    /// # Errors
    /// `invalid_field` when it is absent, null, no object, or gives one of `names` twice.
    pub(super) fn members<const N: usize>(
        &self,
        names: &'static [&'static str; N],
    ) -> Result<Members<'a, N>, Refusal> {
        let Some(raw) = self.raw.filter(|raw| raw.starts_with('{')) else {
            return Err(self.invalid("send an object"));
        };
        let members = Members::read(raw, names).map_err(|error| self.malformed(&error))?;
        Members {
            parent: Some(self.name),
            ..members
        }
        .once()
    }

    /// Whether this is an object with such a member.
    pub(super) fn has_member(&self, name: &'static [&'static str; 1]) -> bool {
        let members = self.raw.and_then(|raw| Members::read(raw, name).ok());
        members.is_some_and(|members| members.found[0].is_some())
    }

    /// A refusal that says what is wrong with this field, and `remedy`.
    pub(super) fn invalid(&self, remedy: &str) -> Refusal {
        let path = self.path();
        invalid(match (self.raw, self.is_null) {
            (Some(raw), _) => format!("field `{path}` is {}; {remedy}", shorten(raw)),
            (None, true) => format!("field `{path}` is null; {remedy}"),
            (None, false) => format!("field `{path}` is missing; {remedy}"),
        })
    }

    /// The field's name with the one it stands in.
    pub(super) fn path(&self) -> impl fmt::Display + use<> {
        Path(self.parent, self.name)
    }

    fn malformed(&self, error: &dyn fmt::Display) -> Refusal {
        let value = shorten(self.raw.unwrap_or_default());
        malformed(format!(
            "field `{}` is {value}: {error}; send plain JSON",
            self.path()
        ))
    }
}

/// What to do about a payload that is no JSON. Two characters are not seen when it is looked at.
fn remedy(text: &str) -> String {
    if text.starts_with('\u{feff}') {
        "send it without the byte order mark (U+FEFF) at its beginning".to_owned()
    } else if text.contains('\u{a0}') {
        "send plain spaces instead of no-break spaces (U+00A0), which come with copied text"
            .to_owned()
    } else {
        format!(
            "send one JSON object and nothing else, not {}",
            shorten(text)
        )
    }
}

fn invalid(text: String) -> Refusal {
    refuse(ReasonCode::InvalidField, text)
}

fn malformed(text: String) -> Refusal {
    refuse(ReasonCode::MalformedJson, text)
}

/// `content.state`, or only `state`.
struct Path(Option<&'static str>, &'static str);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(parent) => write!(f, "{parent}.{}", self.1),
            None => f.write_str(self.1),
        }
    }
}

/// Collects the members with these names. By hand, since a derived struct would also take an array.
struct Find<const N: usize>(&'static [&'static str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Find<N> {
    type Value = Members<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Find<N> {
    type Value = Members<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members {
            parent: None,
            names: self.0,
            found: [None; N],
            twice: None,
        };
        while let Some(index) = map.next_key_seed(IndexOf(self.0))? {
            let Some(index) = index else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if members.found[index].replace(map.next_value()?).is_some() {
                members.twice = Some(self.0[index]);
            }
        }
        Ok(members)
    }
}

/// Which of the names a key is.
struct IndexOf(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for IndexOf {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IndexOf {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}
