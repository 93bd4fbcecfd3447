//! The sender: reads deliveries, publishes them to devices, and writes to the log what became of
//! each attempt.
//!
//! It decides nothing: which attempt is made, when, and what follows from a receipt is the fold's
//! affair. It knows no broker either; whoever can publish is an [`Outlet`]. Beside it the
//! [`Prober`] asks clients that may be gone for a sign of life. Reading order: `outlet` (who takes
//! a message), `message` (what is sent, and where to), `run` (the loop), `probe`.
//!
//! At least once towards the device: a crash between a publish and its receipt makes the sender
//! publish again, under the same message id. Towards the fold each receipt counts once, because it
//! names its attempt.

mod message;
mod outlet;
mod probe;
mod run;

pub mod metrics;

pub use outlet::{Attempt, BoxFuture, Outlet};
pub use probe::{PROBE_GROUP, Prober};
pub use run::{GROUP, Sender};

#[cfg(test)]
mod tests;
