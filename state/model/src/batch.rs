//! The schedule record: what was folded together, and when (DESIGN.md section 5).

use crate::policy::Policy;
use crate::time::Millis;
use crate::topic::Topic;

/// The value of `schedule`: one batch of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Counts the partition's batches, from 1, without gaps.
    pub number: u64,
    /// The batch's clock; never goes back.
    pub now: Millis,
    /// Timers due up to here fired before the records; at most `now`, never goes back.
    pub timers_at: Millis,
    /// xxh3-64 of the policy's encoding.
    pub policy_hash: u64,
    /// The policy, when it differs from the batch before.
    pub policy: Option<Policy>,
    /// Revision of the fold that made it.
    pub fold_revision: u32,
    /// What was read, in rank order; a topic without records is left out.
    pub inputs: Vec<InputRange>,
    /// What was written to the changelogs.
    pub tables: Vec<TableDigest>,
    /// Digest of the derived records of this batch.
    pub derived_digest: u128,
    /// Inputs refused for lack of a schema: a later reader may know it.
    pub refused_for_schema: u32,
    /// Where those inputs stand, in the order of reading: a rebuild refuses them again, whoever
    /// knows their schema by then. Empty in records of builds that only counted them.
    pub refused_inputs: Vec<InputRange>,
}

/// Records `from` (inclusive) to `to` (exclusive) of an input topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputRange {
    /// The topic.
    pub topic: Topic,
    /// First offset read.
    pub from: u64,
    /// One past the last.
    pub to: u64,
}

/// A table after the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableDigest {
    /// The table's changelog topic.
    pub topic: Topic,
    /// Changelog records that this batch wrote.
    pub records: u32,
    /// Digest of the whole table after the batch.
    pub digest: u128,
}
