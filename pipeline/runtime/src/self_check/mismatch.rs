//! What a comparison can find, in words for an operator.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use rollcall_model::Millis;
use rollcall_tables::Table;

/// Something in a partition's tables that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The rows are not the ones that the recorded digest is of.
    #[error(
        "rows of table {table:?} of partition {partition} have digest {found:032x}, but batch \
         {batch} recorded {recorded:032x}"
    )]
    Digest {
        /// The partition.
        partition: u32,
        /// The table.
        table: Table,
        /// The batch that the tables say they are of.
        batch: u64,
        /// Digest of the rows.
        found: u128,
        /// Digest in the progress record.
        recorded: u128,
    },
    /// The tables and the log tell different stories about a batch.
    #[error(
        "table {table:?} of partition {partition} recorded digest {recorded:032x} for batch \
         {batch}, but its schedule record says {scheduled:032x}"
    )]
    Schedule {
        /// The partition.
        partition: u32,
        /// The table.
        table: Table,
        /// The batch.
        batch: u64,
        /// Digest in the progress record.
        recorded: u128,
        /// Digest in the schedule record.
        scheduled: u128,
    },
    /// A row whose leading fields do not decode.
    #[error(
        "row {} of table {table:?} of partition {partition} does not decode",
        .key.escape_ascii()
    )]
    Row {
        /// The partition.
        partition: u32,
        /// The table.
        table: Table,
        /// The row.
        key: Bytes,
    },
    /// A row whose timer will never fire.
    #[error(
        "the time index of partition {partition} misses row {} of table {table:?}, due at {due_at}",
        .key.escape_ascii()
    )]
    TimerMissing {
        /// The partition.
        partition: u32,
        /// The table.
        table: Table,
        /// The row.
        key: Bytes,
        /// When it is due.
        due_at: Millis,
    },
    /// A timer that no row calls for.
    #[error(
        "the time index of partition {partition} has row {} of table {table:?} at {due_at}, where \
         no row is due",
        .key.escape_ascii()
    )]
    TimerStray {
        /// The partition.
        partition: u32,
        /// The table.
        table: Table,
        /// The row that the entry names.
        key: Bytes,
        /// When the entry is due.
        due_at: Millis,
    },
    /// A row that its organisation does not find.
    #[error(
        "the tenant index of partition {partition} misses row {}",
        .key.escape_ascii()
    )]
    TenantMissing {
        /// The partition.
        partition: u32,
        /// The connection row.
        key: Bytes,
    },
    /// An entry under an organisation whose row it is not.
    #[error(
        "the tenant index of partition {partition} has row {} under an organisation that is not \
         the row's",
        .key.escape_ascii()
    )]
    TenantStray {
        /// The partition.
        partition: u32,
        /// The connection row that the entry names.
        key: Bytes,
    },
    /// An index differs from what the rows call for, and no key was named: looking for them was
    /// broken off.
    #[error("the {index} index of partition {partition} is not the one that its rows call for")]
    Index {
        /// The partition.
        partition: u32,
        /// `time` or `tenant`.
        index: &'static str,
    },
    /// An index entry that does not decode; what stands behind it was not looked at.
    #[error("the {index} index of partition {partition} has an entry that does not decode")]
    Entry {
        /// The partition.
        partition: u32,
        /// `time` or `tenant`.
        index: &'static str,
    },
}

impl Mismatch {
    /// Every kind.
    pub(crate) const KINDS: [&'static str; 5] =
        ["digest", "schedule", "row", "time_index", "tenant_index"];

    /// What kind it is: a label of `rollcall_self_check_mismatches_total`.
    pub fn kind(&self) -> &'static str {
        match self {
            Mismatch::Digest { .. } => "digest",
            Mismatch::Schedule { .. } => "schedule",
            Mismatch::Row { .. } => "row",
            Mismatch::TimerMissing { .. }
            | Mismatch::TimerStray { .. }
            | Mismatch::Index { index: "time", .. }
            | Mismatch::Entry { index: "time", .. } => "time_index",
            Mismatch::TenantMissing { .. }
            | Mismatch::TenantStray { .. }
            | Mismatch::Index { .. }
            | Mismatch::Entry { .. } => "tenant_index",
        }
    }

    /// What is wrong, without numbers that every batch changes: the same damage has the same
    /// identity in the next round.
    fn identity(&self) -> Identity {
        let (place, key): (&'static str, _) = match self {
            Mismatch::Digest { table, .. } => ("digest", table_key(*table, &[])),
            Mismatch::Schedule { table, .. } => ("schedule", table_key(*table, &[])),
            Mismatch::Row { table, key, .. } => ("row", table_key(*table, key)),
            Mismatch::TimerMissing { table, key, .. } => ("no timer", table_key(*table, key)),
            Mismatch::TimerStray { table, key, .. } => ("stray timer", table_key(*table, key)),
            Mismatch::TenantMissing { key, .. } => ("no tenant", key.to_vec()),
            Mismatch::TenantStray { key, .. } => ("stray tenant", key.to_vec()),
            Mismatch::Index { index, .. } => ("index", index.as_bytes().to_vec()),
            Mismatch::Entry { index, .. } => ("entry", index.as_bytes().to_vec()),
        };
        (place, key)
    }
}

type Identity = (&'static str, Vec<u8>);

fn table_key(table: Table, key: &[u8]) -> Vec<u8> {
    [&[table.code()], key].concat()
}

/// What earlier comparisons found, so that a finding is logged once and not every round. Bounded by
/// the findings that one comparison names.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<u32, HashSet<Identity>>);

impl Known {
    /// Those of `found` that the comparison before did not find; `found` takes its place.
    pub(crate) fn news<'a>(&mut self, partition: u32, found: &'a [Mismatch]) -> Vec<&'a Mismatch> {
        let identities = found.iter().map(Mismatch::identity).collect();
        let before = self.0.insert(partition, identities).unwrap_or_default();
        let is_new = |one: &&Mismatch| !before.contains(&one.identity());
        found.iter().filter(is_new).collect()
    }

    /// Whether a partition that cannot be read is news.
    pub(crate) fn is_unreadable_news(&mut self, partition: u32) -> bool {
        let unreadable = HashSet::from([("unreadable", Vec::new())]);
        let before = self.0.insert(partition, unreadable.clone());
        before != Some(unreadable)
    }
}
