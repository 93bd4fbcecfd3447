//! The protocol of seed 000: `PREFIX/insights/{status,in}/CLIENT` to the cloud,
//! `PREFIX/insights/out/CLIENT` back.
//!
//! Connection state is accepted on `status` and, as in the document's first version, on `in`;
//! messages on both. A handshake's payload may also carry what `rhc` sends (dispatchers, tags, name
//! and version).

use std::collections::BTreeMap;

use rollcall_model::row::Kind;
use rollcall_model::{DeliveryId, Event, Millis};
use serde::Serialize;
use serde_json::value::RawValue;

use super::envelope::{self, Envelope};
use super::field::Field;
use super::route::Channel;
use super::{Data, ERROR_TEXT_BYTES_MAX, Input, Refusal, rfc3339};

static NAMES: envelope::Names = [
    "type",
    "message_id",
    "version",
    "sent",
    "session_epoch",
    "in_response_to",
    "payload",
];

/// What a device may send, for refusals.
const KNOWN: &str = "host-handshake, proxy-handshake, offline, message or message-error";

/// The member of a `message-error`'s payload that is kept.
static DETAILS: [&str; 1] = ["details"];

/// When a device that is told to disconnect may come back. The seed leaves the text open
/// ("timestamp, never again, etc"): these are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconnectAfter {
    /// Nothing is said: `""`.
    Unsaid,
    /// Not before this time: RFC 3339.
    At(Millis),
    /// Not again: `never`.
    Never,
}

/// Why a handshake was refused.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeError<'a> {
    /// The `message_id` of the handshake.
    pub in_response_to: &'a str,
    /// For a person.
    pub details: &'a str,
}

/// Reads a publish of a device; see the table of [`super`].
pub(super) fn parse(input: &Input<'_>) -> Result<Event, Refusal> {
    if input.text.is_empty() {
        return match input.place.channel {
            Channel::Status => envelope::cleared(input),
            _ => Ok(envelope::sign_of_life(input)),
        };
    }
    let envelope = Envelope::read(input.text, &NAMES)?;
    match &*envelope.kind {
        "host-handshake" => envelope.online(input, &envelope.status()?, Some(Kind::Host)),
        "proxy-handshake" => envelope.online(input, &envelope.status()?, Some(Kind::Proxy)),
        "offline" => envelope.offline(input),
        "message" => envelope.message(input, None),
        "message-error" => envelope.message(input, Some(details(&envelope.body()))),
        kind => Err(envelope::unknown_type(input, kind, KNOWN)),
    }
}

/// The bytes of a `message`. `metadata`, which the seed does not have, is left out when there is
/// none.
pub fn encode_message(id: DeliveryId, sent: Millis, data: &Data<'_>) -> Vec<u8> {
    write(&Outgoing {
        directive: Some(data.directive),
        metadata: data
            .metadata
            .iter()
            .map(|(name, text)| (&**name, &**text))
            .collect(),
        payload: serde_json::from_str(data.payload.as_str()).ok(),
        ..Outgoing::new("message", id, sent)
    })
}

/// The bytes of a `handshake-error`: the device disconnects, and sends a new handshake later.
pub fn encode_handshake_error(id: DeliveryId, sent: Millis, error: &HandshakeError<'_>) -> Vec<u8> {
    let details = BTreeMap::from([("details", error.details)]);
    write(&Outgoing {
        in_response_to: Some(error.in_response_to),
        error: Some(details),
        ..Outgoing::new("handshake-error", id, sent)
    })
}

/// The bytes of a `force-disconnect`: the device disconnects, and reconnects as `after` says.
pub fn encode_force_disconnect(id: DeliveryId, sent: Millis, after: ReconnectAfter) -> Vec<u8> {
    let after = match after {
        ReconnectAfter::Unsaid => String::new(),
        ReconnectAfter::At(at) => rfc3339::with_millis(at),
        ReconnectAfter::Never => "never".to_owned(),
    };
    write(&Outgoing {
        reconnect_after: Some(after),
        ..Outgoing::new("force-disconnect", id, sent)
    })
}

/// What a `message-error` says: its details, or else what there is, cut to a bound.
fn details(payload: &Field<'_>) -> String {
    let field = payload.members(&DETAILS).map(|members| members.field(0));
    let field = field.as_ref().unwrap_or(payload);
    let text = match field.text() {
        Ok(text) => text.unwrap_or_default(),
        Err(_) => field.raw().unwrap_or_default().into(),
    };
    text[..text.floor_char_boundary(ERROR_TEXT_BYTES_MAX)].to_owned()
}

/// A message to a device, in the seed's order of members.
#[derive(Serialize)]
struct Outgoing<'a> {
    r#type: &'static str,
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_response_to: Option<&'a str>,
    version: u32,
    sent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    directive: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(rename = "payload", skip_serializing_if = "Option::is_none")]
    error: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnect_after: Option<String>,
}

impl Outgoing<'_> {
    fn new(kind: &'static str, id: DeliveryId, sent: Millis) -> Self {
        Self {
            r#type: kind,
            message_id: id.to_string(),
            in_response_to: None,
            version: 1,
            sent: rfc3339::with_millis(sent),
            directive: None,
            metadata: BTreeMap::new(),
            payload: None,
            error: None,
            reconnect_after: None,
        }
    }
}

fn write(message: &Outgoing<'_>) -> Vec<u8> {
    serde_json::to_vec(message).expect("text keys and checked JSON are always written")
}
