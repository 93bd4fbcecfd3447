//! A retained message, and its bytes on disk.
//!
//! Shape (format 1, little-endian): flags u8 (bits 0–1 QoS, 2 payload is UTF-8, 3 content type, 4
//! response topic, 5 correlation data, 6 expiry), created_at i64, [expires_at i64], publisher,
//! [content type], [response topic], [correlation data], count of user properties u32, name and
//! value of each, payload; every text and byte string as length u32 and bytes.

use bytes::Bytes;

const IS_UTF8: u8 = 1 << 2;
const HAS_CONTENT_TYPE: u8 = 1 << 3;
const HAS_RESPONSE_TOPIC: u8 = 1 << 4;
const HAS_CORRELATION: u8 = 1 << 5;
const HAS_EXPIRY: u8 = 1 << 6;

/// What is sent to a new subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// QoS it was published with, 0 to 2.
    pub(crate) qos: u8,
    /// MQTT 5 payload format indicator.
    pub(crate) is_utf8: bool,
    /// When it was published, milliseconds UTC.
    pub(crate) created_at: i64,
    /// When it is no longer sent, milliseconds UTC; `None` = never.
    pub(crate) expires_at: Option<i64>,
    /// Client id of its publisher.
    pub(crate) publisher: String,
    /// MQTT 5 content type.
    pub(crate) content_type: Option<String>,
    /// MQTT 5 response topic.
    pub(crate) response_topic: Option<String>,
    /// MQTT 5 correlation data.
    pub(crate) correlation_data: Option<Bytes>,
    /// MQTT 5 user properties, in order.
    pub(crate) user_properties: Vec<(String, String)>,
    /// Payload, not empty.
    pub(crate) payload: Bytes,
}

impl Message {
    /// What it counts for against the bound, with its topic.
    pub(crate) fn bytes(&self, topic: &str) -> usize {
        let properties: usize = self
            .user_properties
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let optional = self.content_type.as_ref().map_or(0, String::len)
            + self.response_topic.as_ref().map_or(0, String::len)
            + self.correlation_data.as_ref().map_or(0, Bytes::len);
        topic.len() + self.publisher.len() + self.payload.len() + properties + optional
    }

    /// Its bytes on disk.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.bytes(""));
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        out.push(
            (self.qos & 3)
                | flag(self.is_utf8, IS_UTF8)
                | flag(self.content_type.is_some(), HAS_CONTENT_TYPE)
                | flag(self.response_topic.is_some(), HAS_RESPONSE_TOPIC)
                | flag(self.correlation_data.is_some(), HAS_CORRELATION)
                | flag(self.expires_at.is_some(), HAS_EXPIRY),
        );
        out.extend_from_slice(&self.created_at.to_le_bytes());
        if let Some(expires_at) = self.expires_at {
            out.extend_from_slice(&expires_at.to_le_bytes());
        }
        put(&mut out, self.publisher.as_bytes());
        for text in [&self.content_type, &self.response_topic]
            .into_iter()
            .flatten()
        {
            put(&mut out, text.as_bytes());
        }
        if let Some(data) = &self.correlation_data {
            put(&mut out, data);
        }
        put_length(&mut out, self.user_properties.len());
        for (name, value) in &self.user_properties {
            put(&mut out, name.as_bytes());
            put(&mut out, value.as_bytes());
        }
        put(&mut out, &self.payload);
        out
    }

    /// Reads what [`Message::encode`] wrote; `None` when it is something else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [flags] = take_array(&mut rest)?;
        let created_at = i64::from_le_bytes(take_array(&mut rest)?);
        let expires_at = match flags & HAS_EXPIRY {
            0 => None,
            _ => Some(i64::from_le_bytes(take_array(&mut rest)?)),
        };
        let publisher = take_text(&mut rest)?;
        let content_type = take_when(flags & HAS_CONTENT_TYPE, &mut rest, take_text)?;
        let response_topic = take_when(flags & HAS_RESPONSE_TOPIC, &mut rest, take_text)?;
        let correlation_data = take_when(flags & HAS_CORRELATION, &mut rest, take_bytes)?;
        let count = u32::from_le_bytes(take_array(&mut rest)?);
        let user_properties = (0..count)
            .map(|_| Some((take_text(&mut rest)?, take_text(&mut rest)?)))
            .collect::<Option<Vec<_>>>()?;
        let payload = take_bytes(&mut rest)?;
        rest.is_empty().then_some(Self {
            qos: flags & 3,
            is_utf8: flags & IS_UTF8 != 0,
            created_at,
            expires_at,
            publisher,
            content_type,
            response_topic,
            correlation_data,
            user_properties,
            payload,
        })
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("one MQTT packet is below 256 MiB");
    out.extend_from_slice(&length.to_le_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    take(rest, N)?.try_into().ok()
}

fn take_bytes(rest: &mut &[u8]) -> Option<Bytes> {
    let length = u32::from_le_bytes(take_array(rest)?);
    take(rest, usize::try_from(length).ok()?).map(Bytes::copy_from_slice)
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(take_bytes(rest)?.into()).ok()
}

/// `None` when it should be there and cannot be read, `Some(None)` when `flag` says that it is not
/// there.
#[expect(
    clippy::option_option,
    reason = "the outer one is the error of its callers"
)]
fn take_when<T>(
    flag: u8,
    rest: &mut &[u8],
    read: impl FnOnce(&mut &[u8]) -> Option<T>,
) -> Option<Option<T>> {
    if flag == 0 {
        Some(None)
    } else {
        read(rest).map(Some)
    }
}
