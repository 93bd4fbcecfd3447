//! The live self-check: are the tables still what the fold left there?
//!
//! A restore compares the recorded digest with the schedule; nobody compares the recorded digest
//! with the rows. A bit that flips on the disk, a lost file or a bug would go on unseen until a
//! device is told something wrong. So somebody walks every partition, slowly, in a view that stands
//! still, and raises an alert when rows, digests, indexes and schedule do not belong together.
//!
//! It decides nothing about what is folded and writes nothing: a finding is told, not mended.
//! Reading order: `mismatch` (what can be found), `compare` (the pure walk), `name` (which keys),
//! `witness` (the schedule record), `pace` (how slowly), `run` (the loop).

mod compare;
mod mismatch;
mod name;
mod pace;
mod run;
mod witness;

pub use compare::{Compared, compare};
pub use mismatch::Mismatch;
pub use run::{Finished, How, Report, SelfCheck, Settings};

#[cfg(test)]
pub(crate) use mismatch::Known;
#[cfg(test)]
pub(crate) use pace::{PAGE_MAX, Pace, VIEW_HELD_MAX};
pub(crate) use witness::witness;
