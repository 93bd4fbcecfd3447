//! One MQTT session that outlives its connections: MQTT 5 and 3.1.1, as a client.
//!
//! [`client`] gives three ends of it. The [`Driver`] connects, again and again; the [`Inbound`] end
//! hands out what the broker delivers, each with the right to acknowledge it; the [`Publisher`] end
//! publishes and waits for the answer. This crate knows nothing of logs, dialects or rows; a
//! publish goes next to whoever holds the inbound end (the bridge), an answer to whoever published
//! (the sender).
//!
//! What is promised:
//! - an acknowledgement leaves after [`Delivery::acknowledge`], in the order in which publishes
//!   came, and never on another connection than the one that brought its publish;
//! - what waits for its acknowledgement is bounded, in number and bytes; when the bound is met, no
//!   more is read, and the broker queues;
//! - a packet of any size that MQTT allows is taken: over [`PACKET_BYTES_MAX`] its publish is cut
//!   ([`Publish::payload_bytes`]), so that it can be put aside and acknowledged, not redelivered
//!   for ever;
//! - the session is kept by the broker while the connection is away; when the broker has lost it,
//!   filters are subscribed anew, retained messages are read again, and [`Delivery::session`]
//!   rises.
//!
//! Subscriptions are made with QoS 1, also for devices that publish with QoS 2: "exactly once" on
//! the wire would need packet ids that survive a kill -9 together with the log's record, and
//! whoever reads the log tells a redelivery by its message id anyway. A QoS 2 delivery, which a
//! session from other times may still hold, is answered properly all the same, at least once.
//!
//! Reading order: `options` and `endpoint` (what is asked for), `packet` and `codec` (what is on
//! the wire), `session` and `outbox` (the rules, without IO), `backoff` and `reason` (when to try
//! again), `turn` (whether this process may), `connection` (one connection), `run` (all of them),
//! `handle` (what users hold).

mod backoff;
mod codec;
mod connection;
mod endpoint;
mod error;
mod handle;
mod options;
mod outbox;
mod packet;
mod reason;
mod run;
mod session;
mod tls;
mod transport;
mod turn;

pub mod metrics;

pub use codec::PACKET_BYTES_MAX;
pub use endpoint::{Endpoint, EndpointError};
pub use error::Error;
pub use handle::{Delivery, Inbound, PublishError, Published, Publisher};
pub use options::{Credentials, IN_FLIGHT_BYTES_MAX, Options, SESSION_EXPIRY_S, TlsFiles, Version};
pub use packet::{Message, Publish};
pub use run::{Driver, Status, client};
