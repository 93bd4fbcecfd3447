//! What the fold gives out beside rows: records for other people.

use crate::delivery::DeliveryState;
use crate::event::RequestBody;
use crate::id::{ClientId, DeliveryId, LookupId, RequestId};
use crate::ingress::Dialect;
use crate::json::Json;
use crate::row::{Destination, LookupWhy};
use crate::time::Millis;
use crate::topic::{Cause, Coordinates};

/// One derived record. Order within a batch is the order of emission.
///
/// [`Derived::cause`] tells what made it.
#[derive(Clone, Debug, PartialEq)]
pub enum Derived {
    /// To `events`.
    Event(ConnectionEvent),
    /// To `inventory`.
    Inventory(Box<InventoryMessage>),
    /// To `tenantless`.
    LookupDue(LookupDue),
    /// To `deliveries`.
    Delivery(Box<OutboundDelivery>),
    /// To `dead-letters`.
    DeadLetter(Box<DeadLetter>),
}

impl Derived {
    /// The record or timer that made it; `None` for a dead letter that never reached a log.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Derived::Event(event) => Some(event.cause),
            Derived::Inventory(message) => Some(message.cause),
            Derived::LookupDue(lookup) => Some(lookup.cause),
            Derived::Delivery(delivery) => Some(delivery.cause),
            Derived::DeadLetter(letter) => letter.source.map(Cause::Record),
        }
    }
}

/// The value of `events`: what changed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionEvent {
    /// Whose.
    pub client_id: ClientId,
    /// What.
    pub kind: EventKind,
    /// Which record or timer did it.
    pub cause: Cause,
    /// `now` of the batch.
    pub at: Millis,
    /// Revision before; `None` when there was no row.
    pub revision_before: Option<u64>,
    /// Revision after; `None` when there is no row any more.
    pub revision_after: Option<u64>,
    /// Organisation after the change; `""` = tenantless. Of a delivery: the organisation for which
    /// it was asked.
    pub org_id: String,
    /// Account after the change. Of a delivery: empty when the client has another organisation now.
    pub account: String,
    /// Why, in one word (an offline reason, a look-up kind, a delivery's failure); may be empty.
    pub reason: String,
    /// The delivery that changed, for [`EventKind::Delivery`].
    pub delivery: Option<DeliveryChange>,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A client came online.
    Connected,
    /// A client went offline.
    Disconnected,
    /// A client fell silent.
    Inactive,
    /// A client that counted as inactive, offline or unverified showed life.
    Active,
    /// Nobody knows whether the client is still there: its broker was lost.
    Unverified,
    /// A tenantless client got a tenant (or another one).
    TenantFound,
    /// A client lost its tenant.
    TenantLost,
    /// Facts, dispatchers, tags or version changed.
    Updated,
    /// An offline row left the table.
    Expired,
    /// A delivery's state changed.
    Delivery,
    /// Inventory was to be told of the client and would have refused; the reason is a
    /// [`crate::Suppressed`].
    InventorySuppressed,
}

impl EventKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [EventKind; 11] = [
        EventKind::Connected,
        EventKind::Disconnected,
        EventKind::Inactive,
        EventKind::Active,
        EventKind::Unverified,
        EventKind::TenantFound,
        EventKind::TenantLost,
        EventKind::Updated,
        EventKind::Expired,
        EventKind::Delivery,
        EventKind::InventorySuppressed,
    ];

    /// The name used in JSON, CloudEvents types, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Connected => "connected",
            EventKind::Disconnected => "disconnected",
            EventKind::Inactive => "inactive",
            EventKind::Active => "active",
            EventKind::Unverified => "unverified",
            EventKind::TenantFound => "tenant-found",
            EventKind::TenantLost => "tenant-lost",
            EventKind::Updated => "updated",
            EventKind::Expired => "expired",
            EventKind::Delivery => "delivery",
            EventKind::InventorySuppressed => "inventory-suppressed",
        }
    }
}

/// A delivery's change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryChange {
    /// Which delivery.
    pub id: DeliveryId,
    /// Its state after the change.
    pub state: DeliveryState,
    /// Attempts made so far.
    pub attempt: u32,
}

/// What a host-ingress message is made of; `rollcall-schemas` writes the JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryMessage {
    /// Which client; becomes `rhc_client_id` when it is a UUID.
    pub client_id: ClientId,
    /// Organisation; the record's key. Never empty.
    pub org_id: String,
    /// Account number; may be empty.
    pub account: String,
    /// x-rh-identity document.
    pub identity: Json,
    /// Facts as the device sent them; [`crate::host::Facts`] of them are sent.
    pub canonical_facts: Json,
    /// Tags as the device sent them.
    pub tags: Option<Json>,
    /// UUID v5 of client and cause.
    pub request_id: RequestId,
    /// When inventory may drop the host: now + 26 h.
    pub stale_timestamp: Millis,
    /// Which record or timer asks for it.
    pub cause: Cause,
}

