//! What the broker can be told, and its bounds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Smallest packet limit that lets a 1 MiB payload through whole: topic, properties and header are
/// at most 64 KiB each.
const PACKET_BYTES_LEAST: u32 = 1024 * 1024 + 3 * 64 * 1024;

/// How the broker listens, what it keeps, and its bounds.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one. Every client is let in: keep it on loopback.
    pub listen: SocketAddr,
    /// Folder for what outlives the process (retained messages); made when missing.
    pub data_dir: PathBuf,
    /// Largest MQTT packet read. Well above the 1 MiB a payload may have, so that an oversized
    /// publish reaches the hook and can be refused by name; a larger packet closes the connection.
    pub packet_bytes_max: u32,
    /// Retained messages at most; one more is delivered but not retained, counted and logged.
    pub retained_max: usize,
    /// Bytes of retained topics, payloads and properties at most; beyond it as with `retained_max`.
    pub retained_bytes_max: usize,
    /// Messages waiting for one session at most, the oldest is dropped (and counted, and logged)
    /// beyond it. A new subscriber gets all retained messages at once, so this is also the most it
    /// can be sent.
    pub queue_messages_max: usize,
    /// Bytes of messages that all queues together may hold, and those under way, at most; beyond it
    /// messages go to the hook and to no subscriber (and are counted, and logged), and what is sent
    /// to devices fails.
    pub queue_bytes_max: usize,
    /// Publishes of one client in flight to it, and QoS 2 exchanges in flight from it, at most.
    pub inflight_max: u16,
    /// How long an MQTT 3.1.1 session without clean-session is kept after its connection; MQTT 5
    /// clients say it themselves.
    pub session_expiry: Duration,
    /// A new connection of a client id waits that long for the will of its predecessor to be handed
    /// over.
    pub takeover_wait: Duration,
    /// How long a will that the hook refuses is tried again before it is lost.
    pub will_retry: Duration,
    /// How long a shutdown waits for publishes that are in the hook.
    pub drain: Duration,
    /// Threads of the broker's own runtime, at least 1.
    pub threads: usize,
}

impl Options {
    /// Listens on `listen`, keeps its data in `data_dir`, everything else by default.
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            data_dir: data_dir.into(),
            packet_bytes_max: 8 * 1024 * 1024,
            retained_max: 200_000,
            retained_bytes_max: 512 * 1024 * 1024,
            queue_messages_max: 200_000,
            queue_bytes_max: 64 * 1024 * 1024,
            inflight_max: 1_024,
            session_expiry: Duration::from_secs(24 * 60 * 60),
            takeover_wait: Duration::from_secs(5),
            will_retry: Duration::from_secs(60),
            drain: Duration::from_secs(5),
            threads: 2,
        }
    }

    /// The packet limit in use: never below what a payload of 1 MiB needs.
    pub(crate) fn packet_bytes(&self) -> u32 {
        self.packet_bytes_max.max(PACKET_BYTES_LEAST)
    }
}
