//! What is known of a publish, and what became of it.

use bytes::Bytes;

/// A publish as its broker has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishFacts {
    /// Full MQTT topic.
    pub topic: String,
    /// Payload, byte for byte.
    pub payload: Bytes,
    /// Bytes of the payload behind [`PublishFacts::payload`] that its edge did not keep, as the
    /// packet was too large to be held; 0 for all others.
    pub unread_bytes: usize,
    /// MQTT QoS, 0 to 2.
    pub qos: u8,
    /// MQTT RETAIN; what it means depends on [`crate::Source`].
    pub retain: bool,
    /// MQTT DUP.
    pub dup: bool,
    /// MQTT 5 user properties, in order.
    pub user_properties: Vec<(String, String)>,
}

/// What became of a publish. All but [`Outcome::Failed`] may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in `status` or `messages`, and durable.
    Stored,
    /// Its topic belongs to no device's dialect: nothing was written.
    NotOurs,
    /// It cannot be stored as it is; why, and what there is of it, is in `dead-letters`, and
    /// durable.
    DeadLettered,
    /// The log did not take it: do not acknowledge it, so that it comes again.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub(crate) const ALL: [Outcome; 4] = [
        Outcome::Stored,
        Outcome::NotOurs,
        Outcome::DeadLettered,
        Outcome::Failed,
    ];

    /// The name used in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Outcome::Stored => "stored",
            Outcome::NotOurs => "not_ours",
            Outcome::DeadLettered => "dead_lettered",
            Outcome::Failed => "failed",
        }
    }
}
