//! The packets that matter to a client, the same for both versions of MQTT.

use bytes::Bytes;

/// A publish as the broker delivers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// Full MQTT topic.
    pub topic: String,
    /// Payload, byte for byte; of a publish that is too large to be held, its beginning.
    pub payload: Bytes,
    /// Bytes the payload has; more than [`Publish::payload`] holds when it was cut.
    pub payload_bytes: usize,
    /// QoS of the delivery, 0 to 2: the publisher's, or the subscription's if that is lower.
    pub qos: u8,
    /// MQTT RETAIN: the broker's stored state, sent because of a subscription.
    pub retain: bool,
    /// MQTT DUP: it was sent before.
    pub dup: bool,
    /// MQTT 5 user properties, in order; none of a publish whose properties are too large to be
    /// held.
    pub user_properties: Vec<(String, String)>,
}

/// A message to be published with QoS 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Full MQTT topic, without wildcards.
    pub topic: String,
    /// Payload, byte for byte.
    pub payload: Bytes,
    /// MQTT RETAIN.
    pub retain: bool,
    /// MQTT 5 user properties, in order; MQTT 3.1.1 leaves them out.
    pub user_properties: Vec<(String, String)>,
    /// MQTT 5 message expiry: a subscriber that is away for longer, in seconds, does not get it;
    /// `None` = it never expires. MQTT 3.1.1 leaves it out.
    pub expires_after_s: Option<u32>,
}

/// What a broker sends. Ids are packet ids, reasons are MQTT 5 reason codes (0 in MQTT 3.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    ConnAck(ConnAck),
    /// `id` is 0 for QoS 0.
    Publish {
        id: u16,
        publish: Publish,
    },
    PubAck {
        id: u16,
        reason: u8,
    },
    PubRel {
        id: u16,
    },
    /// One code a filter: the QoS granted, or 0x80 and above for a refusal.
    SubAck {
        id: u16,
        codes: Vec<u8>,
    },
    Pong,
    Disconnect {
        reason: u8,
    },
}

/// The answer to CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnAck {
    pub(crate) session_present: bool,
    /// Return code (MQTT 3.1.1, table 3.1) or reason code (MQTT 5, section 3.2.2.2).
    pub(crate) code: u8,
    /// Publishes of QoS 1 that the broker takes without an answer.
    pub(crate) receive_maximum: u16,
    /// Largest packet that the broker takes, bytes.
    pub(crate) packet_bytes_max: u32,
    /// Highest QoS that the broker takes.
    pub(crate) qos_max: u8,
    /// Seconds for which the broker keeps the session, if it says another number than it was asked
    /// for.
    pub(crate) session_expiry_s: Option<u32>,
    /// Keep alive that the broker wants instead, seconds.
    pub(crate) keep_alive_s: Option<u16>,
}

/// What a client sends, beside CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing<'a> {
    Subscribe {
        id: u16,
        filters: &'a [String],
    },
    Publish {
        id: u16,
        message: &'a Message,
        dup: bool,
    },
    PubAck(u16),
    PubRec(u16),
    PubComp(u16),
    Ping,
    Disconnect,
}
