//! The embedded broker as the sender's outlet.

use bytes::Bytes;
use rollcall_broker::{Sender, Sent};
use rollcall_delivery::{Attempt, BoxFuture, Outlet};
use rollcall_model::event::ReceiptOutcome;

/// MQTT 5 reason code "no matching subscribers" (section 3.4.2.1).
const NO_MATCHING_SUBSCRIBERS: u8 = 16;

/// Publishes to the broker in this process, which knows its subscribers.
pub(crate) struct BrokerOutlet(pub(crate) Sender);

impl Outlet for BrokerOutlet {
    fn publish<'a>(&'a self, topic: &'a str, payload: Bytes) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let (outcome, reason_code) = match self.0.publish(topic, payload).await {
                Sent::Queued(_) => (ReceiptOutcome::Acknowledged, 0),
                Sent::NoSubscriber => (ReceiptOutcome::NoSubscriber, NO_MATCHING_SUBSCRIBERS),
                Sent::Failed => (ReceiptOutcome::Failed, 0),
            };
            Attempt {
                outcome,
                reason_code,
            }
        })
    }
}
