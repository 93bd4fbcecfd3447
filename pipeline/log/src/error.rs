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
    #[error(
        "log at {path} has {found} partitions, the configuration asks for {expected}; \
         set [log] partitions = {found}"
    )]
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
    /// Another process (or another value in this one) has the log open.
    #[error(
        "log at {path} is already used by another rollcall process; stop it, or look into it with \
         --url"
    )]
    InUse {
        /// Where the log is.
        path: String,
    },
    /// There is no log to read.
    #[error("there is no log at {path}")]
    Missing {
        /// Where it was looked for.
        path: String,
    },
    /// What is on the disk is not what was written.
    #[error("log at {path} is damaged: {place} {what}")]
    Damaged {
        /// Where the log is.
        path: String,
        /// Which entry.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An earlier write failed; nothing is written any more until the log is opened again.
    #[error("log at {path} writes nothing since a write failed; free the disk and restart")]
    Stopped {
        /// Where the log is.
        path: String,
        /// The first failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Too many appends wait for the disk. Nothing was appended; try again later.
    #[error("{waiting} appends of {bytes} bytes wait for the log, no more are taken")]
    Busy {
        /// Appends that wait.
        waiting: usize,
        /// Bytes of their records.
        bytes: usize,
    },
    /// The log was opened to be read only.
    #[error("log at {path} is open for reading only")]
    ReadOnly {
        /// Where the log is.
        path: String,
    },
    /// A record larger than the log takes. Nothing was appended.
    #[error("record for {topic} has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// Where it should have gone.
        topic: Topic,
        /// Bytes of key, value and headers.
        bytes: usize,
        /// Bytes allowed.
        bytes_max: usize,
    },
    /// A record without key for a compacted topic: nothing could ever supersede it. Nothing was
    /// appended.
    #[error("record for the compacted topic {topic} has no key")]
    NoKey {
        /// Where it should have gone.
        topic: Topic,
    },
    /// Nothing of the append is in the log, and somebody else may have gone on meanwhile: whoever
    /// made it looks again at where it stands.
    #[error("nothing was appended to the log at {path}: look again at where it stands")]
    Aborted {
        /// Where the log is.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its brokers do not answer. They may again: whoever asked asks once more, and nothing is lost
    /// meanwhile.
    #[error("cannot {action} the log at {path}")]
    Unreachable {
        /// What was tried.
        action: &'static str,
        /// Where the log is.
        path: String,
        /// What was said instead.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process has taken this one's place. Nothing is written any more.
    #[error(
        "another process runs as [process] id {id:?}, and this one has to go: give each an id, or \
         a data_dir, of its own"
    )]
    Replaced {
        /// The id.
        id: String,
    },
    /// The log has been closed.
    #[error("the log is closed")]
    Closed,
}

impl Error {
    /// Whether the same question may be answered later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
