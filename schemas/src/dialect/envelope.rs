//! What both dialects share: the envelope around every message, and how an online is read from a
//! status body.
//!
//! The dialects differ in names (`content` or `payload`, `response_to` or `in_response_to`) and in
//! kinds; the members of a status body have the same names in both, so each accepts what the other
//! may send.

use std::borrow::Cow;

use rollcall_model::event::{Message, Offline, Online};
use rollcall_model::ingress::Ingress;
use rollcall_model::row::{Destination, Kind, OfflineReason, Protocol};
use rollcall_model::{DeliveryId, Event, Millis, ReasonCode};

use super::field::{Field, Members};
use super::{Input, Refusal, refuse, rfc3339, route};
use crate::text::shorten;

/// The MQTT 5 user property that carries the session epoch.
const EPOCH_PROPERTY: &str = "session-epoch";

/// Names of an envelope's members, in the order of the constants below.
pub(super) type Names = [&'static str; 7];

const TYPE: usize = 0;
const MESSAGE_ID: usize = 1;
const VERSION: usize = 2;
const SENT: usize = 3;
const EPOCH: usize = 4;
const ANSWERS: usize = 5;
const BODY: usize = 6;

/// Names of a status body's members, in the order of the constants below.
static STATUS_NAMES: [&str; 7] = [
    "state",
    "canonical_facts",
    "dispatchers",
    "tags",
    "catalog_service_facts",
    "client_name",
    "client_version",
];

const STATE: usize = 0;
const CANONICAL_FACTS: usize = 1;
const DISPATCHERS: usize = 2;
const TAGS: usize = 3;
const CATALOG_SERVICE_FACTS: usize = 4;
const CLIENT_NAME: usize = 5;
const CLIENT_VERSION: usize = 6;

/// The dispatcher of a proxy.
static CATALOG: [&str; 1] = ["catalog"];

/// A message's envelope: version checked, type known to be a text.
pub(super) struct Envelope<'a> {
    members: Members<'a, 7>,
    /// The message's `type`.
    pub(super) kind: Cow<'a, str>,
}

impl<'a> Envelope<'a> {
    /// Reads a payload whose members are called `names`.
    pub(super) fn read(text: &'a str, names: &'static Names) -> Result<Self, Refusal> {
        let members = Members::of_payload(text, names)?;
        check_version(&members.field(VERSION))?;
        let kind = members.field(TYPE);
        let kind = kind
            .text()?
            .ok_or_else(|| kind.invalid("send the message's type"))?;
        Ok(Self { members, kind })
    }

    /// The `payload` or `content`.
    pub(super) fn body(&self) -> Field<'a> {
        self.members.field(BODY)
    }

    /// The status body.
    pub(super) fn status(&self) -> Result<Status<'a>, Refusal> {
        Ok(Status(self.body().members(&STATUS_NAMES)?))
    }

    /// Any traffic that is no connection state; `error` is what a `message-error` says.
    pub(super) fn message(
        &self,
        input: &Input<'_>,
        error: Option<String>,
    ) -> Result<Event, Refusal> {
        let answers = self.members.field(ANSWERS).text()?;
        Ok(Event::Message(Message {
            dialect: input.ingress.dialect,
            message_id: self.message_id()?,
            answers: answers.and_then(|id| DeliveryId::parse(&id)),
            error,
            destination: destination(input),
        }))
    }

    /// The device is gone.
    pub(super) fn offline(&self, input: &Input<'_>) -> Result<Event, Refusal> {
        Ok(Event::Offline(Offline {
            dialect: input.ingress.dialect,
            message_id: self.message_id()?,
            sent: self.sent(),
            epoch: self.epoch(input.ingress)?,
            reason: OfflineReason::Message,
        }))
    }

    /// The device is there. `kind` is what the message's type says; without one the dispatchers
    /// decide.
    pub(super) fn online(
        &self,
        input: &Input<'_>,
        status: &Status<'_>,
        kind: Option<Kind>,
    ) -> Result<Event, Refusal> {
        let dialect = input.ingress.dialect;
        let dispatchers = status.0.field(DISPATCHERS);
        Ok(Event::Online(Box::new(Online {
            dialect,
            kind: match kind {
                Some(kind) => kind,
                None => kind_of(&dispatchers),
            },
            message_id: self.message_id()?,
            sent: self.sent(),
            epoch: self.epoch(input.ingress)?,
            canonical_facts: status.0.field(CANONICAL_FACTS).object()?,
            dispatchers: dispatchers.object()?,
            tags: status.0.field(TAGS).any()?,
            catalog_service_facts: status.0.field(CATALOG_SERVICE_FACTS).object()?,
            client_name: status.0.field(CLIENT_NAME).short_text()?,
            client_version: status.0.field(CLIENT_VERSION).short_text()?,
            destination: destination(input),
        })))
    }

    /// The device's clock; one that cannot be read says nothing.
    fn sent(&self) -> Option<Millis> {
        let text = self.members.field(SENT).text().ok().flatten()?;
        rfc3339::read(&text)
    }

    fn message_id(&self) -> Result<String, Refusal> {
        self.members.field(MESSAGE_ID).short_text()
    }

    /// The user property, else the JSON member. A device that keeps an epoch is fenced by it, so
    /// one that cannot be read is refused rather than taken as none.
    fn epoch(&self, ingress: &Ingress) -> Result<Option<i64>, Refusal> {
        if let Some(epoch) = property_epoch(ingress)? {
            return Ok(Some(epoch));
        }
        let field = self.members.field(EPOCH);
        let Some(raw) = field.raw() else {
            return Ok(None);
        };
        let text = if raw.starts_with('"') {
            field.text()?
        } else {
            Some(Cow::Borrowed(raw))
        };
        let epoch = text.and_then(|text| text.trim().parse().ok());
        epoch
            .map(Some)
            .ok_or_else(|| field.invalid("send a 64-bit integer, or leave it out"))
    }
}

