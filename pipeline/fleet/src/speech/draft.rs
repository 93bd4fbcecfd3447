//! The words of dialect `draft` (seed 000): state is retained, and the will is too.

use bytes::Bytes;
use rumqttc::mqttbytes::v4::{LastWill, Publish};
use serde_json::{Value, json};

use super::{Back, Heard, Stamp, bytes, poison, publish, retained, text, will};
use crate::dice::Dice;
use crate::facts;
use crate::plan::{Identity, Kind};
use crate::time::Micros;

/// What one device says.
pub(crate) struct Draft<'a> {
    pub(crate) who: &'a Identity,
    pub(crate) prefix: &'a str,
    /// The session's epoch, from a device that keeps one.
    pub(crate) epoch: Option<i64>,
}

impl Draft<'_> {
    /// Where the device listens.
    pub(crate) fn listens(&self) -> String {
        self.topic("out")
    }

    /// The retained handshake.
    pub(crate) fn handshake(&self, stamp: Stamp) -> Publish {
        let (kind, payload) = match self.who.kind {
            Kind::Proxy => (
                "proxy-handshake",
                json!({ "catalog_service_facts": facts::catalog(self.who) }),
            ),
            _ => (
                "host-handshake",
                json!({ "canonical_facts": facts::canonical(self.who) }),
            ),
        };
        let mut message = self.envelope(kind, stamp);
        message["payload"] = payload;
        retained(publish(self.topic("status"), bytes(&message)))
    }

    /// A clean good-bye, retained.
    pub(crate) fn offline(&self, stamp: Stamp) -> Publish {
        let message = self.envelope("offline", stamp);
        retained(publish(self.topic("status"), bytes(&message)))
    }

    /// The other clean good-bye: the retained handshake is taken away.
    pub(crate) fn cleared(&self) -> Publish {
        retained(publish(self.topic("status"), Bytes::new()))
    }

    /// What the broker says when the device is gone without a word; the seed gives it no `sent`.
    pub(crate) fn will(&self, stamp: Stamp) -> LastWill {
        let mut message = self.envelope("offline", stamp);
        if let Some(members) = message.as_object_mut() {
            members.remove("sent");
        }
        will(retained(publish(self.topic("status"), bytes(&message))))
    }

    /// A message of some application.
    pub(crate) fn message(&self, stamp: Stamp, dice: &mut Dice) -> Publish {
        let mut message = self.envelope("message", stamp);
        message["directive"] = "fleet:load".into();
        message["payload"] = json!({ "load": dice.below(400), "uptime_s": dice.below(1_000_000) });
        publish(self.topic("in"), bytes(&message))
    }

    /// An answer to message `id`.
    pub(crate) fn answer(&self, stamp: Stamp, id: &str, directive: &str) -> Publish {
        let mut message = self.envelope("message", stamp);
        message["in_response_to"] = id.into();
        message["directive"] = directive.into();
        message["payload"] = json!({ "answer": "pong" });
        publish(self.topic("in"), bytes(&message))
    }

    /// Says that message `id` could not be handled.
    pub(crate) fn error(&self, stamp: Stamp, id: &str, directive: &str) -> Publish {
        let mut message = self.envelope("message-error", stamp);
        message["in_response_to"] = id.into();
        let details = format!("no worker handles {directive:?}");
        message["payload"] = json!({ "details": details });
        publish(self.topic("in"), bytes(&message))
    }

    /// Something that nobody can read.
    pub(crate) fn poison(&self, stamp: Stamp, dice: &mut Dice) -> Publish {
        let mut message = self.envelope("message", stamp);
        publish(self.topic("in"), poison::spoil(&mut message, dice))
    }

    /// Reads what came on [`Draft::listens`].
    pub(crate) fn hear(payload: &[u8]) -> Heard {
        let Ok(message) = serde_json::from_slice::<Value>(payload) else {
            return Heard::Unknown;
        };
        match message["type"].as_str() {
            Some("message") => Heard::Message {
                id: text(&message, "message_id"),
                directive: text(&message, "directive"),
            },
            Some("handshake-error") => Heard::Refused,
            Some("force-disconnect") => Heard::Leave(match &*text(&message, "reconnect_after") {
                "never" => Back::Never,
                after => Micros::parse(after).map_or(Back::Unsaid, Back::At),
            }),
            _ => Heard::Unknown,
        }
    }

    fn topic(&self, channel: &str) -> String {
        format!("{}/insights/{channel}/{}", self.prefix, self.who.client_id)
    }

    fn envelope(&self, kind: &str, stamp: Stamp) -> Value {
        let mut message = json!({
            "type": kind,
            "message_id": stamp.id,
            "version": 1,
            "sent": stamp.sent.rfc3339(),
        });
        if let Some(epoch) = self.epoch {
            message["session_epoch"] = epoch.into();
        }
        message
    }
}
