//! Time as a value: milliseconds UTC. Nothing here reads a clock.

use std::fmt;
use std::ops::{Add, Sub};

/// A point in time: milliseconds UTC since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Millis(pub i64);

/// One second, minute and hour in milliseconds: durations of policy are written with them.
pub const SECOND_MS: i64 = 1_000;
/// See [`SECOND_MS`].
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// See [`SECOND_MS`].
pub const HOUR_MS: i64 = 60 * MINUTE_MS;

impl Add<i64> for Millis {
    type Output = Millis;
    /// Adds milliseconds; saturates, because a device clock may say anything.
    fn add(self, duration_ms: i64) -> Millis {
        Millis(self.0.saturating_add(duration_ms))
    }
}

impl Sub<i64> for Millis {
    type Output = Millis;
    /// Takes milliseconds off; saturates.
    fn sub(self, duration_ms: i64) -> Millis {
        Millis(self.0.saturating_sub(duration_ms))
    }
}

impl Sub<Millis> for Millis {
    type Output = i64;
    /// Milliseconds from `earlier` to `self`; saturates.
    fn sub(self, earlier: Millis) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
