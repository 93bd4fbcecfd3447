//! The words of dialect `rhc`: yggd 0.2 and 0.4. Nothing is retained.

use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{LastWill, Publish};
use serde_json::{Value, json};

use super::{Back, Heard, Stamp, bytes, poison, publish, text, will};
use crate::dice::Dice;
use crate::facts;
use crate::plan::{Identity, Kind};

/// What one device says.
pub(crate) struct Rhc<'a> {
    pub(crate) who: &'a Identity,
    pub(crate) prefix: &'a str,
}

impl Rhc<'_> {
    /// Where the device listens: commands, then data.
    pub(crate) fn listens(&self) -> [String; 2] {
        [self.topic("control/in"), self.topic("data/in")]
    }

    /// The empty QoS 0 publish of every connect.
    pub(crate) fn priming(&self) -> Publish {
        Publish {
            qos: QoS::AtMostOnce,
            ..publish(self.topic("data/out"), Bytes::new())
        }
    }

    /// Says that the device is online. `has_workers`: whether they have registered by now.
    pub(crate) fn online(&self, stamp: Stamp, has_workers: bool) -> Publish {
        let dispatchers = match has_workers {
            true => facts::dispatchers(self.who),
            false => json!({}),
        };
        let mut content = json!({
            "canonical_facts": facts::canonical(self.who),
            "dispatchers": dispatchers,
            "state": "online",
            "tags": facts::tags(self.who),
        });
        if self.who.kind == Kind::Yggd04 {
            content["client_name"] = "yggd".into();
            content["client_version"] = "0.4.9".into();
        }
        self.status(stamp, content)
    }

    /// What the broker says when the device is gone, which is whenever its process ends. `stamp` is
    /// that of the process: older than the online, and the same at every drop.
    pub(crate) fn will(&self, stamp: Stamp) -> LastWill {
        let content = match self.who.kind {
            Kind::Yggd04 => json!({
                "canonical_facts": null, "dispatchers": null, "state": "offline",
                "client_version": "0.4.9",
            }),
            _ => json!({
                "canonical_facts": facts::empty_canonical(), "dispatchers": null,
                "state": "offline",
            }),
        };
        will(self.status(stamp, content))
    }

    /// Data of a worker.
    pub(crate) fn data(&self, stamp: Stamp, dice: &mut Dice) -> Publish {
        let content = json!({ "load": dice.below(400), "uptime_s": dice.below(1_000_000) });
        self.on_data(stamp, "", "rhc-worker-playbook", content)
    }

    /// An answer to data message `id`.
    pub(crate) fn answer(&self, stamp: Stamp, id: &str, directive: &str) -> Publish {
        self.on_data(stamp, id, directive, "pong".into())
    }

    /// The answer to a `ping`.
    pub(crate) fn pong(&self, stamp: Stamp, id: &str) -> Publish {
        let mut message = envelope("event", stamp, id);
        message["content"] = "pong".into();
        publish(self.topic("control/out"), bytes(&message))
    }

    /// Something that nobody can read.
    pub(crate) fn poison(&self, stamp: Stamp, dice: &mut Dice) -> Publish {
        let mut message = envelope("data", stamp, "");
        publish(self.topic("data/out"), poison::spoil(&mut message, dice))
    }

    /// Reads what came on one of [`Rhc::listens`].
    pub(crate) fn hear(payload: &[u8]) -> Heard {
        let Ok(message) = serde_json::from_slice::<Value>(payload) else {
            return Heard::Unknown;
        };
        let id = text(&message, "message_id");
        if message["type"] == "data" {
            let directive = text(&message, "directive");
            return Heard::Message { id, directive };
        }
        let content = &message["content"];
        match (message["type"].as_str(), content["command"].as_str()) {
            (Some("command"), Some("ping")) => Heard::Ping { id },
            (Some("command"), Some("disconnect")) => Heard::Leave(Back::Unsaid),
            // A delay that is a number makes yggd drop the command: it is a text, or nothing.
            (Some("command"), Some("reconnect")) => match content["arguments"]["delay"].as_str() {
                Some(delay) => match delay.parse() {
                    Ok(delay_s) => Heard::Leave(Back::AfterSeconds(delay_s)),
                    Err(_) => Heard::Unknown,
                },
                None => Heard::Unknown,
            },
            _ => Heard::Unknown,
        }
    }

    fn on_data(&self, stamp: Stamp, id: &str, directive: &str, content: Value) -> Publish {
        let mut message = envelope("data", stamp, id);
        message["directive"] = directive.into();
        message["metadata"] = json!({});
        message["content"] = content;
        publish(self.topic("data/out"), bytes(&message))
    }

    fn status(&self, stamp: Stamp, content: Value) -> Publish {
        let mut message = envelope("connection-status", stamp, "");
        message["content"] = content;
        publish(self.topic("control/out"), bytes(&message))
    }

    fn topic(&self, channel: &str) -> String {
        format!("{}/insights/{}/{channel}", self.prefix, self.who.client_id)
    }
}

fn envelope(kind: &str, stamp: Stamp, response_to: &str) -> Value {
    json!({
        "type": kind,
        "message_id": stamp.id,
        "response_to": response_to,
        "version": 1,
        "sent": stamp.sent.rfc3339(),
    })
}
