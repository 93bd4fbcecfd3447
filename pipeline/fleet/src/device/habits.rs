//! What all devices of a fleet have in common, and their bounds.

use std::time::Duration;

use crate::config::{Options, Prefixes};
use crate::time::Micros;

/// MQTT keep-alive: long, so that ten thousand idle devices cost little.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(120);
/// Silence of its own after which a device sends a PINGREQ.
pub(super) const PING_AFTER: Duration = Duration::from_secs(90);
const _: () = assert!(PING_AFTER.as_secs() < KEEP_ALIVE.as_secs());

/// From CONNECT to CONNACK, at most.
pub(super) const OPENS_WITHIN: Duration = Duration::from_secs(30);
/// From a publish to its PUBACK at most, then the connection counts as dead.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// From a good-bye to its PUBACK at most.
pub(super) const LEAVES_WITHIN: Duration = Duration::from_secs(10);

/// First wait after a connection that failed; later ones double, up to [`BACKOFF_MOST`].
pub(super) const BACKOFF_LEAST: Duration = Duration::from_secs(2);
/// Longest wait after a connection that failed.
pub(super) const BACKOFF_MOST: Duration = Duration::from_secs(30);

/// Publishes without PUBACK beyond which a device starts no new message: a slow broker is not
/// buried.
pub(super) const MESSAGES_IN_FLIGHT_MAX: usize = 16;
/// Publishes without PUBACK beyond which a device answers nothing.
pub(super) const IN_FLIGHT_MAX: usize = 256;
const _: () = assert!(MESSAGES_IN_FLIGHT_MAX < IN_FLIGHT_MAX);

/// Away after the connection was cut; the device notices and comes back.
pub(super) const CUT_FOR: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];
/// Away after a clean good-bye or a restart.
pub(super) const OFF_FOR: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(20)];
/// Away after it was sent away without a time.
pub(super) const REST: Duration = Duration::from_secs(60);
/// From yggd's start to the registration of its workers.
pub(super) const WORKERS_AFTER: [Duration; 2] =
    [Duration::from_millis(200), Duration::from_secs(2)];

/// Flaps of a `draft` device that are clean; in the others the connection is cut.
pub(super) const CLEAN_FLAPS: f64 = 0.5;
/// Clean ones that take the retained handshake away instead of saying offline.
pub(super) const CLEARED: f64 = 0.3;
/// Flaps of yggd that are a restart; in the others its process lives on.
pub(super) const RESTARTS: f64 = 0.4;
/// Messages to a device that it answers.
pub(super) const ANSWERS: f64 = 0.85;
/// Those of a `draft` device that it answers with an error; the rest it leaves alone.
pub(super) const ERRORS: f64 = 0.10;

/// What a fleet's devices share.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    /// Mean time between two messages of one device.
    pub(super) message_every: Option<Duration>,
    /// Mean time between two flaps of one device.
    pub(super) flap_every: Option<Duration>,
    /// Share of messages that nobody can read.
    pub(super) poison: f64,
    /// What the MQTT topics begin with.
    pub(super) prefixes: Prefixes,
    /// When the fleet began: part of every message id.
    pub(super) run: u64,
}

impl Habits {
    /// As `options` say, for a fleet that begins `now`.
    pub(crate) fn new(options: &Options, now: Micros) -> Self {
        Self {
            message_every: options.message_every(),
            flap_every: options.flap_every(),
            poison: options.poison,
            prefixes: options.prefixes.clone(),
            run: now.0.unsigned_abs(),
        }
    }
}
