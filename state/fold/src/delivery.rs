//! One message on its way to a device: request, attempts, receipts, answer, and the end of it.
//!
//! Every change of state or attempt is told as a `delivery` event with the delivery's own
//! revisions.

use rollcall_model::event::{Message, OutboundRequest, Receipt, ReceiptOutcome};
use rollcall_model::row::Presence;
use rollcall_model::{
    Arrival, Cause, ConnectionRow, Delivery, DeliveryState, Derived, OutboundDelivery, Topic,
};

use crate::context::Ignored;
use crate::work::Work;

/// Longest text of a device's error that is kept, in bytes; the rest is cut off.
pub(crate) const DETAIL_BYTES_MAX: usize = 1024;

const NOT_CONNECTED: &str = "not_connected";
const NO_SUBSCRIBER: &str = "no_subscriber";
const SEND_FAILED: &str = "send_failed";
const PACKET_TOO_LARGE: &str = "packet_too_large";
const CONNECTION_CLOSED: &str = "connection_closed";
const NO_RECEIPT: &str = "no_receipt";
const DEVICE_ERROR: &str = "device_error";
const NO_BODY: &str = "no_body";
const DEADLINE: &str = "deadline";

/// Somebody wants something sent: routed at once, or failed when nobody is there to take it.
pub(crate) fn request(work: &mut Work<'_>, request: &OutboundRequest, arrival: &Arrival) {
    if work.delivery().is_some() {
        return work.ignore(Ignored::Duplicate);
    }
    let (now, requested_at) = (work.ctx.now, arrival.appended_at);
    let deadline = requested_at + work.policy().delivery_deadline_ms;
    let delivery = Delivery {
        due_at: None,
        client_id: work.client.clone(),
        id: request.id,
        state: DeliveryState::Queued,
        org_id: work.row().map(|row| row.org_id.clone()).unwrap_or_default(),
        body: Some(request.body.clone()),
        deadline: request.deadline.unwrap_or(deadline),
        attempt: 0,
        requested_at,
        requester: request.requester.clone(),
        cause: work.cause,
        detail: String::new(),
        revision: 0,
        updated_at: now,
    };
    let is_too_late = delivery.deadline <= now;
    work.set_delivery(Some(delivery));
    if is_too_late {
        end(work, DeliveryState::Expired, DEADLINE, DEADLINE);
    } else if is_connected(work.row()) {
        send(work);
    } else {
        end(work, DeliveryState::Failed, NOT_CONNECTED, NOT_CONNECTED);
    }
}

/// An attempt ended. Only the running attempt is listened to: an older one has been given up.
pub(crate) fn receipt(work: &mut Work<'_>, receipt: &Receipt) {
    let Some(delivery) = work.delivery() else {
        return work.ignore(Ignored::NoDelivery);
    };
    if delivery.state != DeliveryState::Sent || delivery.attempt != receipt.attempt {
        return work.ignore(Ignored::StaleReceipt);
    }
    match receipt.outcome {
        ReceiptOutcome::Acknowledged => end(work, DeliveryState::Acknowledged, "", ""),
        ReceiptOutcome::NoSubscriber => attempt_failed(work, NO_SUBSCRIBER),
        // Another attempt would end as this one, and holds up the others at the broker.
        ReceiptOutcome::Failed => match receipt.broker_reason_code {
            Receipt::PACKET_TOO_LARGE => refused(work, PACKET_TOO_LARGE),
            Receipt::CONNECTION_CLOSED => refused(work, CONNECTION_CLOSED),
            _ => attempt_failed(work, SEND_FAILED),
        },
    }
}

/// The device answered, or said that it could not handle the message. An answer that comes after
/// we gave up still tells the truth; what the device said first stays.
pub(crate) fn answer(work: &mut Work<'_>, message: &Message) {
    let Some(delivery) = work.delivery() else {
        return work.ignore(Ignored::NoDelivery);
    };
    match (delivery.state, &message.error) {
        (DeliveryState::Failed, None) if !is_refused_by_device(delivery) => {
            end(work, DeliveryState::Answered, "", "");
        }
        (DeliveryState::Answered | DeliveryState::Failed, _) => {
            work.ignore(Ignored::FinishedDelivery);
        }
        (_, None) => end(work, DeliveryState::Answered, "", ""),
        (_, Some(error)) => {
            let cut = error.floor_char_boundary(DETAIL_BYTES_MAX);
            end(work, DeliveryState::Failed, &error[..cut], DEVICE_ERROR);
        }
    }
}

