//! Publishes of one connection that wait for their PUBACK, in the order in which they were sent.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Micros;

/// What a publish was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The device's online: it counts as online when this is acknowledged.
    Online,
    /// Anything else.
    Message,
}

/// Packet ids in use, and since when.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    sent: VecDeque<(u16, Micros, What)>,
    last: u16,
}

impl InFlight {
    /// A packet id that no packet in flight has; never 0 (MQTT 3.1.1 section 2.3.1).
    pub(super) fn free(&mut self) -> u16 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.sent.iter().any(|(pkid, ..)| *pkid == self.last) {
                return self.last;
            }
        }
    }

    /// The same, and waits for its PUBACK. Callers keep the number of waiting ones far below
    /// 65,535.
    pub(super) fn add(&mut self, now: Micros, what: What) -> u16 {
        let pkid = self.free();
        self.sent.push_back((pkid, now, what));
        pkid
    }

    /// What was acknowledged and how long it took; `None` when nothing with that id waits.
    pub(super) fn take(&mut self, pkid: u16, now: Micros) -> Option<(What, Duration)> {
        let place = self.sent.iter().position(|(id, ..)| *id == pkid)?;
        let (_, at, what) = self.sent.remove(place)?;
        Some((what, now.since(at)))
    }

    /// When the oldest was sent.
    pub(super) fn oldest(&self) -> Option<Micros> {
        self.sent.front().map(|(_, at, _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }
}
