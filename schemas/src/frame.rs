//! Avro single-object encoding (Avro 1.12, "Single-object encoding"): which schema wrote these
//! bytes.
//!
//! Shape: C3 01 | CRC-64-AVRO of the writer's schema (8, little-endian) | body.

use crate::confluent;
use crate::error::DecodeError;

/// The marker of a single-object value, version 1.
const MARKER: [u8; 2] = [0xC3, 0x01];

/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 10;

/// The value without its framing: what digests are made over, so that a change of framing (or of a
/// schema's registry id) changes no digest. The identity on anything without a header (JSON, a null
/// key).
pub fn body(value: &[u8]) -> &[u8] {
    match split(value) {
        Ok((_, body)) => body,
        Err(_) => value,
    }
}

/// CRC-64-AVRO of the schema that wrote `value`, as its header says.
///
/// Errors: [`DecodeError::NoFrame`], [`DecodeError::UnknownId`].
pub fn fingerprint(value: &[u8]) -> Result<u64, DecodeError> {
    split(value).map(|(fingerprint, _)| fingerprint)
}

/// Why nobody could read `value` when it was refused for lack of a schema, whoever could now: made
/// of its bytes alone, so that it can be said again.
pub fn lacking(value: &[u8]) -> DecodeError {
    match split(value) {
        Ok((fingerprint, _)) => DecodeError::UnknownSchema { fingerprint },
        Err(error) => error,
    }
}

/// Fingerprint and body.
pub(crate) fn split(value: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    if let Some((id, _)) = confluent::split(value) {
        return Err(DecodeError::UnknownId { id });
    }
    let rest = value.strip_prefix(&MARKER).ok_or(DecodeError::NoFrame)?;
    let (fingerprint, body) = rest.split_first_chunk().ok_or(DecodeError::NoFrame)?;
    Ok((u64::from_le_bytes(*fingerprint), body))
}

/// A buffer that holds the header, with room for `body_bytes` more.
pub(crate) fn begin(fingerprint: u64, body_bytes: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(HEADER_BYTES + body_bytes);
    buffer.extend_from_slice(&MARKER);
    buffer.extend_from_slice(&fingerprint.to_le_bytes());
    buffer
}
