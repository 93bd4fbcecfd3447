//! What the fold is fed: parsed events, and how each of them arrived.

use crate::id::{DeliveryId, LookupId};
use crate::ingress::Dialect;
use crate::json::Json;
use crate::received::Received;
use crate::row::{Destination, Kind, OfflineReason};
use crate::time::Millis;
use crate::topic::Coordinates;

/// How a record reached the log: everything the ordering rules ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Where the record stands.
    pub at: Coordinates,
    /// When the log took it (LogAppendTime).
    pub appended_at: Millis,
    /// When the bridge received it; the fold caps it at `appended_at`. Equal to it for records
    /// without a bridge.
    pub received_at: Millis,
    /// xxh3-64 of the bridge's name; 0 = no bridge.
    pub bridge: u64,
    /// The bridge's count of what it receives; 0 = it does not count.
    pub received_order: i64,
    /// MQTT RETAIN.
    pub is_retained: bool,
    /// MQTT DUP.
    pub is_redelivery: bool,
}

impl Arrival {
    /// The record's receipt; a bridge's clock may be ahead, so its time is capped.
    pub fn received(&self) -> Received {
        Received {
            at: self.received_at.min(self.appended_at),
            bridge: self.bridge,
            order: self.received_order,
        }
    }
}

/// One input of the fold for one client.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A handshake, or `connection-status` online.
    Online(Box<Online>),
    /// A deregistration or a will.
    Offline(Offline),
    /// Any other traffic of the device: a sign of life, perhaps an answer.
    Message(Message),
    /// The broker that held the client was lost.
    BrokerLost,
    /// After a loss, the re-read of retained messages brought no handshake.
    RetainedAbsent,
    /// A look-up was answered, or a directory assigned a tenant.
    Tenant(TenantAnswer),
    /// A delivery attempt ended.
    Receipt(Receipt),
    /// Somebody wants something sent to the device.
    Request(Box<OutboundRequest>),
}

/// A device says that it is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Online {
    /// Which parser read it.
    pub dialect: Dialect,
    /// A single host or a proxy.
    pub kind: Kind,
    /// The device's message id; empty when it sent none.
    pub message_id: String,
    /// The device's clock; `None` when missing or unreadable.
    pub sent: Option<Millis>,
    /// Session epoch, when the device keeps one (MQTT 5 user property or JSON).
    pub epoch: Option<i64>,
    /// Facts about the host; `None` for null or absent.
    pub canonical_facts: Option<Json>,
    /// What the client can do; `None` for null or absent.
    pub dispatchers: Option<Json>,
    /// Free tags; `None` for null or absent.
    pub tags: Option<Json>,
    /// A proxy's facts (seed 000).
    pub catalog_service_facts: Option<Json>,
    /// Software name; empty when unknown.
    pub client_name: String,
    /// Software version; empty when unknown.
    pub client_version: String,
    /// Where messages for it go.
    pub destination: Destination,
}

/// A device, or its broker on its behalf, says that it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offline {
    /// Which parser read it.
    pub dialect: Dialect,
    /// The device's message id; a will repeats an old one, so it is never compared.
    pub message_id: String,
    /// The device's clock; `None` when missing or unreadable. A will has the time at which it was
    /// made, so it is looked at only where the broker's memory speaks.
    pub sent: Option<Millis>,
    /// Session epoch of the session that ends.
    pub epoch: Option<i64>,
    /// How it was said.
    pub reason: OfflineReason,
}

/// Traffic that is neither online nor offline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which parser read it.
    pub dialect: Dialect,
    /// The device's message id; empty when it sent none.
    pub message_id: String,
    /// The delivery that this answers (`response_to`, `in_response_to`), when it is one of ours.
    pub answers: Option<DeliveryId>,
    /// For `message-error`: the device could not handle the delivery, and this is what it said.
    pub error: Option<String>,
    /// Where messages for the device go.
    pub destination: Destination,
}

/// Who gave a tenant answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerSource {
    /// The resolver, to the look-up of this id.
    Resolver {
        /// The look-up answered.
        lookup_id: LookupId,
    },
    /// A directory, unasked.
    Directory,
    /// An operator, who knows nothing but wants the client looked up now. The outcome says nothing
    /// then; it is `Unavailable`, and its cause tells who asked.
    Operator,
}

/// The value of `tenants`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantAnswer {
    /// Who says so.
    pub source: AnswerSource,
    /// What was found.
    pub outcome: TenantOutcome,
}

/// "This certificate has no tenant" and "the service is down" are two answers (rule 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantOutcome {
    /// The client belongs to this tenant.
    Found {
        /// Organisation; never empty.
        org_id: String,
        /// Account number; may be empty.
        account: String,
        /// The x-rh-identity document (JSON).
        identity: Json,
    },
    /// The client belongs to nobody.
    Unknown,
    /// Nobody could tell.
    Unavailable {
        /// What went wrong.
        cause: String,
    },
}

/// The value of `receipts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: ReceiptOutcome,
    /// The broker's MQTT reason code; 0 when it gave none.
    pub broker_reason_code: u8,
}

impl Receipt {
    /// Reason code of a failed attempt: the broker takes no packet of that size (MQTT 5, section
    /// 2.4, "packet too large").
    pub const PACKET_TOO_LARGE: u8 = 0x95;
    /// Reason code of a failed attempt: the broker closed each connection on which the message was
    /// sent alone. MQTT 3.1.1 has no other way to refuse one; the code is MQTT 5's "protocol
    /// error", which no PUBACK carries.
    pub const CONNECTION_CLOSED: u8 = 0x82;
}

/// How a delivery attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// The broker has it and somebody is subscribed.
    Acknowledged,
    /// The broker has it and nobody is subscribed (MQTT 5 reason 16).
    NoSubscriber,
    /// The broker refused it, or could not be reached.
    Failed,
}

/// The value of `requests`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundRequest {
    /// Made by the API; becomes the delivery's id when it is a UUID, so that the caller can follow
    /// it.
    pub id: DeliveryId,
    /// What to send.
    pub body: RequestBody,
    /// Give up after this time.
    pub deadline: Option<Millis>,
    /// Requests of one client with the same key are one request; empty for none.
    pub idempotency_key: String,
    /// Who asked (for the audit trail); never interpreted.
    pub requester: String,
}

/// What a request asks to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// An application message.
    Data {
        /// Which application on the device.
        directive: String,
        /// Its payload.
        payload: Json,
        /// String to string.
        metadata: Vec<(String, String)>,
    },
    /// A command of the dialect (`reconnect`, `ping`, `disconnect`).
    Command {
        /// Its name.
        command: String,
        /// Its arguments, an object.
        arguments: Json,
    },
}

/// The command that asks for a sign of life.
const PING: &str = "ping";
/// The command that ends the device's connection.
const DISCONNECT: &str = "disconnect";

impl RequestBody {
    /// The command that asks a device for a sign of life.
    pub fn ping() -> Self {
        RequestBody::Command {
            command: PING.to_owned(),
            arguments: Json::empty_object(),
        }
    }

    /// Whether it tells the device to end its connection, without a word on coming back.
    pub fn ends_connection(&self) -> bool {
        matches!(self, RequestBody::Command { command, .. } if command == DISCONNECT)
    }
}
