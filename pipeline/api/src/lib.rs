//! What people and probes read: the deployed read API, the ops port, and the replica behind both.
//!
//! ```text
//! changelogs ──▶ Follower ──▶ Replica ──┬─▶ public  (rows of one organisation, deployed shapes)
//!                                       └─▶ ops     (every row; metrics, probes, records)
//! any topic ───▶ Tail ──────────────────┴─▶ ops, `rollcall tail`
//! ```
//!
//! Nothing here writes to the log. Answers may lag behind it; `/readyz` says by how many records.

mod comparisons;
mod config;
mod error;
mod guard;
mod health;
mod identity;
mod ops;
mod page;
mod params;
mod problem;
mod public;
mod replica;
mod serve;
mod shape;

pub mod metrics;
pub mod tail;

pub use comparisons::{Comparison, Comparisons};
pub use config::{Config, Lookup, OpsConfig};
pub use error::{ConfigError, Error, ServeError};
pub use health::{Check, Condition, Health};
pub use ops::{Ops, ops};
pub use public::{BASE, public};
pub use replica::{Follower, Page, Replica};
pub use serve::{bind, serve};

#[cfg(test)]
mod tests;
