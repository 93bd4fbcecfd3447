//! The deployed protocol: Cloud Connector and yggd 0.2 and 0.4,
//! `PREFIX/insights/CLIENT/{control,data}/{out,in}`.
//!
//! Devices send `connection-status` and `event` on control/out, `data` on data/out, and an empty
//! QoS 0 publish on data/out at every connect. Wire bytes to devices are those of Cloud Connector
//! (anchors/cloud-connector.md 1): its order of members, no HTML escaping, a trailing newline.

use std::collections::BTreeMap;

use rollcall_model::{DeliveryId, Event, Json, Millis};
use serde::Serialize;
use serde_json::value::RawValue;

use super::envelope::{self, Envelope};
use super::route::Channel;
use super::{Data, Input, Refusal, rfc3339};

static NAMES: envelope::Names = [
    "type",
    "message_id",
    "version",
    "sent",
    "session_epoch",
    "response_to",
    "content",
];

/// A command for a device: `reconnect`, `ping`, `disconnect`, `cancel`.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// Its name.
    pub command: &'a str,
    /// Its arguments, an object; written as null when there are none.
    pub arguments: &'a Json,
}

/// Reads a publish of a device; see the table of [`super`].
pub(super) fn parse(input: &Input<'_>) -> Result<Event, Refusal> {
    if input.text.is_empty() {
        return Ok(envelope::sign_of_life(input));
    }
    let envelope = Envelope::read(input.text, &NAMES)?;
    match (input.place.channel, &*envelope.kind) {
        (Channel::Data, "data") => envelope.message(input, None),
        (Channel::Data, kind) => Err(envelope::unknown_type(input, kind, "data")),
        (_, "connection-status") => connection_status(input, &envelope),
        (_, "event") => event(input, &envelope),
        (_, kind) => Err(envelope::unknown_type(
            input,
            kind,
            "connection-status or event",
        )),
    }
}

/// The bytes of a `data` message.
pub fn encode_data(id: DeliveryId, sent: Millis, data: &Data<'_>) -> Vec<u8> {
    let metadata: BTreeMap<&str, &str> = data
        .metadata
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    write(&OutgoingData {
        r#type: "data",
        message_id: id.to_string(),
        response_to: "",
        version: 1,
        sent: rfc3339::with_millis(sent),
        directive: data.directive,
        metadata: Some(metadata).filter(|metadata| !metadata.is_empty()),
        content: serde_json::from_str(data.payload.as_str()).ok(),
    })
}

/// The bytes of a `command`.
///
/// Arguments become texts: yggd drops a `reconnect` whose `delay` is a number. Null arguments are
/// left out.
pub fn encode_command(id: DeliveryId, sent: Millis, command: &Command<'_>) -> Vec<u8> {
    let arguments = arguments(command.arguments);
    write(&OutgoingCommand {
        r#type: "command",
        message_id: id.to_string(),
        version: 1,
        sent: rfc3339::with_millis(sent),
        content: CommandContent {
            command: command.command,
            arguments: Some(arguments).filter(|arguments| !arguments.is_empty()),
            message: "",
        },
    })
}

fn connection_status(input: &Input<'_>, envelope: &Envelope<'_>) -> Result<Event, Refusal> {
    let status = envelope.status()?;
    let state = status.state();
    match state.text()?.as_deref() {
        Some("online") => envelope.online(input, &status, None),
        Some("offline") => envelope.offline(input),
        _ => Err(state.invalid("send \"online\" or \"offline\"")),
    }
}

/// Whatever the event's name: a newer yggd may have more of them, and each is a sign of life.
fn event(input: &Input<'_>, envelope: &Envelope<'_>) -> Result<Event, Refusal> {
    let content = envelope.body();
    match content.text()? {
        Some(_) => envelope.message(input, None),
        None => Err(content.invalid("send the event's name, such as \"pong\"")),
    }
}

/// Each argument as text, sorted.
fn arguments(arguments: &Json) -> BTreeMap<String, String> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(arguments.as_str()).unwrap_or_default();
    let text =
        |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    let members = members.into_iter().filter(|(_, raw)| raw.get() != "null");
    members.map(|(name, raw)| (name, text(raw))).collect()
}

/// A `data` message, in Cloud Connector's order of members.
#[derive(Serialize)]
struct OutgoingData<'a> {
    r#type: &'static str,
    message_id: String,
    response_to: &'static str,
    version: u32,
    sent: String,
    directive: &'a str,
    metadata: Option<BTreeMap<&'a str, &'a str>>,
    content: Option<&'a RawValue>,
}

/// A `command`, in Cloud Connector's order of members.
#[derive(Serialize)]
struct OutgoingCommand<'a> {
    r#type: &'static str,
    message_id: String,
    version: u32,
    sent: String,
    content: CommandContent<'a>,
}

#[derive(Serialize)]
struct CommandContent<'a> {
    command: &'a str,
    arguments: Option<BTreeMap<String, String>>,
    message: &'static str,
}

fn write(message: &impl Serialize) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec(message).expect("text keys and checked JSON are always written");
    bytes.push(b'\n');
    bytes
}
