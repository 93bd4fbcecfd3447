//! What devices speak: pure parsers from a stored publish to an [`Event`], and encoders for the way back.
//!
//! No IO, no clock, no configuration but the prefixes. Nothing here panics, whatever the bytes: a payload ends as
//! an event, or as a [`Refusal`] that the caller writes to `dead-letters`. Reading order: `route` (whose topic is
//! it), `field` (JSON members by name, without a tree), `envelope` (what both dialects share), `draft`, `rhc`.
//!
//! # What becomes of odd input
//!
//! | input | outcome |
//! |---|---|
//! | empty payload on `draft` status, retained or not | Offline, reason `cleared` |
//! | empty payload on `draft` in, `rhc` control/out (a retained message removed) or data/out (yggd's priming) | Message |
//! | payload over 1 MiB | refused, `too_large`; exactly 1 MiB is read |
//! | bytes that are not UTF-8 | refused, `not_utf8` |
//! | byte order mark, raw NUL, truncated JSON, trailing bytes, only white space | refused, `malformed_json` |
//! | lone surrogate or a number beyond f64 in text that is kept or compared | refused, `malformed_json` |
//! | the same in text that is neither (a message's body, unknown members) | not looked at |
//! | escaped NUL (`\u0000`) in a text | kept as received |
//! | kept JSON nested deeper than 64 levels | refused, `malformed_json` |
//! | nesting of any depth in what is not kept | not looked at |
//! | JSON that is no object | refused, `invalid_field` |
//! | a known envelope or status member given twice | refused, `invalid_field` |
//! | an unknown member, given once or twice; doubles inside kept JSON | left out; kept as received, the last counts |
//! | `type` missing or no text / not known, or sent by the cloud only / of the other `rhc` channel | `invalid_field` / `unknown_type` |
//! | `version` missing or null / another number / no number | taken as 1 / `unsupported_version` / `invalid_field` |
//! | `message_id` missing or null / no text or over 256 bytes | `""` / `invalid_field` |
//! | `sent` missing, unreadable, of a wrong type, or Go's zero time | `None`: the fold takes the arrival |
//! | `response_to`, `in_response_to` null, empty or no UUID / no text | answers nothing / `invalid_field` |
//! | session epoch null or absent / no 64-bit integer / a user property given twice with two values | `None` / `invalid_field` / `invalid_field` |
//! | session epoch in user property and JSON | the property wins, the JSON is not looked at |
//! | status body (`content`, handshake `payload`) null, missing, no object | refused, `invalid_field` |
//! | `state` missing, null, no text or unknown | refused, `invalid_field` |
//! | `canonical_facts`, `dispatchers`, `catalog_service_facts` null or missing / no object | `None` / `invalid_field` |
//! | `tags` null or missing / anything else | `None` / kept as received |
//! | one of these four over 256 KiB | refused, `too_large`; exactly 256 KiB is kept |
//! | a fact or tag value of an unexpected type (`insights_id` 5) | kept as received; `inventory` leaves it out |
//! | `client_name`, `client_version` null or missing / no text or over 256 bytes | `""` / `invalid_field` |
//! | an offline with odd facts, tags or version | Offline: nothing but `state` is looked at |
//! | `event` with another text than `pong` or `disconnect` / with no text | Message / `invalid_field` |
//! | `message-error` without readable `payload.details` | Message with what there is as its error, cut at 1 KiB |

pub mod draft;
mod envelope;
mod field;
pub(crate) mod rfc3339;
pub mod rhc;
mod route;

use rollcall_model::ingress::{Dialect, IngressKind, PAYLOAD_BYTES_MAX};
use rollcall_model::{ClientId, Event, Ingress, Json, ReasonCode};

pub use route::{PrefixError, Prefixes, Route, route};

/// Longest text kept as JSON in a row, in bytes, for each of facts, dispatchers, tags and service facts.
pub const ROW_JSON_BYTES_MAX: usize = 256 * 1024;

/// Longest message id, client name and client version, in bytes: a UUID has 36, the deployed column 40.
pub const SHORT_TEXT_BYTES_MAX: usize = 256;

/// Longest error text of a `message-error` that is kept, in bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;

const _: () = assert!(ROW_JSON_BYTES_MAX < PAYLOAD_BYTES_MAX);
const _: () = assert!(ERROR_TEXT_BYTES_MAX < ROW_JSON_BYTES_MAX);

/// Why a publish is no event: for `dead-letters`. Never worth a retry, and always the input's fault.
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
    /// Text to text, since yggd refuses other values; written sorted, the last of a doubled name counts.
    pub metadata: &'a [(String, String)],
}

/// Reads one publish of `client`.
///
/// The dialect stands in the ingress, the channel in its MQTT topic; whether the topic's prefix is ours is
/// [`route`]'s question. A record of another [`IngressKind`] is the event of that name, its payload not looked at.
///
/// # Errors
/// A [`Refusal`] as in the table above; `unknown_topic` and `misplaced` when topic, dialect and client disagree.
pub fn parse(ingress: &Ingress, client: &ClientId) -> Result<Event, Refusal> {
    match ingress.kind {
        IngressKind::BrokerLost => return Ok(Event::BrokerLost),
        IngressKind::RetainedAbsent => return Ok(Event::RetainedAbsent),
        IngressKind::Publish => {}
    }
    let place = route::place(&ingress.mqtt_topic, ingress.dialect).ok_or_else(|| {
        let (topic, dialect) = (field::shorten(&ingress.mqtt_topic), ingress.dialect.as_str());
        refuse(
            ReasonCode::UnknownTopic,
            format!("MQTT topic {topic} is none that a device of dialect {dialect} publishes to"),
        )
    })?;
    if place.client != client.as_str() {
        let named = field::shorten(place.client);
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
        refuse(ReasonCode::NotUtf8, format!("payload is not UTF-8 at byte {at}; send UTF-8 JSON"))
    })?;
    let input = Input { ingress, place, text };
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
