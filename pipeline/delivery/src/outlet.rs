//! Whoever can hand a message to devices.

use std::time::Duration;

use bytes::Bytes;
use rollcall_model::event::ReceiptOutcome;

/// A boxed future, as `futures` names it.
pub type BoxFuture<'a, T> = futures::future::BoxFuture<'a, T>;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whether somebody is there to get the message.
    pub outcome: ReceiptOutcome,
    /// The broker's MQTT reason code; 0 when it gave none.
    pub reason_code: u8,
}

/// A broker's side of the sender: publishes with QoS 1 and waits for what the broker says.
pub trait Outlet: Send + Sync + 'static {
    /// Publishes `payload` to `topic`. Of the sender, calls for one client never overlap; others
    /// do. Dropped when it takes too long; the message may arrive all the same.
    ///
    /// A subscriber that is away for longer than `expires_after` does not get it, where the broker
    /// speaks MQTT 5; `None` = it waits for as long as its session.
    fn publish<'a>(
        &'a self,
        topic: &'a str,
        payload: Bytes,
        expires_after: Option<Duration>,
    ) -> BoxFuture<'a, Attempt>;
}
