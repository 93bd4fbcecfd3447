//! What the suites stand on: the binary as a child process, MQTT clients, HTTP, waiting for
//! conditions, and the tidy rules. The suites see the product from outside, as its users do.
//!
//! Reading order: `process` (start, kill, restart), `mqtt` (publish, listen), `mosquitto` (a broker
//! that is killed, paused and restarted), `kafka` and `registry` (the same with Kafka and a schema
//! registry; `jvm`, `gate`, `ports` and `certificates` are what they stand on), `kafka_node` (nodes
//! that share a system on Kafka), `load` (many publishers, who know what was acknowledged),
//! `session` and `takeover` (devices that come back behind their own will), `http`, `postgres` (the
//! deployed database), `records` (what the ops port and the API say), `wait` (the condition
//! decides, never the time).

pub mod certificates;
pub mod gate;
pub mod gateway;
pub mod http;
pub mod jvm;
pub mod kafka;
pub mod kafka_load;
pub mod kafka_node;
pub mod kafka_verify;
pub mod lines;
pub mod load;
pub mod moments;
pub mod mosquitto;
pub mod mqtt;
pub mod payload;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod records;
pub mod registry;
pub mod session;
pub mod takeover;
pub mod tidy;
pub mod wait;

pub use process::{Dev, Rollcall};
pub use wait::{eventually, while_it_moves};
