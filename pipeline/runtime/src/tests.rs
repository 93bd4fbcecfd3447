//! The processor on the in-memory log and tables: what a batch reads, writes and vouches for.

mod backlog;
mod ids;
mod rebuild;
mod restart;
mod schedule;
mod support;
mod tampered;
mod turn;
