//! Brings a fleet over from a deployed Cloud Connector: its table of connections, once, and its raw
//! ingress topic, continuously.
//!
//! What it brings is written as events, and the processor folds them like any other; nothing here
//! touches a row. Reading order: `row` (a row of the table as an online; pure), `postgres` (reads
//! the table), `seen` (what the processor has made of it), `table` (the import of a table),
//! `record` (a record of the topic as a publish; pure), `consume` (reads the topic), `topic` (the
//! import of a topic).

mod consume;
mod error;
mod postgres;
mod record;
mod row;
mod seen;
mod table;
mod topic;

pub use consume::From;
pub use error::Error;
pub use postgres::Database;
pub use row::{Arriving, Refused, TableRow};
pub use table::{TableImport, TableSummary, Told};
pub use topic::{TopicImport, TopicSummary};
