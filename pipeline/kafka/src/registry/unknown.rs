//! Ids that the registry does not know, and how long it is asked for each again. No IO.
//!
//! Behind one address there may be several registries, and the one that is asked need not have
//! heard yet of what another has registered a moment ago. So an id is unknown for good only after a
//! while. Anybody who may write to a topic can make ids up: after one that was waited for in vain,
//! none is waited for during ten times as long, so that made-up ids take a tenth of a reader's time
//! at most.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rollcall_model::Topic;

/// Ids that are remembered.
const IDS_MAX: usize = 1_000;

/// An id, and the topic that it was read in.
type Id = (Topic, u32);

/// When each id was met first.
pub(super) struct Unknown {
    /// How long one is waited for.
    wait: Duration,
    met: HashMap<Id, Instant>,
    /// When one was last given up.
    given_up_at: Option<Instant>,
}

impl Unknown {
    pub(super) fn new(wait: Duration) -> Self {
        Self {
            wait,
            met: HashMap::new(),
            given_up_at: None,
        }
    }

    /// The registry has just said that it does not know `id`. How long it is asked again; `None`
    /// when the id is to be refused.
    pub(super) fn left(&mut self, id: Id, now: Instant) -> Option<Duration> {
        if self.wait.is_zero() {
            return None;
        }
        let is_calm = self.given_up_at.is_none_or(|at| now >= at + 10 * self.wait);
        if !self.met.contains_key(&id) {
            if self.met.len() >= IDS_MAX {
                self.met.clear();
            }
            // One that is not waited for is met as if that had been long ago.
            let wait = if is_calm { self.wait } else { Duration::ZERO };
            self.met.insert(id, now + wait);
        }
        let until = self.met.get(&id).copied().unwrap_or(now);
        let left = until.saturating_duration_since(now);
        if left.is_zero() {
            // Once for all that were waited for at the same time.
            if is_calm {
                self.given_up_at = Some(now);
            }
            return None;
        }
        Some(left)
    }

    /// It knows `id` now.
    pub(super) fn found(&mut self, id: Id) {
        self.met.remove(&id);
    }
}
