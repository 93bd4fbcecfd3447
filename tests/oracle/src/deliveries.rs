//! What is sent to the client, and what became of it (DESIGN.md sections 3 and 4).

use rollcall_model::event::{Message, OutboundRequest, Receipt, ReceiptOutcome, RequestBody};
use rollcall_model::row::Presence;
use rollcall_model::{
    Arrival, Cause, ClientId, ConnectionRow, Delivery, DeliveryId, DeliveryState, Derived,
    OutboundDelivery, Received, Topic,
};

use crate::oracle::Oracle;
use crate::turn::Said;

/// Longest text of a device that is kept, in bytes.
const DETAIL_BYTES_MAX: usize = 1024;

impl Oracle {
    pub(crate) fn request(
        &mut self,
        client: &ClientId,
        request: &OutboundRequest,
        arrival: &Arrival,
    ) {
        if self.delivery(client, request.id).is_some() {
            return;
        }
        let now = self.now;
        let row = self.connections.get(client);
        let org_id = row.map_or(String::new(), |row| row.org_id.clone());
        let deadline = request.deadline;
        let deadline = deadline.unwrap_or(arrival.appended_at + self.policy.delivery_deadline_ms);
        let cause = Cause::Record(arrival.at);
        let delivery = Delivery {
            due_at: None,
            client_id: client.clone(),
            id: request.id,
            state: DeliveryState::Queued,
            org_id,
            body: Some(request.body.clone()),
            deadline,
            attempt: 0,
            requested_at: arrival.appended_at,
            requester: request.requester.clone(),
            cause,
            detail: String::new(),
            revision: 0,
            updated_at: now,
        };
        self.outbox.insert((client.clone(), request.id), delivery);
        if deadline <= now {
            self.finish(
                client,
                request.id,
                DeliveryState::Expired,
                "deadline",
                cause,
            );
        } else if self.is_connected(client) {
            self.send(client, request.id, cause);
        } else {
            self.finish(
                client,
                request.id,
                DeliveryState::Failed,
                "not_connected",
                cause,
            );
        }
    }

    pub(crate) fn receipt(&mut self, client: &ClientId, receipt: &Receipt, arrival: &Arrival) {
        let id = receipt.delivery_id;
        let attempts_max = self.policy.delivery_attempts_max;
        let is_absent = receipt.outcome == ReceiptOutcome::NoSubscriber;
        let Some(delivery) = self.delivery_mut(client, id) else {
            if is_absent {
                self.not_there(client, id, arrival);
            }
            return;
        };
        if delivery.state != DeliveryState::Sent || delivery.attempt != receipt.attempt {
            return;
        }
        let before = delivery.clone();
        let cause = Cause::Record(arrival.at);
        let why = match receipt.outcome {
            ReceiptOutcome::Acknowledged => {
                self.finish(client, id, DeliveryState::Acknowledged, "", cause);
                self.arrived(client, &before, arrival);
                return;
            }
            ReceiptOutcome::NoSubscriber => "no_subscriber",
            ReceiptOutcome::Failed => match receipt.broker_reason_code {
                0x95 => "packet_too_large",
                0x82 => "connection_closed",
                _ => "send_failed",
            },
        };
        let is_final = matches!(why, "packet_too_large" | "connection_closed");
        if delivery.attempt >= attempts_max || is_final {
            self.finish(client, id, DeliveryState::Failed, why, cause);
        } else {
            self.queue(client, id, why, cause);
        }
        if is_absent {
            self.missed(client, &before, arrival);
        }
    }

    /// The device has the message; if it was to disconnect, it may have gone.
    fn arrived(&mut self, client: &ClientId, delivery: &Delivery, arrival: &Arrival) {
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        row.no_subscriber_count = 0;
        let is_told_to_go = matches!(
            &delivery.body,
            Some(RequestBody::Command { command, .. }) if command == "disconnect"
        );
        if is_told_to_go && is_of_session(row, delivery) {
            self.doubt(client, "disconnect", arrival.received(), arrival);
        }
    }

    /// Nobody was there to take the attempt.
    fn missed(&mut self, client: &ClientId, delivery: &Delivery, arrival: &Arrival) {
        let max = self.policy.no_subscriber_max;
        let Some(row) = self.connections.get_mut(client) else {
            return;
        };
        if !is_of_session(row, delivery) {
            return;
        }
        row.no_subscriber_count = row.no_subscriber_count.saturating_add(1);
        if max != 0 && row.no_subscriber_count >= max {
            self.doubt(
                client,
                "no_subscriber",
                Received::at(delivery.updated_at),
                arrival,
            );
        }
    }

