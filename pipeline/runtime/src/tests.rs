//! The processor on the in-memory log and tables: what a batch reads, writes and vouches for.

mod anywhere;
mod backlog;
mod checkpoint;
mod ids;
mod look_ups;
mod material;
mod rebuild;
mod refused;
mod restart;
mod schedule;
mod self_check;
mod split;
mod support;
mod tampered;
mod turn;
mod write_behind;
