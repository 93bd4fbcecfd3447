//! What a fleet counts: gauges and counters that every device's task adds to, and how long PUBACKs
//! take.

mod histogram;
mod summary;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::device::{Note, Trouble};
use histogram::Histogram;
pub use summary::Summary;

/// Counters of one fleet.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Devices that the broker has let in now.
    connected: AtomicU64,
    /// Those that have said so.
    online: AtomicU64,
    /// Connects, the first of each device and all others.
    connects: AtomicU64,
    reconnects: AtomicU64,
    publishes: AtomicU64,
    acknowledged: AtomicU64,
    poison: AtomicU64,
    flaps: AtomicU64,
    heard: AtomicU64,
    answered: AtomicU64,
    errors: [AtomicU64; Trouble::KINDS.len()],
    /// What went wrong last, for a person.
    last_error: Mutex<Option<String>>,
    /// PUBACKs since the last line.
    recent: Histogram,
    /// PUBACKs of the whole life.
    whole: Histogram,
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connected: u64,
    pub(crate) online: u64,
    pub(crate) reconnects: u64,
    pub(crate) publishes: u64,
    pub(crate) acknowledged: u64,
    pub(crate) errors: u64,
}

/// How long PUBACKs took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Trouble {
    /// Names of [`Stats::errors`], in the order of [`Trouble::place`].
    const KINDS: [&'static str; 5] = ["connect", "refused", "lost", "silent", "malformed"];

    fn place(&self) -> usize {
        match self {
            Trouble::Connect(_) => 0,
            Trouble::Refused(_) => 1,
            Trouble::Lost(_) => 2,
            Trouble::Silent(_) => 3,
            Trouble::Malformed(_) => 4,
        }
    }
}

impl Stats {
    /// Counts what a device did.
    pub(crate) fn note(&self, note: Note) {
        match note {
            Note::Connected { is_again } => {
                add(&self.connected);
                add(if is_again {
                    &self.reconnects
                } else {
                    &self.connects
                });
            }
            Note::Disconnected => subtract(&self.connected),
            Note::Online => add(&self.online),
            Note::Offline => subtract(&self.online),
            Note::Published => add(&self.publishes),
            Note::Acknowledged(after) => {
                add(&self.acknowledged);
                self.recent.add(after);
                self.whole.add(after);
            }
            Note::Poison => add(&self.poison),
            Note::Flap => add(&self.flaps),
            Note::Heard => add(&self.heard),
            Note::Answered => add(&self.answered),
            Note::Trouble(trouble) => {
                add(&self.errors[trouble.place()]);
                let mut last = self
                    .last_error
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *last = Some(trouble.to_string());
            }
        }
    }

    /// The counters now.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            connected: get(&self.connected),
            online: get(&self.online),
            reconnects: get(&self.reconnects),
            publishes: get(&self.publishes),
            acknowledged: get(&self.acknowledged),
            errors: self.errors.iter().map(get).sum(),
        }
    }

    /// How long PUBACKs took since the last call; `None` when there were none.
    pub(crate) fn recent(&self) -> Option<Waits> {
        self.recent.take()
    }

    /// What went wrong last.
    pub(crate) fn last_error(&self) -> Option<String> {
        let last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    /// What a fleet has done in `lived`.
    pub(crate) fn summary(&self, clients: u32, lived: Duration) -> Summary {
        let kinds = Trouble::KINDS.iter().zip(&self.errors);
        let errors = kinds.map(|(kind, count)| (*kind, get(count)));
        Summary {
            clients,
            lived,
            connects: get(&self.connects),
            reconnects: get(&self.reconnects),
            flaps: get(&self.flaps),
            publishes: get(&self.publishes),
            acknowledged: get(&self.acknowledged),
            poison: get(&self.poison),
            heard: get(&self.heard),
            answered: get(&self.answered),
            waits: self.whole.take().map(|waits| (waits.p50, waits.p99)),
            errors: errors.filter(|(_, count)| *count > 0).collect(),
            last_error: self.last_error(),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn subtract(counter: &AtomicU64) {
    counter.fetch_sub(1, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
