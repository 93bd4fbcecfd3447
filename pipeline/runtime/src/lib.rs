//! The processor: one task per partition that reads inputs, folds them batch by batch, and appends
//! what follows from them together with its positions, as one.
//!
//! It decides nothing about clients (that is `rollcall-fold`) and knows nothing of MQTT, HTTP or
//! disks: the log and the tables are traits. Reading order: `inputs` (what a batch is made of),
//! `decode` (bytes to events), `overlay` (rows during a batch), `batch` (the pure part: fold it),
//! `output` (records of it), `restore` (where a partition stands after a restart), `processor` (the
//! turn that ties them together), `checkpoint` (tables as a stream of bytes), `rebuild` (the same
//! life folded again, as proof), `self_check` (whether the tables still are what was folded). What
//! it writes goes to the log; tables and changelog readers follow.

mod ahead;
mod batch;
mod dead_letter;
mod decode;
mod error;
mod inputs;
mod order;
mod output;
mod overlay;
mod processor;
mod restore;

pub mod checkpoint;
pub mod metrics;
pub mod rebuild;
pub mod self_check;

pub use error::Error;
pub use inputs::GROUP;
pub use processor::{Processor, Setup, Turn};
pub use restore::{Restored, restore_tables};

#[cfg(test)]
mod tests;
