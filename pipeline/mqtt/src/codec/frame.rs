//! The fixed header, the small packets, and what is kept of a publish that is too large to be held.

use bytes::{Buf, BufMut as _, Bytes, BytesMut};

use super::Malformed;
use crate::options::Version;
use crate::packet::{ConnAck, Incoming};

// Control packet types (MQTT 5, section 2.1.2).
pub(super) const CONNACK: u8 = 2;
pub(super) const PUBLISH: u8 = 3;
pub(super) const PUBACK: u8 = 4;
pub(super) const PUBREC: u8 = 5;
pub(super) const PUBREL: u8 = 6;
pub(super) const PUBCOMP: u8 = 7;
pub(super) const SUBACK: u8 = 9;
pub(super) const PINGREQ: u8 = 12;
pub(super) const PINGRESP: u8 = 13;
pub(super) const DISCONNECT: u8 = 14;

/// Bytes of an oversized packet that are looked at: the longest topic, some properties, and
/// [`PAYLOAD_BYTES_KEPT`].
pub(super) const HEAD_BYTES: usize = 128 * 1024;
/// Bytes of an oversized payload that are kept.
const PAYLOAD_BYTES_KEPT: usize = 4 * 1024;
const _: () = assert!(HEAD_BYTES > 2 * 64 * 1024 - PAYLOAD_BYTES_KEPT);

/// The fixed header of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Type and flags.
    byte1: u8,
    /// Bytes of the header itself.
    pub(super) bytes: usize,
    /// Bytes behind it.
    remaining: usize,
}

/// What is kept of a publish that is too large to be held.
pub(super) struct Cut {
    /// A small publish packet with the beginning of the payload.
    pub(super) packet: BytesMut,
    /// Bytes the payload has.
    pub(super) payload_bytes: usize,
}

impl Header {
    /// The header at the beginning of `buffer`; `None` when more bytes are needed.
    pub(super) fn read(buffer: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some((&byte1, rest)) = buffer.split_first() else {
            return Ok(None);
        };
        Ok(variable(rest)?.map(|(remaining, bytes)| Self {
            byte1,
            bytes: 1 + bytes,
            remaining,
        }))
    }

    pub(super) fn kind(&self) -> u8 {
        self.byte1 >> 4
    }

    pub(super) fn packet_bytes(&self) -> usize {
        self.bytes + self.remaining
    }

    /// Makes a small publish of an oversized one, of which `head` is the beginning. Properties that
    /// do not fit are left out.
    pub(super) fn cut(&self, head: &[u8], version: Version) -> Result<Cut, Malformed> {
        let short = || Malformed::new("a PUBLISH that ends in its own header");
        let topic_bytes = head.get(self.bytes..self.bytes + 2).ok_or_else(short)?;
        let topic_bytes = usize::from(u16::from_be_bytes([topic_bytes[0], topic_bytes[1]]));
        let id_bytes = if self.byte1 & 0b0110 == 0 { 0 } else { 2 };
        let behind_id = self.bytes + 2 + topic_bytes + id_bytes;
        let mut body = BytesMut::from(head.get(self.bytes..behind_id).ok_or_else(short)?);
        let payload_at = match version {
            Version::V4 => behind_id,
            Version::V5 => {
                let rest = head.get(behind_id..).ok_or_else(short)?;
                let (properties_bytes, bytes) = variable(rest)?.ok_or_else(short)?;
                let end = behind_id + bytes + properties_bytes;
                match head.get(behind_id..end) {
                    Some(properties) => body.extend_from_slice(properties),
                    None => body.put_u8(0),
                }
                end
            }
        };
        let payload_bytes = self
            .packet_bytes()
            .checked_sub(payload_at)
            .ok_or_else(short)?;
        let kept = head.get(payload_at..).unwrap_or_default();
        body.extend_from_slice(&kept[..kept.len().min(PAYLOAD_BYTES_KEPT)]);
        let mut packet = BytesMut::with_capacity(5 + body.len());
        packet.put_u8(self.byte1);
        put_variable(body.len(), &mut packet);
        packet.extend_from_slice(&body);
        Ok(Cut {
            packet,
            payload_bytes,
        })
    }
}

/// Reads a variable byte integer (MQTT 5, section 1.5.5): value and bytes; `None` when more bytes
/// are needed.
pub(super) fn variable(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() >= 4 {
        return Err(Malformed::new("a length of more than four bytes"));
    }
    Ok(None)
}

/// Bytes of `value` as a variable byte integer.
pub(super) fn variable_bytes(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

fn put_variable(mut value: usize, buffer: &mut BytesMut) {
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            buffer.put_u8(byte);
            return;
        }
        buffer.put_u8(byte | 0x80);
    }
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP: id, and the reason if one is given.
pub(super) fn answer(body: &mut Bytes) -> Result<(u16, u8), Malformed> {
    if body.remaining() < 2 {
        return Err(Malformed::new("an answer without a packet id"));
    }
    let id = body.get_u16();
    let reason = if body.has_remaining() {
        body.get_u8()
    } else {
        0
    };
    Ok((id, reason))
}

/// The answer that says "done": reason 0 is left out.
pub(super) fn put_answer(byte1: u8, id: u16, buffer: &mut BytesMut) {
    buffer.put_u8(byte1);
    buffer.put_u8(2);
    buffer.put_u16(id);
}

/// SUBACK: id, properties (MQTT 5), one code a filter.
pub(super) fn suback(body: &mut Bytes, version: Version) -> Result<Incoming, Malformed> {
    let short = || Malformed::new("a SUBACK that is cut off");
    if body.remaining() < 2 {
        return Err(short());
    }
    let id = body.get_u16();
    if version == Version::V5 {
        let (properties_bytes, bytes) = variable(body)?.ok_or_else(short)?;
        if body.remaining() < bytes + properties_bytes {
            return Err(short());
        }
        body.advance(bytes + properties_bytes);
    }
    let codes = body.to_vec();
    Ok(Incoming::SubAck { id, codes })
}

/// CONNACK without properties.
pub(super) fn connack(body: &mut Bytes) -> Result<ConnAck, Malformed> {
    if body.remaining() < 2 {
        return Err(Malformed::new("a CONNACK that is cut off"));
    }
    Ok(ConnAck {
        session_present: body.get_u8() & 1 == 1,
        code: body.get_u8(),
        receive_maximum: u16::MAX,
        packet_bytes_max: u32::MAX,
        qos_max: 2,
        session_expiry_s: None,
        keep_alive_s: None,
    })
}
