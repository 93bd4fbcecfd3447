//! Parts that several records share: bytes, ids, coordinates, causes, destinations, bodies.

use std::borrow::Cow;
use std::fmt;

use rollcall_model as model;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::names::{BodyKind, Protocol, TimerKind, Topic};
use super::{Bad, Wire, json, narrow};
use crate::text::shorten;

/// Avro `bytes`, borrowed where possible.
#[derive(Debug, Default)]
pub(crate) struct Bytes<'a>(pub(crate) Cow<'a, [u8]>);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor).map(Bytes)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes))
    }
}

/// Avro `fixed` of N bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> Serialize for Fixed<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Fixed<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_bytes(BytesVisitor)?;
        let wrong = |_| D::Error::invalid_length(bytes.len(), &"the size of the fixed type");
        bytes.as_ref().try_into().map(Fixed).map_err(wrong)
    }
}

/// A UUID: on the way out the value, written as text without an allocation; on the way in the text,
/// so that a wrong one is refused under the name of its field.
#[derive(Debug)]
pub(crate) enum Id<'a> {
    Value(Uuid),
    Text(Cow<'a, str>),
}

impl Id<'_> {
    pub(crate) fn uuid(self, field: &'static str) -> Result<Uuid, Bad> {
        match self {
            Id::Value(uuid) => Ok(uuid),
            Id::Text(text) => Uuid::try_parse(&text).map_err(|error| {
                Bad::new(field, format!("{:?} is no UUID: {error}", shorten(&text)))
            }),
        }
    }
}

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Id::Value(uuid) => {
                let mut buffer = Uuid::encode_buffer();
                serializer.serialize_str(uuid.hyphenated().encode_lower(&mut buffer))
            }
            Id::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Id::Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID as text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A text that may be null. (serde borrows into a `Cow` only where it stands bare.)
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// JSON that may be null, borrowed.
pub(crate) fn text_of(json: &Option<model::Json>) -> Option<Text<'_>> {
    json.as_ref().map(|json| Text(Cow::Borrowed(json.as_str())))
}

/// Where a record stands. Offsets are Avro longs, bit for bit.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Coordinates {
    topic: Topic,
    partition: i64,
    offset: i64,
}

impl Wire<'_> for Coordinates {
    type Model = model::Coordinates;

    fn from_model(model: &Self::Model) -> Self {
        Self {
            topic: model.topic.into(),
            partition: i64::from(model.partition),
            offset: model.offset.cast_signed(),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(model::Coordinates {
            topic: self.topic.model("topic")?,
            partition: narrow(self.partition, "partition")?,
            offset: self.offset.cast_unsigned(),
        })
    }
}

/// A timer, by kind and due time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Timer {
    kind: TimerKind,
    due_at: i64,
}

/// What made something happen: exactly one field is set.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cause {
    #[serde(default)]
    record: Option<Coordinates>,
    #[serde(default)]
    timer: Option<Timer>,
}

impl Wire<'_> for Cause {
    type Model = model::Cause;

    fn from_model(model: &Self::Model) -> Self {
        match model {
            model::Cause::Record(at) => Self {
                record: Some(Coordinates::from_model(at)),
                timer: None,
            },
            model::Cause::Timer { kind, due_at } => Self {
                record: None,
                timer: Some(Timer {
                    kind: (*kind).into(),
                    due_at: due_at.0,
                }),
            },
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        match (self.record, self.timer) {
            (Some(at), None) => at.into_model().map(model::Cause::Record),
            (None, Some(timer)) => Ok(model::Cause::Timer {
                kind: timer.kind.model("cause")?,
                due_at: model::Millis(timer.due_at),
            }),
            _ => Err(Bad::new(
                "cause",
                "exactly one of record and timer must be set",
            )),
        }
    }
}

/// A name and its value.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Property<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

/// Pairs in order, borrowed.
pub(crate) fn properties(pairs: &[(String, String)]) -> Vec<Property<'_>> {
    pairs
        .iter()
        .map(|(name, value)| Property {
            name: Cow::Borrowed(name.as_str()),
            value: Cow::Borrowed(value.as_str()),
        })
        .collect()
}

/// Pairs in order, owned.
pub(crate) fn pairs(properties: Vec<Property<'_>>) -> Vec<(String, String)> {
    let pair = |p: Property<'_>| (p.name.into_owned(), p.value.into_owned());
    properties.into_iter().map(pair).collect()
}

/// Where messages for a client go.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Destination<'a> {
    protocol: Protocol,
    #[serde(borrow, default)]
    mqtt_topic: Cow<'a, str>,
    #[serde(borrow, default)]
    websocket_url: Cow<'a, str>,
    #[serde(borrow, default)]
    stomp_queue: Cow<'a, str>,
    #[serde(borrow, default)]
    plugin: Cow<'a, str>,
}

impl<'a> Wire<'a> for Destination<'a> {
    type Model = model::row::Destination;

    fn from_model(model: &'a Self::Model) -> Self {
        Self {
            protocol: model.protocol.into(),
            mqtt_topic: Cow::Borrowed(&model.mqtt_topic),
            websocket_url: Cow::Borrowed(&model.websocket_url),
            stomp_queue: Cow::Borrowed(&model.stomp_queue),
            plugin: Cow::Borrowed(&model.plugin),
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        Ok(model::row::Destination {
            protocol: self.protocol.model("protocol")?,
            mqtt_topic: self.mqtt_topic.into_owned(),
            websocket_url: self.websocket_url.into_owned(),
            stomp_queue: self.stomp_queue.into_owned(),
            plugin: self.plugin.into_owned(),
        })
    }
}

/// What is to be sent: `kind` says which fields count.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RequestBody<'a> {
    kind: BodyKind,
    #[serde(borrow, default)]
    directive: Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Option<Text<'a>>,
    #[serde(borrow, default)]
    metadata: Vec<Property<'a>>,
    #[serde(borrow, default)]
    command: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<Text<'a>>,
}

impl<'a> Wire<'a> for RequestBody<'a> {
    type Model = model::event::RequestBody;

    fn from_model(model: &'a Self::Model) -> Self {
        let empty = Self {
            kind: BodyKind::Data,
            directive: Cow::Borrowed(""),
            payload: None,
            metadata: Vec::new(),
            command: Cow::Borrowed(""),
            arguments: None,
        };
        match model {
            model::event::RequestBody::Data {
                directive,
                payload,
                metadata,
            } => Self {
                directive: Cow::Borrowed(directive),
                payload: Some(Text(Cow::Borrowed(payload.as_str()))),
                metadata: properties(metadata),
                ..empty
            },
            model::event::RequestBody::Command { command, arguments } => Self {
                kind: BodyKind::Command,
                command: Cow::Borrowed(command),
                arguments: Some(Text(Cow::Borrowed(arguments.as_str()))),
                ..empty
            },
        }
    }

    fn into_model(self) -> Result<Self::Model, Bad> {
        let required = |text: Option<Text<'_>>, field| match text {
            Some(text) => json(&text.0, field),
            None => Err(Bad::new(field, "must not be null with this kind")),
        };
        match self.kind {
            BodyKind::Data => Ok(model::event::RequestBody::Data {
                directive: self.directive.into_owned(),
                payload: required(self.payload, "payload")?,
                metadata: pairs(self.metadata),
            }),
            BodyKind::Command => Ok(model::event::RequestBody::Command {
                command: self.command.into_owned(),
                arguments: required(self.arguments, "arguments")?,
            }),
            BodyKind::Other => Err(Bad::new("kind", "this build does not know the name")),
        }
    }
}
