//! What events and timers do to rows: every rule of DESIGN.md section 4, as a pure function.
//!
//! `(policy, now, rows of one client, event) -> (rows, derived records)`. No clock, no IO, no
//! randomness, no configuration, no async: the same inputs give the same rows and records on every
//! replay. The runtime reads rows from the tables, calls [`step`] or [`fire`], and writes what
//! comes back. `docs/rules.md` shows the rules as a table that the golden scripts prove.
//!
//! Reading order: [`step`] and [`fire`] decide (`step.rs`), the modules below them compute.

mod context;
mod step;
mod work;

mod delivery;
mod events;
mod inventory;
mod jitter;
mod message;
mod offline;
mod online;
mod ordering;
mod probe;
mod tenant;
mod timers;

pub use context::{Context, Ignored, Rows, Step};
pub use step::{delivery_of, fire, step};
pub use timers::{delivery_due, due};

/// Revision of the fold: raised by any change to rows or derived records (DESIGN.md section 5).
/// A rebuild under another revision is not comparable.
pub const REVISION: u32 = 5;
