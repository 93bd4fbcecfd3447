//! The vocabulary of a table write: which table, which row, and what the indexes must know of it.

use bytes::Bytes;
use rollcall_model::{Millis, Topic};

/// A table. The number is part of keys on disk and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Connection rows by client id.
    Connections = 1,
    /// Deliveries by client id, 0x00, delivery id (16 bytes).
    Outbox = 2,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 2] = [Table::Connections, Table::Outbox];

    /// The table's changelog.
    pub fn changelog(self) -> Topic {
        match self {
            Table::Connections => Topic::Connections,
            Table::Outbox => Topic::Outbox,
        }
    }
}

/// What the indexes need to know of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowIndex {
    /// Its entry in the time index.
    pub due_at: Option<Millis>,
    /// Its entry in the tenant index; `""` = none.
    pub org_id: String,
}

/// One row's change in a batch; at most one per (table, key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which table.
    pub table: Table,
    /// The row's key.
    pub key: Bytes,
    /// The index entries of the row before; `None` when there was no row.
    pub old: Option<RowIndex>,
    /// The row after and its index entries; `None` = the row goes.
    pub new: Option<(Bytes, RowIndex)>,
}

/// An entry of the time index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub due_at: Millis,
    /// Which table.
    pub table: Table,
    /// Which row.
    pub key: Bytes,
}
