//! Whole histories from one number: batches of events for a handful of clients, as bad as the world
//! makes them, and the same ones on every run.
//!
//! They are closed loops: the oracle folds a history while it is made, answers name look-ups that
//! were really due, receipts name attempts that were really made. What goes wrong is in
//! `device.rs` (publishes twice, late, swapped, retained, with clocks that jump), in `maker.rs`
//! (answers and receipts late, twice, never, of another id; time) and in `settings.rs` (policies).

mod content;
mod device;
mod maker;
mod random;
mod settings;
mod shrink;

use std::fmt;

use rollcall_model::{Arrival, ClientId, Event, Millis, Policy};

pub use random::Random;

/// What was folded, batch by batch.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Makes this history again, whole: a shrunk one keeps the seed that it came from.
    pub seed: u64,
    /// In order.
    pub batches: Vec<Batch>,
}

/// Records that are folded together, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// In force from here on.
    pub policy: Policy,
    /// The batch's clock; never goes back.
    pub now: Millis,
    /// Timers due up to here fire first; at most `now`, never goes back.
    pub timers_at: Millis,
    /// In the order of a batch: by topic (`Topic::INPUTS`), then offset.
    pub records: Vec<Record>,
}

/// One record of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its key.
    pub client: ClientId,
    /// What it says.
    pub event: Event,
    /// How it came.
    pub arrival: Arrival,
}

impl History {
    /// The history of `seed`.
    pub fn of_seed(seed: u64) -> Self {
        maker::make(seed)
    }

    /// A smaller history that still `fails`: batches and records are left out as long as it does.
    /// Gives the history itself when it does not fail.
    #[must_use]
    pub fn shrink(&self, fails: impl Fn(&History) -> bool) -> Self {
        shrink::shrink(self, fails)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "history of seed {}", self.seed)?;
        let mut policy = None;
        for batch in &self.batches {
            let Batch { now, timers_at, .. } = batch;
            writeln!(f, "batch: now {now}, timers at {timers_at}")?;
            if policy != Some(&batch.policy) {
                writeln!(f, "    policy: {:?}", batch.policy)?;
                policy = Some(&batch.policy);
            }
            for record in &batch.records {
                let arrival = &record.arrival;
                write!(f, "    {} {}", arrival.at, record.client)?;
                write!(f, " appended {}", arrival.appended_at)?;
                write!(f, " received {}", arrival.received_at)?;
                write!(f, " by {} as {}", arrival.bridge, arrival.received_order)?;
                write!(f, "{}", if arrival.is_retained { " retained" } else { "" })?;
                write!(f, "{}", if arrival.is_redelivery { " dup" } else { "" })?;
                writeln!(f, ": {:?}", record.event)?;
            }
        }
        Ok(())
    }
}
