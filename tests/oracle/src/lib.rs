//! The rules of DESIGN.md section 4 a second time: naive, over plain maps, written from the design,
//! the seeds and `docs/rules.md`, not from the fold.
//!
//! [`Oracle`] keeps every row of every client in a map, finds its due timers by looking at all of
//! them, and speaks the model's words, so that what it says can be compared exactly with what the
//! fold says. [`history`] makes whole histories from a seed to compare them on. No IO, no clock.
//! Where the two disagree, the design decides; where it is silent, the fold does, and
//! `docs/rules.md` gets the sentence.

mod arithmetic;
mod deliveries;
mod host;
mod oracle;
mod ordering;
mod presence;
mod probes;
mod tenants;
mod timers;
mod turn;

pub mod history;

pub use oracle::Oracle;
