//! What the broker asks before it acknowledges, and what it may be answered.

use bytes::Bytes;

/// A boxed future, as `futures` names it.
pub type BoxFuture<'a, T> = futures::future::BoxFuture<'a, T>;

/// A publish or a will, as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Client id of the MQTT connection: who sent it, which need not be whom the topic names.
    pub mqtt_client_id: String,
    /// Full topic.
    pub topic: String,
    /// Payload, byte for byte.
    pub payload: Bytes,
    /// QoS it was published with, 0 to 2.
    pub qos: u8,
    /// RETAIN flag of the publish.
    pub retain: bool,
    /// DUP flag: the client sent it before, and had no acknowledgement. Never set on a will.
    pub dup: bool,
    /// MQTT 5 user properties, in order.
    pub user_properties: Vec<(String, String)>,
}

/// What becomes of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledge it, retain it, pass it on to subscribers.
    Accepted,
    /// Do none of it: the connection is closed without an acknowledgement, so that the client sends
    /// a publish of QoS 1 or 2 again. A will is tried again for a while, for nobody else has it.
    Refused,
}

/// Is asked about every publish and every will before anything else happens to it.
///
/// Calls for one connection never overlap and come in the order of its packets; calls for different
/// connections do overlap, without a bound but the number of connections.
pub trait PublishHook: Send + Sync + 'static {
    /// Decides about `publish`; the PUBACK (QoS 1) or PUBREC (QoS 2) leaves after the future is
    /// done.
    fn publish(&self, publish: Publish) -> BoxFuture<'_, Verdict>;
}
