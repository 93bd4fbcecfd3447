//! Publishes in, records out: stores the bytes and MQTT facts of a publish, and says when it is
//! durable.
//!
//! The log is picked by MQTT topic alone; nothing is parsed here ("raw first", DESIGN.md section
//! 2), and nothing is known of how a publish arrived: whoever holds its PUBACK back (in `rollcall
//! dev` the embedded broker's publish hook) calls [`IngressWriter::write`]. The record goes next to
//! the processor.
//!
//! Reading order: `facts` (what comes in), `config`, `headers`, `refuse` (what becomes a dead
//! letter), `write`.

mod config;
mod facts;
mod headers;
mod refuse;
mod write;

pub mod metrics;

pub use config::{Options, Source};
pub use facts::{Outcome, PublishFacts};
pub use write::IngressWriter;
