//! Packets to bytes and back, for both versions of MQTT; no IO.
//!
//! Publishes, CONNECT, SUBSCRIBE and CONNACK's properties go through rumqttc's packets (`v4`,
//! `v5`). The small packets are read and written here, so that a reason code that rumqttc does not
//! know comes through as its number.

mod frame;
mod v4;
mod v5;

use bytes::{Buf as _, BytesMut};

use crate::options::{Options, Version};
use crate::packet::{Incoming, Message, Outgoing};
use frame::{Cut, Header};

/// Largest packet that is held in memory, bytes, as the embedded broker has it: far above the 1 MiB
/// that a payload may have, so that an oversized publish can be told by its hash. Of a larger
/// publish only the beginning is kept.
pub const PACKET_BYTES_MAX: usize = 8 * 1024 * 1024;

const _: () = assert!(PACKET_BYTES_MAX > frame::HEAD_BYTES);

/// Bytes that are no packet a broker may send: the connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker sent what is no MQTT: {0}")]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

/// Reads what the broker of one connection sends.
pub(crate) struct Decoder {
    version: Version,
    /// A publish that was cut, and the bytes of its packet that have not come yet: it is handed out
    /// when all of them are there, as its acknowledgement must not overtake it.
    cut: Option<(Incoming, usize)>,
}

impl Decoder {
    pub(crate) fn new(version: Version) -> Self {
        Self { version, cut: None }
    }

    /// The next packet in `buffer`; `None` when more bytes are needed.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Incoming>, Malformed> {
        if let Some((publish, left)) = self.cut.take() {
            return Ok(self.skip(publish, left, buffer));
        }
        let Some(header) = Header::read(buffer)? else {
            return Ok(None);
        };
        if header.packet_bytes() > PACKET_BYTES_MAX {
            return self.oversized(&header, buffer);
        }
        if buffer.len() < header.packet_bytes() {
            buffer.reserve(header.packet_bytes() - buffer.len());
            return Ok(None);
        }
        self.whole(&header, buffer).map(Some)
    }

    /// A packet all of which is there.
    fn whole(&self, header: &Header, buffer: &mut BytesMut) -> Result<Incoming, Malformed> {
        if header.kind() == frame::PUBLISH {
            return match self.version {
                Version::V4 => v4::publish(buffer),
                Version::V5 => v5::publish(buffer),
            };
        }
        let packet = buffer.split_to(header.packet_bytes()).freeze();
        let mut body = packet.slice(header.bytes..);
        match header.kind() {
            frame::CONNACK => match self.version {
                Version::V4 => frame::connack(&mut body),
                Version::V5 => v5::connack(packet, &mut body),
            }
            .map(Incoming::ConnAck),
            frame::SUBACK => frame::suback(&mut body, self.version),
            frame::PUBACK => {
                let (id, reason) = frame::answer(&mut body)?;
                Ok(Incoming::PubAck { id, reason })
            }
            frame::PUBREL => frame::answer(&mut body).map(|(id, _)| Incoming::PubRel { id }),
            frame::PINGRESP => Ok(Incoming::Pong),
            frame::DISCONNECT => Ok(Incoming::Disconnect {
                reason: if body.has_remaining() {
                    body.get_u8()
                } else {
                    0
                },
            }),
            kind => Err(Malformed(format!("a packet of type {kind}"))),
        }
    }

    /// A packet that is not held as a whole.
    fn oversized(
        &mut self,
        header: &Header,
        buffer: &mut BytesMut,
    ) -> Result<Option<Incoming>, Malformed> {
        if header.kind() != frame::PUBLISH {
            let (kind, bytes) = (header.kind(), header.packet_bytes());
            return Err(Malformed(format!(
                "a packet of type {kind} with {bytes} bytes"
            )));
        }
        if buffer.len() < frame::HEAD_BYTES {
            buffer.reserve(frame::HEAD_BYTES - buffer.len());
            return Ok(None);
        }
        let Cut {
            mut packet,
            payload_bytes: whole,
        } = header.cut(&buffer[..frame::HEAD_BYTES], self.version)?;
        let mut incoming = match self.version {
            Version::V4 => v4::publish(&mut packet)?,
            Version::V5 => v5::publish(&mut packet)?,
        };
        if let Incoming::Publish { publish, .. } = &mut incoming {
            publish.payload_bytes = whole;
        }
        Ok(self.skip(incoming, header.packet_bytes(), buffer))
    }

    /// Takes what is there of `left` bytes; hands `publish` out behind the last of them.
    fn skip(&mut self, publish: Incoming, left: usize, buffer: &mut BytesMut) -> Option<Incoming> {
        let taken = left.min(buffer.len());
        buffer.advance(taken);
        if taken == left {
            return Some(publish);
        }
        self.cut = Some((publish, left - taken));
        None
    }
}

/// Writes CONNECT.
pub(crate) fn connect(options: &Options, login: Option<(String, String)>, buffer: &mut BytesMut) {
    match options.version {
        Version::V4 => v4::connect(options, login, buffer),
        Version::V5 => v5::connect(options, login, buffer),
    }
}

/// Bytes of the packet that publishes `message`, as [`write()`] makes it.
pub(crate) fn publish_bytes(version: Version, message: &Message) -> usize {
    // Topic, packet id, properties, payload (section 3.3.2). A user property is its identifier and
    // two texts behind their lengths.
    let properties = message.user_properties.iter();
    let properties = properties.map(|(name, value)| 5 + name.len() + value.len());
    let properties = match version {
        Version::V4 => 0,
        Version::V5 => {
            let bytes = properties.sum();
            frame::variable_bytes(bytes) + bytes
        }
    };
    let remaining = 2 + message.topic.len() + 2 + properties + message.payload.len();
    1 + frame::variable_bytes(remaining) + remaining
}

/// Writes any other packet.
pub(crate) fn write(version: Version, packet: Outgoing<'_>, buffer: &mut BytesMut) {
    match packet {
        Outgoing::Subscribe { id, filters } => match version {
            Version::V4 => v4::subscribe(id, filters, buffer),
            Version::V5 => v5::subscribe(id, filters, buffer),
        },
        Outgoing::Publish { id, message, dup } => match version {
            Version::V4 => v4::message(id, message, dup, buffer),
            Version::V5 => v5::message(id, message, dup, buffer),
        },
        Outgoing::PubAck(id) => frame::put_answer(frame::PUBACK << 4, id, buffer),
        Outgoing::PubRec(id) => frame::put_answer(frame::PUBREC << 4, id, buffer),
        Outgoing::PubComp(id) => frame::put_answer(frame::PUBCOMP << 4, id, buffer),
        Outgoing::Ping => buffer.extend_from_slice(&[frame::PINGREQ << 4, 0]),
        Outgoing::Disconnect => buffer.extend_from_slice(&[frame::DISCONNECT << 4, 0]),
    }
}

#[cfg(test)]
mod tests;
