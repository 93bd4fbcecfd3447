//! How long to wait before the next attempt: full jitter, from the first one on, so that a fleet
//! that lost its broker does not come back in one moment.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// Longest wait before the first attempt after a loss.
const FIRST_MAX: Duration = Duration::from_millis(250);
/// Longest wait of all.
const WAIT_MAX: Duration = Duration::from_secs(30);
const _: () = assert!(FIRST_MAX.as_millis() < WAIT_MAX.as_millis());

/// Failures in a row, and the wait that follows from them.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Something worked: the next failure is a first one again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Another failure. `draw` is any number, best a random one. Gives how long to wait: between
    /// nothing and a bound that doubles with every failure in a row.
    pub(crate) fn failed(&mut self, draw: u64) -> Duration {
        let doubled = FIRST_MAX.saturating_mul(1 << self.failures.min(16));
        let bound = doubled.min(WAIT_MAX);
        self.failures = self.failures.saturating_add(1);
        let bound_us = bound.as_micros() as u64;
        Duration::from_micros(draw % (bound_us + 1))
    }

    /// Failures since something worked.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

/// A random number, from the seed that the standard library draws for hash maps.
pub(crate) fn draw() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests;
