//! What may be acknowledged, and when: the rules of incoming publishes, without IO.
//!
//! Every publish gets a ticket, in the order of receipt. Tickets are settled in any order;
//! acknowledgements are released in the order of receipt (MQTT 5, section 4.6), each only on the
//! connection that brought its publish: a new connection voids them all, for there the broker sends
//! those publishes again, under ids that may mean others by now.

use std::collections::VecDeque;

/// How much may be unsettled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Publishes.
    pub(crate) publishes: usize,
    /// Bytes, unless a single publish has more.
    pub(crate) bytes: usize,
}

/// The right to settle one publish, once.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Position in the row of all publishes ever received; never used again.
    number: u64,
    bytes: usize,
}

/// An acknowledgement to be sent; packet ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// Of QoS 1.
    PubAck(u16),
    /// Of QoS 2.
    PubRec(u16),
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It may be acknowledged.
    Taken,
    /// It must come again.
    Refused,
}

/// The incoming half of a session.
#[derive(Debug)]
pub(crate) struct Session {
    limits: Limits,
    /// Publishes of this connection whose acknowledgement has not been released, oldest first.
    window: VecDeque<Slot>,
    /// Number of the first of them.
    first: u64,
    /// Tickets not settled yet, those of former connections included.
    unsettled: usize,
    /// Their bytes.
    unsettled_bytes: usize,
    /// Whether a publish of this connection was refused.
    has_refused: bool,
}

#[derive(Debug)]
struct Slot {
    /// `None` for QoS 0.
    ack: Option<Ack>,
    fate: Option<Fate>,
}

impl Session {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            window: VecDeque::new(),
            first: 0,
            unsettled: 0,
            unsettled_bytes: 0,
            has_refused: false,
        }
    }

    /// A new connection: nothing that came before may be acknowledged on it.
    pub(crate) fn connected(&mut self) {
        self.first += self.window.len() as u64;
        self.window.clear();
        self.has_refused = false;
    }

    /// Whether another publish may be taken: not behind a refused one, which ends the connection.
    /// Those of former connections count while they are unsettled, so that a broker that comes and
    /// goes cannot fill the memory.
    pub(crate) fn has_room(&self) -> bool {
        if self.has_refused {
            return false;
        }
        let publishes = self.unsettled.max(self.window.len());
        publishes < self.limits.publishes && self.unsettled_bytes < self.limits.bytes
    }

    /// Takes a publish of `bytes`; `id` is of no meaning with QoS 0.
    pub(crate) fn received(&mut self, qos: u8, id: u16, bytes: usize) -> Ticket {
        let ack = match qos {
            0 => None,
            1 => Some(Ack::PubAck(id)),
            _ => Some(Ack::PubRec(id)),
        };
        let number = self.first + self.window.len() as u64;
        self.window.push_back(Slot { ack, fate: None });
        self.unsettled += 1;
        self.unsettled_bytes += bytes;
        Ticket { number, bytes }
    }

    /// Says what became of a publish. Gives whether that still matters: not when its connection is
    /// gone.
    pub(crate) fn settle(&mut self, ticket: Ticket, fate: Fate) -> bool {
        self.unsettled -= 1;
        self.unsettled_bytes -= ticket.bytes;
        let Some(index) = ticket.number.checked_sub(self.first) else {
            return false;
        };
        let Some(slot) = self.window.get_mut(index as usize) else {
            debug_assert!(false, "a ticket from the future");
            return false;
        };
        // QoS 0 is never sent again: nothing to hold back.
        let fate = if slot.ack.is_none() {
            Fate::Taken
        } else {
            fate
        };
        slot.fate = Some(fate);
        self.has_refused |= fate == Fate::Refused;
        true
    }

    /// The next acknowledgement to be sent now, if any.
    pub(crate) fn release(&mut self) -> Option<Ack> {
        while self.window.front()?.fate == Some(Fate::Taken) {
            self.first += 1;
            if let Some(ack) = self.window.pop_front()?.ack {
                return Some(ack);
            }
        }
        None
    }

    /// Whether the oldest publish was refused: nothing behind it can be acknowledged on this
    /// connection any more. It comes again on the next one.
    pub(crate) fn is_stuck(&self) -> bool {
        let front = self.window.front();
        front.is_some_and(|slot| slot.fate == Some(Fate::Refused))
    }

    /// Publishes of this connection whose acknowledgement has not been released.
    pub(crate) fn waiting(&self) -> usize {
        self.window.len()
    }
}

#[cfg(test)]
mod tests;
