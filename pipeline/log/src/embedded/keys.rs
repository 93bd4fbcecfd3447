//! Keys of the embedded log, for ever: the first byte says what an entry is and is never used for
//! anything else again. Numbers are big-endian, so that a partition's records lie side by side in
//! offset order.
//!
//! | first byte | rest of the key | value |
//! |---|---|---|
//! | 1 format | – | see `values` |
//! | 2 record | topic (1), partition (4), offset (8) | see `values` |
//! | 3 position | topic (1), partition (4), group (UTF-8) | next offset (8) |
//! | 4 head | topic (1), partition (4) | see `values` |
//!
//! Retired: none.

use rollcall_model::Topic;

/// Format of everything below; raised when a build that does not know the change would misread the
/// log.
pub(super) const FORMAT_VERSION: u32 = 1;

/// The entry that says which format and how many partitions.
pub(super) const FORMAT: [u8; 1] = [1];
const RECORD: u8 = 2;
const POSITION: u8 = 3;
const HEAD: u8 = 4;

/// Where every position begins, and where they end.
pub(super) const POSITIONS: ([u8; 1], [u8; 1]) = ([POSITION], [POSITION + 1]);

/// Bytes of the key of a record.
const RECORD_BYTES: usize = 14;

/// The key of a record.
pub(super) fn record(topic: Topic, partition: u32, offset: u64) -> [u8; RECORD_BYTES] {
    let mut key = [0; RECORD_BYTES];
    key[0] = RECORD;
    key[1] = topic.code();
    key[2..6].copy_from_slice(&partition.to_be_bytes());
    key[6..].copy_from_slice(&offset.to_be_bytes());
    key
}

/// The offset in a key of a record of that partition; `None` when it is another key.
pub(super) fn offset(key: &[u8], topic: Topic, partition: u32) -> Option<u64> {
    let rest = key.strip_prefix(&record(topic, partition, 0)[..6])?;
    Some(u64::from_be_bytes(rest.try_into().ok()?))
}

/// The key of a group's position.
pub(super) fn position(group: &str, topic: Topic, partition: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(6 + group.len());
    key.push(POSITION);
    key.push(topic.code());
    key.extend_from_slice(&partition.to_be_bytes());
    key.extend_from_slice(group.as_bytes());
    key
}

/// Group, topic and partition of a position's key; `None` when it is damaged.
pub(super) fn parse_position(key: &[u8]) -> Option<(String, Topic, u32)> {
    let (&[_, topic, a, b, c, d], group) = key.split_first_chunk::<6>()?;
    let group = std::str::from_utf8(group).ok()?.to_owned();
    Some((
        group,
        Topic::from_code(topic)?,
        u32::from_be_bytes([a, b, c, d]),
    ))
}

/// The key of a partition's head.
pub(super) fn head(topic: Topic, partition: u32) -> [u8; 6] {
    let [a, b, c, d] = partition.to_be_bytes();
    [HEAD, topic.code(), a, b, c, d]
}
