//! What a partition keeps: rows by key, the time index, the tenant index, digests, and how far it
//! has got.
//!
//! Rows are opaque bytes here (the changelog value as it is on the wire); what the indexes need of
//! a row is handed in beside it as [`RowIndex`]. `rollcall-rocks` keeps the same tables on disk.

mod change;
mod memory;
mod meta;
mod pairs;
mod view;
mod write_behind;

pub mod conformance;
pub mod digest;
pub mod keys;
pub mod load;

pub use change::{Change, Due, RowIndex, Table, TenantEntry};
pub use digest::Digest;
pub use memory::{MemoryTables, SharedTables};
pub use meta::{Meta, MetaError};
pub use pairs::{MemoryPairs, PairChange, Pairs, PairsIter, PairsView};
pub use view::{View, Views, Visit};
pub use write_behind::{Bounds, WriteBehind};

use bytes::Bytes;
use rollcall_model::Millis;

/// Why a table could not be read or written. Never the fault of a record: the partition stops.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk, or the store on it.
    #[error("cannot {action} the table store at {path}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// Where the store is.
        path: String,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store was written by a build that this one does not understand.
    #[error(
        "table store at {path} has format {found}, this build reads {expected}: rebuild it, or \
         start the build that wrote it"
    )]
    Format {
        /// Where the store is.
        path: String,
        /// Format on disk.
        found: u32,
        /// Format of this build.
        expected: u32,
    },
    /// Another process (or another handle of this one) has the store open.
    #[error(
        "table store at {path} is in use by another process: stop it, or use another data folder"
    )]
    Locked {
        /// Where the store is.
        path: String,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store was made for another number of partitions; keys would be looked for where they are
    /// not.
    #[error("table store at {path} has {found} partitions, asked for {expected}; rebuild it")]
    Partitions {
        /// Where the store is.
        path: String,
        /// Number of partitions on disk.
        found: u32,
        /// Number asked for.
        expected: u32,
    },
    /// A partition that the store has not, or that somebody already writes.
    #[error("partition {partition} of the table store at {path} {problem}")]
    Partition {
        /// Where the store is.
        path: String,
        /// Which partition.
        partition: u32,
        /// `does not exist` or `is already open`.
        problem: &'static str,
    },
    /// A key on disk does not decode.
    #[error("partition {partition} holds a damaged {index} index entry")]
    Key {
        /// Which partition.
        partition: u32,
        /// Which index.
        index: &'static str,
    },
    /// A change says another `old` than the tables hold, or a batch changes a row twice: a bug of
    /// the caller. Nothing of the batch was applied.
    #[error("change of {table:?} row {key:?} does not fit the tables: {problem}")]
    Conflict {
        /// Which table.
        table: Table,
        /// Which row.
        key: Bytes,
        /// What does not fit.
        problem: &'static str,
    },
    /// The progress record does not decode.
    #[error("progress record of partition {partition} is damaged")]
    Meta {
        /// Which partition.
        partition: u32,
        /// What is wrong with it.
        #[source]
        source: MetaError,
    },
}

/// The tables of one partition. One writer; reads see every applied batch and nothing of a later
/// one.
pub trait Tables: Send {
    /// The row of `key`, as it was written.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Rows whose timer is due at or before `until`, by (due time, table, key), at most `limit`.
    fn due(&self, until: Millis, limit: usize) -> Result<Vec<Due>, Error>;

    /// As [`Tables::due`], from the first timer after `after`. Implementations on disk do better
    /// than this one, which looks at all of them.
    fn due_after(
        &self,
        after: Option<&Due>,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let mut due = self.due(until, usize::MAX)?;
        due.retain(|due| Some(due) > after);
        due.truncate(limit);
        Ok(due)
    }

    /// The earliest due time of any row.
    fn next_due(&self) -> Result<Option<Millis>, Error>;

    /// Rows in key order, from the first key after `after`, at most `limit`.
    fn scan(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error>;

    /// Connection keys of `org_id` in key order, from the first after `after`, at most `limit`.
    fn tenant(&self, org_id: &str, after: Option<&[u8]>, limit: usize)
    -> Result<Vec<Bytes>, Error>;

    /// How far the tables have got; `None` for tables that were never written.
    fn meta(&self) -> Result<Option<Meta>, Error>;

    /// Applies a batch whole: rows, both indexes (by diff of old and new) and `meta`, or nothing of
    /// it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a change's `old` is not what is there, or a row is changed twice.
    /// Always checked in memory; on disk only where somebody asks for it (`checked`), since it
    /// costs a read per row.
    fn apply(&mut self, changes: &[Change], meta: &Meta) -> Result<(), Error>;

    /// Empties the tables, and begins to load them as a whole; `None` where that is no better than
    /// to apply.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn load(&mut self) -> Result<Option<Box<dyn load::Load + '_>>, Error> {
        Ok(None)
    }

    /// Writes what the tables hold back, if they do. Called when nothing will be applied any more.
    fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
