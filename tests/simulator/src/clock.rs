//! Time of the simulated world: a true one that only goes forward, and the system clock, which
//! somebody may set.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use rollcall_log::Clock;
use rollcall_model::Millis;

/// When every run begins, milliseconds UTC.
pub(crate) const START: Millis = Millis(1_700_000_000_000);

/// The system clock of the simulated machine.
#[derive(Debug)]
pub(crate) struct SimClock {
    elapsed_ms: AtomicI64,
    offset_ms: AtomicI64,
    was_set_back: AtomicBool,
}

impl Default for SimClock {
    fn default() -> Self {
        Self {
            elapsed_ms: AtomicI64::new(0),
            offset_ms: AtomicI64::new(0),
            was_set_back: AtomicBool::new(false),
        }
    }
}

impl SimClock {
    /// True time: it never goes back, and no part of the product sees it.
    pub(crate) fn truth(&self) -> Millis {
        START + self.elapsed_ms.load(Ordering::Relaxed)
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, duration_ms: i64) {
        self.elapsed_ms
            .fetch_add(duration_ms.max(0), Ordering::Relaxed);
    }

    /// Sets the system clock by so much, back or forward; true time stays.
    pub(crate) fn set_by(&self, duration_ms: i64) {
        self.offset_ms.fetch_add(duration_ms, Ordering::Relaxed);
        self.was_set_back
            .fetch_or(duration_ms < 0, Ordering::Relaxed);
    }

    /// Whether it was ever set back.
    pub(crate) fn was_set_back(&self) -> bool {
        self.was_set_back.load(Ordering::Relaxed)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Millis {
        self.truth() + self.offset_ms.load(Ordering::Relaxed)
    }
}
