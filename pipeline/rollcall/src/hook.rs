//! The embedded broker's publish hook: every publish goes to the bridge's writer before it is
//! acknowledged.

use rollcall_bridge::{IngressWriter, Outcome, PublishFacts};
use rollcall_broker::{BoxFuture, Publish, PublishHook, Verdict};

/// Puts the bridge between the broker and its PUBACK.
pub(crate) struct Hook(pub(crate) IngressWriter);

impl PublishHook for Hook {
    fn publish(&self, publish: Publish) -> BoxFuture<'_, Verdict> {
        Box::pin(async move {
            let facts = PublishFacts {
                topic: publish.topic,
                payload: publish.payload,
                unread_bytes: 0,
                qos: publish.qos,
                retain: publish.retain,
                dup: publish.dup,
                user_properties: publish.user_properties,
            };
            match self.0.write(facts).await {
                Outcome::Failed => Verdict::Refused,
                _ => Verdict::Accepted,
            }
        })
    }
}
