//! The wire format of a schema registry (Confluent's documentation, "Wire format"): which schema
//! wrote these bytes, by the number that the registry gave it.
//!
//! Shape: 00 | id (4, big-endian) | body. Only topics have it: everything inside of rollcall is in
//! single-object encoding, which needs nobody to be asked.

use crate::frame;

/// First byte of a value.
const MAGIC: u8 = 0;

/// Id and body; `None` for a value in another format.
pub fn split(value: &[u8]) -> Option<(u32, &[u8])> {
    let rest = value.strip_prefix(&[MAGIC])?;
    let (id, body) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*id), body))
}

/// The value that has `body` under `id`.
pub fn frame(id: u32, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(1 + 4 + body.len());
    value.push(MAGIC);
    value.extend_from_slice(&id.to_be_bytes());
    value.extend_from_slice(body);
    value
}

/// The same body in single-object encoding.
pub fn to_single_object(fingerprint: u64, body: &[u8]) -> Vec<u8> {
    let mut value = frame::begin(fingerprint, body.len());
    value.extend_from_slice(body);
    value
}
