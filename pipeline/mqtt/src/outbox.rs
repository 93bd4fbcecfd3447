//! What is on its way to the broker: the rules of outgoing publishes of QoS 1, without IO.
//!
//! A message keeps its packet id until the broker has answered, over as many connections as that
//! takes; on a new connection what is unanswered is sent again first, in the old order (MQTT 5,
//! sections 4.4 and 4.6).
//!
//! A broker may close the connection because of one message, without saying which: one over its
//! packet limit (MQTT 3.1.1 cannot announce it), one that its access rules forbid. So after a
//! connection that the broker closed, what was unanswered on it is sent one by one, and a message
//! that was the only one unanswered when [`CLOSED_ALONE_MAX`] connections in a row were closed is
//! given up: it fails alone.

use std::collections::VecDeque;

use crate::packet::Message;

/// Messages that wait for their answer at most, whatever the broker would take.
const IN_FLIGHT_MAX: usize = 1024;

/// Connections that the broker may close on a message that is the only one unanswered. Three: a
/// broker that restarts twice at the wrong moment must not cost a message.
pub(crate) const CLOSED_ALONE_MAX: u8 = 3;

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
    /// How many messages, from the first on, were unanswered when the broker closed a connection:
    /// they are sent one by one.
    suspects: usize,
    last_id: u16,
}

#[derive(Debug)]
struct Entry<W> {
    id: u16,
    message: Message,
    was_sent: bool,
    /// Connections in a row that the broker closed while this was the only one unanswered.
    closed_alone: u8,
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
            suspects: 0,
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

    /// The connection is gone, and nothing that was sent is to blame.
    pub(crate) fn disconnected(&mut self) {
        self.sent = 0;
    }

    /// The broker closed the connection. `is_too_large`: it said that a packet was too large. Gives
    /// who waits for the message that is to blame, once that is certain; it is not sent again.
    pub(crate) fn closed(&mut self, is_too_large: bool) -> Option<W> {
        let sent = std::mem::take(&mut self.sent);
        self.suspects = self.suspects.max(sent);
        let alone = self.messages.front_mut().filter(|_| sent == 1)?;
        alone.closed_alone += 1;
        if alone.closed_alone < CLOSED_ALONE_MAX && !is_too_large {
            return None;
        }
        self.suspects -= 1;
        self.messages.pop_front().map(|entry| entry.waiter)
    }

    /// Takes out what `is_out` names, before anything is sent on a new connection. Gives who waits
    /// for it, and its message.
    pub(crate) fn take_out(
        &mut self,
        mut is_out: impl FnMut(&Message, &W) -> bool,
    ) -> Vec<(Message, W)> {
        debug_assert_eq!(self.sent, 0, "between two connections only");
        let (mut kept, mut out, mut suspects) = (VecDeque::new(), Vec::new(), 0);
        for (index, entry) in self.messages.drain(..).enumerate() {
            if is_out(&entry.message, &entry.waiter) {
                out.push((entry.message, entry.waiter));
            } else {
                suspects += usize::from(index < self.suspects);
                kept.push_back(entry);
            }
        }
        (self.messages, self.suspects) = (kept, suspects);
        out
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
            closed_alone: 0,
            waiter,
        });
    }

    /// The next message to be sent, which counts as sent from now on; `None` when there is none, or
    /// when the broker takes no more before it has answered.
    pub(crate) fn next(&mut self) -> Option<Next<'_>> {
        let in_flight_max = if self.suspects > 0 {
            1
        } else {
            self.in_flight_max
        };
        if self.sent >= in_flight_max {
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
        self.suspects -= usize::from(index < self.suspects);
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