/// The deadline has passed.
pub(crate) fn expire(work: &mut Work<'_>) {
    end(work, DeliveryState::Expired, DEADLINE, DEADLINE);
}

/// The backoff is over, or no receipt came in time: tries again while attempts are left. An attempt
/// at a client that is not there is spent too; it may be between two connections.
pub(crate) fn retry(work: &mut Work<'_>) {
    let Some(delivery) = work.delivery() else {
        return;
    };
    let reason = match delivery.state {
        DeliveryState::Sent => NO_RECEIPT.to_owned(),
        _ => delivery.detail.clone(),
    };
    if delivery.attempt >= work.policy().delivery_attempts_max {
        end(work, DeliveryState::Failed, &reason, &reason);
    } else if is_connected(work.row()) {
        send(work);
    } else {
        let cause = work.cause;
        work.edit_delivery(|delivery| {
            delivery.state = DeliveryState::Queued;
            delivery.attempt += 1;
            delivery.cause = cause;
            NOT_CONNECTED.clone_into(&mut delivery.detail);
        });
        work.delivery_event(NOT_CONNECTED);
    }
}

/// A finished delivery has waited long enough for late answers.
pub(crate) fn forget(work: &mut Work<'_>) {
    work.set_delivery(None);
}

/// Hands the next attempt to the sender. Only a damaged outbox holds a running delivery without a
/// body: it has failed, for there is nothing to send.
fn send(work: &mut Work<'_>) {
    let Some(body) = work.delivery().and_then(|delivery| delivery.body.clone()) else {
        return end(work, DeliveryState::Failed, NO_BODY, NO_BODY);
    };
    let cause = work.cause;
    work.edit_delivery(|delivery| {
        delivery.state = DeliveryState::Sent;
        delivery.attempt += 1;
        delivery.cause = cause;
        delivery.detail.clear();
    });
    work.delivery_event("");
    let (Some(row), Some(delivery)) = (work.row(), work.delivery()) else {
        return;
    };
    let outbound = OutboundDelivery {
        delivery_id: delivery.id,
        client_id: work.client.clone(),
        dialect: row.dialect,
        destination: row.destination.clone(),
        body,
        attempt: delivery.attempt,
        deadline: delivery.deadline,
        cause,
        sent_at: work.ctx.now,
    };
    work.emit(Derived::Delivery(Box::new(outbound)));
}

/// The running attempt came to nothing: waits for the next one, or was the last.
fn attempt_failed(work: &mut Work<'_>, reason: &str) {
    let is_last = work
        .delivery()
        .is_none_or(|delivery| delivery.attempt >= work.policy().delivery_attempts_max);
    if is_last {
        return end(work, DeliveryState::Failed, reason, reason);
    }
    let cause = work.cause;
    work.edit_delivery(|delivery| {
        delivery.state = DeliveryState::Queued;
        delivery.cause = cause;
        reason.clone_into(&mut delivery.detail);
    });
    work.delivery_event(reason);
}

/// The broker does not take the message, however often it is sent.
fn refused(work: &mut Work<'_>, reason: &str) {
    end(work, DeliveryState::Failed, reason, reason);
}

/// Nothing is left to send: the body goes, the row waits for answers.
fn end(work: &mut Work<'_>, state: DeliveryState, detail: &str, reason: &str) {
    let cause = work.cause;
    work.edit_delivery(|delivery| {
        delivery.state = state;
        delivery.body = None;
        delivery.cause = cause;
        detail.clone_into(&mut delivery.detail);
    });
    work.delivery_event(reason);
}

/// Whether a failed delivery failed by the device's own word, and not because we gave up: then its
/// last change came of traffic, which the bridge writes to these two topics.
fn is_refused_by_device(delivery: &Delivery) -> bool {
    matches!(
        delivery.cause,
        Cause::Record(at) if matches!(at.topic, Topic::Status | Topic::Messages)
    )
}

/// Whether somebody may be there to take a message: everything but a known absence.
fn is_connected(row: Option<&ConnectionRow>) -> bool {
    row.is_some_and(|row| row.presence != Presence::Offline)
}
