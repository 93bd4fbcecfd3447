//! How keys look on disk. Values are not described here: a row's value is its changelog value, byte
//! by byte, index entries have empty values, and the progress record is `Meta`'s affair.
//!
//! Every partition is one column family, so that its rows, indexes and progress are one memtable
//! and are lost or kept together (RocksDB #11841). Keys there, by their first
//! byte; **a prefix is never reused**, retired ones stay listed:
//!
//! | prefix | key | value |
//! |---|---|---|
//! | 0x01 | nothing more | the progress record |
//! | 0x02 | table(1), row key | the row |
//! | 0x03 | due time(8), table(1), row key | empty: the time index |
//! | 0x04 | org id length(4, big-endian), org id, client key | empty: the tenant index |
//!
//! The due time is the signed number of milliseconds with its sign bit flipped, big-endian: byte
//! order is then time order, before 1970 too. The org id goes with its length, so any text is told
//! from any other, one holding NUL and one that begins like another included; keys of one
//! organisation are in key order.
//!
//! The default column family holds what is true of the whole store: [`STORE_FORMAT`],
//! [`STORE_PARTITIONS`].

use rollcall_model::Millis;

use crate::change::{Due, Table, TenantEntry};

#[cfg(test)]
mod tests;

/// Format of the store as a whole: key layout above, progress record, meaning of values. Checked at
/// open.
pub const FORMAT: u32 = 1;

/// Default column family: the format, u32 little-endian.
pub const STORE_FORMAT: &[u8] = b"format";

/// Default column family: the number of partitions, u32 little-endian.
pub const STORE_PARTITIONS: &[u8] = b"partitions";

/// Not behind any key of a partition.
pub const BEGIN: &[u8] = &[0x00];

/// Behind every key of a partition.
pub const END: &[u8] = &[0xff];

/// The progress record's key.
pub const META: &[u8] = &[0x01];

const ROW: u8 = 0x02;
const DUE: u8 = 0x03;
const TENANT: u8 = 0x04;

/// Name of a partition's column family.
pub fn column_family(partition: u32) -> String {
    format!("partition-{partition:05}")
}

/// Key of a row.
pub fn row(table: Table, key: &[u8]) -> Vec<u8> {
    [&[ROW, table.code()], key].concat()
}

/// What every row key of `table` begins with; the row's own key follows.
pub fn row_prefix(table: Table) -> Vec<u8> {
    row(table, &[])
}

/// Key of an entry of the time index.
pub fn due(due_at: Millis, table: Table, key: &[u8]) -> Vec<u8> {
    [&due_from(due_at)[..], &[table.code()], key].concat()
}

/// Where the entries due at `due_at` or later begin.
pub fn due_from(due_at: Millis) -> Vec<u8> {
    let sortable = due_at.0.cast_unsigned() ^ (1 << 63);
    [&[DUE][..], &sortable.to_be_bytes()].concat()
}

/// Where the time index begins.
pub fn due_begin() -> Vec<u8> {
    vec![DUE]
}

/// Where the time index ends.
pub fn due_end() -> Vec<u8> {
    vec![DUE + 1]
}

/// Reads a time-index key; `None` when [`due`] makes no such key.
pub fn parse_due(key: &[u8]) -> Option<Due> {
    let (sortable, rest) = key.strip_prefix(&[DUE])?.split_first_chunk()?;
    let (table, key) = rest.split_first()?;
    Some(Due {
        due_at: Millis((u64::from_be_bytes(*sortable) ^ (1 << 63)).cast_signed()),
        table: Table::from_code(*table)?,
        key: bytes::Bytes::copy_from_slice(key),
    })
}

/// Key of an entry of the tenant index.
pub fn tenant(org_id: &str, key: &[u8]) -> Vec<u8> {
    let length = u32::try_from(org_id.len()).expect("an org id is part of a record of 2 MiB");
    [&[TENANT][..], &length.to_be_bytes(), org_id.as_bytes(), key].concat()
}

/// What every entry of `org_id` begins with; the client's key follows.
pub fn tenant_prefix(org_id: &str) -> Vec<u8> {
    tenant(org_id, &[])
}

/// Reads a tenant-index key; `None` when [`tenant`] makes no such key.
pub fn parse_tenant(key: &[u8]) -> Option<TenantEntry> {
    let (length, rest) = key.strip_prefix(&[TENANT])?.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (org_id, key) = rest.split_at_checked(length)?;
    Some(TenantEntry {
        org_id: std::str::from_utf8(org_id).ok()?.to_owned(),
        key: bytes::Bytes::copy_from_slice(key),
    })
}

/// Where the tenant index begins; its end is [`end_of`] this.
pub fn tenant_begin() -> Vec<u8> {
    vec![TENANT]
}

/// The first key after every key that begins with `prefix`: the exclusive end of a scan.
/// `prefix` is one of this module's, so it does not consist of 0xff alone.
pub fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// The first key after `key`.
pub fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}
