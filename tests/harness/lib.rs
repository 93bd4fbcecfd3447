//! What the suites stand on: the binary as a child process, MQTT clients, HTTP, waiting for
//! conditions, and the tidy rules. The suites see the product from outside, as its users do.
//!
//! Reading order: `process` (start, kill, restart), `mqtt` (publish, listen), `mosquitto` (a broker
//! that is killed, paused and restarted), `load` (many publishers, who know what was acknowledged),
//! `http`, `records` (what the ops port and the API say), `wait` (the condition decides, never the
//! time).

pub mod http;
pub mod lines;
pub mod load;
pub mod mosquitto;
pub mod mqtt;
pub mod payload;
pub mod process;
pub mod records;
pub mod tidy;
pub mod wait;

pub use process::{Dev, Rollcall};
pub use wait::eventually;
