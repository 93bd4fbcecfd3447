//! A record of the deployed ingress topic as the publish that it was. Asks nobody.
//!
//! Shape (anchors/cloud-connector.md section 2): value = MQTT payload, byte for byte; headers
//! `topic` = full MQTT topic, `date_received` = RFC 3339 with nanoseconds; key = client id.

use bytes::Bytes;
use chrono::DateTime;
use rollcall_bridge::PublishFacts;
use rollcall_model::Millis;

/// Header with the MQTT topic.
const TOPIC: &str = "topic";

/// Longest MQTT topic, bytes (MQTT 3.1.1 section 1.5.3): a longer one would make a dead letter that
/// no log takes.
const TOPIC_BYTES_MAX: usize = 65_535;

/// Header with the time of receipt.
const RECEIVED: &str = "date_received";

/// A record as the deployed Kafka has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// What Kafka says, milliseconds UTC since 1970.
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    /// Names and values, in order.
    pub(crate) headers: Vec<(String, Bytes)>,
    /// Whether it may have been written before.
    pub(crate) is_repeated: bool,
}

/// The publish behind a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) facts: PublishFacts,
    /// When the deployed bridge received it; `None` when nothing says so.
    pub(crate) received_at: Option<Millis>,
}

impl Raw {
    /// The publish that it was.
    ///
    /// Errors: what is missing, for a person.
    pub(crate) fn published(&self) -> Result<Published, String> {
        let topic = match self.header(TOPIC) {
            Some(topic) if topic.len() > TOPIC_BYTES_MAX => Err(format!(
                "its header `{TOPIC}` has {} bytes, more than an MQTT topic",
                topic.len()
            )),
            Some(topic) => {
                std::str::from_utf8(topic).map_err(|_| format!("its header `{TOPIC}` is not UTF-8"))
            }
            None => Err(format!(
                "it has no header `{TOPIC}`, which names the MQTT topic"
            )),
        }?;
        let received = self.header(RECEIVED);
        let received = received.and_then(|text| std::str::from_utf8(text).ok());
        let received = received.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let received = received.map(|time| time.timestamp_millis());
        Ok(Published {
            facts: PublishFacts {
                topic: topic.to_owned(),
                payload: self.value.clone(),
                unread_bytes: 0,
                qos: 1,
                retain: false,
                dup: self.is_repeated,
                user_properties: Vec::new(),
            },
            received_at: received.or(self.timestamp).map(Millis),
        })
    }

    fn header(&self, name: &str) -> Option<&Bytes> {
        let mut headers = self.headers.iter();
        headers.find_map(|(found, value)| (found == name).then_some(value))
    }
}

#[cfg(test)]
mod tests;