/// The value of `tenantless`: a tenant look-up that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupDue {
    /// The answer must carry it.
    pub lookup_id: LookupId,
    /// Whose tenant is wanted.
    pub client_id: ClientId,
    /// What it is for.
    pub why: LookupWhy,
    /// From 1.
    pub attempt: u32,
    /// What made it due.
    pub cause: Cause,
    /// `now` of the batch.
    pub at: Millis,
}

/// The value of `deliveries`: send this.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboundDelivery {
    /// The delivery; the device sees it as `message_id`.
    pub delivery_id: DeliveryId,
    /// For whom.
    pub client_id: ClientId,
    /// Which encoder writes the message.
    pub dialect: Dialect,
    /// Where to.
    pub destination: Destination,
    /// What to send.
    pub body: RequestBody,
    /// From 1.
    pub attempt: u32,
    /// Give up after this time.
    pub deadline: Millis,
    /// Which record or timer asks for this attempt.
    pub cause: Cause,
    /// `now` of the batch: the message's `sent`.
    pub sent_at: Millis,
}

/// The value of `dead-letters`: a refused record, whole, with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where the record stands; `None` when it never reached a log (an oversized publish).
    pub source: Option<Coordinates>,
    /// The record's key as it was.
    pub key: Vec<u8>,
    /// The record's value as it was (of an oversized publish the first 4 KiB).
    pub value: Vec<u8>,
    /// Which stage refused it: `bridge`, `processor`, `resolver`, `sender`.
    pub stage: String,
    /// Why, as a code of `docs/errors.md`.
    pub reason: ReasonCode,
    /// Why, for a person: names the field, the value and the remedy.
    pub text: String,
    /// `now` of the batch that refused it.
    pub at: Millis,
    /// MQTT topic, when there was one; empty otherwise.
    pub mqtt_topic: String,
}

impl DeadLetter {
    /// Ends what a stage says of a part that it did not keep whole, after the number of bytes kept.
    pub const CUT: &str = "are kept";

    /// Whether key and value are all of the record.
    pub fn is_whole(&self) -> bool {
        !self.text.contains(Self::CUT)
    }
}

/// Why a record was refused. Codes are listed in `docs/errors.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReasonCode {
    /// Its Avro frame names a schema that nobody knows.
    UnknownSchema,
    /// Its Avro bytes do not decode.
    Undecodable,
    /// Its key is no client id, hashes to another partition, or differs from its MQTT topic.
    Misplaced,
    /// Its MQTT topic belongs to no dialect.
    UnknownTopic,
    /// Its payload is not UTF-8.
    NotUtf8,
    /// Its payload is not JSON (truncated, trailing bytes, nested too deep).
    MalformedJson,
    /// A field is missing, of the wrong type or given twice.
    InvalidField,
    /// Its version is not known.
    UnsupportedVersion,
    /// Its `type` is not known.
    UnknownType,
    /// Its payload, its JSON for the row, or what it would make is over a bound.
    TooLarge,
}

impl ReasonCode {
    /// Every code, in the order of `docs/errors.md`.
    pub const ALL: [ReasonCode; 10] = [
        ReasonCode::UnknownSchema,
        ReasonCode::Undecodable,
        ReasonCode::Misplaced,
        ReasonCode::UnknownTopic,
        ReasonCode::NotUtf8,
        ReasonCode::MalformedJson,
        ReasonCode::InvalidField,
        ReasonCode::UnsupportedVersion,
        ReasonCode::UnknownType,
        ReasonCode::TooLarge,
    ];

    /// The code as text.
    pub fn as_str(self) -> &'static str {
        match self {
            ReasonCode::UnknownSchema => "unknown_schema",
            ReasonCode::Undecodable => "undecodable",
            ReasonCode::Misplaced => "misplaced",
            ReasonCode::UnknownTopic => "unknown_topic",
            ReasonCode::NotUtf8 => "not_utf8",
            ReasonCode::MalformedJson => "malformed_json",
            ReasonCode::InvalidField => "invalid_field",
            ReasonCode::UnsupportedVersion => "unsupported_version",
            ReasonCode::UnknownType => "unknown_type",
            ReasonCode::TooLarge => "too_large",
        }
    }
}
