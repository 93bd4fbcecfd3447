//! When every wait for the brokers has to end, because the log is to be closed. No IO.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The moment; never, until somebody names one. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(Arc<Mutex<Option<Instant>>>);

impl Ending {
    /// Names a moment; the sooner one counts. Gives the one that does.
    pub(crate) fn by(&self, end: Instant) -> Instant {
        let mut known = self.0.lock();
        let end = known.map_or(end, |known| known.min(end));
        *known = Some(end);
        end
    }

    /// The sooner of `deadline` and the end.
    pub(crate) fn or(&self, deadline: Instant) -> Instant {
        self.0.lock().map_or(deadline, |end| end.min(deadline))
    }

    /// What is left of `longest` if it begins now.
    pub(crate) fn within(&self, longest: Duration) -> Duration {
        let now = Instant::now();
        self.or(now + longest).saturating_duration_since(now)
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().is_some_and(|end| Instant::now() >= end)
    }
}
