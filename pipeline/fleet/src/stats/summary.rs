//! What a fleet has done, told at its end.

use std::fmt;
use std::time::Duration;

use crate::show::millis;

/// Counts of a whole life.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Devices of the fleet.
    pub clients: u32,
    /// From its start to its end.
    pub lived: Duration,
    /// Devices that the broker let in at least once.
    pub connects: u64,
    /// Connects after the first of each.
    pub reconnects: u64,
    /// Times that a device went away by itself, to come back.
    pub flaps: u64,
    /// QoS 1 publishes sent, handshakes, offlines and answers among them.
    pub publishes: u64,
    /// PUBACKs for them.
    pub acknowledged: u64,
    /// Publishes that nobody can read.
    pub poison: u64,
    /// Messages that devices were sent.
    pub heard: u64,
    /// Messages that they answered.
    pub answered: u64,
    /// Publish to PUBACK: the 50th and 99th percentile; `None` without a PUBACK.
    pub waits: Option<(Duration, Duration)>,
    /// What went wrong, by kind, where it did.
    pub errors: Vec<(&'static str, u64)>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            clients,
            connects,
            reconnects,
            flaps,
            publishes,
            acknowledged,
            poison,
            heard,
            answered,
            ..
        } = self;
        let lived_s = self.lived.as_secs_f64();
        writeln!(
            f,
            "fleet: {clients} devices for {lived_s:.1} s: {connects} connected, {flaps} flaps, \
             {reconnects} reconnects"
        )?;
        write!(
            f,
            "  {publishes} publishes ({poison} poison), {acknowledged} PUBACKs"
        )?;
        if let Some((p50, p99)) = self.waits {
            write!(f, ", p50 {}, p99 {}", millis(p50), millis(p99))?;
        }
        writeln!(f, "; {heard} messages heard, {answered} answered")?;
        if self.errors.is_empty() {
            return writeln!(f, "  no errors");
        }
        let kinds = self.errors.iter();
        let kinds: Vec<_> = kinds
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let last = self.last_error.as_deref().unwrap_or_default();
        writeln!(f, "  errors: {}; last: {last}", kinds.join(", "))
    }
}
