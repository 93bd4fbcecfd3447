//! The way to the devices: a publish that comes from this process instead of a connection.
//!
//! It does not pass the hook, so what is sent to a device never comes back as a device's message.

use std::num::NonZeroU32;

use bytes::Bytes;
use rmqtt::codec::types::{Publish, QoS};
use rmqtt::codec::v5::PublishProperties;
use rmqtt::context::ServerContext;
use rmqtt::types::{ClientId, From, Id};

use crate::held::Held;
use crate::metrics;

/// The MQTT client id under which subscribers' logs of rmqtt name the process.
const SENDER: &str = "rollcall";

/// What became of a publish to devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the queue of so many sessions. Sessions live in memory: a broker that is killed
    /// takes it along, unless it was delivered.
    Queued(usize),
    /// Nobody is subscribed to the topic.
    NoSubscriber,
    /// Somebody is subscribed, and the session that was to take it is ending; or the queues of all
    /// sessions together hold as much as they may ([`crate::Options::queue_bytes_max`]).
    Failed,
}

/// Publishes to the broker's subscribers; clones share it.
#[derive(Clone)]
pub struct Sender {
    context: ServerContext,
    from: From,
    held: Held,
}

impl Sender {
    pub(crate) fn new(context: ServerContext, held: Held) -> Self {
        let id = ClientId::from_static(SENDER);
        let node = context.node.id();
        let from = From::from_system(Id::new(node, 0, None, None, id, None));
        Self {
            context,
            from,
            held,
        }
    }

    /// Hands a message (QoS 1, not retained) to every session that is subscribed to `topic`; one
    /// that is away for longer than `expires_after_s` does not get it.
    pub async fn publish(&self, topic: &str, payload: Bytes, expires_after_s: Option<u32>) -> Sent {
        let Some(payload) = self.held.count(&payload) else {
            metrics::full(topic);
            return Sent::Failed;
        };
        let properties =
            expires_after_s
                .and_then(NonZeroU32::new)
                .map(|seconds| PublishProperties {
                    message_expiry_interval: Some(seconds),
                    ..PublishProperties::default()
                });
        let publish = Publish {
            dup: false,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic: topic.to_owned().into(),
            packet_id: None,
            payload,
            properties,
        };
        let shared = self.context.extends.shared().await;
        let forwarded = shared.forwards(None, self.from.clone(), publish.into());
        match forwarded.await {
            Ok(0) => Sent::NoSubscriber,
            Err((0, _)) => Sent::Failed,
            Ok(sessions) | Err((sessions, _)) => Sent::Queued(sessions),
        }
    }
}
