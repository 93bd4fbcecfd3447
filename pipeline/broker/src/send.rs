//! The way to the devices: a publish that comes from this process instead of a connection.
//!
//! It does not pass the hook, so what is sent to a device never comes back as a device's message.

use bytes::Bytes;
use rmqtt::codec::types::{Publish, QoS};
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

    /// Hands a message (QoS 1, not retained) to every session that is subscribed to `topic`.
    pub async fn publish(&self, topic: &str, payload: Bytes) -> Sent {
        let Some(payload) = self.held.count(&payload) else {
            metrics::full(topic);
            return Sent::Failed;
        };
        let publish = Publish {
            dup: false,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic: topic.to_owned().into(),
            packet_id: None,
            payload,
            properties: None,
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
