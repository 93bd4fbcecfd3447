//! All rows of all clients in two maps, and the two ways in: timers at the begin of a batch, then
//! its records one by one.

use std::collections::BTreeMap;

use rollcall_model::{
    Arrival, ClientId, ConnectionRow, Delivery, DeliveryId, Derived, Event, Millis, Policy,
};

use crate::turn::Said;

/// The tables of one partition, as the rules have them.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    pub(crate) connections: BTreeMap<ClientId, ConnectionRow>,
    pub(crate) outbox: BTreeMap<(ClientId, DeliveryId), Delivery>,
    /// Policy and times of the batch begun last.
    pub(crate) policy: Policy,
    pub(crate) now: Millis,
    pub(crate) timers_at: Millis,
    /// What the turn has said so far.
    pub(crate) said: Vec<Said>,
}

impl Oracle {
    /// Empty tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a batch: fires the timers due at `timers_at`, in the order (due time, connections
    /// before outbox, key), at most `policy.timers_per_batch_max` of them, and gives what they
    /// derive, in order.
    pub fn begin(&mut self, policy: &Policy, now: Millis, timers_at: Millis) -> Vec<Derived> {
        self.policy = policy.clone();
        self.now = now;
        self.timers_at = timers_at;
        self.fire_what_is_due()
    }

    /// One record of the batch begun last; gives what it derives, in order.
    pub fn apply(&mut self, client: &ClientId, event: &Event, arrival: &Arrival) -> Vec<Derived> {
        let touched = match event {
            Event::Message(message) if !arrival.is_retained => message.answers,
            Event::Receipt(receipt) => Some(receipt.delivery_id),
            Event::Request(request) => Some(request.id),
            _ => None,
        };
        let turn = self.open(client, touched);
        match event {
            Event::Online(online) => self.online(client, online, arrival),
            Event::Offline(offline) => self.offline(client, offline, arrival),
            Event::Message(message) => {
                self.sign_of_life(client, message, arrival);
                self.answer(client, message, arrival);
            }
            Event::BrokerLost => self.broker_lost(client, arrival),
            Event::RetainedAbsent => self.retained_absent(client, arrival),
            Event::Tenant(answer) => self.tenant(client, answer, arrival),
            Event::Receipt(receipt) => self.receipt(client, receipt, arrival),
            Event::Request(request) => self.request(client, request, arrival),
        }
        self.close(&turn)
    }

    /// Every connection row, by client.
    pub fn connections(&self) -> impl Iterator<Item = (&ClientId, &ConnectionRow)> {
        self.connections.iter()
    }

    /// Every delivery, by client and delivery id.
    pub fn deliveries(&self) -> impl Iterator<Item = (&ClientId, &Delivery)> {
        self.outbox
            .iter()
            .map(|((client, _), delivery)| (client, delivery))
    }

    /// The row of a client.
    pub fn connection(&self, client: &ClientId) -> Option<&ConnectionRow> {
        self.connections.get(client)
    }

    /// A delivery of a client.
    pub fn delivery(&self, client: &ClientId, id: DeliveryId) -> Option<&Delivery> {
        self.outbox.get(&(client.clone(), id))
    }

    pub(crate) fn delivery_mut(
        &mut self,
        client: &ClientId,
        id: DeliveryId,
    ) -> Option<&mut Delivery> {
        self.outbox.get_mut(&(client.clone(), id))
    }
}
