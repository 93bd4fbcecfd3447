//! A publish as the bridge saw it: bytes and MQTT facts, nothing parsed (rule 10, "raw first").

use crate::time::Millis;

/// Largest MQTT payload that is stored whole, in bytes; a larger one is dead-lettered by its edge.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// The value of `status` and `messages`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// What happened at the broker.
    pub kind: IngressKind,
    /// Which parser reads the payload.
    pub dialect: Dialect,
    /// Full MQTT topic; holds the client id.
    pub mqtt_topic: String,
    /// The payload, byte for byte; at most [`PAYLOAD_BYTES_MAX`].
    pub payload: Vec<u8>,
    /// MQTT QoS, 0 to 2.
    pub qos: u8,
    /// MQTT RETAIN: the message is the broker's stored state, not news.
    pub retain: bool,
    /// MQTT DUP: a redelivery.
    pub dup: bool,
    /// MQTT 5 user properties, in order.
    pub user_properties: Vec<(String, String)>,
    /// When the bridge received it.
    pub received_at: Millis,
    /// Which bridge instance.
    pub bridge: String,
    /// Counts the sessions of that bridge with its broker: a new one means that publishes may be
    /// missing.
    pub broker_generation: u64,
    /// Counts what that bridge receives, over its sessions and whatever its clock does: larger came
    /// later. 0 = it does not count.
    pub received_order: i64,
}

/// What an [`Ingress`] record stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IngressKind {
    /// A publish by the device (or its will).
    #[default]
    Publish,
    /// The broker that held this client's connection was lost: nobody knows whether it is still
    /// there.
    BrokerLost,
    /// After the loss, the re-read of retained messages brought no handshake of this client.
    RetainedAbsent,
}

/// A wire dialect: which pure parser and encoder a client's messages go through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// Seed 000: `redhat/insights/{status,in,out}/$clientID`.
    #[default]
    Draft,
    /// Deployed Cloud Connector and yggd: `redhat/insights/$clientID/{control,data}/{in,out}`.
    Rhc,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Dialect; 2] = [Dialect::Draft, Dialect::Rhc];

    /// The name used in configuration, rows and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Draft => "draft",
            Dialect::Rhc => "rhc",
        }
    }

    /// Whether silence means anything (seed 004): only where the dialect keeps traffic alive by
    /// itself.
    pub fn has_keep_alive_traffic(self) -> bool {
        match self {
            Dialect::Draft | Dialect::Rhc => false,
        }
    }

    /// Whether a device can be asked for a sign of life: `rhc` answers `ping` with `pong`.
    pub fn has_ping(self) -> bool {
        match self {
            Dialect::Draft => false,
            Dialect::Rhc => true,
        }
    }
}
