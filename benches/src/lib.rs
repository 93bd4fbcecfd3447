//! What the benches measure, and how: values as they are in a fleet, not as they are convenient.
//!
//! Reading order: `fleet` (the workload), `bare` (the loop that everything is compared with),
//! `units` (one step of an event's way each), `whole` (the whole way), `waiting` (rows whose
//! look-ups are due), `clock` (what is counted), `table` (how it is told). Who runs them:
//! `benches/table.rs` for times, `benches/waiting.rs`, `src/bin/instructions.rs` for instruction
//! counts, `src/bin/peers` for the same work on Kafka Streams. Figures and what they mean:
//! docs/performance.md.
//!
//! A workload that cannot be made is a bug of the bench: it panics and says so.

pub mod bare;
pub mod clock;
pub mod fleet;
pub mod table;
pub mod units;
pub mod waiting;
pub mod whole;

mod row;

pub use row::connection_row;

/// The product's allocator, in everything that measures it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
