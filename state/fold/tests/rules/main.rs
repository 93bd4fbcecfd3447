//! The rules, proven: golden scripts, seed 002 line by line, the table of docs/rules.md, and
//! properties.
//!
//! One crate, so that the world, its invariants and the script language are compiled once.

#![allow(
    clippy::unwrap_used,
    reason = "test code, but outside of what clippy takes for tests"
)]

mod invariants;
mod script;
mod world;

mod golden;
mod properties;
mod seed_002;
mod table;
