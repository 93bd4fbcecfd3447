//! Why the log could not be read or written.

use rollcall_model::Topic;

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk, or the store on it.
    #[error("cannot {action} the log at {path}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// Where the log is.
        path: String,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The log was written by a build that this one does not understand.
    #[error("log at {path} has format {found}, this build reads {expected}")]
    Format {
        /// Where the log is.
        path: String,
        /// Format on disk.
        found: u32,
        /// Format of this build.
        expected: u32,
    },
    /// The log was made with another number of partitions.
    #[error("log at {path} has {found} partitions, the configuration asks for {expected}; set [log] partitions = {found}")]
    Partitions {
        /// Where the log is.
        path: String,
        /// Partitions on disk.
        found: u32,
        /// Partitions asked for.
        expected: u32,
    },
    /// The offset lies before the first one kept: retention took it.
    #[error("offset {from} of {topic}/{partition} is gone, the first one kept is {start}")]
    OutOfRange {
        /// The topic read.
        topic: Topic,
        /// The partition read.
        partition: u32,
        /// The offset asked for.
        from: u64,
        /// The first offset kept.
        start: u64,
    },
    /// The topic has no such partition.
    #[error("{topic} has {partitions} partitions, so there is no partition {partition}")]
    NoPartition {
        /// The topic.
        topic: Topic,
        /// The partition asked for.
        partition: u32,
        /// Partitions there are.
        partitions: u32,
    },
    /// The log has been closed.
    #[error("the log is closed")]
    Closed,
}
