//! What devices say, as MQTT publishes: one function a message, in the words of both dialects
//! (seed 000; yggd as in anchors/cloud-connector.md 1). Nothing here knows when it is said.

mod draft;
mod poison;
mod rhc;

pub(crate) use draft::Draft;
pub(crate) use rhc::Rhc;

use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{LastWill, Publish};
use serde_json::Value;
use uuid::Uuid;

use crate::time::Micros;

/// One message's envelope: its own id, and when the device says that it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) id: Uuid,
    pub(crate) sent: Micros,
}

/// What a device was sent, as far as it looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message that asks for an answer.
    Message { id: String, directive: String },
    /// `rhc` command `ping`.
    Ping { id: String },
    /// Go, and come back after so many seconds, or at a time, or never.
    Leave(Back),
    /// The handshake was refused: go, and try again later.
    Refused,
    /// Nothing that the device knows.
    Unknown,
}

/// When a device that was sent away may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    Unsaid,
    AfterSeconds(u64),
    At(Micros),
    Never,
}

/// A QoS 1 publish; its packet id is set when it is sent.
fn publish(topic: String, payload: impl Into<Bytes>) -> Publish {
    Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        pkid: 0,
        topic,
        payload: payload.into(),
    }
}

fn retained(mut publish: Publish) -> Publish {
    publish.retain = true;
    publish
}

/// The same as a will.
fn will(publish: Publish) -> LastWill {
    LastWill {
        topic: publish.topic,
        message: publish.payload,
        qos: publish.qos,
        retain: publish.retain,
    }
}

fn bytes(message: &Value) -> Bytes {
    message.to_string().into()
}

/// A text member; empty when it is no text.
fn text(message: &Value, name: &str) -> String {
    message[name].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
