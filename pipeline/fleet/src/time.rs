//! Time as devices see it: a wall clock that never goes back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::time::Instant;

/// Microseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Micros(pub(crate) i64);

impl Micros {
    /// `after` later.
    pub(crate) fn plus(self, after: Duration) -> Self {
        let after = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(after))
    }

    /// How long ago `earlier` is; 0 when it is still to come.
    pub(crate) fn since(self, earlier: Micros) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or_default())
    }

    /// RFC 3339 with milliseconds and `Z`, as devices write `sent`.
    pub(crate) fn rfc3339(self) -> String {
        DateTime::<Utc>::from_timestamp_micros(self.0)
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Reads RFC 3339.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self(time.timestamp_micros()))
    }
}

/// The wall clock at the start, and the monotonic one from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Micros,
    began: Instant,
}

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            wall: Micros(0).plus(since.unwrap_or_default()),
            began: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Micros {
        self.wall.plus(self.began.elapsed())
    }

    /// When `at` is, for a timer.
    pub(crate) fn instant(&self, at: Micros) -> Instant {
        self.began + at.since(self.wall)
    }
}
