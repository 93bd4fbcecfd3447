//! What devices speak: pure parsers from a stored publish to an [`Event`], and encoders for the way
//! back.
//!
//! No IO, no clock, no configuration but the prefixes. Nothing here panics, whatever the bytes: a
//! payload ends as an event, or as a [`Refusal`] that the caller writes to `dead-letters`. Reading
//! order: `route` (whose topic is it), `field` (JSON members by name, without a tree), `envelope`
//! (what both dialects share), `draft`, `rhc`.
//!
//! # What becomes of odd input
//!
//! | input | outcome |
//! |---|---|
//! | empty payload on `draft` status, retained or not | Offline, reason `cleared` |
//! | empty on `draft` in, `rhc` control/out, or data/out (yggd's priming) | Message |
//! | payload over 1 MiB (exactly 1 MiB is read) | `too_large` |
//! | bytes that are not UTF-8 | `not_utf8` |
//! | byte order mark, no-break space (seed 000 itself has some), raw NUL | `malformed_json` |
//! | truncated JSON, trailing bytes, only white space | `malformed_json` |
//! | lone surrogate or number beyond f64 in what is kept or compared | `malformed_json` |
//! | the same elsewhere (a message's body, unknown members) | not looked at |
//! | escaped NUL (`\u0000`) in a text | kept as received |
//! | kept JSON nested deeper than 64 levels | `malformed_json` |
//! | nesting of any depth in what is not kept | not looked at |
//! | JSON that is no object | `invalid_field` |
//! | a known member of envelope or status body given twice | `invalid_field` |
//! | an unknown member, once or twice | left out |
//! | doubles inside kept JSON | kept as received; the last counts |
//! | `type` missing or no text | `invalid_field` |
//! | `type` unknown, only for the cloud to send, or of the other `rhc` channel | `unknown_type` |
//! | `version` missing or null | taken as 1 |
//! | `version` another number / no number | `unsupported_version` / `invalid_field` |
//! | `message_id` missing or null | `""` |
//! | `message_id` no text, or over 256 bytes | `invalid_field` |
//! | `sent` missing, unreadable, of a wrong type, or Go's zero time | `None`: arrival counts |
//! | `response_to`, `in_response_to` null, empty or no UUID | answers nothing |
//! | `response_to`, `in_response_to` no text | `invalid_field` |
//! | session epoch null or absent | `None` |
//! | session epoch no 64-bit integer, or two user properties that differ | `invalid_field` |
//! | session epoch in user property and JSON | the property; the JSON is not looked at |
//! | status body (`content`, handshake `payload`) null, missing, no object | `invalid_field` |
//! | `state` missing, null, no text or unknown | `invalid_field` |
//! | `canonical_facts`, `dispatchers`, `catalog_service_facts` null or missing | `None` |
//! | one of these three that is no object | `invalid_field` |
//! | `tags` null or missing / anything else | `None` / kept as received |
//! | one of these four over 256 KiB (exactly 256 KiB is kept) | `too_large` |
//! | a fact or tag value of an unexpected type (`insights_id` 5) | kept; `inventory` cleans |
//! | `client_name`, `client_version` null or missing | `""` |
//! | `client_name`, `client_version` no text, or over 256 bytes | `invalid_field` |
//! | an offline with odd facts, tags or version | Offline: only `state` is looked at |
//! | `event` with another text than `pong` or `disconnect` | Message |
//! | `event` with no text | `invalid_field` |
//! | `message-error` without readable `payload.details` | Message; its error is what there is |
//! | `message-error` with details over 1 KiB | Message; its error is cut |

pub mod draft;
mod envelope;
mod field;
pub(crate) mod rfc3339;
pub mod rhc;
mod route;

use rollcall_model::ingress::{Dialect, IngressKind, PAYLOAD_BYTES_MAX};
use rollcall_model::{ClientId, Event, Ingress, Json, ReasonCode};

use crate::text::shorten;

pub use route::{PrefixError, Prefixes, Route, route};

/// Longest text kept as JSON in a row, in bytes, for each of facts, dispatchers, tags and service
/// facts.
pub const ROW_JSON_BYTES_MAX: usize = 256 * 1024;

/// Longest message id, client name and client version, in bytes: a UUID has 36, the deployed column
/// 40.
pub const SHORT_TEXT_BYTES_MAX: usize = 256;

/// Longest error text of a `message-error` that is kept, in bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;

const _: () = assert!(ROW_JSON_BYTES_MAX < PAYLOAD_BYTES_MAX);
const _: () = assert!(ERROR_TEXT_BYTES_MAX < ROW_JSON_BYTES_MAX);

/// Why a publish is no event: for `dead-letters`. Never worth a retry, and always the input's
/// fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The code of `docs/errors.md`.
    pub reason: ReasonCode,
    /// For a person: the field, its value (shortened), and what to send instead.
    pub text: String,
}

/// An application message for a device, as both dialects send it.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// Which application on the device.
    pub directive: &'a str,
    /// Its payload; written as received.
    pub payload: &'a Json,
    /// Text to text, since yggd refuses other values; written sorted, the last of a doubled name
    /// counts.
    pub metadata: &'a [(String, String)],
}

/// Reads one publish of `client`.
///
/// The dialect stands in the ingress, the channel in its MQTT topic; whether the topic's prefix is
/// ours is [`route`]'s question. A record of another [`IngressKind`] is the event of that name, its
/// payload not looked at.
///
/// # Errors
/// A [`Refusal`] as in the table above; `unknown_topic` and `misplaced` when topic, dialect and
/// client disagree.
pub fn parse(ingress: &Ingress, client: &ClientId) -> Result<Event, Refusal> {
    match ingress.kind {
        IngressKind::BrokerLost => return Ok(Event::BrokerLost),
        IngressKind::RetainedAbsent => return Ok(Event::RetainedAbsent),
        IngressKind::Publish => {}
    }
    let place = route::place(&ingress.mqtt_topic, ingress.dialect).ok_or_else(|| {
        let (topic, dialect) = (shorten(&ingress.mqtt_topic), ingress.dialect.as_str());
        refuse(
            ReasonCode::UnknownTopic,
            format!("MQTT topic {topic} is none that a device of dialect {dialect} publishes to"),
        )
    })?;
    if place.client != client.as_str() {
        let named = shorten(place.client);
        return Err(refuse(
            ReasonCode::Misplaced,
            format!("record key is {client}, but its MQTT topic names {named}; use one client id"),
        ));
    }
    let bytes = ingress.payload.len();
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(refuse(
            ReasonCode::TooLarge,
            format!("payload has {bytes} bytes; send at most {PAYLOAD_BYTES_MAX}"),
        ));
    }
    let text = std::str::from_utf8(&ingress.payload).map_err(|error| {
        let at = error.valid_up_to();
        refuse(
            ReasonCode::NotUtf8,
            format!("payload is not UTF-8 at byte {at}; send UTF-8 JSON"),
        )
    })?;
    let input = Input {
        ingress,
        place,
        text,
    };
    match ingress.dialect {
        Dialect::Draft => draft::parse(&input),
        Dialect::Rhc => rhc::parse(&input),
    }
}

/// A publish whose topic and bytes are in order.
struct Input<'a> {
    ingress: &'a Ingress,
    place: route::Place<'a>,
    text: &'a str,
}

fn refuse(reason: ReasonCode, text: String) -> Refusal {
    Refusal { reason, text }
}

#[cfg(test)]
mod tests;
