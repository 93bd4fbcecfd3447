//! Simulated devices, many thousands in one process: they connect to any MQTT broker, say who they
//! are, send messages, come and go, and answer what they are sent. They behave like the real ones,
//! also where these behave oddly (yggd's wills, its silence after a reconnect, broken JSON).
//!
//! A fleet knows nothing of logs, rows or of rollcall's processes: it sees a broker from outside.
//!
//! Reading order: `config` (what a fleet is told), `plan` (who each device is, by seed and number),
//! `facts` and `speech` (what devices say), `device` (how one behaves: inputs in, packets out, no
//! IO), `link` (its socket), `stats` and `show` (what is counted, and the line that tells it),
//! `limits` (open files), `run` (the whole fleet).

mod config;
mod device;
mod dice;
mod error;
mod facts;
mod limits;
mod link;
mod plan;
mod run;
mod show;
mod speech;
mod stats;
mod time;

pub use config::{Options, Prefixes, RATE_PER_CLIENT, RATE_UNASKED_MAX};
pub use error::Error;
pub use limits::check_open_files;
pub use run::{Ended, run};
pub use stats::Summary;
