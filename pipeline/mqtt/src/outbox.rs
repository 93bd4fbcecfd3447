//! What is on its way to the broker: the rules of outgoing publishes of QoS 1, without IO.
//!
//! A message keeps its packet id until the broker has answered, over as many connections as that
//! takes; on a new connection what is unanswered is sent again first, in the old order (MQTT 5,
//! sections 4.4 and 4.6).

use std::collections::VecDeque;

use crate::packet::Message;

/// Messages that wait for their answer at most, whatever the broker would take.
const IN_FLIGHT_MAX: usize = 1024;

/// The outgoing half of a session; `W` waits for the answer.
#[derive(Debug)]
pub(crate) struct Outbox<W> {
    /// Unanswered, in the order in which they came.
    messages: VecDeque<Entry<W>>,
    /// How many of them, from the first on, have been sent on this connection.
    sent: usize,
    /// Bound of this connection's broker.
    in_flight_max: usize,
    /// Whether the broker may know what was sent on a former connection.
    is_resumed: bool,
    last_id: u16,
}

#[derive(Debug)]
struct Entry<W> {
    id: u16,
    message: Message,
    was_sent: bool,
    waiter: W,
}

/// A message to be sent now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Next<'a> {
    pub(crate) id: u16,
    pub(crate) message: &'a Message,
    /// MQTT DUP.
    pub(crate) dup: bool,
}

impl<W> Default for Outbox<W> {
    fn default() -> Self {
        Self {
            messages: VecDeque::new(),
            sent: 0,
            in_flight_max: IN_FLIGHT_MAX,
            is_resumed: false,
            last_id: 0,
        }
    }
}

impl<W> Outbox<W> {
    /// A new connection to a broker that takes `receive_maximum` unanswered publishes, and that may
    /// know the session (`is_resumed`): everything unanswered is to be sent again.
    pub(crate) fn connected(&mut self, receive_maximum: u16, is_resumed: bool) {
        self.in_flight_max = usize::from(receive_maximum).clamp(1, IN_FLIGHT_MAX);
        self.is_resumed = is_resumed;
        self.sent = 0;
    }

    /// Whether another message may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.messages.len() < IN_FLIGHT_MAX
    }

    /// Takes a message; [`Outbox::next`] says when to send it.
    pub(crate) fn take(&mut self, message: Message, waiter: W) {
        let id = self.free_id();
        self.messages.push_back(Entry {
            id,
            message,
            was_sent: false,
            waiter,
        });
    }

    /// The next message to be sent, which counts as sent from now on; `None` when there is none, or
    /// when the broker takes no more before it has answered.
    pub(crate) fn next(&mut self) -> Option<Next<'_>> {
        if self.sent >= self.in_flight_max {
            return None;
        }
        let entry = self.messages.get_mut(self.sent)?;
        self.sent += 1;
        let dup = entry.was_sent && self.is_resumed;
        entry.was_sent = true;
        Some(Next {
            id: entry.id,
            message: &entry.message,
            dup,
        })
    }

    /// The broker has answered. Gives who waits for that; `None` for an answer that nobody asked
    /// for.
    pub(crate) fn answered(&mut self, id: u16) -> Option<W> {
        // Brokers answer in order, so the first is the one.
        let index = self
            .messages
            .iter()
            .take(self.sent)
            .position(|entry| entry.id == id)?;
        self.sent -= 1;
        self.messages.remove(index).map(|entry| entry.waiter)
    }

    /// A packet id that no publish has.
    pub(crate) fn free_id(&mut self) -> u16 {
        // Ends: at most `IN_FLIGHT_MAX` of 65,535 are taken.
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = self.last_id;
            if self.messages.iter().all(|entry| entry.id != id) {
                return id;
            }
        }
    }
}

const _: () = assert!(IN_FLIGHT_MAX < u16::MAX as usize);

#[cfg(test)]
mod tests;
