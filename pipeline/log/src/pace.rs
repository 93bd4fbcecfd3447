//! An even pace: each caller gets a moment of its own, an interval after the one before.
//!
//! Moments are given out ahead, so that a caller that wakes late delays nobody: under load the rate
//! is reached, and never passed. A rate limiter that counts from when somebody wakes got through
//! 1,200 a second of 2,000 here. Whoever is dropped leaves its moment unused.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// See the module.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    /// Not before this comes the next one.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// So many in a second; 0 counts as 1.
    pub fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            next: Mutex::new(None),
        }
    }

    /// Waits for the caller's turn; at once when nobody else was here lately.
    pub async fn turn(&self) {
        let now = Instant::now();
        let at = self.moment(now);
        // Timers have a resolution of a millisecond: a turn that has come does not wait for one.
        if at > now {
            sleep_until(at).await;
        }
    }

    /// The next moment that is nobody's.
    fn moment(&self, now: Instant) -> Instant {
        let mut next = self.next.lock();
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + self.interval);
        at
    }
}

#[cfg(test)]
mod tests;
