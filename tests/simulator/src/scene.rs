//! What every part of the simulated world shares: clock, log, chance, and the story of the run.

use std::sync::Arc;

use rollcall_log::Clock;

use crate::clock::{START, SimClock};
use crate::faults::{Counts, Fault, Swarm};
use crate::log::SimLog;
use crate::random::Random;

/// What a checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which checker.
    pub checker: &'static str,
    /// What is wrong, and where.
    pub message: String,
}

impl Violation {
    /// A finding of `checker`.
    pub fn new(checker: &'static str, message: impl Into<String>) -> Self {
        Self {
            checker,
            message: message.into(),
        }
    }
}

/// What every part of the world shares.
pub struct Scene {
    /// Time.
    pub clock: Arc<SimClock>,
    /// The log.
    pub log: Arc<SimLog>,
    /// How often each fault happened.
    pub counts: Arc<Counts>,
    /// Which faults this run has.
    pub swarm: Swarm,
    /// Chance.
    pub random: Random,
    /// Steps done.
    pub step: u64,
    /// Whether the story is printed.
    pub is_told: bool,
}

impl Scene {
    /// Whether `fault` happens now; it is counted if so.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.swarm.strikes(fault, &mut self.random);
        if strikes {
            self.counts.add(fault);
        }
        strikes
    }

    /// Tells what happens, for a run that somebody watches.
    pub fn tell(&self, line: impl FnOnce() -> String) {
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