    /// What the device says to a delivery counts once, and more than what we thought of it.
    pub(crate) fn answer(&mut self, client: &ClientId, message: &Message, arrival: &Arrival) {
        let Some(id) = message.answers.filter(|_| !arrival.is_retained) else {
            return;
        };
        let Some(delivery) = self.delivery_mut(client, id) else {
            return;
        };
        let said_by_device = match delivery.cause {
            Cause::Record(at) => matches!(at.topic, Topic::Messages | Topic::Status),
            Cause::Timer { .. } => false,
        };
        let is_finished = match delivery.state {
            DeliveryState::Answered => true,
            DeliveryState::Failed => said_by_device || message.error.is_some(),
            _ => false,
        };
        if is_finished {
            return;
        }
        let before = delivery.clone();
        let cause = Cause::Record(arrival.at);
        match &message.error {
            None => {
                self.finish(client, id, DeliveryState::Answered, "", cause);
                if before.state != DeliveryState::Failed {
                    self.arrived(client, &before, arrival);
                }
            }
            Some(error) => {
                delivery.state = DeliveryState::Failed;
                delivery.detail = first_bytes(error);
                delivery.body = None;
                delivery.cause = cause;
                self.said
                    .push(Said::Delivery("device_error".to_owned(), cause));
            }
        }
    }

    /// A queued or sent delivery whose wait is over.
    pub(crate) fn try_again(&mut self, client: &ClientId, id: DeliveryId, cause: Cause) {
        let attempts_max = self.policy.delivery_attempts_max;
        let is_connected = self.is_connected(client);
        let Some(delivery) = self.delivery_mut(client, id) else {
            return;
        };
        if delivery.attempt >= attempts_max {
            let why = match delivery.state {
                DeliveryState::Sent => "no_receipt".to_owned(),
                _ => delivery.detail.clone(),
            };
            self.finish(client, id, DeliveryState::Failed, &why, cause);
        } else if is_connected {
            self.send(client, id, cause);
        } else {
            delivery.attempt += 1;
            self.queue(client, id, "not_connected", cause);
        }
    }

    /// Its deadline passed.
    pub(crate) fn expire(&mut self, client: &ClientId, id: DeliveryId, cause: Cause) {
        self.finish(client, id, DeliveryState::Expired, "deadline", cause);
    }

    fn is_connected(&self, client: &ClientId) -> bool {
        let row = self.connections.get(client);
        row.is_some_and(|row| row.presence != Presence::Offline)
    }

    /// The next attempt goes out.
    fn send(&mut self, client: &ClientId, id: DeliveryId, cause: Cause) {
        let now = self.now;
        let Some(row) = self.connections.get(client).cloned() else {
            return;
        };
        let Some(delivery) = self.delivery_mut(client, id) else {
            return;
        };
        let Some(body) = delivery.body.clone() else {
            return;
        };
        delivery.state = DeliveryState::Sent;
        delivery.attempt += 1;
        delivery.detail.clear();
        delivery.cause = cause;
        let outbound = OutboundDelivery {
            delivery_id: id,
            client_id: client.clone(),
            dialect: row.dialect,
            destination: row.destination,
            body,
            attempt: delivery.attempt,
            deadline: delivery.deadline,
            cause,
            sent_at: now,
        };
        self.said.push(Said::Delivery(String::new(), cause));
        self.said
            .push(Said::Record(Derived::Delivery(Box::new(outbound))));
    }

    /// Waits for its next attempt.
    fn queue(&mut self, client: &ClientId, id: DeliveryId, why: &str, cause: Cause) {
        if let Some(delivery) = self.delivery_mut(client, id) {
            delivery.state = DeliveryState::Queued;
            why.clone_into(&mut delivery.detail);
            delivery.cause = cause;
            self.said.push(Said::Delivery(why.to_owned(), cause));
        }
    }

    /// Nothing is left to send.
    fn finish(
        &mut self,
        client: &ClientId,
        id: DeliveryId,
        state: DeliveryState,
        why: &str,
        cause: Cause,
    ) {
        if let Some(delivery) = self.delivery_mut(client, id) {
            delivery.state = state;
            why.clone_into(&mut delivery.detail);
            delivery.body = None;
            delivery.cause = cause;
            self.said.push(Said::Delivery(why.to_owned(), cause));
        }
    }
}

/// Whether the client counts as connected since before the attempt.
fn is_of_session(row: &ConnectionRow, delivery: &Delivery) -> bool {
    let is_there = match row.presence {
        Presence::Online | Presence::Inactive => true,
        Presence::Offline | Presence::Unverified => false,
    };
    is_there && delivery.updated_at >= row.session.received.at
}

/// As many whole characters as fit.
fn first_bytes(text: &str) -> String {
    let mut kept = String::new();
    for character in text.chars() {
        if kept.len() + character.len_utf8() > DETAIL_BYTES_MAX {
            break;
        }
        kept.push(character);
    }
    kept
}
