//! Publishes in, records out: stores the bytes and MQTT facts of a publish, and says when it is
//! durable.
//!
//! The log is picked by MQTT topic alone; nothing is parsed here ("raw first", DESIGN.md section
//! 2). A publish arrives in one of two ways: in `rollcall dev` the embedded broker's publish hook
//! calls [`IngressWriter::write`] and holds the PUBACK back meanwhile; in `rollcall run` the bridge
//! is a client of somebody else's broker ([`run`]). The record goes next to the processor.
//!
//! Reading order: `facts` (what comes in), `config`, `headers`, `refuse` (what becomes a dead
//! letter), `write`, `subscribe`.

mod config;
mod facts;
mod headers;
mod refuse;
mod subscribe;
mod write;

pub mod metrics;
mod order;

pub use config::{Options, Source};
pub use facts::{Outcome, PublishFacts};
pub use subscribe::run;
pub use write::IngressWriter;
