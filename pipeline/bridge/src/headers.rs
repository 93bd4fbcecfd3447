//! Record headers: CloudEvents 1.0 in binary mode (Kafka protocol binding, section 3.2), and the
//! trace.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use rollcall_model::Millis;

/// Name of the trace header and of the MQTT 5 user property that it is taken from (W3C Trace
/// Context for MQTT).
const TRACEPARENT: &str = "traceparent";

/// `ce_type` of a stored publish.
pub(crate) const TYPE_PUBLISH: &str = "io.rollcall.mqtt.publish.v1";
/// `ce_type` of a dead letter, as the processor has it.
pub(crate) const TYPE_DEAD_LETTER: &str = "io.rollcall.dead-letter.v1";

/// What the headers of one record say.
pub(crate) struct Facts<'a> {
    /// `ce_type`.
    pub(crate) kind: &'static str,
    /// Name of the bridge.
    pub(crate) bridge: &'a str,
    /// Its broker generation.
    pub(crate) generation: u64,
    /// Counts the records of this generation.
    pub(crate) sequence: u64,
    /// When the bridge received the publish.
    pub(crate) received_at: Millis,
    /// The client id, or the MQTT topic when it names none.
    pub(crate) subject: &'a str,
    /// MQTT 5 user properties.
    pub(crate) user_properties: &'a [(String, String)],
}

/// The headers, in order: `ce_*`, then `traceparent` when the publish carried a valid one.
///
/// `ce_id` is generation and sequence number: unique with `ce_source`, and another one for a
/// redelivery, which the bridge cannot tell from a new publish.
pub(crate) fn headers(facts: &Facts<'_>) -> Vec<(String, Bytes)> {
    let mut headers = vec![
        header("ce_specversion", "1.0"),
        header("ce_id", format!("{}-{}", facts.generation, facts.sequence)),
        header("ce_source", format!("/rollcall/bridge/{}", facts.bridge)),
        header("ce_type", facts.kind),
        header("ce_subject", facts.subject.to_owned()),
    ];
    if let Some(time) = DateTime::from_timestamp_millis(facts.received_at.0) {
        headers.push(header(
            "ce_time",
            time.to_rfc3339_opts(SecondsFormat::Millis, true),
        ));
    }
    let given = facts
        .user_properties
        .iter()
        .find(|(name, _)| name == TRACEPARENT);
    if let Some((_, trace)) = given.filter(|(_, trace)| is_traceparent(trace)) {
        headers.push(header(TRACEPARENT, trace.clone()));
    }
    headers
}

fn header(name: &str, value: impl Into<Bytes>) -> (String, Bytes) {
    (name.to_owned(), value.into())
}

/// Whether `text` is a `traceparent` of version 00 (W3C Trace Context, section 3.2.2).
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_set = |part: &str| part.bytes().any(|b| b != b'0');
    match parts.as_slice() {
        ["00", trace, parent, flags] => {
            is_hex(trace, 32)
                && is_hex(parent, 16)
                && is_hex(flags, 2)
                && is_set(trace)
                && is_set(parent)
        }
        _ => false,
    }
}
