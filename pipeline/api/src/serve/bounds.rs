//! What a port may take of the process.

use std::time::Duration;

use crate::room::Room;

/// How long a connection may be silent, before its first request and between two, and how long a
/// request's head may take. Above the keep-alive of callers that reuse connections for bursts,
/// below the minute after which an operator looks.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a caller may take no byte of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The same where people read: `rollcall tail | less` stands still while they do.
const PATIENT_WRITE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// What a port may take of the process. A connection may be silent for 30 s.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Its name in metrics and logs.
    pub port: &'static str,
    /// Connections at the same time.
    pub connections_max: usize,
    /// Number of the first descriptor that no connection may have: those from there on are kept
    /// for the stores.
    pub descriptors_max: u64,
    /// Bytes of answers in memory, which ports may share.
    pub room: Room,
    pub(crate) idle_timeout: Duration,
    pub(crate) write_timeout: Duration,
}

impl Bounds {
    /// Bounds of the port called `port`; its callers have to take bytes of an answer every 30 s.
    pub fn new(
        port: &'static str,
        connections_max: usize,
        descriptors_max: u64,
        room: Room,
    ) -> Self {
        Self {
            port,
            connections_max,
            descriptors_max,
            room,
            idle_timeout: IDLE_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
        }
    }

    /// For a port with people behind it: an hour instead of 30 s.
    pub fn patient(self) -> Self {
        Self {
            write_timeout: PATIENT_WRITE_TIMEOUT,
            ..self
        }
    }
}
