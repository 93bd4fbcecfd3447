//! Connections that are not taken: counted each, logged once and then once a minute.

use std::io;
use std::time::{Duration, Instant};

use crate::metrics;

/// Between two log lines about the same port.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// There are as many as may be.
    Connections,
    /// The descriptors that are left are kept for the stores.
    Descriptors,
    /// The system has none to give.
    Accept,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Reason::Connections => "connections",
            Reason::Descriptors => "descriptors",
            Reason::Accept => "accept",
        }
    }
}

/// Counts a connection for as long as it is open.
pub(super) struct Open(&'static str);

impl Open {
    pub(super) fn new(port: &'static str) -> Self {
        metrics::connections_open(port, 1.0);
        Self(port)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::connections_open(self.0, -1.0);
    }
}

/// What one port has refused.
pub(super) struct Refusals {
    port: &'static str,
    logged: Option<Instant>,
    /// Since the last log line.
    unlogged: u64,
}

impl Refusals {
    pub(super) fn new(port: &'static str) -> Self {
        metrics::connections_open(port, 0.0);
        Self {
            port,
            logged: None,
            unlogged: 0,
        }
    }

    /// One more is refused.
    pub(super) fn refused(&mut self, reason: Reason, error: Option<&io::Error>) {
        let (port, reason) = (self.port, reason.as_str());
        metrics::connection_refused(port, reason);
        self.unlogged += 1;
        if self.logged.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            return;
        }
        let error = error.map(|error| error as &dyn std::error::Error);
        let refused = self.unlogged;
        tracing::warn!(port, reason, refused, error, "HTTP connections refused.");
        self.logged = Some(Instant::now());
        self.unlogged = 0;
    }
}
