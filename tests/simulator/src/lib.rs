//! The simulator: one seed makes a small world (an in-memory log, tables on a disk that forgets, a
//! bridge, a resolver, a sender, a fleet on a bad network), lets it live through faults for hours
//! of simulated time on one thread, and checks what is left.
//!
//! Processor, bridge and API replica are the real ones, turned by hand; no clock is read and
//! nothing waits. A failing seed gives the same run again. After TigerBeetle's `src/vopr.zig`.
//!
//! Reading order: `random` and `clock`; `faults` (what goes wrong); `log` and `tables` (where it
//! goes wrong); `payload`, `device`, `fleet`, `answers`, `processors`, `watcher` (who is there);
//! `scene`, `world` and `mischief` (the run); `history` (what is left of it) and `check`; `run`,
//! `census` and `sweep` (many of them).

mod answers;
mod clock;
mod device;
mod fleet;
mod log;
mod mischief;
mod payload;
mod processors;
mod random;
mod scene;
mod tables;
mod watcher;
mod world;

pub mod census;
pub mod check;
pub mod faults;
pub mod history;
pub mod run;
pub mod sweep;
