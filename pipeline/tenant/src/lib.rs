//! The resolver role: look-ups that are due come in through `tenantless`, answers leave through
//! `tenants`.
//!
//! It knows nothing of rows: the fold decides what an answer means (DESIGN.md section 4). What it
//! promises is that every look-up is answered exactly once per record of `tenantless`, and that
//! "nobody owns this client" and "nobody could tell" stay two answers (rule 8).
//!
//! ```text
//! tenantless ──▶ run (read, look up, append) ──▶ tenants
//!                     │           └─ a record that does not decode ──▶ dead-letters
//!                 Source: static_file, dev, gateway
//! ```

mod config;
mod dev;
mod error;
mod gateway;
mod repeats;
mod run;
mod source;
mod static_file;

pub mod metrics;

pub use config::{Config, Kind};
pub use dev::Dev;
pub use error::{ConfigError, Error, FileError};
pub use gateway::Gateway;
pub use run::{GROUP, Resolver};
pub use source::Source;
pub use static_file::StaticFile;

#[cfg(test)]
mod tests;
