//! Fold and oracle on generated histories: the same rows and the same records after every batch.
//!
//! `ROLLCALL_SEED=n` runs one history and shows it; `ROLLCALL_SEEDS=n` runs that many.

#![allow(
    clippy::unwrap_used,
    reason = "test code, but outside of what clippy takes for tests"
)]

mod compare;
mod coverage;
mod promises;
mod tables;
