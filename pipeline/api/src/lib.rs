//! What people and probes read: the deployed read API, the ops port, and the replica behind both.
//!
//! ```text
//! changelogs ──▶ Follower ──▶ Replica ──┬─▶ public  (one organisation's part) ─▶ requests
//!                                       └─▶ ops     (every row; metrics, probes, records)
//! any topic ───▶ Tail ──────────────────┴─▶ ops, `rollcall tail`
//! ```
//!
//! What is to be sent to a device goes to `requests`, a replayed dead letter to its topic, what an
//! operator says of tenants to `tenants`; nothing else is written. Answers may lag behind the log;
//! `/readyz` says by how many records and seconds. What a log that does not answer means for
//! requests stands in `silence`.

mod browsers;
mod comparisons;
mod config;
mod dead_letters;
mod error;
mod guard;
mod health;
mod identity;
mod keyed;
mod keys;
mod listing;
mod message;
mod ops;
mod page;
mod params;
mod problem;
mod public;
mod replica;
mod requests;
mod room;
mod serve;
mod shape;
mod silence;
mod tenants;

pub mod metrics;
pub mod tail;

pub use browsers::Hosts;
pub use comparisons::{Comparison, Comparisons};
pub use config::{Config, Lookup, OpsConfig};
pub use error::{ConfigError, Error, KeysError, ServeError};
pub use health::{Check, Condition, Health};
pub use keys::Keys;
pub use ops::{Ops, ops, probes};
pub use public::{BASE, public};
pub use replica::{Follower, Kept, Page, Replica};
pub use requests::Requests;
pub use room::Room;
pub use serve::{Bounds, bind, serve};

#[cfg(test)]
mod tests;
