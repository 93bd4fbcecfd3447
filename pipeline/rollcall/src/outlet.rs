//! The sender's outlets: the embedded broker, and a session with a broker outside.

use std::time::Duration;

use bytes::Bytes;
use rollcall_broker::{Sender, Sent};
use rollcall_delivery::{Attempt, BoxFuture, Outlet};
use rollcall_model::event::{Receipt, ReceiptOutcome};
use rollcall_mqtt::{Message, PublishError, Published, Publisher};

/// MQTT 5 reason code "no matching subscribers" (section 3.4.2.1).
const NO_MATCHING_SUBSCRIBERS: u8 = 16;

/// Whole seconds, as MQTT 5 counts.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// Publishes to the broker in this process, which knows its subscribers.
pub(crate) struct BrokerOutlet(pub(crate) Sender);

impl Outlet for BrokerOutlet {
    fn publish<'a>(
        &'a self,
        topic: &'a str,
        payload: Bytes,
        expires_after: Option<Duration>,
    ) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let expires_after_s = expires_after.map(seconds);
            let sent = self.0.publish(topic, payload, expires_after_s).await;
            let (outcome, reason_code) = match sent {
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

/// Publishes over a session with a broker outside, and waits for its PUBACK.
pub(crate) struct SessionOutlet(pub(crate) Publisher);

impl Outlet for SessionOutlet {
    fn publish<'a>(
        &'a self,
        topic: &'a str,
        payload: Bytes,
        expires_after: Option<Duration>,
    ) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let message = Message {
                topic: topic.to_owned(),
                payload,
                expires_after_s: expires_after.map(seconds),
                ..Message::default()
            };
            match self.0.publish(message).await {
                Ok(Published { reason }) => Attempt {
                    outcome: match reason {
                        Published::NO_MATCHING_SUBSCRIBERS => ReceiptOutcome::NoSubscriber,
                        0..0x80 => ReceiptOutcome::Acknowledged,
                        _ => ReceiptOutcome::Failed,
                    },
                    reason_code: reason,
                },
                Err(error) => {
                    tracing::warn!(topic, %error, "Message not published.");
                    Attempt {
                        outcome: ReceiptOutcome::Failed,
                        reason_code: match error {
                            PublishError::Ended => 0,
                            PublishError::TooLarge { .. } | PublishError::SaidTooLarge => {
                                Receipt::PACKET_TOO_LARGE
                            }
                            PublishError::ClosedOn { .. } => Receipt::CONNECTION_CLOSED,
                        },
                    }
                }
            }
        })
    }
}
