//! The log: topics, partitions, offsets, atomic appends. The truth of which everything else is a
//! cache.
//!
//! One trait, three homes: in memory (simulator, tests), embedded on RocksDB (`rollcall dev`, the
//! edge), and Kafka (`rollcall-kafka`). `conformance` is the suite that all of them pass. `stage`
//! is the loop of whoever reads one topic and answers into others, `pace` the rate at which it
//! speaks to the world outside.

mod assigned;
mod cleaning;
mod clock;
mod embedded;
mod error;
mod heads;
mod lookout;
mod memory;
mod pace;
mod placement;
mod readers;
mod record;
mod stage;

pub mod conformance;
pub mod metrics;

pub use assigned::{Assigned, on_assigned};
pub use cleaning::Cleaning;
pub use clock::{Clock, ManualClock, SystemClock};
pub use embedded::{EmbeddedLog, EmbeddedOptions};
pub use error::Error;
pub use lookout::{LOOK_EVERY, Lookout};
pub use memory::MemoryLog;
pub use pace::Pace;
pub use placement::{RECORD_BYTES_MAX, check_partition, place};
pub use readers::{Age, Readers};
pub use record::{
    Append, BEHIND_HEADER, Budget, NewRecord, OffsetRange, Position, ReadLimit, Stored,
};
pub use stage::{Stage, StageError, run_stage};

use std::time::Duration;

use futures::future::BoxFuture;
use rollcall_model::Topic;
use tokio::sync::watch;

/// A set of partitioned topics with atomic appends.
pub trait Log: Send + Sync + 'static {
    /// How many partitions `topic` has.
    fn partitions(&self, topic: Topic) -> u32;

    /// Appends records and positions as one: all of it is durable and visible when the future is
    /// done, or nothing ever is. Gives the offset of each record, in order. Appends of one caller
    /// that waits for nothing still happen in the order of the calls; on a log that is spread over
    /// several nodes, those of one record each, and those of several that begin in one partition.
    /// There, what is done may be seen a moment later; [`Log::settled_end`] waits for it. Readers
    /// of a partition see all of an append's records there or none; of several partitions, on such
    /// a log, one may show it earlier than another.
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Vec<u64>, Error>>;

    /// Records from offset `from` on, in offset order (a compacted topic has gaps); empty at the
    /// end.
    ///
    /// Errors: [`Error::OutOfRange`] when `from` lies before the first offset kept. Gives at least
    /// one record when there is one, however small `limit.bytes` is.
    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error>;

    /// As [`Log::read`], with values as they stand there. A log that is read with a schema registry
    /// gives other bytes once the registry knows what wrote them; whoever refused them before that
    /// finds here what it refused.
    fn read_as_written(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Stored>, Error> {
        self.read(topic, partition, from, limit)
    }

    /// First offset kept and the next one to be written.
    fn offsets(&self, topic: Topic, partition: u32) -> Result<OffsetRange, Error>;

    /// The end of a partition once everything is decided that was being appended at the call: what
    /// a restore has to reach. Waits for it on a log of several writers.
    fn settled_end(&self, topic: Topic, partition: u32) -> Result<u64, Error> {
        Ok(self.offsets(topic, partition)?.end)
    }

    /// Says that somebody will read a partition from `from` on, so that [`Log::appended`] tells of
    /// it also before the first read.
    fn follow(&self, topic: Topic, partition: u32, from: u64) -> Result<(), Error> {
        let (_, _, _) = (topic, partition, from);
        Ok(())
    }

    /// The partitions of `topics` on which this process works for `group`. Asking makes the process
    /// a member of the group; on one node, all of them are its own. A member moves positions only
    /// of partitions that are its own and whose position was asked for since they are; any other
    /// append is [`Error::Aborted`].
    fn assigned(&self, group: &'static str, topics: &'static [Topic]) -> Result<Assigned, Error> {
        let _ = group;
        let partitions = topics.first().map_or(0, |topic| self.partitions(*topic));
        Ok(watch::channel((0..partitions).collect()).1)
    }

    /// Who reads this log in this process, as far as its readers say ([`Lookout`]).
    fn readers(&self) -> Readers {
        Readers::default()
    }

    /// The position that `group` committed; `None` when it never did.
    fn position(&self, group: &str, topic: Topic, partition: u32) -> Result<Option<u64>, Error>;

    /// Changes whenever something was appended, and not before it can be read: wait on it with a
    /// [`Lookout`] instead of polling. Changes also when [`Log::unanswered_for`] begins or ceases
    /// to say something.
    fn appended(&self) -> watch::Receiver<u64>;

    /// How long ago the log last answered, if it does not now; `None` while it does, which a log on
    /// this machine always does. What is known of its ends is as old as that.
    fn unanswered_for(&self) -> Option<Duration> {
        None
    }
}
