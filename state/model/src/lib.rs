//! What is true: the words every other crate speaks in. Ids, times, events, rows, derived records
//! and policy.
//!
//! No IO, no clock, no encoding: how these types look on the wire is `rollcall-schemas`' affair,
//! what they do to each other is `rollcall-fold`'s. Reading order: ids and times, then what comes
//! in (`ingress`, `event`), what is kept (`row`, `delivery`), what goes out (`derived`, `batch`),
//! what inventory accepts of it (`host`), and the rules' numbers (`policy`).

pub mod id;
pub mod json;
mod received;
pub mod time;
mod topic;

pub mod batch;
pub mod delivery;
pub mod derived;
pub mod event;
pub mod host;
pub mod ingress;
pub mod policy;
pub mod row;

pub use delivery::{Delivery, DeliveryState};
pub use derived::{
    ConnectionEvent, DeadLetter, Derived, EventKind, InventoryMessage, LookupDue, OutboundDelivery,
    ReasonCode,
};
pub use event::{Arrival, Event};
pub use host::Suppressed;
pub use id::{ClientId, DeliveryId, IdError, LookupId, RequestId};
pub use ingress::Ingress;
pub use json::{Json, JsonError};
pub use policy::Policy;
pub use received::Received;
pub use row::ConnectionRow;
pub use time::Millis;
pub use topic::{Cause, Coordinates, TimerKind, Topic};
