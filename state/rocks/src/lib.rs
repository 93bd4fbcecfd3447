//! The tables of `rollcall-tables` on RocksDB: what a partition keeps, on a disk that may be killed
//! at any time.
//!
//! One database per process, one column family per partition, the key layout of
//! `rollcall_tables::keys`. The write-ahead log is off, because the changelog is one already: after
//! a crash a partition holds its batches up to some point, whole ones only, and its progress record
//! says which; the runtime replays the rest from the changelogs. This crate does no replay and
//! knows nothing of logs.
//!
//! Reading order: `store` (open, format, lock), `partition` (the tables), `view` (the same,
//! standing still), `load` (a whole partition at once), `options` (memory and files).

mod load;
mod options;
mod partition;
mod store;
mod view;

pub use partition::PartitionTables;
pub use store::RocksStore;
pub use view::PartitionViews;
