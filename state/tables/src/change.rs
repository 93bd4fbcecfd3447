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

    /// The number used on disk.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The table of that number.
    pub fn from_code(code: u8) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.code() == code)
    }

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
    /// Its entry in the tenant index; `""` = none. Only connection rows enter that index, whatever
    /// stands here.
    pub org_id: String,
}

impl RowIndex {
    /// The organisation under which a row of `table` stands in the tenant index.
    pub fn tenant(&self, table: Table) -> Option<&str> {
        let is_indexed = table == Table::Connections && !self.org_id.is_empty();
        is_indexed.then_some(self.org_id.as_str())
    }
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

/// An entry of the tenant index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TenantEntry {
    /// The organisation.
    pub org_id: String,
    /// The connection row that is its.
    pub key: Bytes,
}
