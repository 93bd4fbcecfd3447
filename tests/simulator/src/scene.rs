//! What every part of the simulated world shares: clock, log, chance, and the story of the run.

use std::sync::Arc;

use rollcall_log::Clock;

use crate::clock::{START, SimClock};
use crate::faults::{Counts, Fault, Swarm};
use crate::log::SimLog;
use crate::random::Random;

/// What every part of the world shares.
pub(crate) struct Scene {
    /// Time.
    pub(crate) clock: Arc<SimClock>,
    /// The log.
    pub(crate) log: Arc<SimLog>,
    /// How often each fault happened.
    pub(crate) counts: Arc<Counts>,
    /// Which faults this run has.
    pub(crate) swarm: Swarm,
    /// Chance.
    pub(crate) random: Random,
    /// Steps done.
    pub(crate) step: u64,
    /// Whether the story is printed.
    pub(crate) is_told: bool,
}

impl Scene {
    /// Whether `fault` happens now; it is counted if so.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.swarm.strikes(fault, &mut self.random);
        if strikes {
            self.counts.add(fault);
        }
        strikes
    }

    /// Tells what happens, for a run that somebody watches.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if self.is_told {
            let elapsed_ms = self.clock.truth() - START;
            let offset_ms = self.clock.now() - self.clock.truth();
            let (seconds, millis) = (elapsed_ms / 1_000, elapsed_ms % 1_000);
            let offset = if offset_ms == 0 {
                String::new()
            } else {
                format!(" (clock {offset_ms:+} ms)")
            };
            println!("{:5} {seconds:7}.{millis:03}{offset} {}", self.step, line());
        }
    }
}
