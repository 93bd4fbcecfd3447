//! How the replica's pairs look. Rows and the tenant index have the keys of
//! `rollcall_tables::keys`; the rest is told by its first byte, and **a prefix is never reused**:
//!
//! | prefix | key | value |
//! |---|---|---|
//! | 0x02 | table(1), row key | [`Mark`], the row as it is on the wire |
//! | 0x04 | org id length(4, big-endian), org id, client id | the row's [`Mark`] |
//! | 0x10 | was the list of Satellites for everybody | |
//! | 0x11 | org id | how many connected rows that organisation has(8); absent = 0 |
//! | 0x12 | nothing more | [`Totals`] |
//! | 0x13 | table(1), partition(4, big-endian) | [`Progress`] of that changelog |
//! | 0x14 | nothing more | [`head`]: of what log this is a replica |
//! | 0x15 | cause(1), session's begin(8, big-endian), client id of a tenantless row | nothing |
//!
//! Numbers in values are little-endian. All partitions share the keys: a client lives in one.
//!
//! [`Mark`]: super::facts::Mark
//! [`Totals`]: super::totals::Totals
//! [`Progress`]: super::progress::Progress
//! [`head`]: super::progress::head

use std::ops::Range;

use bytes::Bytes;
use rollcall_tables::Table;
pub(super) use rollcall_tables::keys::{after, end_of, row, row_prefix, tenant, tenant_prefix};

use super::tenantless::Why;

const VISIBLE: u8 = 0x11;

/// Key of the totals.
pub(super) const TOTALS: &[u8] = &[0x12];

const PROGRESS: u8 = 0x13;

/// Key of the head.
pub(super) const HEAD: &[u8] = &[0x14];

const TENANTLESS: u8 = 0x15;

/// Key of a connected row without a tenant.
pub(super) fn tenantless(why: Why, since: i64, client: &[u8]) -> Vec<u8> {
    [&tenantless_since(why, since)[..], client].concat()
}

/// What the keys of rows of one cause and one time begin with.
pub(super) fn tenantless_since(why: Why, since: i64) -> Vec<u8> {
    // Negative times come before the others.
    let since = since.cast_unsigned() ^ (1 << 63);
    [&tenantless_prefix(why)[..], &since.to_be_bytes()].concat()
}

/// What the keys of rows of one cause begin with.
pub(super) fn tenantless_prefix(why: Why) -> Vec<u8> {
    vec![TENANTLESS, why.place()]
}

/// Begin of the session and client id of such a key; `None` for what is none.
pub(super) fn of_tenantless(key: &Bytes) -> Option<(i64, Bytes)> {
    let since = key.get(2..10)?.try_into().ok()?;
    let since = u64::from_be_bytes(since) ^ (1 << 63);
    Some((since.cast_signed(), key.slice(10..)))
}

/// Key of what an organisation sees of its own.
pub(super) fn visible(org_id: &str) -> Vec<u8> {
    [&[VISIBLE], org_id.as_bytes()].concat()
}

/// Key of how far a changelog has been read.
pub(super) fn progress(table: Table, partition: u32) -> Vec<u8> {
    [&[PROGRESS, table.code()][..], &partition.to_be_bytes()].concat()
}

/// The keys that begin with `prefix`, from the first whose rest lies behind `after`.
pub(super) fn behind(prefix: Vec<u8>, last: Option<&[u8]>) -> Range<Vec<u8>> {
    let end = end_of(&prefix);
    match last {
        Some(last) => after(&[&prefix, last].concat())..end,
        None => prefix..end,
    }
}
