//! What is on the wire: one Avro schema per topic, the dialects of the devices, and the table of
//! topics.
//!
//! Wire types and domain types are different types; the conversions live here and nowhere else. No
//! IO, no clock, no configuration. Reading order: the table of topics (`topics`, `partition`),
//! values of topics (`record`, `frame`, `leading`, `json`, `evolution`), the same as others write
//! them (`confluent`, `foreign`), then what devices and inventory speak (`dialect`, `inventory`,
//! `identity`), and the resolver's file (`tenant_file`).

pub mod partition;
pub mod topics;

pub mod confluent;

mod codec;
mod error;
mod frame;
mod leading;
mod object;
mod record;
mod registry;
mod text;
mod wire;

pub mod evolution;
pub mod foreign;
pub mod json;

pub mod dialect;
pub mod identity;
pub mod inventory;
pub mod tenant_file;

pub use error::DecodeError;
pub use frame::{body, fingerprint, lacking};
pub use leading::leading;
pub use object::Object;
pub use record::Record;
pub use registry::{SchemaText, schemas};

#[cfg(test)]
mod tests;
