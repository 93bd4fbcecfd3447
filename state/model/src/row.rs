//! The connection row: everything that is known of one client (DESIGN.md section 4).

use crate::id::{ClientId, LookupId};
use crate::ingress::Dialect;
use crate::json::Json;
use crate::received::Received;
use crate::time::Millis;
use crate::topic::{Cause, Coordinates};

/// How many online ids a row remembers to tell duplicates.
pub const GUARD_IDS_MAX: usize = 8;

/// One row of the `connections` table and value of its changelog.
///
/// Field order is the order on the wire: `due_at` and `org_id` lead, so that a restore can index a
/// row without decoding the rest (DESIGN.md section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRow {
    /// The earliest of the row's timers, as of its last change; `None` when it has none.
    pub due_at: Option<Millis>,
    /// Organisation; `""` = tenantless.
    pub org_id: String,
    /// Whose row it is.
    pub client_id: ClientId,
    /// Which dialect it last spoke.
    pub dialect: Dialect,
    /// A single host or a proxy.
    pub kind: Kind,
    /// Is it there.
    pub presence: Presence,
    /// The session that the last accepted online began or continued.
    pub session: Session,
    /// xxh3-64 of the last [`GUARD_IDS_MAX`] accepted online ids, oldest first.
    pub guard: Vec<u64>,
    /// Last sign of life, in steps of `policy.activity_step_ms`.
    pub last_activity_at: Millis,
    /// Receipt of the last sign of life, in the same steps; `None` when there was none, or an older
    /// build wrote the row.
    pub heard: Option<Received>,
    /// Set while presence is offline.
    pub offline: Option<OfflineFact>,
    /// Receipt of what made presence unverified; `None` otherwise, or when an older build did.
    pub unverified_received: Option<Received>,
    /// Since when presence is unverified (append time); `None` otherwise.
    pub unverified_at: Option<Millis>,
    /// When the last probe was due that went out; `None` = there was none yet. It is of this
    /// absence or doubt when it lies behind its begin.
    pub probed_at: Option<Millis>,
    /// Delivery attempts in a row that found no subscriber, since the last sign of life.
    pub no_subscriber_count: u32,
    /// Account number; `""` when tenantless or unknown.
    pub account: String,
    /// x-rh-identity document of the tenant; `None` when tenantless.
    pub identity: Option<Json>,
    /// When the tenant was last confirmed by Found; `None` = never, or lost.
    pub tenant_confirmed_at: Option<Millis>,
    /// When a look-up was last wanted or failed; `None` when the tenant is known.
    pub tenant_lookup_timestamp: Option<Millis>,
    /// Look-ups that ended with Unknown at retry or refresh, since the session began.
    pub tenant_lookup_failure_count: u32,
    /// The look-up that is pending.
    pub lookup: Option<Lookup>,
    /// The online whose inventory message is still owed: it waits for the tenant.
    pub inventory_owed: Option<Coordinates>,
    /// As received; `None` for null or absent.
    pub canonical_facts: Option<Json>,
    /// As received; `None` for null or absent.
    pub dispatchers: Option<Json>,
    /// As received; `None` for null or absent.
    pub tags: Option<Json>,
    /// As received (proxies); `None` for null or absent.
    pub catalog_service_facts: Option<Json>,
    /// Software name; empty when unknown.
    pub client_name: String,
    /// Software version; empty when unknown.
    pub client_version: String,
    /// Set when the row is created, changed by neither processor (seed 002).
    pub stale_timestamp: Millis,
    /// When inventory was last told, or was to be told and would have refused; `None` = never.
    pub refreshed_at: Option<Millis>,
    /// Where messages for it go.
    pub destination: Destination,
    /// Counts the row's changes, from 1.
    pub revision: u64,
    /// `now` of the batch that changed it last.
    pub updated_at: Millis,
}

