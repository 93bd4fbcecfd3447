//! A circuit breaker: after some failures in a row nobody is asked for a while, then one request
//! tries whether the gateway is back. No IO, no clock of its own.

use std::time::Duration;

use rollcall_model::Millis;

/// Failures in a row that open it.
const FAILURES_MAX: u32 = 5;

/// Longest first pause; doubles with every failed try.
const PAUSE_MS: f64 = 1_000.0;

/// Longest pause.
const PAUSE_MS_MAX: f64 = 60_000.0;

/// Shortest pause: a random one may be any part of the longest.
const PAUSE_MS_MIN: i64 = 100;

/// Longest time for which a gateway is left alone because it asks for it.
const RETRY_AFTER_MS_MAX: i64 = 5 * 60 * 1_000;

/// Whether somebody may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    /// Go on.
    Yes,
    /// Not now.
    No {
        /// For how long, in milliseconds.
        left_ms: u64,
        /// The failure that opened it.
        cause: String,
    },
}

/// How the gateway is, as far as we know; for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Everybody may ask.
    Closed,
    /// One request is trying.
    HalfOpen,
    /// Nobody may.
    Open,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    phase: Phase,
    /// Failures in a row.
    failures: u32,
    /// Pauses in a row.
    pauses: i32,
    /// The newest failure.
    cause: String,
    /// How long a try may take; one that was dropped holds the place no longer than that.
    try_ms: i64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { until: Millis },
    Trying { since: Millis },
}

impl Breaker {
    /// A closed one, for requests that take `timeout` at most.
    pub(crate) fn new(timeout: Duration) -> Self {
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        Self {
            phase: Phase::Closed,
            failures: 0,
            pauses: 0,
            cause: String::new(),
            try_ms: timeout_ms.saturating_mul(2),
        }
    }

    /// Whether a request would be let through.
    pub(crate) fn look(&self, now: Millis) -> Admit {
        let until = match self.phase {
            Phase::Closed => return Admit::Yes,
            Phase::Open { until } => until,
            Phase::Trying { since } => since + self.try_ms,
        };
        match u64::try_from(until - now) {
            Ok(left_ms) if left_ms > 0 => Admit::No {
                left_ms,
                cause: self.cause.clone(),
            },
            _ => Admit::Yes,
        }
    }

    /// Lets a request through, or not. Of those that come when a pause is over, the first is the
    /// try.
    pub(crate) fn admit(&mut self, now: Millis) -> Admit {
        let admitted = self.look(now);
        if admitted == Admit::Yes && !matches!(self.phase, Phase::Closed) {
            self.phase = Phase::Trying { since: now };
        }
        admitted
    }

    /// The gateway had a word on a client.
    pub(crate) fn succeeded(&mut self) {
        self.phase = Phase::Closed;
        self.failures = 0;
        self.pauses = 0;
    }

    /// It had none. `retry_after` is what it asks for; `random` is in 0..1.
    pub(crate) fn failed(
        &mut self,
        now: Millis,
        cause: &str,
        retry_after: Option<Duration>,
        random: f64,
    ) {
        self.failures = self.failures.saturating_add(1);
        cause.clone_into(&mut self.cause);
        let is_enough = match self.phase {
            // Somebody who asked before it opened.
            Phase::Open { .. } => false,
            Phase::Trying { .. } => true,
            Phase::Closed => self.failures >= FAILURES_MAX || retry_after.is_some(),
        };
        if !is_enough {
            return;
        }
        // Full jitter: several resolvers do not come back at the same moment.
        let longest = (PAUSE_MS * 2_f64.powi(self.pauses)).min(PAUSE_MS_MAX);
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and a minute")]
        let pause_ms = ((longest * random) as i64).max(PAUSE_MS_MIN);
        let asked_ms = retry_after.map_or(0, |asked| {
            i64::try_from(asked.as_millis()).unwrap_or(i64::MAX)
        });
        self.pauses = self.pauses.saturating_add(1);
        self.phase = Phase::Open {
            until: now + pause_ms.max(asked_ms.min(RETRY_AFTER_MS_MAX)),
        };
    }

    /// Why nobody is let through; `None` while somebody is.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self.phase {
            Phase::Closed => None,
            Phase::Open { .. } | Phase::Trying { .. } => Some(self.cause.clone()),
        }
    }

    /// How it is.
    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::Trying { .. } => State::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests;
