//! An embedded MQTT broker whose PUBACK waits for somebody else: rmqtt with a publish hook.
//!
//! A client connects over plain TCP (MQTT 3.1.1 or 5, no TLS, no password), and each of its
//! publishes and its will is handed to a [`PublishHook`] before it is acknowledged. This crate
//! knows nothing of logs, dialects or rows; the message goes next to whatever the hook stands for
//! (in rollcall: the bridge).
//!
//! Reading order: `config` and `publish` (the words), `gate` (where rmqtt asks and the hook
//! answers), `held` (what queues hold), `sessions` (order between a will and the client's next
//! connection), `wills` (those that a DISCONNECT leaves), `retained` (what survives kill -9),
//! `shared` (shared subscriptions), `send` (the way to the devices), `run` (start and shutdown).
//!
//! Known limits, all rmqtt's: sessions and their queues live in memory and end with the process; a
//! publish without matching subscribers is acknowledged like any other (no MQTT 5 reason 16); a
//! refused publish closes the connection without a DISCONNECT packet; a connection that never sends
//! a CONNECT stays open; a packet over the limit closes its connection without a trace in log or
//! metrics; topic aliases are not offered, and a client that uses one all the same loses its
//! connection (without the reason 0x94); a publish that asks to be retained is, also when the hook
//! dead-letters it as oversized; a client that connects again while its former connection is being
//! ended may be told "server unavailable" and has to try once more; a will behind a DISCONNECT
//! comes when its client closes the connection, at its keep alive at the latest.

mod config;
mod error;
mod gate;
mod held;
mod limits;
mod metrics;
mod publish;
mod retained;
mod run;
mod send;
mod sessions;
mod shared;
mod wills;

pub use config::Options;
pub use error::Error;
pub use metrics::describe;
pub use publish::{BoxFuture, Publish, PublishHook, Verdict};
pub use run::Broker;
pub use send::{Sender, Sent};