/// A single host or a proxy for many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A host.
    #[default]
    Host,
    /// A proxy (seed 000 proxy-handshake; `rhc` with a `catalog` dispatcher).
    Proxy,
}

/// Is it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Connected.
    #[default]
    Online,
    /// Connected, but silent for longer than its dialect allows.
    Inactive,
    /// Gone; the row stays for the retention time.
    Offline,
    /// Was connected when its broker was lost, when it was told to disconnect, or before several
    /// deliveries found no subscriber.
    Unverified,
}

impl Presence {
    /// The name used in JSON, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Presence::Online => "online",
            Presence::Inactive => "inactive",
            Presence::Offline => "offline",
            Presence::Unverified => "unverified",
        }
    }
}

/// The session as its online told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Session epoch, when the device keeps one.
    pub epoch: Option<i64>,
    /// When the client came online (append time of the online that began the session, or of the
    /// message that showed it).
    pub connected_at: Millis,
    /// Id of the last accepted online; empty when it had none.
    pub online_message_id: String,
    /// The device's clock in that online.
    pub online_sent: Option<Millis>,
    /// When and where that online was received.
    pub received: Received,
    /// The device's clock in the last offline that was followed by a sign of life: what the broker
    /// remembers of it is outdated.
    pub outlived_sent: Option<Millis>,
    /// The record that brought it.
    pub cause: Coordinates,
}

/// Since when, and how it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfflineFact {
    /// Append time of the record that said so, or the due time of the timer.
    pub at: Millis,
    /// Receipt of the last record that said so; of a timer, of what the client was last known by.
    pub received: Received,
    /// The device's clock in it; `None` when missing or unreadable, or by timer.
    pub sent: Option<Millis>,
    /// How it was said.
    pub reason: OfflineReason,
    /// Whether a DUP record said so: then a DUP online with the stored id is applied again.
    pub is_by_redelivery: bool,
}

/// How a client went offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineReason {
    /// An `offline` message or an offline `connection-status` (a will looks the same).
    Message,
    /// The retained handshake was cleared by an empty payload (seed 000).
    Cleared,
    /// Silent for too long (seed 004).
    Inactive,
    /// Its broker was lost and nobody confirmed it since.
    Unverified,
}

impl OfflineReason {
    /// The name used in JSON, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            OfflineReason::Message => "message",
            OfflineReason::Cleared => "cleared",
            OfflineReason::Inactive => "inactive",
            OfflineReason::Unverified => "unverified",
        }
    }
}

/// A tenant look-up that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Kept over re-asking.
    pub id: LookupId,
    /// When it was first asked.
    pub asked_at: Millis,
    /// When it is asked again without an answer.
    pub due_at: Millis,
    /// What it is for.
    pub why: LookupWhy,
    /// From 1; re-asking adds one.
    pub attempt: u32,
    /// What made it due.
    pub cause: Cause,
}

/// What a tenant look-up is for; decides what Unknown does (seed 002).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupWhy {
    /// A client came online.
    Registration,
    /// A tenantless row is tried again, or an operator wants to know.
    Retry,
    /// A known tenant is confirmed before the inventory record goes stale.
    Refresh,
}

impl LookupWhy {
    /// The name used in JSON, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            LookupWhy::Registration => "registration",
            LookupWhy::Retry => "retry",
            LookupWhy::Refresh => "refresh",
        }
    }
}

/// Where messages for a client go (seed 004). Empty text means "not this way".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// Transport.
    pub protocol: Protocol,
    /// MQTT topic for application messages.
    pub mqtt_topic: String,
    /// WebSocket endpoint.
    pub websocket_url: String,
    /// STOMP queue.
    pub stomp_queue: String,
    /// Plugin instance.
    pub plugin: String,
}

/// Transport of a [`Destination`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT.
    #[default]
    Mqtt,
    /// WebSocket.
    Websocket,
    /// STOMP.
    Stomp,
    /// A plugin (seed 003).
    Plugin,
}
