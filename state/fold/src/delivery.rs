//! One message on its way to a device: request, attempts, receipts, answer, and the end of it.
//!
//! Every change of state or attempt is told as a `delivery` event with the delivery's own
//! revisions.

use rollcall_model::event::{Message, OutboundRequest, Receipt, ReceiptOutcome, RequestBody};
use rollcall_model::row::Presence;
use rollcall_model::{
    Arrival, Cause, ConnectionRow, Delivery, DeliveryState, Derived, Millis, OutboundDelivery,
    Received, Topic,
};

use crate::context::Ignored;
use crate::work::Work;
use crate::{offline, probe};

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
/// Reason of an `unverified` event; [`NO_SUBSCRIBER`] is another.
const TOLD_TO_DISCONNECT: &str = "disconnect";

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
pub(crate) fn receipt(work: &mut Work<'_>, receipt: &Receipt, arrival: &Arrival) {
    let Some(delivery) = work.delivery() else {
        let is_absent = receipt.outcome == ReceiptOutcome::NoSubscriber;
        if is_absent && probe::is_of(work, receipt.delivery_id) {
            return probe::found_no_subscriber(work, arrival);
        }
        return work.ignore(Ignored::NoDelivery);
    };
    if delivery.state != DeliveryState::Sent || delivery.attempt != receipt.attempt {
        return work.ignore(Ignored::StaleReceipt);
    }
    let attempt = Attempt::of(delivery);
    match receipt.outcome {
        ReceiptOutcome::Acknowledged => {
            end(work, DeliveryState::Acknowledged, "", "");
            attempt.arrived(work, arrival);
        }
        ReceiptOutcome::NoSubscriber => {
            attempt_failed(work, NO_SUBSCRIBER);
            attempt.found_no_subscriber(work, arrival);
        }
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
pub(crate) fn answer(work: &mut Work<'_>, message: &Message, arrival: &Arrival) {
    let Some(delivery) = work.delivery() else {
        let is_pong = message.answers.is_some_and(|id| probe::is_of(work, id));
        if !is_pong {
            work.ignore(Ignored::NoDelivery);
        }
        return;
    };
    let attempt = Attempt::of(delivery);
    match (delivery.state, &message.error) {
        (DeliveryState::Failed, None) if !is_refused_by_device(delivery) => {
            end(work, DeliveryState::Answered, "", "");
        }
        (DeliveryState::Answered | DeliveryState::Failed, _) => {
            work.ignore(Ignored::FinishedDelivery);
        }
        (_, None) => {
            end(work, DeliveryState::Answered, "", "");
            attempt.arrived(work, arrival);
        }
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

/// What the end of an attempt says of the client's connection.
struct Attempt {
    /// `now` of the batch that handed it to the sender.
    sent_at: Millis,
    /// Whether the device was told to end its connection.
    ends_connection: bool,
}

impl Attempt {
    /// The running attempt of `delivery`; of a finished one nothing is left to be said.
    fn of(delivery: &Delivery) -> Self {
        let body = delivery.body.as_ref();
        Self {
            sent_at: delivery.updated_at,
            ends_connection: body.is_some_and(RequestBody::ends_connection),
        }
    }

    /// The device has the message, as far as the broker or the device says. One that was told to
    /// disconnect goes without a word, as MQTT has it: its connection is in doubt.
    fn arrived(&self, work: &mut Work<'_>, arrival: &Arrival) {
        if work.row().is_some_and(|row| row.no_subscriber_count > 0) {
            work.edit(|row| row.no_subscriber_count = 0);
        }
        if self.ends_connection && self.is_of_session(work.row()) {
            let (at, received) = (arrival.appended_at, arrival.received());
            offline::doubt_because(work, at, received, TOLD_TO_DISCONNECT);
        }
    }

    /// Counts what found no subscriber; too often in a row, and the connection is in doubt.
    fn found_no_subscriber(&self, work: &mut Work<'_>, arrival: &Arrival) {
        if !self.is_of_session(work.row()) {
            return;
        }
        work.edit(|row| row.no_subscriber_count = row.no_subscriber_count.saturating_add(1));
        let max = work.policy().no_subscriber_max;
        let count = work.row().map_or(0, |row| row.no_subscriber_count);
        if max > 0 && count >= max {
            // Of what was said since the attempt, the receipt knows nothing.
            let (at, received) = (arrival.appended_at, Received::at(self.sent_at));
            offline::doubt_because(work, at, received, NO_SUBSCRIBER);
        }
    }

    /// Whether the client counts as connected, by a session that was there when the attempt was
    /// made: of a newer one it says nothing.
    fn is_of_session(&self, row: Option<&ConnectionRow>) -> bool {
        row.is_some_and(|row| {
            let is_there = matches!(row.presence, Presence::Online | Presence::Inactive);
            is_there && row.session.received.at <= self.sent_at
        })
    }
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