/// A status body: what a device says of itself.
pub(super) struct Status<'a>(Members<'a, 7>);

impl<'a> Status<'a> {
    /// `online` or `offline`, in `rhc`.
    pub(super) fn state(&self) -> Field<'a> {
        self.0.field(STATE)
    }
}

/// An empty payload that ends a session (seed 000: the retained handshake is removed).
pub(super) fn cleared(input: &Input<'_>) -> Result<Event, Refusal> {
    Ok(Event::Offline(Offline {
        dialect: input.ingress.dialect,
        message_id: String::new(),
        sent: None,
        epoch: property_epoch(input.ingress)?,
        reason: OfflineReason::Cleared,
    }))
}

/// An empty payload that is only a sign of life.
pub(super) fn sign_of_life(input: &Input<'_>) -> Event {
    Event::Message(Message {
        dialect: input.ingress.dialect,
        message_id: String::new(),
        answers: None,
        error: None,
        destination: destination(input),
    })
}

/// Where the device listens.
fn destination(input: &Input<'_>) -> Destination {
    Destination {
        protocol: Protocol::Mqtt,
        mqtt_topic: route::outbound_topic(&input.place, input.ingress.dialect),
        ..Destination::default()
    }
}

/// Refuses a `type` that the dialect does not know here; `known` lists those it does.
pub(super) fn unknown_type(input: &Input<'_>, kind: &str, known: &str) -> Refusal {
    let (dialect, kind) = (input.ingress.dialect.as_str(), shorten(kind));
    refuse(
        ReasonCode::UnknownType,
        format!("field `type` is {kind}, which no {dialect} device sends here; send {known}"),
    )
}

/// Absent, null and 1 (also 1.0) are this version.
fn check_version(field: &Field<'_>) -> Result<(), Refusal> {
    let Some(raw) = field.raw().filter(|raw| *raw != "1") else {
        return Ok(());
    };
    match raw.parse::<f64>() {
        Ok(1.0) => Ok(()),
        Ok(_) => Err(refuse(
            ReasonCode::UnsupportedVersion,
            format!("field `version` is {}; send version 1", shorten(raw)),
        )),
        Err(_) => Err(field.invalid("send the number 1")),
    }
}

/// The list of dispatchers is read once more for this, but it is short.
fn kind_of(dispatchers: &Field<'_>) -> Kind {
    if dispatchers.has_member(&CATALOG) {
        Kind::Proxy
    } else {
        Kind::Host
    }
}

/// The epoch of the MQTT 5 user properties.
fn property_epoch(ingress: &Ingress) -> Result<Option<i64>, Refusal> {
    let mut found: Option<i64> = None;
    for (_, text) in ingress
        .user_properties
        .iter()
        .filter(|(name, _)| name == EPOCH_PROPERTY)
    {
        let invalid = |remedy: &str| {
            let text = shorten(text);
            let text = format!("user property `{EPOCH_PROPERTY}` is {text}; {remedy}");
            refuse(ReasonCode::InvalidField, text)
        };
        let epoch = text
            .trim()
            .parse()
            .map_err(|_| invalid("send a 64-bit integer"))?;
        if found.is_some_and(|first| first != epoch) {
            return Err(invalid("send it once"));
        }
        found = Some(epoch);
    }
    Ok(found)
}
