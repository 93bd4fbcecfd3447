//! Why a partition stops. Never a bad record: those are dead-lettered.

use rollcall_model::{Millis, Topic};
use rollcall_schemas::DecodeError;
use rollcall_tables::Table;

/// Why a partition stopped. Every variant leaves log and tables as the last whole batch left them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log could not be read or written.
    #[error("partition {partition} cannot {action}")]
    Log {
        /// The partition.
        partition: u32,
        /// What was tried.
        action: &'static str,
        /// What the log said.
        #[source]
        source: rollcall_log::Error,
    },
    /// The tables could not be read or written.
    #[error("partition {partition} cannot {action}")]
    Tables {
        /// The partition.
        partition: u32,
        /// What was tried.
        action: &'static str,
        /// What the tables said.
        #[source]
        source: rollcall_tables::Error,
    },
    /// Our own tables hold, or our own topics gave, bytes that do not decode.
    #[error("partition {partition} cannot decode its own {what}; the store or the log is damaged")]
    Own {
        /// The partition.
        partition: u32,
        /// Which bytes.
        what: &'static str,
        /// What is wrong with them.
        #[source]
        source: DecodeError,
    },
    /// The time index names a row that is not there: the store is damaged.
    #[error(
        "the time index of partition {partition} names a row of {table:?} due at {due_at} that is \
         not there; remove the `tables` folder to restore it from the changelog"
    )]
    StrayTimer {
        /// The partition.
        partition: u32,
        /// The table.
        table: Table,
        /// When the timer was due.
        due_at: Millis,
    },
    /// Tables are ahead of the log: the log was truncated, or belongs to somebody else.
    #[error(
        "tables of partition {partition} have replayed {topic} up to {stored}, but it ends at \
         {end}; the log was truncated or replaced: remove the `tables` folder to \
         restore from this log"
    )]
    Ahead {
        /// The partition.
        partition: u32,
        /// The changelog.
        topic: Topic,
        /// How far the tables say that they are.
        stored: u64,
        /// Where the log ends.
        end: u64,
    },
    /// The restored table is not the one that the schedule vouches for.
    #[error(
        "table {table:?} of partition {partition} was restored to digest {found:032x}, but batch \
         {batch} left {expected:032x}; remove the `tables` folder to restore it from the changelog"
    )]
    Digest {
        /// The partition.
        partition: u32,
        /// The table.
        table: Table,
        /// The newest batch.
        batch: u64,
        /// Digest restored.
        found: u128,
        /// Digest recorded.
        expected: u128,
    },
}
