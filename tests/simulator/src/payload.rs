//! What devices publish, as bytes: both dialects, and things that no dialect knows.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use rollcall_model::Millis;
use rollcall_model::ingress::{Dialect, PAYLOAD_BYTES_MAX};

use crate::random::Random;

/// What stands before `/insights/` in every MQTT topic.
pub(crate) const PREFIX: &str = "redhat";

/// The members of an envelope that a device fills.
#[derive(Clone, Debug, Default)]
pub(crate) struct Envelope {
    /// Its message id.
    pub(crate) message_id: String,
    /// Its clock; `None` = it sends none.
    pub(crate) sent: Option<Millis>,
    /// Its session epoch, inside the JSON.
    pub(crate) epoch: Option<i64>,
    /// The delivery that it answers.
    pub(crate) answers: Option<String>,
}

impl Envelope {
    fn write(&self, dialect: Dialect, kind: &str, body: &str) -> Bytes {
        let (answers, body_name) = match dialect {
            Dialect::Draft => ("in_response_to", "payload"),
            Dialect::Rhc => ("response_to", "content"),
        };
        let mut text = format!(r#"{{"type":"{kind}","version":1"#);
        let mut member = |name: &str, value: String| text += &format!(r#","{name}":{value}"#);
        if !self.message_id.is_empty() {
            member("message_id", format!("\"{}\"", self.message_id));
        }
        if let Some(sent) = self.sent {
            member("sent", format!("\"{}\"", rfc3339(sent)));
        }
        if let Some(epoch) = self.epoch {
            member("session_epoch", epoch.to_string());
        }
        if let Some(id) = &self.answers {
            member(answers, format!("\"{id}\""));
        }
        if !body.is_empty() {
            member(body_name, body.to_owned());
        }
        text.push('}');
        text.into()
    }
}

/// What a device says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Counts its changes; part of the facts.
    pub(crate) version: u32,
    /// Sends facts, rather than null.
    pub(crate) has_facts: bool,
    /// Is a proxy for others.
    pub(crate) is_proxy: bool,
    /// Runs what inventory could start.
    pub(crate) has_dispatcher: bool,
    /// Serves many organisations.
    pub(crate) is_shared: bool,
}

impl Facts {
    fn body(&self, state: &str) -> String {
        let facts = if self.has_facts {
            let version = self.version;
            // Now and then no id by which inventory would know the host.
            let id = match version % 5 {
                4 => format!("i{version}"),
                _ => format!("00000000-0000-4000-8000-{version:012x}"),
            };
            format!(r#"{{"fqdn":"host-{version}.example","insights_id":"{id}"}}"#)
        } else {
            "null".to_owned()
        };
        let mut dispatchers = Vec::new();
        if self.has_dispatcher {
            dispatchers.push(r#""rhc-worker-playbook":{"version":"1"}"#);
        }
        if self.is_shared {
            dispatchers.push(r#""foreman_rh_cloud":{}"#);
        }
        if self.is_proxy {
            dispatchers.push(r#""catalog":{}"#);
        }
        let dispatchers = dispatchers.join(",");
        let tags = match self.version % 3 {
            0 => String::new(),
            tag => format!(r#","tags":{{"stage":["{tag}"]}}"#),
        };
        let version = self.version;
        let facts = format!(r#"{state}"canonical_facts":{facts}"#);
        let dispatchers = format!(r#""dispatchers":{{{dispatchers}}}"#);
        format!(r#"{{{facts},{dispatchers}{tags},"client_version":"{version}"}}"#)
    }
}

/// MQTT topic and payload of an online.
pub(crate) fn online(
    dialect: Dialect,
    client: &str,
    envelope: &Envelope,
    facts: &Facts,
) -> (String, Bytes) {
    match dialect {
        Dialect::Draft => {
            let kind = if facts.is_proxy {
                "proxy-handshake"
            } else {
                "host-handshake"
            };
            let payload = envelope.write(dialect, kind, &facts.body(""));
            (format!("{PREFIX}/insights/status/{client}"), payload)
        }
        Dialect::Rhc => {
            let body = facts.body(r#""state":"online","#);
            let payload = envelope.write(dialect, "connection-status", &body);
            (format!("{PREFIX}/insights/{client}/control/out"), payload)
        }
    }
}

/// MQTT topic and payload of an offline.
pub(crate) fn offline(dialect: Dialect, client: &str, envelope: &Envelope) -> (String, Bytes) {
    match dialect {
        Dialect::Draft => {
            let payload = envelope.write(dialect, "offline", "");
            (format!("{PREFIX}/insights/status/{client}"), payload)
        }
        Dialect::Rhc => {
            let payload = envelope.write(dialect, "connection-status", r#"{"state":"offline"}"#);
            (format!("{PREFIX}/insights/{client}/control/out"), payload)
        }
    }
}

/// MQTT topic and payload of a sign of life; `is_error` says that a delivery could not be handled.
pub(crate) fn message(
    dialect: Dialect,
    client: &str,
    envelope: &Envelope,
    is_error: bool,
) -> (String, Bytes) {
    match dialect {
        Dialect::Draft => {
            let (kind, body) = if is_error {
                ("message-error", r#"{"details":"no such directive"}"#)
            } else {
                ("message", r#"{"load":1}"#)
            };
            let payload = envelope.write(dialect, kind, body);
            (format!("{PREFIX}/insights/in/{client}"), payload)
        }
        Dialect::Rhc => {
            let payload = envelope.write(dialect, "data", r#"{"load":1}"#);
            (format!("{PREFIX}/insights/{client}/data/out"), payload)
        }
    }
}

/// A payload that no dialect knows, for a topic of `client`.
pub(crate) fn poison(dialect: Dialect, client: &str, random: &mut Random) -> (String, Bytes) {
    let (topic, _) = online(dialect, client, &Envelope::default(), &Facts::default());
    let texts: [&[u8]; 9] = [
        b"{ truncated",
        b"\xff\xfe not utf-8",
        b"[]",
        b"{\"type\":\"no-such-type\",\"version\":1}",
        b"{\"type\":\"host-handshake\",\"version\":7}",
        b"{\"type\":\"connection-status\",\"content\":{\"state\":\"perhaps\"}}",
        b"{\"type\":\"host-handshake\",\"payload\":null}",
        b"{\"type\":\"event\",\"content\":5,\"session_epoch\":\"soon\"}",
        b"\0",
    ];
    let at = random.below(texts.len() + 1);
    let bytes = match texts.get(at) {
        Some(text) => Bytes::from_static(text),
        // Whatever comes.
        None => (0..random.below(40))
            .map(|_| u8::try_from(random.below(256)).unwrap_or_default())
            .collect::<Vec<u8>>()
            .into(),
    };
    (topic, bytes)
}

/// A payload over the bound of the bridge.
pub(crate) fn too_large() -> Bytes {
    vec![b'x'; PAYLOAD_BYTES_MAX + 1].into()
}

fn rfc3339(at: Millis) -> String {
    let time = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
