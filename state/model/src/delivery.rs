//! The outbox row: one message on its way to a device, and what became of it.

use crate::event::RequestBody;
use crate::id::{ClientId, DeliveryId};
use crate::time::Millis;
use crate::topic::Cause;

/// One row of the `outbox` table and value of its changelog (key: client id, 0x00, delivery id).
///
/// `due_at` leads on the wire, as in the connection row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The row's timer, as of its last change.
    pub due_at: Option<Millis>,
    /// The client it is for.
    pub client_id: ClientId,
    /// The delivery; also the `message_id` that the device sees.
    pub id: DeliveryId,
    /// How far it got.
    pub state: DeliveryState,
    /// The organisation of the client when it was asked for.
    pub org_id: String,
    /// What is sent; `None` once acknowledged or finished.
    pub body: Option<RequestBody>,
    /// Give up after this time.
    pub deadline: Millis,
    /// Attempts made so far.
    pub attempt: u32,
    /// When it was asked for (append time).
    pub requested_at: Millis,
    /// Who asked.
    pub requester: String,
    /// The record or timer behind the last change.
    pub cause: Cause,
    /// Why it failed, or what the device said; empty otherwise.
    pub detail: String,
    /// Counts changes, from 1.
    pub revision: u64,
    /// `now` of the batch that changed it last.
    pub updated_at: Millis,
}

/// How far a delivery got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Waits for its next attempt.
    Queued,
    /// Handed to the sender; no receipt yet.
    Sent,
    /// The broker has it, and somebody is subscribed.
    Acknowledged,
    /// The device answered it.
    Answered,
    /// It will not be tried again.
    Failed,
    /// Its deadline passed.
    Expired,
}

impl DeliveryState {
    /// The name used in JSON, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Queued => "queued",
            DeliveryState::Sent => "sent",
            DeliveryState::Acknowledged => "acknowledged",
            DeliveryState::Answered => "answered",
            DeliveryState::Failed => "failed",
            DeliveryState::Expired => "expired",
        }
    }
}
